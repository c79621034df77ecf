/* The gradients of whole objectives against central differences, through the reference backend, for
 * every variant of the networks; and what the estimate of mutual information is worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/graph/plan.h"
#include "engine/model/objective_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 3, ANNOTATED = 1, CHECKED = 24 };
#define STEP 1e-6
#define TOLERANCE 2e-5

static gs_device *device;

typedef struct variant {
    const char *name;
    gs_objective objective;
    gs_architecture architecture;
} variant;

static const variant variants[] = {
    {"default", {0}, {GS_NORM_INSTANCE, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, false}},
    {"layer, sum", {0}, {GS_NORM_LAYER, GS_NORM_LAYER, GS_SKIPS_SUM, false}},
    {"instance, concatenated",
     {0},
     {GS_NORM_INSTANCE, GS_NORM_INSTANCE, GS_SKIPS_CONCATENATED, false}},
    {"batch", {0}, {GS_NORM_BATCH, GS_NORM_BATCH, GS_SKIPS_COMPRESSED, false}},
    {"no norms, no skips", {0}, {GS_NORM_NONE, GS_NORM_NONE, GS_SKIPS_NONE, false}},
    {"one direction",
     {.translation = GS_TRANSLATE_REMOVAL},
     {GS_NORM_INSTANCE, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, false}},
    {"no direction",
     {.translation = GS_TRANSLATE_NONE},
     {GS_NORM_INSTANCE, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, false}},
    {"separate decoder",
     {.method = GS_TRAINING_SEPARATE_DECODER},
     {GS_NORM_INSTANCE, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, true}},
    {"averaged",
     {.average_decay = 0.5},
     {GS_NORM_INSTANCE, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, false}},
    {"autoencoder",
     {.method = GS_TRAINING_AUTOENCODER},
     {GS_NORM_INSTANCE, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, false}},
    {"mean teacher with both",
     {.method = GS_TRAINING_MEAN_TEACHER, .dropout = 0.5},
     {GS_NORM_BATCH, GS_NORM_LAYER, GS_SKIPS_COMPRESSED, false}},
};
enum { VARIANTS = sizeof variants / sizeof *variants };

typedef struct whole {
    gs_network network;
    gs_step step;
    gs_plan *plan;
    gs_parameters *parameters;
} whole;

static void expect_ok(gs_status status, const gs_error *err, const char *what) {
    if (status != GS_OK) fail_msg("%s: %s", what, err->text);
}

static void fill(whole *w, const gs_tensor *input, uint64_t stream, int is_binary) {
    if (!input) return;
    size_t count = gs__shape_size(gs_tensor_shape(input));
    float *values = gs_alloc(count, sizeof *values);
    assert_non_null(values);
    gs_random_normal(4, stream, values, count);
    for (size_t i = 0; i < count; i++) values[i] = is_binary ? values[i] > 0.5f : 0.5f * values[i];
    gs_plan_write(w->plan, input, values);
    gs_free(values);
}

static void fill_dropout(whole *w, const gs_dropout *dropout) {
    for (int k = 0; k < dropout->count; k++) {
        size_t count = gs__shape_size(gs_tensor_shape(dropout->factors[k]));
        gs_rng rng = {.seed = 5, .stream = (uint64_t)k};
        float *values = gs_alloc(count, sizeof *values);
        assert_non_null(values);
        for (size_t i = 0; i < count; i++) values[i] = gs_rng_uniform(&rng) < 0.5 ? 0.0f : 2.0f;
        gs_plan_write(w->plan, dropout->factors[k], values);
        gs_free(values);
    }
}

/* Parameters away from where a path is cut off or a kink lies: shifts and biases are random too. */
static void scatter(whole *w) {
    gs_error err;
    expect_ok(gs_network_initialize(&w->network, w->parameters, 6, &err), &err, "initial values");
    double *values = w->parameters->values;
    for (int p = 0; p < w->network.set.count; p++) {
        const gs_parameter *item = &w->network.set.items[p];
        gs_rng rng = {.seed = 7, .stream = (uint64_t)p};
        for (size_t i = 0; item->trained && i < item->size; i++)
            values[item->offset + i] += 0.2 * (gs_rng_uniform(&rng) - 0.5);
    }
}

static void open_whole(whole *w, const variant *v) {
    gs_error err;
    gs_model_config config;
    *w = (whole){0};
    gs_step_options options = {.objective = v->objective,
                               .kind = GS_STEP_EVALUATE,
                               .pairs = PAIRS,
                               .annotated = ANNOTATED};
    options.objective.weights = gs_loss_weights_default();
    options.objective.weights.seg = options.objective.weights.con = 5;
    expect_ok(gs_model_config_make("tiny", 1, 1, 12, 9, &config, &err), &err, v->name);
    config.architecture = v->architecture;
    expect_ok(gs_objective_check(&options.objective, &config.architecture, &err), &err, v->name);
    expect_ok(gs_network_init(&w->network, &config, gs_objective_parts(&options.objective), &err),
              &err, v->name);
    gs_graph *graph = gs_graph_new(&w->network.set);
    gs_step_build(graph, &w->network, &options, &w->step);
    expect_ok(gs_plan_new(graph, device, GS_PLAN_TRAINING, &w->plan, &err), &err, v->name);
    expect_ok(
        gs_parameters_new(&w->network.set, sizeof(double), GS_FOR_TRAINING, &w->parameters, &err),
        &err, v->name);
    scatter(w);
    fill(w, w->step.images, 1, 0);
    fill(w, w->step.unique, 2, 0);
    fill(w, w->step.target, 3, 1);
    fill(w, w->step.annotated, 4, 1);
    fill_dropout(w, &w->step.dropout);
}

static void close_whole(whole *w) {
    gs_plan_free(w->plan);
    gs_parameters_free(w->parameters);
    gs_network_deinit(&w->network);
}

static double read_scalar(const void *plan, const gs_tensor *loss) {
    return gs_plan_scalar(plan, loss);
}

static double objective_of(whole *w) {
    gs_error err;
    double terms[GS_TERM_COUNT];
    expect_ok(gs_plan_run(w->plan, w->parameters, &err), &err, "a run");
    gs_step_losses(&w->step, read_scalar, w->plan, terms);
    return terms[GS_TERM_GEN];
}

/* One element of a trained parameter: its gradient and the slope of the objective. */
static void check_element(whole *w, const char *name, int p, size_t i) {
    const gs_parameter *item = &w->network.set.items[p];
    double *at = (double *)w->parameters->values + item->offset + i;
    double claimed = ((double *)w->parameters->gradients)[item->offset + i], saved = *at;
    *at = saved + STEP;
    double above = objective_of(w);
    *at = saved - STEP;
    double below = objective_of(w), slope = (above - below) / (2 * STEP);
    *at = saved;
    if (!(fabs(slope - claimed) <= TOLERANCE * (1 + fabs(slope))))
        fail_msg("%s: d objective/d %s[%zu] is %.9g, the engine says %.9g", name, item->name, i,
                 slope, claimed);
}

static void gradients_of_every_variant_are_slopes(void **state) {
    (void)state;
    for (int v = 0; v < VARIANTS; v++) {
        whole w;
        open_whole(&w, &variants[v]);
        (void)objective_of(&w);
        gs_group group = gs_network_trained_group(&w.network);
        gs_rng rng = {.seed = 8, .stream = (uint64_t)v};
        int checked = 0, nonzero = 0;
        while (checked < CHECKED) {
            int p = (int)gs_rng_below(&rng, (uint32_t)w.network.set.count);
            const gs_parameter *item = &w.network.set.items[p];
            if (item->group != group || !item->trained) continue;
            size_t i = gs_rng_below(&rng, (uint32_t)item->size);
            (void)objective_of(&w); /* the gradients at the point itself */
            nonzero += ((double *)w.parameters->gradients)[item->offset + i] != 0;
            check_element(&w, variants[v].name, p, i);
            checked++;
        }
        if (nonzero < CHECKED / 3) fail_msg("%s: only %d gradients", variants[v].name, nonzero);
        close_whole(&w);
    }
}

/* ---- Mutual information ------------------------------------------------------------------------
 */

enum { PIXELS = 64, TRAINED = 600, JUDGED = 200 };

/* Codes of PAIRS·… images whose unique channel k is rho times their common channel k, plus noise.
 */
static void write_codes(gs_plan *plan, const gs_tensor *code, double rho, int from, uint64_t step) {
    gs_shape s = gs_tensor_shape(code);
    size_t pixels = (size_t)s.h * (size_t)s.w, count = gs__shape_size(s);
    float *values = gs_alloc(count, sizeof *values);
    assert_non_null(values);
    gs_random_normal(9, step, values, count);
    for (int n = 0; n < s.n; n++)
        for (int c = from; c < s.c; c++)
            for (size_t p = 0; p < pixels; p++) {
                size_t image = (size_t)n * (size_t)s.c;
                float common = values[(image + (size_t)(c - from)) * pixels + p];
                float *unique = &values[(image + (size_t)c) * pixels + p];
                *unique = (float)(rho * (double)common + sqrt(1 - rho * rho) * (double)*unique);
            }
    gs_plan_write(plan, code, values);
    gs_free(values);
}

/* The mean estimate after training; each of U channels adds -log(1 - rho²)/2. */
static double estimate(double rho, double *truth_out) {
    gs_error err;
    gs_model_config config;
    gs_network network;
    gs_plan *plan;
    gs_parameters *parameters;
    expect_ok(gs_model_config_make("tiny", 1, 0, 0, 0, &config, &err), &err, "configuration");
    expect_ok(gs_network_init(&network, &config, GS_PART_ESTIMATOR, &err), &err, "network");
    gs_step step = {.options = {.objective = {.estimates_information = true},
                                .kind = GS_STEP_UPDATE,
                                .pairs = 8}};
    gs_graph *graph = gs_graph_new(&network.set);
    gs_tensor *code = gs_graph_input(graph, "code", (gs_shape){8, 16, 8, PIXELS / 8});
    step.source.code = code;
    gs__step_information(graph, &network, &step);
    gs_device *cpu;
    expect_ok(gs_device_open("cpu", 1, GS_PRECISION_FP32, &cpu, &err), &err, "device");
    expect_ok(gs_plan_new(graph, cpu, GS_PLAN_TRAINING, &plan, &err), &err, "plan");
    expect_ok(gs_parameters_new(&network.set, sizeof(float), GS_FOR_TRAINING, &parameters, &err),
              &err, "parameters");
    expect_ok(gs_network_initialize(&network, parameters, 1, &err), &err, "initial values");
    parameters->learning_rate = 3e-3;
    double sum = 0;
    for (int i = 0; i < TRAINED + JUDGED; i++) {
        double terms[GS_TERM_COUNT];
        write_codes(plan, code, rho, 16 - config.unique_channels, (uint64_t)i);
        expect_ok(gs_plan_run(plan, parameters, &err), &err, "a run");
        gs_step_losses(&step, read_scalar, plan, terms);
        if (i >= TRAINED) sum += terms[GS_TERM_INFORMATION];
    }
    *truth_out = -0.5 * config.unique_channels * log(1 - rho * rho);
    gs_plan_free(plan);
    gs_parameters_free(parameters);
    gs_network_deinit(&network);
    gs_device_close(cpu);
    return sum / JUDGED;
}

/* A lower bound, and with little training a loose one. */
static void the_estimate_tells_dependent_codes_from_independent_ones(void **state) {
    (void)state;
    double truth, none = estimate(0, &truth);
    if (!(fabs(none) < 0.15)) fail_msg("independent codes share %.3f nats", none);
    double some = estimate(0.8, &truth);
    if (!(some > 0.6 * truth && some < 1.15 * truth))
        fail_msg("codes that share %.3f nats are said to share %.3f", truth, some);
}

static int open_device(void **state) {
    (void)state;
    return gs_device_open("reference", 1, GS_PRECISION_FP32, &device, NULL) == GS_OK ? 0 : -1;
}

static int close_device(void **state) {
    (void)state;
    gs_device_close(device);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_every_variant_are_slopes),
        cmocka_unit_test(the_estimate_tells_dependent_codes_from_independent_ones),
    };
    return cmocka_run_group_tests(tests, open_device, close_device);
}

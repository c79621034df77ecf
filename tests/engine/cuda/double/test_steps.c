/* Whole training steps of a reduced `brain`, of every method, through the cuda backend's own code
 * on the test double, against the reference backend: outputs, losses and every gradient, then
 * updates. */
#include "control.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/graph/plan.h"
#include "engine/model/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 2, ANNOTATED = 1, STEPS = 3, HEIGHT = 44, WIDTH = 36 };

/* One step on one backend. */
typedef struct side {
    gs_device *device;
    gs_parameters *parameters;
    gs_plan *plan;
    gs_step step;
} side;

static void expect_ok(gs_status status, const gs_error *err, const char *what) {
    if (status != GS_OK) fail_msg("%s: %s", what, err->text);
}

static void fill(const side *s, const gs_tensor *input, uint64_t stream, bool is_mask) {
    if (!input) return;
    size_t count = gs__shape_size(gs_tensor_shape(input));
    float *values = test_malloc(count * sizeof *values);
    gs_random_normal(3, stream, values, count);
    for (size_t i = 0; i < count; i++)
        values[i] = is_mask ? (float)(values[i] > 0.5f) : tanhf(values[i]);
    gs_plan_write(s->plan, input, values);
    test_free(values);
}

static void fill_inputs(const side *s, uint64_t step) {
    fill(s, s->step.images, 10 * step, false);
    fill(s, s->step.unique, 10 * step + 1, false);
    fill(s, s->step.target, 10 * step + 2, true);
    fill(s, s->step.annotated, 10 * step + 3, true);
    for (int k = 0; k < s->step.dropout.count; k++)
        fill(s, s->step.dropout.factors[k], 100 + (uint64_t)k, true);
}

static side open_side(const gs_network *network, const gs_engine_wish *engine,
                      const gs_objective *objective, gs_step_kind kind) {
    side s = {NULL};
    gs_error err;
    gs_device_options options = {.engine = *engine, .threads = 1};
    gs_step_options step = {
        .objective = *objective, .kind = kind, .pairs = PAIRS, .annotated = ANNOTATED};
    expect_ok(gs_device_open_on(&options, &s.device, &err), &err, engine->backend);
    expect_ok(gs_parameters_new(&network->set, gs_device_backend(s.device)->element_size,
                                GS_FOR_TRAINING, &s.parameters, &err),
              &err, "parameters");
    expect_ok(gs_network_initialize(network, s.parameters, 5, &err), &err, "initial values");
    gs_network_copy_to_student(network, s.parameters);
    gs_graph *graph = gs_graph_new(&network->set);
    gs_step_build(graph, network, &step, &s.step);
    expect_ok(gs_plan_new(graph, s.device, GS_PLAN_TRAINING, &s.plan, &err), &err, "a plan");
    return s;
}

static void close_side(side *s) {
    gs_plan_free(s->plan);
    gs_parameters_free(s->parameters);
    gs_device_close(s->device);
}

static void run(side *s, uint64_t step) {
    gs_error err;
    fill_inputs(s, step);
    expect_ok(gs_plan_run(s->plan, s->parameters, &err), &err, "a step");
    expect_ok(gs_device_fetch(s->device, s->parameters, &err), &err, "fetching");
}

static double read_scalar(const void *plan, const gs_tensor *loss) {
    return gs_plan_scalar(plan, loss);
}

static void compare_losses(const side *a, const side *b, double relative, const char *what) {
    double x[GS_TERM_COUNT], y[GS_TERM_COUNT];
    gs_step_losses(&a->step, read_scalar, a->plan, x);
    gs_step_losses(&b->step, read_scalar, b->plan, y);
    for (int k = 0; k < GS_TERM_COUNT; k++)
        if (!(fabs(x[k] - y[k]) <= relative * fabs(y[k]) + 0.1 * relative))
            fail_msg("%s: loss %s is %g, not %g", what, gs_term_name((gs_term)k), x[k], y[k]);
}

/* As parity judges: by the norm of the difference, with a floor for what cancels. */
static void compare_gradients(const gs_network *network, const side *a, const side *b,
                              const char *what) {
    float *x = test_malloc(network->set.size * sizeof *x),
          *y = test_malloc(network->set.size * sizeof *y);
    double largest = 0;
    for (int p = 0; p < network->set.count; p++) {
        gs_parameters_read(b->parameters, b->parameters->gradients, p, y);
        for (size_t i = 0; i < network->set.items[p].size; i++)
            largest = fmax(largest, fabs((double)y[i]));
    }
    assert_true(largest > 0);
    for (int p = 0; p < network->set.count; p++) {
        const gs_parameter *item = &network->set.items[p];
        double distance = 0, norm = 0;
        gs_parameters_read(a->parameters, a->parameters->gradients, p, x);
        gs_parameters_read(b->parameters, b->parameters->gradients, p, y);
        for (size_t i = 0; i < item->size; i++) {
            distance += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
            norm += (double)y[i] * (double)y[i];
        }
        if (!(sqrt(distance) <= 1e-3 * sqrt(norm) + 1e-6 * largest * sqrt((double)item->size)))
            fail_msg("%s: the gradient of %s is off by %g of %g", what, item->name, sqrt(distance),
                     sqrt(norm));
    }
    test_free(x), test_free(y);
}

static void make_network(const gs_objective *objective, gs_network *out) {
    gs_model_config config;
    gs_error err;
    expect_ok(gs_model_config_make("brain", 0.0625, 2, HEIGHT, WIDTH, &config, &err), &err,
              "config");
    config.architecture.separate_decoder = gs_method_get(objective->method)->separate_decoder;
    if (objective->method == GS_TRAINING_MEAN_TEACHER)
        config.architecture.encoder_norm = GS_NORM_BATCH;
    expect_ok(gs_network_init(out, &config, gs_objective_parts(objective), &err), &err, "network");
}

static const gs_engine_wish in_double = {.backend = "reference"};

static void check_method(gs_training_method method) {
    const gs_engine_wish in_float = {.backend = "cuda"};
    const char *name = gs_method_get(method)->name;
    gs_objective objective = {.method = method, .weights = gs_loss_weights_default()};
    gs_network network;
    make_network(&objective, &network);
    const gs_step_kind kinds[] = {GS_STEP_EVALUATE, GS_STEP_UPDATE};
    for (int k = 0; k < 2; k++) {
        side a = open_side(&network, &in_float, &objective, kinds[k]);
        side b = open_side(&network, &in_double, &objective, kinds[k]);
        for (uint64_t step = 0; step < (kinds[k] == GS_STEP_UPDATE ? STEPS : 1); step++) {
            run(&a, step), run(&b, step);
            compare_losses(&a, &b, 1e-3, name);
        }
        if (kinds[k] == GS_STEP_EVALUATE) compare_gradients(&network, &a, &b, name);
        close_side(&a), close_side(&b);
    }
    gs_network_deinit(&network);
    expect_nothing_alive(name);
}

static void steps_of_every_method_agree_with_the_reference(void **state) {
    (void)state;
    for (int m = 0; m < GS_TRAINING_METHOD_COUNT; m++) check_method((gs_training_method)m);
}

/* Convolutions round their factors to eight bits, so losses agree to two digits or so. */
static void a_step_in_bfloat16_is_close(void **state) {
    (void)state;
    const gs_engine_wish in_bfloat16 = {.backend = "cuda", .precision = GS_PRECISION_BF16};
    gs_objective objective = {.weights = gs_loss_weights_default()};
    gs_network network;
    make_network(&objective, &network);
    side a = open_side(&network, &in_bfloat16, &objective, GS_STEP_UPDATE);
    side b = open_side(&network, &in_double, &objective, GS_STEP_UPDATE);
    run(&a, 0), run(&b, 0);
    compare_losses(&a, &b, 0.05, "in bfloat16");
    close_side(&a), close_side(&b);
    gs_network_deinit(&network);
    expect_nothing_alive("in bfloat16");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_of_every_method_agree_with_the_reference),
        cmocka_unit_test(a_step_in_bfloat16_is_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

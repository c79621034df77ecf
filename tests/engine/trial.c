#include "trial.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- Building -------------------------------------------------------------------------------- */

gs_tensor *trial_input(trial *t, gs_shape shape, input_kind kind) {
    assert_true(t->input_count < TRIAL_INPUTS);
    char name[16];
    snprintf(name, sizeof name, "input %d", t->input_count);
    gs_tensor *input = gs_graph_input(t->graph, name, shape);
    t->inputs[t->input_count] = input;
    t->kinds[t->input_count++] = kind;
    return input;
}

gs_tensor *trial_parameter(trial *t, int parameter) {
    return gs_graph_parameter(t->graph, parameter);
}

void trial_output(trial *t, gs_tensor *tensor) {
    assert_true(t->output_count < TRIAL_OUTPUTS);
    if (tensor && (tensor->base || tensor->storage == GS_IN_ARENA))
        gs_graph_keep(t->graph, tensor, "output");
    t->outputs[t->output_count++] = tensor;
}

void trial_loss(trial *t, gs_tensor *loss, float coefficient) {
    assert_true(t->term_count < TRIAL_TERMS);
    t->terms[t->term_count++] = (gs_loss_term){.loss = loss, .coefficient = coefficient};
}

void trial_project(trial *t, gs_tensor *tensor) {
    if (!tensor) return; /* the graph holds the error */
    trial_output(t, tensor);
    gs_tensor *target = trial_input(t, gs_tensor_shape(tensor), INPUT_FIXED);
    trial_loss(t, gs_graph_loss_squared(t->graph, tensor, target), 0.75f);
}

static void declare_parameters(trial *t) {
    const geometry *g = &t->g;
    int kernel = g->prepare.kernel > 0 ? g->prepare.kernel : 1, c = g->x.c;
    t->weight = gs_parameter_set_add(&t->set, "weight", GS_GROUP_GENERATOR, true, 4,
                                     (int[]){g->outputs, c, kernel, kernel});
    t->u = gs_parameter_set_add(&t->set, "u", GS_GROUP_GENERATOR, false, 1, &g->outputs);
    t->bias = gs_parameter_set_add(&t->set, "bias", GS_GROUP_GENERATOR, true, 1, &g->outputs);
    t->gamma = gs_parameter_set_add(&t->set, "gamma", GS_GROUP_GENERATOR, true, 1, &c);
    t->beta = gs_parameter_set_add(&t->set, "beta", GS_GROUP_GENERATOR, true, 1, &c);
    t->mean = gs_parameter_set_add(&t->set, "mean", GS_GROUP_GENERATOR, false, 1, &c);
    t->variance = gs_parameter_set_add(&t->set, "variance", GS_GROUP_GENERATOR, false, 1, &c);
}

void trial_build(trial *t, const geometry *g, trial_builder *builder, trial_update update) {
    *t = (trial){.g = *g};
    declare_parameters(t);
    t->g.prepare.gamma = t->gamma;
    t->g.prepare.beta = t->beta;
    t->graph = gs_graph_new(&t->set);
    if (!t->graph) return; /* only when the test makes allocations fail */
    builder(t);
    for (int i = 0; i < t->input_count; i++)
        if (t->kinds[i] <= INPUT_PROBABILITY)
            t->gradients[i] =
                gs_graph_input_gradient(t->graph, t->terms, t->term_count, t->inputs[i]);
    gs_graph_backward(t->graph, t->terms, t->term_count, GS_GROUP_GENERATOR);
    if (update == TRIAL_AMSGRAD) gs_graph_amsgrad(t->graph, GS_GROUP_GENERATOR);
}

/* ---- Running --------------------------------------------------------------------------------- */

/* Uniform of either sign and a magnitude in [0.05, 1.05), rounded to float so that both precisions
 * start from the same number. */
static double away_from_zero(gs_rng *rng) {
    double magnitude = 0.05 + gs_rng_uniform(rng);
    return (double)(float)(gs_rng_below(rng, 2) ? magnitude : -magnitude);
}

static double draw(gs_rng *rng, input_kind kind) {
    if (kind == INPUT_PROBABILITY) return (double)(float)(0.02 + 0.96 * gs_rng_uniform(rng));
    if (kind == INPUT_BINARY) return gs_rng_below(rng, 2);
    return away_from_zero(rng);
}

static void fill_inputs(trial *t, uint64_t seed) {
    for (int i = 0; i < t->input_count; i++) {
        gs_rng rng = {.seed = seed, .stream = (uint64_t)i + 1};
        size_t count = gs__shape_size(t->inputs[i]->shape);
        double *values = test_malloc(count * sizeof *values);
        for (size_t k = 0; k < count; k++) values[k] = draw(&rng, t->kinds[i]);
        gs_plan_write_double(t->plan, t->inputs[i], values);
        test_free(values);
    }
}

static void fill_parameters(trial *t, uint64_t seed) {
    for (int p = 0; p < t->set.count; p++) {
        gs_rng rng = {.seed = seed, .stream = 100 + (uint64_t)p};
        size_t count = t->set.items[p].size;
        float *values = test_malloc(count * sizeof *values);
        for (size_t k = 0; k < count; k++) values[k] = (float)away_from_zero(&rng);
        for (size_t k = 0; p == t->variance && k < count; k++) values[k] = fabsf(values[k]);
        gs_parameters_write(t->parameters, t->parameters->values, p, values);
        test_free(values);
    }
}

static void expect_ok(gs_status status, const gs_error *err, const trial *t) {
    if (status != GS_OK)
        fail_msg("%s: %s, %s", geometry_text(&t->g), gs_status_name(status), err->text);
}

void trial_plan(trial *t, gs_device *device, gs_plan_mode mode, uint64_t seed) {
    gs_error err;
    size_t element = gs_device_backend(device)->element_size;
    t->device = device;
    expect_ok(gs_plan_new(t->graph, device, mode, &t->plan, &err), &err, t);
    expect_ok(gs_parameters_new(&t->set, element, GS_FOR_TRAINING, &t->parameters, &err), &err, t);
    fill_inputs(t, seed);
    fill_parameters(t, seed);
}

void trial_run(trial *t) {
    gs_error err;
    expect_ok(gs_plan_run(t->plan, t->parameters, &err), &err, t);
    expect_ok(gs_device_fetch(t->device, t->parameters, &err), &err, t);
}

void trial_deinit(trial *t) {
    if (t->plan)
        gs_plan_free(t->plan);
    else
        gs_graph_free(t->graph);
    gs_parameters_free(t->parameters);
    gs_parameter_set_deinit(&t->set);
    *t = (trial){0};
}

double trial_objective(const trial *t) {
    double total = 0;
    for (int i = 0; i < t->term_count; i++)
        total += (double)t->terms[i].coefficient * gs_plan_scalar(t->plan, t->terms[i].loss);
    return total;
}

/* ---- Reading back ---------------------------------------------------------------------------- */

static reading *add_reading(readings *out, size_t count, const char *kind, const char *name) {
    assert_true(out->count < TRIAL_READINGS);
    reading *r = &out->items[out->count++];
    snprintf(r->name, sizeof r->name, "%s%.40s", kind, name);
    r->count = count;
    r->values = test_calloc(count, sizeof *r->values);
    return r;
}

static void read_tensor(const trial *t, const gs_tensor *tensor, const char *kind, int index,
                        readings *out) {
    if (!tensor || tensor->storage != GS_IN_ARENA) return;
    char name[16];
    snprintf(name, sizeof name, "%d", index);
    reading *r = add_reading(out, gs__shape_size(tensor->shape), kind, name);
    gs_plan_read_double(t->plan, tensor, r->values);
}

static void read_parameter(const trial *t, const void *array, int index, const char *kind,
                           readings *out) {
    const gs_parameter *item = &t->set.items[index];
    reading *r = add_reading(out, item->size, kind, item->name);
    for (size_t i = 0; i < item->size; i++)
        r->values[i] = t->parameters->element_size == sizeof(double)
                           ? ((const double *)array)[item->offset + i]
                           : (double)((const float *)array)[item->offset + i];
}

void trial_read(const trial *t, readings *out) {
    *out = (readings){.count = 0};
    for (int i = 0; i < t->output_count; i++) read_tensor(t, t->outputs[i], "output ", i, out);
    for (int i = 0; i < t->term_count; i++) read_tensor(t, t->terms[i].loss, "loss ", i, out);
    for (int i = 0; i < t->input_count; i++)
        read_tensor(t, t->gradients[i], "gradient of input ", i, out);
    const gs_parameters *p = t->parameters;
    for (int i = 0; i < t->set.count; i++) {
        read_parameter(t, p->values, i, "", out);
        if (!t->graph->gradients[i]) continue;
        read_parameter(t, p->gradients, i, "gradient of ", out);
        read_parameter(t, p->moment1, i, "moment 1 of ", out);
        read_parameter(t, p->moment2, i, "moment 2 of ", out);
        read_parameter(t, p->moment2_max, i, "largest moment 2 of ", out);
    }
}

void readings_deinit(readings *r) {
    for (int i = 0; i < r->count; i++) test_free(r->items[i].values);
    r->count = 0;
}

const char *geometry_text(const geometry *g) {
    static char text[256];
    const gs_prepare_params *p = &g->prepare;
    snprintf(
        text, sizeof text,
        "[%d,%d,%d,%d] O %d K %d stride %d norm %d activate %d slope %g upsample %d crop %dx%d",
        g->x.n, g->x.c, g->x.h, g->x.w, g->outputs, p->kernel, p->stride, (int)p->norm, p->activate,
        (double)p->slope, p->upsample, p->crop_h, p->crop_w);
    return text;
}

const reading *find_reading(const readings *all, const char *name) {
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->items[i].name, name) == 0) return &all->items[i];
    fail_msg("nothing called %s was read back", name);
    return NULL;
}

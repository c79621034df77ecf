/* The planner: where tensors lie, what a run allocates, what plans share, and what happens when
 * memory runs out. The whole training step of the smallest model is the graph that has everything.
 */
#include "operations.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/model/objective.h"

#include <math.h>
#include <string.h>

enum { BACKENDS = 2 };
static const char *const backends[BACKENDS] = {"reference", "cpu"};
static gs_network network;

static gs_device *open_device(const char *backend) {
    gs_device *device = NULL;
    assert_int_equal(gs_device_open(backend, 2, GS_PRECISION_FP32, &device, NULL), GS_OK);
    return device;
}

static gs_parameters *new_parameters(const gs_device *device) {
    gs_parameters *parameters = NULL;
    gs_error err;
    assert_int_equal(gs_parameters_new(&network.set, gs_device_backend(device)->element_size,
                                       GS_FOR_TRAINING, &parameters, &err),
                     GS_OK);
    assert_int_equal(gs_network_initialize(&network, parameters, 5, &err), GS_OK);
    return parameters;
}

static gs_plan *new_plan(gs_graph *graph, gs_device *device, gs_plan_mode mode) {
    gs_plan *plan = NULL;
    gs_error err;
    if (gs_plan_new(graph, device, mode, &plan, &err) != GS_OK) fail_msg("%s", err.text);
    return plan;
}

static void run(gs_plan *plan, gs_parameters *parameters) {
    gs_error err;
    if (gs_plan_run(plan, parameters, &err) != GS_OK) fail_msg("%s", err.text);
}

static void write_random(gs_plan *plan, gs_tensor *input, uint64_t seed) {
    size_t count = gs__shape_size(input->shape);
    float *values = test_malloc(count * sizeof *values);
    gs_random_normal(seed, (uint64_t)input->id, values, count);
    for (size_t i = 0; i < count; i++) values[i] = tanhf(values[i]);
    gs_plan_write(plan, input, values);
    test_free(values);
}

/* ---- The training step ----------------------------------------------------------------------- */

static gs_graph *new_step(gs_step *step) {
    gs_graph *graph = gs_graph_new(&network.set);
    gs_step_build(graph, &network,
                  &(gs_step_options){.kind = GS_STEP_UPDATE,
                                     .pairs = 2,
                                     .annotated = 1,
                                     .objective = {.weights = gs_loss_weights_default()}},
                  step);
    gs_graph_keep(graph, step->diseased, "x_pp, x_ap");
    return graph;
}

static void write_step_inputs(gs_plan *plan, const gs_step *step, uint64_t seed) {
    write_random(plan, step->images, seed);
    write_random(plan, step->unique, seed);
    size_t count = gs__shape_size(step->target->shape);
    float *values = test_malloc(count * sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = i % 7 == seed % 7;
    gs_plan_write(plan, step->target, values);
    for (size_t i = 0; i < count; i++) values[i] = 1;
    gs_plan_write(plan, step->annotated, values);
    test_free(values);
}

/* Two training steps; the kept images of the last into *diseased_out, the parameters into *after.
 */
static void train(const char *backend, gs_plan_mode mode, float *diseased_out, float *after) {
    gs_device *device = open_device(backend);
    gs_step step;
    gs_plan *plan = new_plan(new_step(&step), device, mode);
    gs_parameters *parameters = new_parameters(device);
    for (uint64_t i = 0; i < 2; i++) {
        write_step_inputs(plan, &step, i);
        run(plan, parameters);
    }
    if (gs_plan_broken_guard(plan) && mode == GS_PLAN_GUARDED)
        fail_msg("%s wrote too much", gs_plan_broken_guard(plan));
    gs_plan_read(plan, step.diseased, diseased_out);
    for (int p = 0; p < network.set.count; p++)
        gs_parameters_read(parameters, parameters->values, p, after + network.set.items[p].offset);
    gs_parameters_free(parameters);
    gs_plan_free(plan);
    gs_device_close(device);
}

static void reusing_memory_changes_no_bit(void **state) {
    (void)state;
    size_t images =
        4 * (size_t)(network.config.channels * network.config.height * network.config.columns);
    float *diseased[2], *after[2];
    for (int b = 0; b < BACKENDS; b++) {
        for (int i = 0; i < 2; i++) {
            diseased[i] = test_calloc(images, sizeof(float));
            after[i] = test_calloc(network.set.size, sizeof(float));
            train(backends[b], i ? GS_PLAN_GUARDED : GS_PLAN_TRAINING, diseased[i], after[i]);
        }
        assert_memory_equal(diseased[0], diseased[1], images * sizeof(float));
        assert_memory_equal(after[0], after[1], network.set.size * sizeof(float));
        for (size_t i = 0; i < network.set.size; i++) assert_true(isfinite(after[0][i]));
        for (int i = 0; i < 2; i++) test_free(diseased[i]), test_free(after[i]);
    }
}

/* ---- Placement, checked by brute force --------------------------------------------------------
 */

typedef struct life {
    const gs_tensor *tensor;
    size_t from, to; /* bytes */
    int first, last; /* nodes */
} life;

static bool is_reader_or_writer(const gs_node *node, const gs_tensor *tensor) {
    for (int i = 0; i < node->in_count; i++)
        if (node->in[i] && (node->in[i] == tensor || node->in[i]->base == tensor)) return true;
    for (int i = 0; i < node->out_count; i++)
        if (node->out[i] == tensor) return true;
    return false;
}

/* Inputs are written before the first node, kept tensors read after the last. */
static life life_of(const gs_graph *graph, const gs_tensor *tensor, size_t element) {
    life l = {.tensor = tensor, .from = tensor->offset * element, .first = -1, .last = -1};
    l.to = l.from + (tensor->packed ? tensor->packed : gs__shape_size(tensor->shape) * element);
    for (int n = 0; n < graph->node_count; n++)
        if (is_reader_or_writer(graph->nodes[n], tensor)) {
            if (l.first < 0) l.first = n;
            l.last = n;
        }
    if (tensor->producer < 0) l.first = -1;
    if (tensor->kept) l.last = graph->node_count;
    return l;
}

static void expect_no_overlap(const gs_graph *graph, const gs_plan *plan, size_t element) {
    size_t count = 0;
    life *lives = test_malloc((size_t)graph->tensor_count * sizeof *lives);
    for (int i = 0; i < graph->tensor_count; i++) {
        const gs_tensor *t = graph->tensors[i];
        if (t->base || t->storage != GS_IN_ARENA || t->memory) continue;
        lives[count++] = life_of(graph, t, element);
        assert_true(lives[count - 1].to <= gs_plan_arena_bytes(plan));
        assert_int_equal(lives[count - 1].from % 64, 0);
    }
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            const life *a = &lives[i], *b = &lives[k];
            if (a->first <= b->last && b->first <= a->last && a->from < b->to && b->from < a->to)
                fail_msg("tensors %d and %d share bytes while both are in use", a->tensor->id,
                         b->tensor->id);
        }
    test_free(lives);
}

static void live_tensors_never_share_bytes(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        size_t element = gs_device_backend(device)->element_size;
        gs_step step;
        gs_graph *graph = new_step(&step);
        gs_plan *plan = new_plan(graph, device, GS_PLAN_TRAINING);
        expect_no_overlap(graph, plan, element);
        size_t reused = gs_plan_arena_bytes(plan);
        gs_plan_free(plan);
        plan = new_plan(new_step(&step), device, GS_PLAN_GUARDED);
        assert_true(reused * 2 < gs_plan_arena_bytes(plan)); /* the planner earns its keep */
        gs_plan_free(plan);
        gs_device_close(device);
    }
}

/* ---- Inference ------------------------------------------------------------------------------- */

typedef struct segmentation {
    gs_tensor *images, *probability, *weight;
} segmentation;

static gs_graph *new_segmentation(segmentation *s, int samples) {
    const gs_model_config *c = &network.config;
    gs_graph *graph = gs_graph_new(&network.set);
    s->images =
        gs_graph_input(graph, "images", (gs_shape){samples, c->channels, c->height, c->columns});
    gs_encoding code =
        gs_network_encode(graph, &network.generator.encoder, s->images, (gs_pass){0});
    s->probability = gs_network_decode(graph, &network.generator.decoder_residual, code.code, &code,
                                       GS_DECODE_SEGMENTATION, (gs_pass){0});
    gs_graph_keep(graph, s->probability, "probability");
    s->weight = gs_graph_effective_weight(graph, network.generator.encoder.conv0.weight,
                                          network.generator.encoder.conv0.u);
    gs_graph_keep(graph, s->weight, "weight");
    return graph;
}

typedef struct segmented {
    gs_plan *plan;
    segmentation s;
} segmented;

static segmented plan_segmentation(gs_device *device, gs_plan_mode mode, int samples) {
    segmented p;
    gs_graph *graph = new_segmentation(&p.s, samples);
    p.plan = new_plan(graph, device, mode);
    if (mode == GS_PLAN_INFERENCE)
        expect_no_overlap(graph, p.plan, gs_device_backend(device)->element_size);
    return p;
}

/* Runs and reads one map, [N,1,H,W] or the effective weight. Caller frees with test_free. */
static double *run_and_read(segmented *p, gs_parameters *parameters, const gs_tensor *tensor) {
    double *values = test_malloc(gs__shape_size(tensor->shape) * sizeof *values);
    write_random(p->plan, p->s.images, 1);
    run(p->plan, parameters);
    gs_plan_read_double(p->plan, tensor, values);
    return values;
}

static void expect_equal_plans(segmented *a, segmented *b, gs_parameters *parameters) {
    const gs_tensor *of_a[] = {a->s.probability, a->s.weight};
    const gs_tensor *of_b[] = {b->s.probability, b->s.weight};
    for (int i = 0; i < 2; i++) {
        double *x = run_and_read(a, parameters, of_a[i]), *y = run_and_read(b, parameters, of_b[i]);
        assert_memory_equal(x, y, gs__shape_size(of_a[i]->shape) * sizeof *x);
        test_free(x), test_free(y);
    }
}

static void inference_follows_changed_parameters(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        gs_parameters *parameters = new_parameters(device);
        segmented inference = plan_segmentation(device, GS_PLAN_INFERENCE, 2);
        segmented every_time = plan_segmentation(device, GS_PLAN_TRAINING, 2);
        expect_equal_plans(&inference, &every_time, parameters);
        double *before = run_and_read(&inference, parameters, inference.s.probability);
        assert_int_equal(gs_network_initialize(&network, parameters, 6, NULL), GS_OK);
        expect_equal_plans(&inference, &every_time, parameters);
        double *after = run_and_read(&inference, parameters, inference.s.probability);
        assert_memory_not_equal(before, after, sizeof *before);
        test_free(before), test_free(after);
        gs_plan_free(inference.plan), gs_plan_free(every_time.plan);
        gs_parameters_free(parameters);
        gs_device_close(device);
    }
}

/* The second plan makes the device's memory grow, and so move. */
static void plans_share_a_device(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        gs_parameters *parameters = new_parameters(device);
        segmented small = plan_segmentation(device, GS_PLAN_INFERENCE, 1);
        double *alone = run_and_read(&small, parameters, small.s.probability);
        segmented large = plan_segmentation(device, GS_PLAN_INFERENCE, 5);
        double *with_others = run_and_read(&large, parameters, large.s.probability);
        double *again = run_and_read(&small, parameters, small.s.probability);
        assert_memory_equal(alone, again,
                            gs__shape_size(small.s.probability->shape) * sizeof *alone);
        test_free(alone), test_free(with_others), test_free(again);
        gs_plan_free(small.plan), gs_plan_free(large.plan);
        gs_parameters_free(parameters);
        gs_device_close(device);
    }
}

static bool is_of_weights(const char *op) {
    return strcmp(op, "effective_weight") == 0 || strcmp(op, "subpixel_weight") == 0 ||
           strcmp(op, "border_weight") == 0 || strcmp(op, "pack_weight") == 0;
}

/* Runs so far of the nodes that depend on parameters alone. */
static int constant_runs(const segmented *p) {
    int runs = 0;
    for (int i = 0; i < gs_plan_node_count(p->plan); i++) {
        gs_node_profile profile;
        gs_plan_profile(p->plan, i, &profile);
        if (is_of_weights(profile.op)) runs += profile.runs;
    }
    return runs;
}

/* One makes the weights as kernels read them, the other finds them, and whichever runs first with
 * new parameters makes them anew for both. */
static void plans_of_a_device_share_prepared_weights(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        gs_parameters *parameters = new_parameters(device);
        segmented one = plan_segmentation(device, GS_PLAN_INFERENCE, 1);
        segmented two = plan_segmentation(device, GS_PLAN_INFERENCE, 2);
        segmented fresh = plan_segmentation(device, GS_PLAN_TRAINING, 1);
        size_t bytes = gs__shape_size(one.s.probability->shape) * sizeof(double);
        test_free(run_and_read(&one, parameters, one.s.probability));
        int made = constant_runs(&one);
        assert_true(made > 10);
        test_free(run_and_read(&two, parameters, two.s.probability));
        assert_int_equal(constant_runs(&two), 0);
        assert_int_equal(gs_network_initialize(&network, parameters, 6, NULL), GS_OK);
        test_free(run_and_read(&two, parameters, two.s.probability));
        assert_int_equal(constant_runs(&two), made);
        double *shared = run_and_read(&one, parameters, one.s.probability);
        assert_int_equal(constant_runs(&one), made);
        gs_plan_free(two.plan); /* what it shares remains */
        double *again = run_and_read(&one, parameters, one.s.probability);
        double *expected = run_and_read(&fresh, parameters, fresh.s.probability);
        assert_memory_equal(shared, expected, bytes);
        assert_memory_equal(again, expected, bytes);
        test_free(shared), test_free(again), test_free(expected);
        gs_plan_free(one.plan), gs_plan_free(fresh.plan);
        gs_parameters_free(parameters);
        gs_device_close(device);
    }
}

/* As when fine-tuned weights take the place of others: same counts of changes, other values. */
static void parameters_may_be_exchanged(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        gs_parameters *first = new_parameters(device), *second = new_parameters(device);
        assert_int_equal(gs_network_initialize(&network, first, 5, NULL), GS_OK);
        assert_int_equal(gs_network_initialize(&network, second, 6, NULL), GS_OK);
        segmented plan = plan_segmentation(device, GS_PLAN_INFERENCE, 1);
        size_t bytes = gs__shape_size(plan.s.probability->shape) * sizeof(double);
        double *one = run_and_read(&plan, first, plan.s.probability);
        double *two = run_and_read(&plan, second, plan.s.probability);
        double *one_again = run_and_read(&plan, first, plan.s.probability);
        assert_memory_not_equal(one, two, bytes);
        assert_memory_equal(one, one_again, bytes);
        test_free(one), test_free(two), test_free(one_again);
        gs_plan_free(plan.plan);
        gs_parameters_free(first), gs_parameters_free(second);
        gs_device_close(device);
    }
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void a_run_allocates_nothing(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        gs_parameters *parameters = new_parameters(device);
        gs_step step;
        gs_plan *training = new_plan(new_step(&step), device, GS_PLAN_TRAINING);
        segmented inference = plan_segmentation(device, GS_PLAN_INFERENCE, 1);
        write_step_inputs(training, &step, 1);
        write_random(inference.plan, inference.s.images, 1);
        uint64_t before = gs_memory_count();
        for (int i = 0; i < 2; i++) {
            run(training, parameters);
            run(inference.plan, parameters);
        }
        assert_int_equal(gs_memory_count(), before);
        gs_plan_free(training), gs_plan_free(inference.plan);
        gs_parameters_free(parameters);
        gs_device_close(device);
    }
}

/* Views, slices, many uses of one tensor, a spectral norm and an update: a small graph with an
 * allocation of every kind. */
static void build_a_little_of_all(trial *t) {
    gs_shape s = t->g.x;
    gs_tensor *x = trial_input(t, s, INPUT_VALUES), *sum = x;
    for (int i = 0; i < GS_MAX_INPUTS + 1; i++) sum = gs_graph_add(t->graph, sum, x);
    gs_tensor *h = gs_graph_conv2d(t->graph, gs_graph_prepare(t->graph, sum, t->g.prepare),
                                   gs_graph_effective_weight(t->graph, t->weight, t->u),
                                   trial_parameter(t, t->bias), 1);
    gs_tensor *view = gs_graph_batch_view(t->graph, h, 1, 1);
    gs_tensor *joined = gs_graph_concat_channels(t->graph, view, view);
    trial_loss(
        t, gs_graph_loss_negative_mean(t->graph, gs_graph_slice_channels(t->graph, joined, 1, 2)),
        1);
    gs_graph_power_iteration(t->graph, t->weight, t->u);
}

/* Builds and plans; with the n-th allocation from the graph on failing (0 = none). */
static gs_status build_and_plan(gs_device *device, uint64_t n, bool persistent,
                                uint64_t *used_out) {
    static const geometry g = {.x = {2, 2, 4, 3},
                               .outputs = 2,
                               .prepare = {.norm = GS_NORM_LAYER, .activate = true, .kernel = 3}};
    trial t;
    gs_error err = {0};
    uint64_t before = gs_memory_count();
    gs_memory_fail_at(n, persistent);
    trial_build(&t, &g, build_a_little_of_all, TRIAL_AMSGRAD);
    gs_plan *plan = NULL;
    gs_status status =
        t.graph ? gs_plan_new(t.graph, device, GS_PLAN_TRAINING, &plan, &err) : GS_OUT_OF_MEMORY;
    gs_memory_fail_at(0, false);
    *used_out = gs_memory_count() - before;
    assert_int_equal(plan != NULL, status == GS_OK);
    if (t.graph && status != GS_OK) assert_true(err.text[0]);
    gs_plan_free(plan);
    t.graph = NULL; /* the plan's, also when planning failed */
    trial_deinit(&t);
    return status;
}

static void running_out_of_memory_is_reported(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        uint64_t needed, used;
        assert_int_equal(build_and_plan(device, 0, false, &needed), GS_OK);
        assert_true(needed > 100);
        gs_device_close(device);
        for (uint64_t n = 1; n <= needed; n++)
            for (int persistent = 0; persistent < 2; persistent++) {
                device = open_device(backends[b]); /* fresh: its memory is to be allocated */
                gs_status status = build_and_plan(device, n, persistent, &used);
                if (status != GS_OUT_OF_MEMORY)
                    fail_msg("allocation %d of %d failed: %s", (int)n, (int)needed,
                             gs_status_name(status));
                assert_int_equal(build_and_plan(device, 0, false, &used), GS_OK);
                gs_device_close(device);
            }
    }
}

/* Plans a larger batch with the n-th allocation failing, then runs the small plan. */
static gs_status run_after_failure(gs_device *device, segmented *small, gs_parameters *parameters,
                                   uint64_t n, bool persistent) {
    segmentation s;
    gs_plan *large = NULL;
    gs_memory_fail_at(n, persistent);
    gs_status status =
        gs_plan_new(new_segmentation(&s, 5), device, GS_PLAN_INFERENCE, &large, NULL);
    gs_memory_fail_at(0, false);
    assert_int_equal(status, GS_OUT_OF_MEMORY);
    write_random(small->plan, small->s.images, 1);
    return gs_plan_run(small->plan, parameters, NULL);
}

/* Allocations of planning a larger batch on a device that has run the smaller. */
static uint64_t allocations_of_larger(const char *backend) {
    gs_device *device = open_device(backend);
    segmented small = plan_segmentation(device, GS_PLAN_INFERENCE, 1), large;
    uint64_t before = gs_memory_count();
    large = plan_segmentation(device, GS_PLAN_INFERENCE, 5);
    uint64_t needed = gs_memory_count() - before;
    gs_plan_free(small.plan), gs_plan_free(large.plan);
    gs_device_close(device);
    return needed;
}

/* The last allocations of planning are the device's scratch and arena and the plan's constants. */
static void a_plan_outlives_a_larger_one_that_found_no_memory(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        uint64_t needed = allocations_of_larger(backends[b]);
        for (uint64_t late = 0; late < 3; late++)
            for (int persistent = 0; persistent < 2; persistent++) {
                gs_device *device = open_device(backends[b]);
                gs_parameters *parameters = new_parameters(device);
                segmented small = plan_segmentation(device, GS_PLAN_INFERENCE, 1);
                double *alone = run_and_read(&small, parameters, small.s.probability);
                size_t bytes = gs__shape_size(small.s.probability->shape) * sizeof *alone;
                gs_status status =
                    run_after_failure(device, &small, parameters, needed - late, persistent);
                /* Only what can be had again can be used again. */
                if (!persistent)
                    assert_int_equal(status, GS_OK);
                else
                    assert_true(status == GS_OK || status == GS_OUT_OF_MEMORY);
                if (status == GS_OK) {
                    double *again = run_and_read(&small, parameters, small.s.probability);
                    assert_memory_equal(alone, again, bytes);
                    test_free(again);
                }
                test_free(alone);
                gs_plan_free(small.plan);
                gs_parameters_free(parameters);
                gs_device_close(device);
            }
    }
}

/* ---- Reading, writing, devices ----------------------------------------------------------------
 */

static void build_copy(trial *t) {
    gs_tensor *x = trial_input(t, t->g.x, INPUT_FIXED);
    trial_output(t, gs_graph_add(t->graph, x, x));
}

static void values_go_in_and_out_channels_first(void **state) {
    (void)state;
    enum { SIZE = 2 * 3 * 4 * 5 };
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        trial t;
        float in[SIZE], out[SIZE], part[SIZE / 2];
        double wide[SIZE];
        for (int i = 0; i < SIZE; i++) in[i] = (float)i + 0.5f;
        trial_build(&t, &(geometry){.x = {2, 3, 4, 5}, .outputs = 1}, build_copy,
                    TRIAL_GRADIENTS_ONLY);
        gs_tensor *second = gs_graph_batch_view(t.graph, t.outputs[0], 1, 1);
        trial_plan(&t, device, GS_PLAN_TRAINING, 1);
        gs_plan_write(t.plan, t.inputs[0], in);
        trial_run(&t);
        gs_plan_read(t.plan, t.outputs[0], out);
        gs_plan_read_double(t.plan, t.outputs[0], wide);
        gs_plan_read(t.plan, second, part);
        for (int i = 0; i < SIZE; i++) {
            assert_true(out[i] == 2 * in[i]);
            assert_true(wide[i] == 2 * (double)in[i]);
            assert_true(i < SIZE / 2 || part[i - SIZE / 2] == out[i]);
        }
        trial_deinit(&t);
        gs_device_close(device);
    }
}

static void devices_are_found_by_name(void **state) {
    (void)state;
    gs_device *device = NULL;
    gs_error err;
    assert_int_equal(gs_device_open("gpu9", 1, GS_PRECISION_FP32, &device, &err), GS_NOT_FOUND);
    assert_non_null(strstr(err.text, "gpu9"));
    assert_non_null(strstr(err.text, "cpu"));
    assert_null(device);
    assert_int_equal(gs_device_open(NULL, 0, GS_PRECISION_FP32, &device, &err), GS_OK);
    assert_string_equal(gs_device_backend(device)->name, "cpu");
    assert_true(gs_device_threads(device) >= 1);
    gs_device_close(device);
    gs_device_close(NULL);
}

static void profile_tells_of_every_node(void **state) {
    (void)state;
    gs_device *device = open_device("cpu");
    gs_parameters *parameters = new_parameters(device);
    segmentation s;
    gs_graph *graph = new_segmentation(&s, 1);
    gs_plan *plan = new_plan(graph, device, GS_PLAN_INFERENCE);
    write_random(plan, s.images, 1);
    run(plan, parameters);
    run(plan, parameters);
    int convolutions = 0;
    for (int i = 0; i < gs_plan_node_count(plan); i++) {
        gs_node_profile p;
        gs_plan_profile(plan, i, &p);
        assert_true(p.seconds > 0 && p.bytes > 0);
        assert_int_equal(p.runs, graph->nodes[i]->constant ? 1 : 2);
        if (strcmp(p.op, "conv") != 0) continue;
        gs_shape w = graph->nodes[i]->in[1]->shape, y = graph->nodes[i]->out[0]->shape;
        assert_true(p.operations == 2.0 * w.n * w.c * w.h * w.w * y.n * y.h * y.w);
        assert_non_null(strstr(p.shapes, " -> "));
        convolutions++;
    }
    assert_true(convolutions > 0);
    gs_plan_free(plan);
    gs_parameters_free(parameters);
    gs_device_close(device);
}

/* Bytes in use during a node, each tensor's rounded up as the planner does. */
static size_t bytes_during(const gs_graph *graph, int node, size_t element) {
    size_t total = 0;
    for (int i = 0; i < graph->tensor_count; i++) {
        const gs_tensor *t = graph->tensors[i];
        if (t->base || t->storage != GS_IN_ARENA || t->memory) continue;
        life l = life_of(graph, t, element);
        if (l.first <= node && node <= l.last) total += (l.to - l.from + 63) / 64 * 64;
    }
    return total;
}

static void the_peak_is_where_most_is_in_use(void **state) {
    (void)state;
    for (int b = 0; b < BACKENDS; b++) {
        gs_device *device = open_device(backends[b]);
        size_t element = gs_device_backend(device)->element_size, most = 0, listed = 0;
        gs_step step;
        gs_graph *graph = new_step(&step);
        gs_plan *plan = new_plan(graph, device, GS_PLAN_TRAINING);
        gs_plan_peak peak;
        assert_int_equal(gs_plan_find_peak(plan, &peak, NULL), GS_OK);
        for (int n = 0; n < graph->node_count; n++) {
            size_t bytes = bytes_during(graph, n, element);
            if (bytes > most) most = bytes;
        }
        assert_int_equal(peak.bytes, most);
        assert_int_equal(bytes_during(graph, peak.node, element), most);
        for (int i = 0; i < peak.count; i++) {
            listed += peak.tensors[i].bytes;
            assert_true(i == 0 || peak.tensors[i].bytes <= peak.tensors[i - 1].bytes);
        }
        assert_int_equal(listed, most);
        assert_true(gs_plan_arena_bytes(plan) >= most);
        gs_free(peak.tensors);
        gs_plan_free(plan);
        gs_device_close(device);
    }
}

static int describe_network(void **state) {
    (void)state;
    gs_model_config config;
    if (gs_model_config_make("tiny", 1, 0, 0, 0, &config, NULL) != GS_OK) return -1;
    return gs_network_init(&network, &config, GS_PART_DISCRIMINATORS, NULL) == GS_OK ? 0 : -1;
}

static int forget_network(void **state) {
    (void)state;
    gs_network_deinit(&network);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(live_tensors_never_share_bytes),
        cmocka_unit_test(reusing_memory_changes_no_bit),
        cmocka_unit_test(inference_follows_changed_parameters),
        cmocka_unit_test(plans_share_a_device),
        cmocka_unit_test(plans_of_a_device_share_prepared_weights),
        cmocka_unit_test(parameters_may_be_exchanged),
        cmocka_unit_test(a_run_allocates_nothing),
        cmocka_unit_test(running_out_of_memory_is_reported),
        cmocka_unit_test(a_plan_outlives_a_larger_one_that_found_no_memory),
        cmocka_unit_test(values_go_in_and_out_channels_first),
        cmocka_unit_test(devices_are_found_by_name),
        cmocka_unit_test(profile_tells_of_every_node),
        cmocka_unit_test(the_peak_is_where_most_is_in_use),
    };
    return cmocka_run_group_tests(tests, describe_network, forget_network);
}

/* The cpu backend against the reference backend, for every operation and many shapes; and what the
 * cpu backend promises about threads. */
#include "comparison.h"

#include "base/random.h"

#include <math.h>
#include <stdlib.h>

enum { SEED = 7, MAP_SHAPES = 24, KERNEL_SHAPES = 40, PREPARE_SHAPES = 160 };

static gs_device *reference, *one_thread, *two_threads;
/* With GENSEG_EMULATE_BF16 in the environment all is computed in bfloat16. */
static bool is_bfloat16;
static bool seen[GS_OP_COUNT];

/* Single precision carries 6e-8; sums of a few thousand products and the cancellation x - mean lose
 * two decimals more. bfloat16 carries 4e-3 of values of about one; a bias's gradient is a
 * difference of sums of them. */
static const tolerance single = {2e-5, 1e-6, 1e-4}, half = {2e-2, 2e-2 + 1e-6, 2e-2 + 1e-4};
/* Of maps as large as threads share: gradients of a mean over so many values are far below what is
 * allowed above, and no variance is near zero. */
enum { LARGE_MAP = 32768 };
static const tolerance single_large = {1e-4, 0, 0}, half_large = {2e-2, 0, 0};

static const tolerance *allowed_for(const geometry *g) {
    if (gs__shape_size(g->x) > LARGE_MAP) return is_bfloat16 ? &half_large : &single_large;
    return is_bfloat16 ? &half : &single;
}

/* Runs a trial on a device, three times where runs build on each other. */
static void run_on(gs_device *device, const operation_trial *operation, const geometry *g,
                   readings *out) {
    trial t;
    trial_build(&t, g, operation->build, operation->update);
    trial_plan(&t, device, GS_PLAN_GUARDED, SEED);
    for (int i = 0; i < t.graph->node_count; i++) seen[t.graph->nodes[i]->op] = true;
    for (int i = 0; i < (operation->has_state ? 3 : 1); i++) trial_run(&t);
    trial_read(&t, out);
    const char *broken = gs_plan_broken_guard(t.plan);
    if (broken) fail_msg("%s %s: %s wrote too much", operation->name, geometry_text(g), broken);
    trial_deinit(&t);
}

static void check_trial(const operation_trial *operation, const geometry *g) {
    readings expected, one, two, again;
    run_on(reference, operation, g, &expected);
    run_on(one_thread, operation, g, &one);
    run_on(two_threads, operation, g, &two);
    run_on(two_threads, operation, g, &again);
    const tolerance *allowed = allowed_for(g);
    compare_all(operation->name, g, &expected, &one, allowed);
    compare_all(operation->name, g, &expected, &two, allowed);
    expect_same_bits(operation->name, g, &two, &again);
    readings_deinit(&expected), readings_deinit(&one);
    readings_deinit(&two), readings_deinit(&again);
}

static void check_operations(geometry_needs needs, int shapes) {
    for (int i = 0; i < operation_trial_count; i++) {
        const operation_trial *operation = &operation_trials[i];
        if (operation->needs != needs) continue;
        gs_rng rng = {.seed = SEED, .stream = (uint64_t)i};
        for (int k = 0; k < shapes; k++) {
            geometry g = random_geometry(&rng, needs);
            if (k == 0) g.x = (gs_shape){1, 1, 1, 1};
            if (k == 1) g.x = (gs_shape){2, 17, 1, 1};
            check_trial(operation, &g);
        }
    }
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void joins_pointwise_functions_and_losses(void **state) {
    (void)state;
    check_operations(ANY_MAP, MAP_SHAPES);
}

static void convolutions(void **state) {
    (void)state;
    check_operations(ANY_KERNEL, KERNEL_SHAPES);
}

static void preparation(void **state) {
    (void)state;
    check_operations(ANY_PREPARE, PREPARE_SHAPES);
}

/* Samples that all threads work on, samples of their own, and a number that cannot be shared out.
 */
static const gs_shape large_maps[] = {{1, 17, 131, 125}, {2, 4, 130, 90}, {3, 33, 37, 31}};

static void maps_that_threads_share(void **state) {
    (void)state;
    const char *const trials[] = {"prepare", "prepare_twice", "affine_instance_norm", "batch_norm"};
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        for (size_t k = 0; k < sizeof large_maps / sizeof *large_maps; k++)
            for (gs_norm norm = GS_NORM_NONE; norm <= GS_NORM_LAYER; norm++)
                for (int kernel = 1; kernel <= 4; kernel += 3)
                    check_trial(find_trial(trials[i]), &(geometry){.x = large_maps[k],
                                                                   .outputs = 1,
                                                                   .prepare = {.kernel = kernel,
                                                                               .stride = 1,
                                                                               .norm = norm,
                                                                               .activate = true,
                                                                               .slope = 0.2f}});
    for (int kernel = 3; kernel <= 5; kernel += 2)
        check_trial(find_trial("upsampled_block"),
                    &(geometry){.x = {1, 17, 50, 45}, .outputs = 3, .prepare = {.kernel = kernel}});
}

static void weights_that_threads_share(void **state) {
    (void)state;
    const geometry g = {.x = {2, 73, 4, 3}, .outputs = 69, .prepare = {.kernel = 3, .stride = 1}};
    const char *const trials[] = {"layer", "power_iteration", "upsampled_block"};
    for (size_t i = 0; i < sizeof trials / sizeof *trials; i++)
        check_trial(find_trial(trials[i]), &g);
}

/* oneDNN 2.6's "jit_1x1", which no longer computes them, got these wrong: with two threads, one
 * sample and maps of these sizes its gradients of strided 1x1 weights were off by their own size.
 */
static void gradient_of_strided_pointwise_weights(void **state) {
    (void)state;
    const operation_trial *conv = find_trial("conv");
    const int side[] = {16, 48}, outputs[] = {1, 8, 17};
    for (int c = 7; c <= 17; c += 2)
        for (int k = 0; k < 6; k++)
            check_trial(conv, &(geometry){.x = {1, c, side[k % 2], side[k % 2]},
                                          .outputs = outputs[k / 2],
                                          .prepare = {.kernel = 1, .stride = 2}});
}

static void build_squashed(trial *t) {
    gs_tensor *x = trial_input(t, t->g.x, INPUT_FIXED);
    trial_output(t, gs_graph_tanh(t->graph, x));
    trial_output(t, gs_graph_sigmoid(t->graph, x));
}

/* The cpu backend has polynomials of its own: they are good to a few units in the last place. */
static void tanh_and_sigmoid_keep_their_digits(void **state) {
    (void)state;
    enum { COUNT = 4001 };
    double *x = test_malloc(COUNT * sizeof *x);
    for (int i = 0; i < COUNT; i++) x[i] = (double)(float)(0.006 * (i - COUNT / 2));
    trial t;
    readings all;
    trial_build(&t, &(geometry){.x = {1, 1, 1, COUNT}, .outputs = 1}, build_squashed,
                TRIAL_GRADIENTS_ONLY);
    trial_plan(&t, two_threads, GS_PLAN_GUARDED, SEED);
    gs_plan_write_double(t.plan, t.inputs[0], x);
    trial_run(&t);
    trial_read(&t, &all);
    for (int i = 0; i < COUNT; i++) {
        double expected[] = {tanh(x[i]), 1 / (1 + exp(-x[i]))};
        for (int k = 0; k < 2; k++)
            if (!(fabs(all.items[k].values[i] - expected[k]) <= 5e-7 * fabs(expected[k])))
                fail_msg("%s of %g is %.9g, not %.9g", k ? "sigmoid" : "tanh", x[i],
                         all.items[k].values[i], expected[k]);
    }
    readings_deinit(&all);
    trial_deinit(&t);
    test_free(x);
}

/* Last: all trials have run. */
static void every_operation_has_a_trial(void **state) {
    (void)state;
    for (int op = 0; op < GS_OP_COUNT; op++)
        if (!seen[op]) fail_msg("no trial runs %s", gs_op_name((gs_op)op));
}

static int open_devices(void **state) {
    (void)state;
    is_bfloat16 = getenv("GENSEG_EMULATE_BF16") != NULL;
    gs_precision precision = is_bfloat16 ? GS_PRECISION_BF16 : GS_PRECISION_FP32;
    bool ok = gs_device_open("reference", 1, GS_PRECISION_FP32, &reference, NULL) == GS_OK &&
              gs_device_open("cpu", 1, precision, &one_thread, NULL) == GS_OK &&
              gs_device_open("cpu", 2, precision, &two_threads, NULL) == GS_OK;
    return ok && gs_device_precision(two_threads) == precision ? 0 : -1;
}

static int close_devices(void **state) {
    (void)state;
    gs_device_close(reference), gs_device_close(one_thread), gs_device_close(two_threads);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_pointwise_functions_and_losses),
        cmocka_unit_test(convolutions),
        cmocka_unit_test(preparation),
        cmocka_unit_test(maps_that_threads_share),
        cmocka_unit_test(weights_that_threads_share),
        cmocka_unit_test(gradient_of_strided_pointwise_weights),
        cmocka_unit_test(tanh_and_sigmoid_keep_their_digits),
        cmocka_unit_test(every_operation_has_a_trial),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}

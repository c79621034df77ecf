/* The cuda backend's kernels, run on the host, against the reference backend: for every operation
 * and many shapes, in float and with bfloat16 maps, and with the same bits whatever the order of
 * blocks and threads. */
#include "comparison.h"
#include "kernel_backend.h"

#include "engine/backend/cuda/kernels/host_launch.h"

enum { SEED = 11, MAP_SHAPES = 16, KERNEL_SHAPES = 12, PREPARE_SHAPES = 40, ORDERS = 3 };

static gs_device *reference, *kernels;
static bool seen[GS_OP_COUNT];

/* As for the cpu backend. Where all maps are bfloat16, what is rounded is normalised, multiplied
 * and normalised again. */
static const tolerance allowed[] = {[TYPES_FLOAT] = {2e-5, 1e-6, 1e-4},
                                    [TYPES_PREPARED] = {2e-2, 2e-2, 2e-2},
                                    [TYPES_ALL] = {5e-2, 3e-2, 3e-2}};

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

static void check_types(const operation_trial *operation, const geometry *g, kernel_types types,
                        const readings *expected) {
    readings first, again;
    kernel_backend_types = types;
    gs__cuda_host_shuffle(0);
    run_on(kernels, operation, g, &first);
    compare_all(operation->name, g, expected, &first, &allowed[types]);
    for (uint64_t seed = 1; seed < ORDERS; seed++) {
        gs__cuda_host_shuffle(seed);
        run_on(kernels, operation, g, &again);
        expect_same_bits(operation->name, g, &first, &again);
        readings_deinit(&again);
    }
    readings_deinit(&first);
}

static void check_trial(const operation_trial *operation, const geometry *g) {
    readings expected;
    run_on(reference, operation, g, &expected);
    for (int types = TYPES_FLOAT; types <= TYPES_ALL; types++)
        check_types(operation, g, (kernel_types)types, &expected);
    readings_deinit(&expected);
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
            if (k == 2) g.x = (gs_shape){2, 300, 3, 3}, g.outputs = 3; /* more than a block has */
            check_trial(operation, &g);
        }
    }
}

static void joins_pointwise_functions_and_losses(void **state) {
    (void)state;
    check_operations(ANY_MAP, MAP_SHAPES);
}

static void weights_and_biases(void **state) {
    (void)state;
    check_operations(ANY_KERNEL, KERNEL_SHAPES);
}

static void preparation(void **state) {
    (void)state;
    check_operations(ANY_PREPARE, PREPARE_SHAPES);
}

/* Last: all trials have run. */
static void every_operation_has_a_trial(void **state) {
    (void)state;
    for (int op = 0; op < GS_OP_COUNT; op++)
        if (!seen[op]) fail_msg("no trial runs %s", gs_op_name((gs_op)op));
}

static int open_devices(void **state) {
    (void)state;
    kernels = kernel_device_open();
    return gs_device_open("reference", 1, GS_PRECISION_FP32, &reference, NULL) == GS_OK ? 0 : -1;
}

static int close_devices(void **state) {
    (void)state;
    gs_device_close(reference), gs_device_close(kernels);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_pointwise_functions_and_losses),
        cmocka_unit_test(weights_and_biases),
        cmocka_unit_test(preparation),
        cmocka_unit_test(every_operation_has_a_trial),
    };
    return cmocka_run_group_tests(tests, open_devices, close_devices);
}

/* Every operation on the cuda backend against the reference, in every precision, in guarded plans
 * and in plain ones, where runs that build on each other are replayed. On the test double, or with
 * GENSEG_CUDA_PLUGIN naming the real library on a GPU (make test-gpu). */
#include "comparison.h"
#include "control.h"

enum { SEED = 13, SHAPES = 10 };

static bool seen[GS_OP_COUNT];

/* In a guarded plan, three times where runs build on each other. */
static void run_on(gs_device *device, const operation_trial *operation, const geometry *g,
                   gs_plan_mode mode, readings *out) {
    trial t;
    trial_build(&t, g, operation->build, operation->update);
    trial_plan(&t, device, mode, SEED);
    for (int i = 0; i < t.graph->node_count; i++) seen[t.graph->nodes[i]->op] = true;
    for (int i = 0; i < (operation->has_state ? 3 : 1); i++) trial_run(&t);
    trial_read(&t, out);
    const char *broken = mode == GS_PLAN_GUARDED ? gs_plan_broken_guard(t.plan) : NULL;
    if (broken) fail_msg("%s %s: %s wrote too much", operation->name, geometry_text(g), broken);
    trial_deinit(&t);
}

static gs_device *open_device(gs_precision precision) {
    gs_device *device = NULL;
    gs_error err;
    if (gs_device_open("cuda", 1, precision, &device, &err) != GS_OK) fail_msg("%s", err.text);
    return device;
}

static void check_operations(gs_precision precision, const tolerance *allowed) {
    gs_device *reference = NULL, *cuda = open_device(precision);
    assert_int_equal(gs_device_open("reference", 1, GS_PRECISION_FP32, &reference, NULL), GS_OK);
    if (gs_device_precision(cuda) != precision) { /* the device has no tensor cores for it */
        gs_device_close(reference), gs_device_close(cuda);
        skip();
    }
    for (int i = 0; i < operation_trial_count; i++) {
        const operation_trial *operation = &operation_trials[i];
        gs_rng rng = {.seed = SEED, .stream = (uint64_t)i};
        for (int k = 0; k < SHAPES; k++) {
            geometry g = random_geometry(&rng, operation->needs);
            readings expected, guarded, plain;
            run_on(reference, operation, &g, GS_PLAN_GUARDED, &expected);
            run_on(cuda, operation, &g, GS_PLAN_GUARDED, &guarded);
            run_on(cuda, operation, &g, GS_PLAN_TRAINING, &plain);
            compare_all(operation->name, &g, &expected, &guarded, allowed);
            expect_same_bits(operation->name, &g, &guarded, &plain);
            readings_deinit(&expected), readings_deinit(&guarded), readings_deinit(&plain);
        }
    }
    gs_device_close(reference), gs_device_close(cuda);
    expect_nothing_alive("after all operations");
}

static void every_operation_agrees_with_the_reference(void **state) {
    (void)state;
    check_operations(GS_PRECISION_FP32, &(tolerance){2e-5, 1e-6, 1e-4});
    for (int op = 0; op < GS_OP_COUNT; op++)
        if (!seen[op]) fail_msg("no trial runs %s", gs_op_name((gs_op)op));
}

static void every_operation_agrees_in_tf32(void **state) {
    (void)state;
    check_operations(GS_PRECISION_TF32, &(tolerance){5e-3, 2e-3, 2e-3});
}

static void every_operation_agrees_in_bfloat16(void **state) {
    (void)state;
    check_operations(GS_PRECISION_BF16, &(tolerance){5e-2, 3e-2, 3e-2});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_agrees_with_the_reference),
        cmocka_unit_test(every_operation_agrees_in_tf32),
        cmocka_unit_test(every_operation_agrees_in_bfloat16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

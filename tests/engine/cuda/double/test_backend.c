/* The cuda backend's own code on the test double: which device and precision are chosen, and what
 * plans do with the device's memory and recordings. */
#include "control.h"

#include "base/random.h"
#include "engine/graph/plan.h"
#include "engine/model/inference.h"

#include <string.h>

static gs_network network;

static gs_device *open_device(gs_precision precision) {
    gs_device *device = NULL;
    gs_error err;
    if (gs_device_open("cuda", 1, precision, &device, &err) != GS_OK) fail_msg("%s", err.text);
    return device;
}

/* ---- Choosing -------------------------------------------------------------------------------- */

static gs_status choose(const char *backend, int device, gs_precision precision,
                        gs_engine_choice *out, gs_error *err) {
    return gs_engine_choose(&(gs_engine_wish){backend, device, precision}, out, err);
}

static void the_device_decides_what_auto_means(void **state) {
    (void)state;
    gs_engine_choice choice;
    gs_error err;
    assert_int_equal(choose("auto", 0, GS_PRECISION_AUTO, &choice, &err), GS_OK);
    assert_string_equal(choice.backend, "cuda");
    assert_int_equal(choice.precision, GS_PRECISION_BF16);
    assert_non_null(strstr(choice.device_name, "compute capability 9.0"));
    assert_string_equal(choice.remark, "");
    CONTROL(double_set_capability)(75);
    assert_int_equal(choose("cuda", 0, GS_PRECISION_AUTO, &choice, &err), GS_OK);
    assert_int_equal(choice.precision, GS_PRECISION_FP32);
    assert_int_equal(choose("cuda", 0, GS_PRECISION_TF32, &choice, &err), GS_OK);
    assert_int_equal(choice.precision, GS_PRECISION_FP32);
    assert_non_null(strstr(choice.remark, "no tensor cores"));
    CONTROL(double_set_capability)(61);
    assert_int_equal(choose("cuda", 0, GS_PRECISION_AUTO, &choice, &err), GS_UNSUPPORTED);
    assert_non_null(strstr(err.text, "7.5"));
    CONTROL(double_set_capability)(90);
}

static void without_a_device_auto_is_the_processor_and_says_why(void **state) {
    (void)state;
    gs_engine_choice choice;
    gs_error err;
    CONTROL(double_set_devices)(0);
    assert_int_equal(choose("auto", 0, GS_PRECISION_FP32, &choice, &err), GS_OK);
    assert_string_equal(choice.backend, "cpu");
    assert_non_null(strstr(choice.remark, "not cuda: no CUDA device can be used"));
    assert_int_equal(choose("cuda", 0, GS_PRECISION_FP32, &choice, &err), GS_UNSUPPORTED);
    CONTROL(double_set_devices)(2);
    assert_int_equal(choose("cuda", 1, GS_PRECISION_FP32, &choice, &err), GS_OK);
    assert_int_equal(choice.device, 1);
    assert_int_equal(choose("auto", 2, GS_PRECISION_FP32, &choice, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "device 2 is not among the 2"));
    CONTROL(double_set_devices)(1);
}

/* A device that does not say what it is would silently be one that computes in fp32. */
static void a_capability_that_cannot_be_read_is_an_error(void **state) {
    (void)state;
    gs_engine_choice choice;
    gs_error err;
    CONTROL(double_set_capability)(0);
    assert_int_equal(choose("auto", 0, GS_PRECISION_AUTO, &choice, &err), GS_BACKEND);
    assert_non_null(strstr(err.text, "compute capability"));
    CONTROL(double_set_capability)(90);
}

/* ---- Plans ----------------------------------------------------------------------------------- */

typedef struct inference {
    gs_plan *plan;
    gs_inference io;
} inference;

static gs_status try_plan(gs_device *device, gs_inference_op op, int batch, inference *out,
                          gs_error *err) {
    gs_graph *graph = gs_graph_new(&network.set);
    gs_inference_build(graph, &network, op, batch, &out->io);
    return gs_plan_new(graph, device, GS_PLAN_INFERENCE, &out->plan, err);
}

static inference new_inference(gs_device *device, gs_inference_op op, int batch) {
    inference made = {NULL};
    gs_error err;
    if (try_plan(device, op, batch, &made, &err) != GS_OK) fail_msg("%s", err.text);
    return made;
}

static gs_parameters *new_parameters(gs_purpose purpose) {
    gs_parameters *parameters = NULL;
    assert_int_equal(gs_parameters_new(&network.set, sizeof(float), purpose, &parameters, NULL),
                     GS_OK);
    assert_int_equal(gs_network_initialize(&network, parameters, 5, NULL), GS_OK);
    return parameters;
}

static void write_images(const inference *i, uint64_t seed) {
    size_t count = gs__shape_size(i->io.images->shape);
    float *values = test_malloc(count * sizeof *values);
    gs_random_normal(seed, 1, values, count);
    gs_plan_write(i->plan, i->io.images, values);
    test_free(values);
}

/* The probabilities; the test frees them. */
static float *segment(const inference *i, gs_parameters *parameters) {
    gs_error err;
    float *out = test_malloc(gs__shape_size(i->io.probability->shape) * sizeof *out);
    if (gs_plan_run(i->plan, parameters, &err) != GS_OK) fail_msg("%s", err.text);
    gs_plan_read(i->plan, i->io.probability, out);
    return out;
}

static void expect_same(const inference *i, const float *a, const float *b) {
    assert_memory_equal(a, b, gs__shape_size(i->io.probability->shape) * sizeof *a);
}

/* The first run makes constants, the second is recorded with the first that follows it. */
static void a_plan_is_recorded_once_and_replayed(void **state) {
    (void)state;
    gs_device *device = open_device(GS_PRECISION_FP32);
    gs_parameters *parameters = new_parameters(GS_FOR_INFERENCE);
    double_activity before = CONTROL(double_get_activity)();
    inference i = new_inference(device, GS_INFER_SEGMENT, 2);
    float *runs[4];
    write_images(&i, 1);
    for (int k = 0; k < 4; k++) runs[k] = segment(&i, parameters);
    double_activity after = CONTROL(double_get_activity)();
    for (int k = 1; k < 4; k++) expect_same(&i, runs[0], runs[k]);
    assert_int_equal(after.captured - before.captured, 1);
    assert_int_equal(after.replays - before.replays, 3);
    assert_int_equal(after.allocations - before.allocations, 1);
    assert_int_equal(CONTROL(double_count)().allocations, 1);
    for (int k = 0; k < 4; k++) test_free(runs[k]);
    gs_plan_free(i.plan), gs_parameters_free(parameters), gs_device_close(device);
    expect_nothing_alive("after replaying");
}

/* Both are seen by the next run, also by one that is replayed. */
static void new_inputs_and_weights_reach_the_device(void **state) {
    (void)state;
    gs_device *device = open_device(GS_PRECISION_FP32), *cpu = NULL;
    assert_int_equal(gs_device_open("cpu", 1, GS_PRECISION_FP32, &cpu, NULL), GS_OK);
    gs_parameters *parameters = new_parameters(GS_FOR_INFERENCE);
    inference there = new_inference(device, GS_INFER_SEGMENT, 1),
              here = new_inference(cpu, GS_INFER_SEGMENT, 1);
    for (uint64_t k = 0; k < 6; k++) {
        if (k % 2 == 0) write_images(&there, k), write_images(&here, k); /* else as it was */
        if (k == 4) assert_int_equal(gs_network_initialize(&network, parameters, 9, NULL), GS_OK);
        float *a = segment(&there, parameters), *b = segment(&here, parameters);
        for (size_t p = 0; p < gs__shape_size(here.io.probability->shape); p++)
            if (!(a[p] - b[p] < 1e-4f && b[p] - a[p] < 1e-4f))
                fail_msg("run %d: pixel %zu is %g, not %g", (int)k, p, (double)a[p], (double)b[p]);
        test_free(a), test_free(b);
    }
    gs_plan_free(there.plan), gs_plan_free(here.plan);
    gs_parameters_free(parameters), gs_device_close(device), gs_device_close(cpu);
    expect_nothing_alive("after new weights");
}

/* A larger plan replaces the block, and the smaller one goes on as before. */
static void plans_share_one_block_of_memory(void **state) {
    (void)state;
    gs_device *device = open_device(GS_PRECISION_FP32);
    gs_parameters *parameters = new_parameters(GS_FOR_INFERENCE);
    inference small = new_inference(device, GS_INFER_SEGMENT, 1);
    write_images(&small, 3);
    float *before = segment(&small, parameters);
    for (int k = 0; k < 3; k++) test_free(segment(&small, parameters));
    size_t bytes = gs_device_memory_bytes(device);
    inference large = new_inference(device, GS_INFER_REMOVE, 8);
    assert_true(gs_device_memory_bytes(device) > bytes);
    assert_int_equal(CONTROL(double_count)().allocations, 1);
    float *after = segment(&small, parameters);
    expect_same(&small, before, after);
    gs_plan_free(large.plan);
    float *last = segment(&small, parameters);
    expect_same(&small, before, last);
    test_free(before), test_free(after), test_free(last);
    gs_plan_free(small.plan), gs_parameters_free(parameters), gs_device_close(device);
    expect_nothing_alive("after two plans");
}

static void a_plan_too_large_says_what_it_needs_and_spoils_nothing(void **state) {
    (void)state;
    gs_device *device = open_device(GS_PRECISION_FP32);
    gs_parameters *parameters = new_parameters(GS_FOR_INFERENCE);
    inference small = new_inference(device, GS_INFER_SEGMENT, 1), large = {NULL};
    write_images(&small, 3);
    float *before = segment(&small, parameters);
    gs_error err;
    CONTROL(double_set_memory)(gs_device_memory_bytes(device) + 4096);
    assert_int_equal(try_plan(device, GS_INFER_REMOVE, 32, &large, &err), GS_OUT_OF_MEMORY);
    assert_non_null(strstr(err.text, "MiB of the device's memory"));
    assert_non_null(strstr(err.text, "MiB are free"));
    float *after = segment(&small, parameters);
    expect_same(&small, before, after);
    CONTROL(double_set_memory)((size_t)256 << 20);
    test_free(before), test_free(after);
    gs_plan_free(small.plan), gs_parameters_free(parameters), gs_device_close(device);
    expect_nothing_alive("after a plan too large");
}

static void a_shape_without_an_engine_is_named(void **state) {
    (void)state;
    gs_device *device = open_device(GS_PRECISION_FP32);
    inference none = {NULL};
    gs_error err;
    CONTROL(double_set_unsupported_channels)(network.config.channels);
    assert_int_equal(try_plan(device, GS_INFER_SEGMENT, 1, &none, &err), GS_BACKEND);
    assert_non_null(strstr(err.text, "has no deterministic engine for the convolution of [1,"));
    CONTROL(double_set_unsupported_channels)(0);
    gs_device_close(device);
    expect_nothing_alive("after a shape without an engine");
}

/* An illegal address ends all that is done with the device, and says so. */
static void a_lost_device_is_told_from_other_failures(void **state) {
    (void)state;
    gs_device *device = open_device(GS_PRECISION_FP32);
    gs_parameters *parameters = new_parameters(GS_FOR_INFERENCE);
    inference i = new_inference(device, GS_INFER_SEGMENT, 1);
    gs_error err;
    write_images(&i, 1);
    CONTROL(double_fail_kernel)(3);
    for (int k = 0; k < 2; k++) {
        assert_int_equal(gs_plan_run(i.plan, parameters, &err), GS_DEVICE_LOST);
        assert_non_null(strstr(err.text, "illegal memory access"));
    }
    CONTROL(double_recover)();
    gs_plan_free(i.plan), gs_parameters_free(parameters), gs_device_close(device);
    expect_nothing_alive("after a lost device");
}

static int make_network(void **state) {
    (void)state;
    gs_model_config config;
    return gs_model_config_make("tiny", 1, 0, 0, 0, &config, NULL) == GS_OK &&
                   gs_network_init(&network, &config, GS_PARTS_GENERATOR, NULL) == GS_OK
               ? 0
               : -1;
}

static int free_network(void **state) {
    (void)state;
    gs_network_deinit(&network);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_decides_what_auto_means),
        cmocka_unit_test(without_a_device_auto_is_the_processor_and_says_why),
        cmocka_unit_test(a_capability_that_cannot_be_read_is_an_error),
        cmocka_unit_test(a_plan_is_recorded_once_and_replayed),
        cmocka_unit_test(new_inputs_and_weights_reach_the_device),
        cmocka_unit_test(plans_share_one_block_of_memory),
        cmocka_unit_test(a_plan_too_large_says_what_it_needs_and_spoils_nothing),
        cmocka_unit_test(a_shape_without_an_engine_is_named),
        cmocka_unit_test(a_lost_device_is_told_from_other_failures),
    };
    return cmocka_run_group_tests(tests, make_network, free_network);
}

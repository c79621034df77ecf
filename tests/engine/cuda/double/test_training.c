/* Training on the test double: as good as on the processor, bit for bit the same when it is
 * interrupted, and with losses that are looked at every few steps. */
#include "tests/train/training.h"

#include "control.h"

static gs_trainer_options cuda_options(const char *dataset, const char *out) {
    gs_trainer_options o = options_for(dataset, out);
    o.engine = (gs_engine_wish){.backend = "cuda"};
    return o;
}

/* The optimiser multiplies differences: losses are compared step by step, each step a training that
 * goes on from the one before. */
static void a_training_follows_that_of_the_processor(void **state) {
    (void)state;
    char *data = path("data"), *there = path("there"), *here = path("here");
    make_small_dataset(data, 12, 12, 2);
    gs_trainer_options a = cuda_options(data, there), b = options_for(data, here);
    for (uint64_t step = 1; step <= 6; step++) {
        record on_device = {0}, on_processor = {0};
        gs_error err;
        a.max_steps = b.max_steps = step;
        a.resume = b.resume = step > 1;
        if (train(&a, &on_device, &err) != GS_OK) fail_msg("%s", err.text);
        assert_int_equal(train(&b, &on_processor, &err), GS_OK);
        assert_int_equal(on_device.step, step);
        for (int k = 0; k < GS_TERM_COUNT; k++) {
            double x = on_device.losses[k], y = on_processor.losses[k];
            if (!(fabs(x - y) <= 2e-3 * fabs(y) + 2e-4))
                fail_msg("loss %d of step %d is %g, not %g", k, (int)step, x, y);
        }
    }
    expect_nothing_alive("after training");
    gs_free(data), gs_free(there), gs_free(here);
}

static void an_interrupted_training_ends_with_the_same_bits(void **state) {
    (void)state;
    const gs_precision precisions[] = {GS_PRECISION_FP32, GS_PRECISION_BF16};
    char *data = path("data");
    for (int p = 0; p < 2; p++) {
        char *whole = gs_format("%s/whole-%d", folder, p), *cut = gs_format("%s/cut-%d", folder, p);
        gs_trainer_options a = cuda_options(data, whole), b = cuda_options(data, cut);
        a.engine.precision = b.engine.precision = precisions[p];
        record first = {0}, stopped = {.stop_at = 7}, second = {0};
        gs_error err;
        assert_int_equal(train(&a, &first, &err), GS_OK);
        assert_int_equal(train(&b, &stopped, &err), GS_CANCELLED);
        b.resume = true;
        assert_int_equal(train(&b, &second, &err), GS_OK);
        assert_true(second.resumed_from > 0);
        assert_same_tensors(whole, cut);
        gs_free(whole), gs_free(cut);
    }
    gs_free(data);
}

/* With masks on every image each step has the same plan: it is recorded once, runs ahead of the
 * host, and nobody waits for it step by step. */
static void losses_are_not_waited_for_in_every_step(void **state) {
    (void)state;
    enum { STEPS = 64, RARELY = 1000000 };
    char *data = path("annotated"), *out = path("ahead");
    make_small_dataset(data, 12, 12, 1);
    gs_trainer_options o = cuda_options(data, out);
    o.max_steps = STEPS;
    o.validate_every = o.checkpoint_every = RARELY;
    record r = {0};
    gs_error err;
    double_activity before = CONTROL(double_get_activity)();
    if (train(&o, &r, &err) != GS_OK) fail_msg("%s", err.text);
    double_activity after = CONTROL(double_get_activity)();
    uint64_t recorded = after.captured - before.captured;
    assert_true(recorded >= 1);
    assert_int_equal(after.replays - before.replays, STEPS - 1 + recorded - 1);
    assert_true(after.largest_ahead > 1);
    if (after.waits - before.waits > STEPS)
        fail_msg("%d waits in %d steps", (int)(after.waits - before.waits), STEPS);
    gs_free(data), gs_free(out);
}

/* A learning rate that breaks everything is noticed, however late losses are looked at. */
static void a_training_that_breaks_goes_back(void **state) {
    (void)state;
    char *data = path("data"), *out = path("broken");
    gs_trainer_options o = cuda_options(data, out);
    o.learning_rate = 1e30;
    o.max_steps = 40;
    record r = {0};
    gs_error err;
    gs_status status = train(&o, &r, &err);
    assert_true(r.recoveries > 0);
    assert_true(status == GS_OK || status == GS_NUMERIC);
    if (!strstr(r.reason, "not finite")) fail_msg("it went back because %s", r.reason);
    expect_nothing_alive("after a training that broke");
    gs_free(data), gs_free(out);
}

static void a_training_without_memory_says_what_it_needs(void **state) {
    (void)state;
    char *data = path("data"), *out = path("full");
    gs_trainer_options o = cuda_options(data, out);
    record r = {0};
    gs_error err;
    CONTROL(double_set_memory)((size_t)1 << 20);
    assert_int_equal(train(&o, &r, &err), GS_OUT_OF_MEMORY);
    assert_non_null(strstr(err.text, "of 1.0 MiB are free"));
    CONTROL(double_set_memory)((size_t)256 << 20);
    expect_nothing_alive("after a training without memory");
    gs_free(data), gs_free(out);
}

static void a_lost_device_ends_the_training(void **state) {
    (void)state;
    char *data = path("data"), *out = path("lost");
    gs_trainer_options o = cuda_options(data, out);
    record r = {0};
    gs_error err;
    CONTROL(double_fail_kernel)(5000);
    assert_int_equal(train(&o, &r, &err), GS_DEVICE_LOST);
    CONTROL(double_recover)();
    o.resume = true;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    assert_int_equal(r.step, 12);
    gs_free(data), gs_free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_follows_that_of_the_processor),
        cmocka_unit_test(an_interrupted_training_ends_with_the_same_bits),
        cmocka_unit_test(losses_are_not_waited_for_in_every_step),
        cmocka_unit_test(a_training_that_breaks_goes_back),
        cmocka_unit_test(a_training_without_memory_says_what_it_needs),
        cmocka_unit_test(a_lost_device_ends_the_training),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

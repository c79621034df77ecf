/* What the cuda backend's kernels promise beyond the definitions of operations, and that running
 * them on the host shows what it is for. */
#include "racing.h"

#include "base/random.h"
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cuda/kernels/host_launch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static float *floats(size_t count) {
    return test_calloc(count, sizeof(float));
}

static gs_cuda_in in(const float *values) {
    return (gs_cuda_in){values, GS_CUDA_FLOAT};
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static void normals_are_those_of_the_processor(void **state) {
    (void)state;
    enum { COUNT = 20001 };
    float *expected = floats(COUNT + 1), *actual = floats(COUNT + 1);
    for (uint64_t seed = 0; seed < 3; seed++) {
        uint64_t sequence = seed << 40 | 17;
        actual[COUNT] = 12;
        gs_random_normal(seed * 0x123456789ABCDEF, sequence, expected, COUNT);
        assert_int_equal(gs__cuda_normal(NULL, seed * 0x123456789ABCDEF, sequence, actual, COUNT),
                         0);
        assert_memory_equal(expected, actual, COUNT * sizeof *expected);
        assert_true(actual[COUNT] == 12);
    }
    test_free(expected), test_free(actual);
}

/* Every upper half, with lower halves on both sides of a tie. */
static void bfloat16_rounds_as_on_the_processor(void **state) {
    (void)state;
    static const uint32_t lower[] = {0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF};
    enum { LOWER = sizeof lower / sizeof *lower, COUNT = 65536 * LOWER };
    float *from = floats(COUNT), *back = floats(COUNT);
    uint16_t *to = test_calloc(COUNT, sizeof *to);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t bits = i / LOWER << 16 | lower[i % LOWER];
        memcpy(&from[i], &bits, sizeof bits);
    }
    assert_int_equal(gs__cuda_cast(NULL, in(from), (gs_cuda_out){to, GS_CUDA_BFLOAT16}, COUNT), 0);
    assert_int_equal(gs__cuda_cast(NULL, (gs_cuda_in){to, GS_CUDA_BFLOAT16},
                                   (gs_cuda_out){back, GS_CUDA_FLOAT}, COUNT),
                     0);
    for (size_t i = 0; i < COUNT; i++) {
        assert_int_equal(to[i], gs__bfloat16(from[i]));
        float expected = gs__from_bfloat16(to[i]);
        assert_memory_equal(&expected, &back[i], sizeof expected);
    }
    test_free(from), test_free(back), test_free(to);
}

static void division_by_multiplication_is_exact(void **state) {
    (void)state;
    static const int divisors[] = {1,     2,       3,          5,          7,          16,
                                   17,    33,      255,        257,        641,        65535,
                                   65537, 1000003, 1073741823, 1073741824, 1073741825, 2147483647};
    static const size_t near[] = {0,          1u << 20,   1u << 30,       0x7FFFFFFF,
                                  0x80000000, 0xFFFFFFFF, (size_t)1 << 40};
    gs_rng rng = {.seed = 5};
    for (size_t k = 0; k < sizeof divisors / sizeof *divisors; k++) {
        size_t d = (size_t)divisors[k];
        for (int i = 0; i < 20000; i++) {
            size_t multiple = gs_rng_u32(&rng) / d * d + (size_t)(i % 3) - 1;
            assert_int_equal(divided(multiple, divisors[k]), multiple / d);
        }
        for (size_t i = 0; i < sizeof near / sizeof *near; i++)
            for (size_t n = near[i] > 9 ? near[i] - 9 : 0; n < near[i] + 9; n++)
                assert_int_equal(divided(n, divisors[k]), n / d);
    }
}

/* More than all threads of a launch have at once, by both ways to share elements out. */
static void every_element_of_a_large_map_is_written(void **state) {
    (void)state;
    enum { COUNT = 16384 * 256 * 4 + 777 };
    float *a = floats(COUNT);
    uint16_t *halves = test_calloc(COUNT, sizeof *halves);
    for (size_t i = 0; i < COUNT; i++) a[i] = (float)(1 + i % 128);
    gs_cuda_out out = {halves, GS_CUDA_BFLOAT16};
    assert_int_equal(gs__cuda_cast(NULL, in(a), out, COUNT), 0);
    assert_int_equal(gs__cuda_moving_average(NULL, a, a, COUNT, -1), 0); /* -a + 2a */
    for (size_t i = 0; i < COUNT; i++) {
        float expected = (float)(1 + i % 128);
        if (a[i] != expected || gs__from_bfloat16(halves[i]) != expected)
            fail_msg("element %zu is %g, as bfloat16 %g, not %g", i, (double)a[i],
                     (double)gs__from_bfloat16(halves[i]), (double)expected);
    }
    test_free(a), test_free(halves);
}

/* ---- Statistics ----------------------------------------------------------------------------- */

static void take_statistics(const float *x, gs_shape s, gs_norm norm, float *out) {
    void *scratch = test_malloc(gs__cuda_statistics_scratch(s, norm));
    gs_cuda_statistics p = {in(x), s, norm, out};
    assert_int_equal(gs__cuda_statistics(NULL, &p, scratch), 0);
    test_free(scratch);
}

static void a_constant_map_has_no_variance(void **state) {
    (void)state;
    static const float constants[] = {0, 0.1f, -3e5f, 1e-20f, 16777217.0f};
    gs_shape s = {2, 3, 41, 43};
    float *x = floats((size_t)(2 * 3 * 41 * 43)), out[2 * 6];
    for (size_t k = 0; k < sizeof constants / sizeof *constants; k++) {
        for (size_t i = 0; i < (size_t)(2 * 3 * 41 * 43); i++) x[i] = constants[k];
        take_statistics(x, s, GS_NORM_INSTANCE, out);
        for (int i = 0; i < 12; i++) {
            float expected = i % 6 < 3 ? constants[k] : (float)(1 / sqrt(1e-5));
            assert_true(out[i] == expected);
        }
        take_statistics(x, s, GS_NORM_LAYER, out);
        assert_true(out[0] == constants[k] && out[3] == (float)(1 / sqrt(1e-5)));
    }
    test_free(x);
}

/* Small deviations from a large mean, and pixels far from all others: in the corner, where a sum
 * shifted by the first pixel would lose everything, and elsewhere. */
static void statistics_do_not_cancel(void **state) {
    (void)state;
    enum { PIXELS = 61 * 59, CHANNELS = 2 };
    gs_shape s = {1, CHANNELS, 61, 59};
    float *x = floats(PIXELS * CHANNELS), out[2 * CHANNELS];
    gs_rng rng = {.seed = 3};
    for (int k = 0; k < 4; k++) {
        double centre = k % 2 ? 4096 : -0.5, outlier = k < 2 ? 0 : 100;
        for (size_t i = 0; i < PIXELS * CHANNELS; i++)
            x[i] = (float)(centre + 0.02 * (gs_rng_uniform(&rng) - 0.5));
        x[0] += (float)outlier, x[PIXELS + 1] += (float)outlier;
        take_statistics(x, s, GS_NORM_BATCH, out);
        for (size_t c = 0; c < CHANNELS; c++) {
            double mean = 0, variance = 0;
            for (size_t p = 0; p < PIXELS; p++) mean += (double)x[p * CHANNELS + c] / PIXELS;
            for (size_t p = 0; p < PIXELS; p++) {
                double d = (double)x[p * CHANNELS + c] - mean;
                variance += d * d / PIXELS;
            }
            double inverse = 1 / sqrt(variance + 1e-5);
            assert_true(fabs((double)out[c] - mean) <= 1e-6 * fabs(mean));
            assert_true(fabs((double)out[CHANNELS + c] - inverse) <= 1e-5 * inverse);
        }
    }
    test_free(x);
}

/* ---- Sums ----------------------------------------------------------------------------------- */

/* Pairs of opposite numbers far from each other, whose sums have more digits than a float. */
static void a_bias_gradient_cancels_exactly(void **state) {
    (void)state;
    static const int channel_counts[] = {1, 3, 17, 256, 257, 600};
    gs_rng rng = {.seed = 9};
    for (size_t k = 0; k < sizeof channel_counts / sizeof *channel_counts; k++) {
        int channels = channel_counts[k];
        gs_shape s = {2, channels, 31, 7};
        size_t half = (size_t)(31 * 7 * channels);
        float *x = floats(2 * half), *out = floats((size_t)channels);
        for (size_t i = 0; i < half; i++) {
            size_t c = i % (size_t)channels, pixel = i / (size_t)channels;
            x[i] = (float)ldexp(gs_rng_below(&rng, 1 << 24), (int)gs_rng_below(&rng, 12));
            x[2 * half - (pixel + 1) * (size_t)channels + c] = -x[i];
        }
        void *scratch = test_malloc(gs__cuda_bias_gradient_scratch(s));
        assert_int_equal(gs__cuda_bias_gradient(NULL, in(x), s, out, scratch), 0);
        for (int c = 0; c < channels; c++) assert_true(out[c] == 0);
        test_free(scratch), test_free(x), test_free(out);
    }
}

static void a_nan_reaches_every_loss(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    float *a = floats(COUNT), *b = floats(COUNT), loss;
    void *scratch = test_malloc(gs__cuda_loss_scratch());
    for (size_t at = 0; at < COUNT; at += 1249) {
        a[at] = NAN;
        gs_cuda_dice dice = {a, b, b, COUNT, &loss, 0, NULL};
        for (int k = 0; k < 6; k++) {
            loss = 0;
            gs_cuda_status status =
                k == 0   ? gs__cuda_loss_l1(NULL, a, b, COUNT, &loss, scratch)
                : k == 1 ? gs__cuda_loss_hinge(NULL, a, COUNT / 2, COUNT, &loss, scratch)
                : k == 2 ? gs__cuda_loss_negative_mean(NULL, a, COUNT, &loss, scratch)
                : k == 3 ? gs__cuda_loss_squared(NULL, a, b, COUNT, &loss, scratch)
                : k == 4 ? gs__cuda_loss_log_mean_exp(NULL, a, COUNT, &loss, scratch)
                         : gs__cuda_loss_dice(NULL, &dice, scratch);
            assert_int_equal(status, 0);
            assert_true(isnan(loss));
        }
        a[at] = 0;
    }
    test_free(a), test_free(b), test_free(scratch);
}

/* Exponentials of these overflow, and those of the others vanish beside them. */
static void large_scores_do_not_overflow(void **state) {
    (void)state;
    enum { COUNT = 1000 };
    float *t = floats(COUNT), *gradient = floats(COUNT), loss = 0;
    void *scratch = test_malloc(gs__cuda_loss_scratch());
    for (size_t i = 0; i < COUNT; i++) t[i] = i % 250 == 249 ? 5000 : -4000;
    assert_int_equal(gs__cuda_loss_log_mean_exp(NULL, t, COUNT, &loss, scratch), 0);
    assert_true(fabs((double)loss - (5000 + log(4.0 / COUNT))) <= 1e-3);
    assert_int_equal(gs__cuda_loss_log_mean_exp_gradient(NULL, t, COUNT, 2, gradient, scratch), 0);
    for (size_t i = 0; i < COUNT; i++) assert_true(gradient[i] == (i % 250 == 249 ? 0.5f : 0));
    test_free(t), test_free(gradient), test_free(scratch);
}

static void a_weight_of_zeros_has_no_direction(void **state) {
    (void)state;
    enum { ROWS = 20, COLUMNS = 30 };
    float *w = floats(ROWS * COLUMNS), u[ROWS];
    for (int i = 0; i < ROWS; i++) u[i] = 1;
    void *scratch = test_malloc(gs__cuda_spectral_scratch(ROWS, COLUMNS));
    gs_cuda_matrix matrix = {w, ROWS, COLUMNS};
    assert_int_equal(gs__cuda_power_iteration(NULL, matrix, u, scratch), 0);
    for (int i = 0; i < ROWS; i++) assert_true(u[i] == 0);
    test_free(w), test_free(scratch);
}

/* Two parameters of several spans: each is counted once. The largest second moment is one that was,
 * but for a NaN. */
static void an_update_counts_each_parameter_once(void **state) {
    (void)state;
    float values[60] = {0}, gradients[60], m[60] = {0}, v[60] = {0}, largest[60] = {0};
    for (int i = 0; i < 60; i++) gradients[i] = 1;
    largest[7] = 4, gradients[9] = NAN;
    gs_cuda_span spans[] = {{0, 20, 2, 0}, {20, 20, 2, 0}, {40, 10, 0, 1}};
    int64_t steps[3] = {4, 0, 7};
    gs_cuda_optimizer optimizer = {{0.5, 0.25}, 0, 0.5, 0.999, 1e-8};
    gs_cuda_amsgrad p = {&optimizer, spans, 3, values, m, v, largest, gradients, steps};
    assert_int_equal(gs__cuda_amsgrad(NULL, &p), 0);
    assert_int_equal(steps[0], 5);
    assert_int_equal(steps[1], 0);
    assert_int_equal(steps[2], 8);
    for (int i = 0; i < 60; i++) { /* m = g/2, v = g²/1000 */
        double step = i < 40 ? 8 : 5, rate = i < 40 ? 0.5 : 0.25;
        double expected = -rate / (1 - pow(0.5, step)) * 0.5 /
                          (sqrt(i == 7 ? 4 : 0.001) / sqrt(1 - pow(0.999, step)) + 1e-8);
        if (i >= 50) expected = 0;
        if (i == 9) {
            assert_true(isnan(values[i]) && isnan(largest[i]));
            continue;
        }
        assert_true(fabs((double)values[i] - expected) <= 1e-5 * fabs(expected));
    }
}

/* ---- Launches on the host ------------------------------------------------------------------- */

static gs_host_launch kept;
static char kept_job[512];

static gs_cuda_status keep_launch(gs_cuda_stream stream, const gs_host_launch *launch) {
    (void)stream;
    assert_true(launch->job_bytes <= sizeof kept_job);
    memcpy(kept_job, launch->job, launch->job_bytes);
    kept = *launch;
    kept.job = kept_job;
    return 0;
}

static gs_cuda_status refuse_launch(gs_cuda_stream stream, const gs_host_launch *launch) {
    (void)stream, (void)launch;
    return 719;
}

static void launches_can_be_kept_and_refused(void **state) {
    (void)state;
    float a[] = {1, 2, 3}, b[] = {10, 20, 30}, sum[3] = {0};
    gs_cuda_out out = {sum, GS_CUDA_FLOAT};
    gs__cuda_host_set_launcher(keep_launch);
    assert_int_equal(gs__cuda_add(NULL, in(a), in(b), out, 3), 0);
    assert_true(sum[0] == 0 && sum[2] == 0);
    assert_string_equal(kept.kernel, "gs__map_kernel<J>");
    for (float first = 1; first < 3; first++) { /* the kept launch reads what is there now */
        a[0] = first;
        gs__cuda_host_run(&kept);
        assert_true(sum[0] == first + 10 && sum[2] == 33);
    }
    gs__cuda_host_set_launcher(refuse_launch);
    gs_shape s = {1, 1, 1, 3};
    float scratch[64];
    assert_int_equal(gs__cuda_add(NULL, in(a), in(b), out, 3), 719);
    assert_int_equal(gs__cuda_bias_gradient(NULL, in(a), s, b, scratch), 719);
    gs__cuda_host_set_launcher(NULL);
}

static bool differs_by_order(gs_cuda_status (*launch)(float *), size_t count) {
    float first[256], again[256];
    bool differs = false;
    for (uint64_t seed = 0; seed < 5; seed++) {
        gs__cuda_host_shuffle(seed);
        assert_int_equal(launch(seed ? again : first), 0);
        if (seed && memcmp(first, again, count * sizeof *first) != 0) differs = true;
    }
    gs__cuda_host_shuffle(0);
    return differs;
}

static gs_cuda_status launch_twenty_blocks(float *out) {
    for (int i = 0; i < 20; i++) out[i] = 0;
    return launch_dependent_blocks(out, 20);
}

static void another_order_shows_races(void **state) {
    (void)state;
    assert_true(differs_by_order(launch_without_barrier, 256));
    assert_false(differs_by_order(launch_with_barrier, 256));
    assert_true(differs_by_order(launch_twenty_blocks, 20));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normals_are_those_of_the_processor),
        cmocka_unit_test(bfloat16_rounds_as_on_the_processor),
        cmocka_unit_test(division_by_multiplication_is_exact),
        cmocka_unit_test(every_element_of_a_large_map_is_written),
        cmocka_unit_test(a_constant_map_has_no_variance),
        cmocka_unit_test(statistics_do_not_cancel),
        cmocka_unit_test(a_bias_gradient_cancels_exactly),
        cmocka_unit_test(a_nan_reaches_every_loss),
        cmocka_unit_test(large_scores_do_not_overflow),
        cmocka_unit_test(a_weight_of_zeros_has_no_direction),
        cmocka_unit_test(an_update_counts_each_parameter_once),
        cmocka_unit_test(launches_can_be_kept_and_refused),
        cmocka_unit_test(another_order_shows_races),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

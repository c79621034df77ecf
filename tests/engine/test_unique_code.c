/* Unique codes: what a seed gives, and the arc between two of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/model/unique_code.h"

#include <math.h>
#include <string.h>

enum { COUNT = 400 };

static float from[COUNT], to[COUNT], code[COUNT], scratch[COUNT];

static double length_of(const float *values) {
    double sum = 0;
    for (int i = 0; i < COUNT; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void draw(uint64_t seed, uint64_t toward, double t, float *out) {
    gs_unique_code_draw(&(gs_unique_code){.seed = seed, .toward = toward, .t = t}, out, scratch,
                        COUNT);
}

static void ends_are_the_seeds_bit_for_bit(void **state) {
    (void)state;
    draw(7, 0, 0, from);
    draw(9, 0, 0, to);
    assert_memory_not_equal(from, to, sizeof from);
    draw(7, 9, 0, code);
    assert_memory_equal(code, from, sizeof code);
    draw(7, 9, 1, code);
    assert_memory_equal(code, to, sizeof code);
    draw(7, 9, 0.5, code);
    assert_memory_not_equal(code, from, sizeof code);
    assert_memory_not_equal(code, to, sizeof code);
}

static void scratch_is_left_alone_at_the_ends(void **state) {
    (void)state;
    memset(scratch, 0x55, sizeof scratch);
    draw(7, 9, 0, code);
    draw(7, 9, 1, code);
    for (size_t i = 0; i < sizeof scratch; i++) assert_int_equal(((char *)scratch)[i], 0x55);
}

static void length_of_equal_vectors_is_kept(void **state) {
    (void)state;
    draw(1, 0, 0, from);
    draw(2, 0, 0, to);
    double scale = length_of(from) / length_of(to);
    for (int i = 0; i < COUNT; i++) to[i] = (float)((double)to[i] * scale);
    for (int k = 1; k < 10; k++) {
        memcpy(code, from, sizeof code);
        gs_slerp(code, to, k / 10.0, COUNT);
        assert_true(fabs(length_of(code) / length_of(from) - 1) < 1e-6);
    }
}

/* Length 2 along the first axis and 2 along the second: halfway they are alike, at a third of the
 * way the angle is 30 degrees. */
static void orthogonal_vectors_turn_evenly(void **state) {
    (void)state;
    float a[2] = {2, 0}, b[2] = {0, 2};
    gs_slerp(a, b, 0.5, 2);
    assert_true(fabs((double)a[0] - sqrt(2)) < 1e-6 && fabs((double)a[1] - sqrt(2)) < 1e-6);
    float c[2] = {2, 0};
    gs_slerp(c, b, 1 / 3.0, 2);
    assert_true(fabs((double)c[0] - sqrt(3)) < 1e-6 && fabs((double)c[1] - 1) < 1e-6);
}

/* Alike, opposite and without a direction: a straight line, no division by zero. */
static void without_an_angle_the_line_is_straight(void **state) {
    (void)state;
    static const float pairs[][4] = {{1, 2, 1, 2}, {1, 2, 2, 4}, {1, 2, -1, -2},
                                     {0, 0, 3, 4}, {1, 2, 0, 0}, {0, 0, 0, 0}};
    for (size_t k = 0; k < sizeof pairs / sizeof pairs[0]; k++) {
        float a[2] = {pairs[k][0], pairs[k][1]};
        gs_slerp(a, pairs[k] + 2, 0.25, 2);
        for (int i = 0; i < 2; i++) {
            float expected = 0.75f * pairs[k][i] + 0.25f * pairs[k][2 + i];
            assert_true(fabsf(a[i] - expected) < 1e-6f);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_are_the_seeds_bit_for_bit),
        cmocka_unit_test(scratch_is_left_alone_at_the_ends),
        cmocka_unit_test(length_of_equal_vectors_is_kept),
        cmocka_unit_test(orthogonal_vectors_turn_evenly),
        cmocka_unit_test(without_an_angle_the_line_is_straight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

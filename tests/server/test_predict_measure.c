#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "server/predict_measure.h"

enum { PIXELS = 200 };

static float probabilities[PIXELS], residual[2 * PIXELS];
static gs_new_prediction value;

static void fill(float probability, float size) {
    for (int i = 0; i < PIXELS; i++) {
        probabilities[i] = i < 50 ? probability : 0;
        residual[i] = 0;
        residual[PIXELS + i] = i < 50 ? -size : 0;
    }
}

static void area_and_entropy(void **state) {
    (void)state;
    fill(0.5f, 0);
    probabilities[0] = 0.75f;
    probabilities[199] = 1;
    gs_predict_measure(probabilities, NULL, 1, PIXELS, &value);
    assert_int_equal(value.area, 2);
    double expected = (49 - 0.75 * log2(0.75) - 0.25 * log2(0.25)) / PIXELS;
    assert_true(fabs(value.uncertainty - expected) < 1e-9);
    assert_true(isnan(value.disagreement));
}

static void maps_that_cover_each_other_agree(void **state) {
    (void)state;
    fill(1, 0.6f);
    gs_predict_measure(probabilities, residual, 2, PIXELS, &value);
    assert_true(fabs(value.disagreement) < 1e-6);
}

static void maps_apart_disagree(void **state) {
    (void)state;
    fill(1, 0);
    for (int i = 100; i < 150; i++) residual[i] = 0.8f;
    gs_predict_measure(probabilities, residual, 2, PIXELS, &value);
    assert_true(fabs(value.disagreement - (1 - 2.0 / 102)) < 1e-6);
}

static void faint_noise_without_a_mask_is_no_disagreement(void **state) {
    (void)state;
    fill(0, 0.001f);
    gs_predict_measure(probabilities, residual, 2, PIXELS, &value);
    assert_true(value.disagreement < 0.15);
    fill(0, 0.4f);
    gs_predict_measure(probabilities, residual, 2, PIXELS, &value);
    assert_true(value.disagreement > 0.9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(area_and_entropy),
        cmocka_unit_test(maps_that_cover_each_other_agree),
        cmocka_unit_test(maps_apart_disagree),
        cmocka_unit_test(faint_noise_without_a_mask_is_no_disagreement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

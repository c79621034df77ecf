/* Dice and localisation on values whose results are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "engine/train/evaluate.h"
#include "tests/train/small_dataset.h"

#include <math.h>
#include <unistd.h>

enum { SLICES = 11 /* more than a batch, and no multiple of one */ };

static char folder[] = "/tmp/genseg-evaluate-XXXXXX";
static gs_dataset *dataset;
static uint32_t all_rows[SLICES];
static gs_annotated_rows rows;

static int make_data(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    make_small_dataset(folder, SLICES, 0, 1);
    for (uint32_t i = 0; i < SLICES; i++) all_rows[i] = i;
    gs_status status = gs_dataset_open(folder, &dataset, NULL);
    rows = (gs_annotated_rows){dataset, all_rows, SLICES};
    return status == GS_OK ? 0 : -1;
}

static int remove_data(void **state) {
    (void)state;
    gs_dataset_close(dataset);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* The squares of the small data set are its only bright pixels: inside, outside = values[0], [1];
 * every `odd`-th pixel outside (0: none) gets values[2]. */
typedef struct painting {
    float values[3];
    int odd;
} painting;

static gs_status paint(void *context, size_t count, const float *images, float *values,
                       gs_error *err) {
    (void)err;
    const painting *p = context;
    for (size_t i = 0; i < count * SMALL_PIXELS; i++) {
        bool inside = images[i] > 0.15f;
        bool is_odd = p->odd && i % SMALL_PIXELS % (size_t)p->odd == 0;
        values[i] = p->values[inside ? 0 : is_odd ? 2 : 1];
    }
    return GS_OK;
}

static gs_localization localize(painting p) {
    gs_localization out;
    assert_int_equal(gs_evaluate_localization(&rows, paint, &p, &out, NULL), GS_OK);
    return out;
}

static void changes_inside_are_told_from_those_outside(void **state) {
    (void)state;
    gs_localization apart = localize((painting){{0.5f, 0.25f, 0}, 0});
    assert_true(apart.auc == 1);
    assert_true(fabs(apart.inside - 0.5) < 1e-6 && fabs(apart.outside - 0.25) < 1e-6);
    assert_true(localize((painting){{0.25f, 0.5f, 0}, 0}).auc == 0);
    assert_true(fabs(localize((painting){{0.25f, 0.25f, 0}, 0}).auc - 0.5) < 1e-12);
    assert_true(fabs(localize((painting){{7, 9, 0}, 0}).auc - 0.5) <
                1e-12); /* both off the scale */
}

/* Slice s of a row has all of its mask, and the first s pixels: those were never target. */
static gs_status segment_more(void *context, size_t count, const float *images, float *values,
                              gs_error *err) {
    (void)err;
    size_t *seen = context;
    for (size_t i = 0; i < count; i++, (*seen)++)
        for (size_t p = 0; p < SMALL_PIXELS; p++)
            values[i * SMALL_PIXELS + p] =
                images[i * SMALL_PIXELS + p] > 0.15f || p < *seen ? 1.0f : 0.0f;
    return GS_OK;
}

static void each_row_is_counted_apart_and_the_sum_is_that_of_all(void **state) {
    (void)state;
    gs_overlap each[SLICES], all;
    size_t seen = 0;
    assert_int_equal(gs_evaluate_each(&rows, segment_more, &seen, each, NULL), GS_OK);
    for (int i = 0; i < SLICES; i++) {
        assert_true(each[i].both == 36 && each[i].target == 36 && each[i].pixels == SMALL_PIXELS);
        assert_true(each[i].predicted == 36 + i);
    }
    seen = 0;
    assert_int_equal(gs_evaluate_overlap(&rows, segment_more, &seen, &all, NULL), GS_OK);
    assert_true(all.both == 36 * SLICES && all.predicted == 36 * SLICES + 55);
}

/* Every second pixel outside changed more than those inside: about half the pairs. */
static void the_auc_counts_pairs(void **state) {
    (void)state;
    double higher = 0, outside = 0;
    for (int s = 0; s < SLICES; s++)
        for (int i = 0; i < SMALL_PIXELS; i++) {
            if (gs_dataset_mask(dataset, (uint32_t)s)[i] == 255) continue;
            outside++;
            higher += i % 2 == 0;
        }
    gs_localization half = localize((painting){{0.5f, 0.25f, 0.75f}, 2});
    assert_true(fabs(half.auc - (1 - higher / outside)) < 1e-12);
}

static void dice_is_that_of_all_slices_together(void **state) {
    (void)state;
    double dice;
    painting exact = {{0.9f, 0.1f, 0}, 0}, none = {{0.1f, 0.1f, 0}, 0}, all = {{0.9f, 0.9f, 0}, 0};
    assert_int_equal(gs_evaluate_dice(&rows, paint, &exact, &dice, NULL), GS_OK);
    assert_true(dice == 1);
    assert_int_equal(gs_evaluate_dice(&rows, paint, &none, &dice, NULL), GS_OK);
    assert_true(dice == 0);
    assert_int_equal(gs_evaluate_dice(&rows, paint, &all, &dice, NULL), GS_OK);
    double squares = SLICES * 36.0, everything = (double)SLICES * SMALL_PIXELS;
    assert_true(fabs(dice - 2 * squares / (squares + everything)) < 1e-12);
}

static gs_status refuse(void *context, size_t count, const float *images, float *values,
                        gs_error *err) {
    (void)context, (void)count, (void)images, (void)values;
    return gs_fail(err, GS_BACKEND, "no");
}

static void failures_are_passed_on(void **state) {
    (void)state;
    gs_error err;
    double dice;
    gs_localization where;
    assert_int_equal(gs_evaluate_dice(&rows, refuse, NULL, &dice, &err), GS_BACKEND);
    assert_int_equal(gs_evaluate_localization(&rows, refuse, NULL, &where, &err), GS_BACKEND);
    gs_annotated_rows empty = {dataset, all_rows, 0};
    painting p = {{1, 0, 0}, 0};
    assert_int_equal(gs_evaluate_localization(&empty, paint, &p, &where, &err), GS_OK);
    assert_true(isnan(where.auc) && isnan(where.inside) && isnan(where.outside));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_counted_apart_and_the_sum_is_that_of_all),
        cmocka_unit_test(changes_inside_are_told_from_those_outside),
        cmocka_unit_test(the_auc_counts_pairs),
        cmocka_unit_test(dice_is_that_of_all_slices_together),
        cmocka_unit_test(failures_are_passed_on),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}

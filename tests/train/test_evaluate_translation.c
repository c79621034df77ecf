/* Removal and insertion by translators whose worth is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "engine/train/evaluate_translation.h"
#include "tests/train/small_dataset.h"

#include <math.h>
#include <unistd.h>

enum { SLICES = 11 /* more than a batch, and no multiple of one */, SIDE = 4 };

static char sick_folder[] = "/tmp/genseg-sick-XXXXXX", well_folder[] = "/tmp/genseg-well-XXXXXX";
static gs_dataset *sick, *well; /* the same slices with and without bright squares */
static uint32_t all_rows[SLICES];
static gs_annotated_rows rows;

static int make_data(void **state) {
    (void)state;
    if (!mkdtemp(sick_folder) || !mkdtemp(well_folder)) return -1;
    make_small_dataset(sick_folder, SLICES, 0, 1);
    make_small_dataset(well_folder, 0, SLICES, 0);
    for (uint32_t i = 0; i < SLICES; i++) all_rows[i] = i;
    bool opened = gs_dataset_open(sick_folder, &sick, NULL) == GS_OK &&
                  gs_dataset_open(well_folder, &well, NULL) == GS_OK;
    rows = (gs_annotated_rows){sick, all_rows, SLICES};
    return opened ? 0 : -1;
}

static int remove_data(void **state) {
    (void)state;
    gs_dataset_close(sick), gs_dataset_close(well);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s' '%s'", sick_folder, well_folder);
    return system(command);
}

/* Takes `part` of the squares' brightness away, and `off` from every pixel elsewhere. */
typedef struct translator {
    float part, off;
} translator;

static gs_status take_away(void *context, size_t count, const float *images, float *healthy,
                           gs_error *err) {
    (void)err;
    const translator *t = context;
    for (size_t i = 0; i < count * SMALL_PIXELS; i++)
        healthy[i] = images[i] - (images[i] > 0.15f ? t->part * 0.9f : t->off);
    return GS_OK;
}

static gs_removal removal_of(float part, float off) {
    gs_removal out;
    translator t = {part, off};
    assert_int_equal(gs_evaluate_removal(&rows, well, take_away, &t, &out, NULL), GS_OK);
    return out;
}

static void near(double actual, double expected) {
    if (!(fabs(actual - expected) < 1e-4)) fail_msg("%g, not %g", actual, expected);
}

static void removal_is_measured_against_the_truth(void **state) {
    (void)state;
    gs_removal all = removal_of(1, 0), half = removal_of(0.5f, 0), none = removal_of(0, 0);
    near(all.approach, 1), near(half.approach, 0.5), near(none.approach, 0);
    near(all.outside, 0);
    near(removal_of(2, 0).approach, 0); /* as far beyond the truth as the input before it */
    near(removal_of(1, 0.09f).outside, 0.1);
}

static void other_slices_are_no_truth(void **state) {
    (void)state;
    gs_error err;
    gs_removal out;
    translator t = {1, 0};
    char folder[] = "/tmp/genseg-other-XXXXXX", command[64];
    gs_dataset *other;
    assert_non_null(mkdtemp(folder));
    make_small_dataset(folder, 0, SLICES + 1, 0);
    assert_int_equal(gs_dataset_open(folder, &other, &err), GS_OK);
    assert_int_equal(gs_evaluate_removal(&rows, other, take_away, &t, &out, &err), GS_UNUSABLE);
    gs_dataset_close(other);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

/* ---- Insertion ---- */

typedef struct painter {
    bool heeds_seed, finds_all;
    float brightness;
} painter;

/* A square whose place is the seed's parity, or always the same. */
static gs_status paint_square(void *context, size_t count, const float *images,
                              const uint64_t *seeds, float *residual, float *translated,
                              gs_error *err) {
    (void)err;
    const painter *p = context;
    memset(residual, 0, count * SMALL_PIXELS * sizeof *residual);
    for (size_t i = 0; i < count; i++)
        for (size_t y = 0; y < SIDE; y++)
            for (size_t x = 0; x < SIDE; x++) {
                size_t left = p->heeds_seed && seeds[i] % 2 ? SIDE + 1 : 0;
                residual[i * SMALL_PIXELS + y * SMALL_WIDTH + left + x] = p->brightness;
            }
    for (size_t i = 0; i < count * SMALL_PIXELS; i++) translated[i] = images[i] + residual[i];
    return GS_OK;
}

static gs_status find_bright(void *context, size_t count, const float *images, float *probabilities,
                             gs_error *err) {
    (void)err;
    const painter *p = context;
    for (size_t i = 0; i < count * SMALL_PIXELS; i++)
        probabilities[i] = p->finds_all && images[i] > 0.3f ? 1.0f : 0.0f;
    return GS_OK;
}

static gs_insertion insertion_of(painter p) {
    gs_insertion out;
    gs_annotated_rows absence = {well, all_rows, SLICES};
    assert_int_equal(gs_evaluate_insertion(&absence, paint_square, find_bright, &p, &out, NULL),
                     GS_OK);
    return out;
}

static void samples_are_found_and_differ(void **state) {
    (void)state;
    gs_insertion varied = insertion_of((painter){true, true, 2});
    near(varied.dice, 1), near(varied.diversity, 1);
    near(insertion_of((painter){false, true, 2}).diversity, 0);
    near(insertion_of((painter){true, false, 2}).dice, 0);
    near(insertion_of((painter){true, true, 0.04f}).dice, 0); /* nothing to speak of */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removal_is_measured_against_the_truth),
        cmocka_unit_test(other_slices_are_no_truth),
        cmocka_unit_test(samples_are_found_and_differ),
    };
    return cmocka_run_group_tests(tests, make_data, remove_data);
}

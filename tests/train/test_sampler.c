/* Batches: every presence slice once an epoch, annotated ones first, a function of seed and step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/train/sampler.h"
#include "tests/train/small_dataset.h"

enum { PRESENCE = 16, ABSENCE = 8, PAIRS = 3 };

static char folder[] = "/tmp/genseg-sampler-XXXXXX";
static gs_dataset *dataset;
static gs_slice_lists lists;

static int open_data(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    make_small_dataset(folder, PRESENCE, ABSENCE, 5);
    if (gs_dataset_open(folder, &dataset, NULL) != GS_OK) return -1;
    return gs_slice_lists_init(&lists, dataset, NULL) == GS_OK ? 0 : -1;
}

static int close_data(void **state) {
    (void)state;
    gs_slice_lists_deinit(&lists);
    gs_dataset_close(dataset);
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

static gs_sampler *make(int min_annotated, uint64_t seed) {
    gs_sampler *sampler;
    assert_int_equal(
        gs_sampler_new(&lists, GS_TRAINING_GENSEG, PAIRS, min_annotated, seed, &sampler, NULL),
        GS_OK);
    return sampler;
}

static void an_epoch_shows_every_presence_slice_once(void **state) {
    (void)state;
    gs_sampler *sampler = make(0, 1);
    assert_int_equal(lists.presence_count, 12);
    assert_int_equal(lists.absence_count, 6);
    unsigned seen[PRESENCE + ABSENCE] = {0};
    for (uint64_t step = 0; step < 12 / PAIRS; step++) {
        uint32_t p[PAIRS], a[PAIRS];
        gs_sampler_batch(sampler, dataset, step, p, a);
        for (int i = 0; i < PAIRS; i++) seen[p[i]]++, seen[a[i]]++;
    }
    for (size_t i = 0; i < lists.presence_count; i++) assert_int_equal(seen[lists.presence[i]], 1);
    for (size_t i = 0; i < lists.absence_count; i++) assert_int_equal(seen[lists.absence[i]], 2);
    assert_true(gs_sampler_epoch_steps(sampler) == 4.0);
    gs_sampler_free(sampler);
}

static void pretraining_counts_no_masks_and_asks_for_none(void **state) {
    (void)state;
    gs_sampler *plain = make(0, 1), *pretrained = make(PAIRS, 1);
    gs_sampler_pretrain(pretrained, 5);
    for (uint64_t step = 0; step < 10; step++) {
        uint32_t p[2][PAIRS], a[2][PAIRS];
        gs_sampler_batch(plain, dataset, step, p[0], a[0]);
        int annotated = gs_sampler_batch(pretrained, dataset, step, p[1], a[1]);
        assert_int_equal(annotated, step < 5 ? 0 : PAIRS);
        unsigned seen[2][PRESENCE + ABSENCE] = {0};
        for (int i = 0; i < PAIRS; i++) seen[0][p[0][i]]++, seen[1][p[1][i]]++;
        if (step < 5) assert_memory_equal(seen[0], seen[1], sizeof seen[0]); /* the plain order's */
        assert_memory_equal(a[0], a[1], sizeof a[0]);
    }
    gs_sampler_free(plain), gs_sampler_free(pretrained);
}

static void batches_depend_on_seed_and_step_alone(void **state) {
    (void)state;
    gs_sampler *a = make(0, 1), *b = make(0, 1), *c = make(0, 2);
    int differing = 0;
    for (uint64_t step = 0; step < 20; step++) {
        uint32_t p[3][PAIRS], q[3][PAIRS];
        gs_sampler_batch(a, dataset, step, p[0], q[0]);
        gs_sampler_batch(b, dataset, 40 - step, p[1], q[1]); /* out of order, then in place */
        gs_sampler_batch(b, dataset, step, p[1], q[1]);
        gs_sampler_batch(c, dataset, step, p[2], q[2]);
        assert_memory_equal(p[0], p[1], sizeof p[0]);
        assert_memory_equal(q[0], q[1], sizeof q[0]);
        differing += memcmp(p[0], p[2], sizeof p[0]) != 0;
    }
    assert_true(differing > 10);
    gs_sampler_free(a), gs_sampler_free(b), gs_sampler_free(c);
}

static void annotated_slices_come_first_and_as_many_as_asked_for(void **state) {
    (void)state;
    for (int least = 0; least <= PAIRS; least++) {
        gs_sampler *sampler = make(least, 1);
        for (uint64_t step = 0; step < 40; step++) {
            uint32_t p[PAIRS], a[PAIRS];
            int annotated = gs_sampler_batch(sampler, dataset, step, p, a);
            assert_true(annotated >= least);
            for (int i = 0; i < PAIRS; i++)
                assert_int_equal(gs_dataset_mask(dataset, p[i]) != NULL, i < annotated);
        }
        gs_sampler_free(sampler);
    }
}

/* ---- positions ---- */

enum { MATCHED_CASES = 4, LEVELS = 40 };

/* Of each case, every level is there twice: absence everywhere, presence from level 20 to 29 alone.
 */
static gs_dataset *open_positions(char *place) {
    gs_dataset *made = NULL;
    gs_dataset_writer *writer = NULL;
    const gs_dataset_info info = {
        .name = "levels", .made_by = "a test", .channels = 1, .height = 1, .width = 1};
    assert_int_equal(gs_dataset_writer_open(place, &info, &writer, NULL), GS_OK);
    for (int i = 0; i < MATCHED_CASES * LEVELS * 2; i++) {
        char name[32];
        int level = i / 2 % LEVELS;
        bool is_presence = i % 2 && level >= 20 && level < 30;
        snprintf(name, sizeof name, "case-%d", i / 2 / LEVELS);
        const gs_dataset_slice slice = {.case_name = name,
                                        .name = name,
                                        .index = 7 + level,
                                        .split = GS_SPLIT_TRAIN,
                                        .label =
                                            is_presence ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE};
        const float pixel = 0;
        const uint8_t mask = 255;
        assert_int_equal(
            gs_dataset_writer_add(writer, &slice, &pixel, is_presence ? &mask : NULL, NULL), GS_OK);
    }
    assert_int_equal(gs_dataset_writer_finish(writer, NULL), GS_OK);
    gs_dataset_writer_close(writer);
    assert_int_equal(gs_dataset_open(place, &made, NULL), GS_OK);
    return made;
}

static void absence_slices_follow_the_positions_of_presence_slices(void **state) {
    (void)state;
    char place[96];
    snprintf(place, sizeof place, "%s/levels", folder);
    gs_dataset *levels = open_positions(place);
    gs_slice_lists own;
    gs_sampler *sampler = NULL, *again = NULL;
    assert_int_equal(gs_slice_lists_init(&own, levels, NULL), GS_OK);
    assert_int_equal(gs_sampler_new(&own, GS_TRAINING_GENSEG, PAIRS, 0, 3, &sampler, NULL), GS_OK);
    assert_int_equal(gs_sampler_new(&own, GS_TRAINING_GENSEG, PAIRS, 0, 3, &again, NULL), GS_OK);
    assert_int_equal(gs_sampler_match_positions(sampler, levels, NULL), GS_OK);
    assert_int_equal(gs_sampler_match_positions(again, levels, NULL), GS_OK);
    int counts[LEVELS] = {0};
    for (uint64_t step = 0; step < 400; step++) {
        uint32_t p[PAIRS], a[2][PAIRS];
        gs_sampler_batch(sampler, levels, step, p, a[0]);
        gs_sampler_batch(again, levels, step, p, a[1]);
        assert_memory_equal(a[0], a[1], sizeof a[0]);
        for (int i = 0; i < PAIRS; i++) {
            const gs_dataset_slice *slice = gs_dataset_get_slice(levels, a[0][i]);
            assert_int_equal(slice->label, GS_LABEL_ABSENCE);
            counts[slice->index - 7]++;
        }
    }
    int inside = 0;
    for (int level = 20; level < 30; level++) inside += counts[level];
    /* A bin is two levels wide, so one level beyond each end may share a bin with the range. */
    assert_true(inside > 400 * PAIRS * 8 / 10);
    assert_int_equal(inside + counts[19] + counts[30], 400 * PAIRS);
    for (int level = 21; level < 29; level++) assert_true(counts[level] > 60);
    gs_sampler_free(sampler), gs_sampler_free(again);
    gs_slice_lists_deinit(&own);
    gs_dataset_close(levels);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_shows_every_presence_slice_once),
        cmocka_unit_test(pretraining_counts_no_masks_and_asks_for_none),
        cmocka_unit_test(batches_depend_on_seed_and_step_alone),
        cmocka_unit_test(absence_slices_follow_the_positions_of_presence_slices),
        cmocka_unit_test(annotated_slices_come_first_and_as_many_as_asked_for),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}

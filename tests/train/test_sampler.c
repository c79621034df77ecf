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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_epoch_shows_every_presence_slice_once),
        cmocka_unit_test(batches_depend_on_seed_and_step_alone),
        cmocka_unit_test(annotated_slices_come_first_and_as_many_as_asked_for),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}

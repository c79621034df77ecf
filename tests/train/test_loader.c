/* Batches made ahead: the same whoever makes them and in whatever order they are asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/train/loader.h"
#include "tests/train/small_dataset.h"

#include <math.h>
#include <unistd.h>

enum { PAIRS = 3, CODES = 20, STEPS = 30 };

static char folder[] = "/tmp/genseg-loader-XXXXXX";
static gs_dataset *dataset;
static gs_slice_lists lists;

static int open_data(void **state) {
    (void)state;
    if (!mkdtemp(folder)) return -1;
    make_small_dataset(folder, 16, 8, 2);
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

typedef struct loading {
    gs_sampler *sampler;
    gs_loader *loader;
} loading;

static loading start(int threads) {
    loading l;
    gs_error err;
    assert_int_equal(gs_sampler_new(&lists, GS_TRAINING_GENSEG, PAIRS, 1, 5, &l.sampler, &err),
                     GS_OK);
    gs_loader_options options = {.dataset = dataset,
                                 .sampler = l.sampler,
                                 .pairs = PAIRS,
                                 .uses_absence = true,
                                 .augment = true,
                                 .codes = CODES,
                                 .seed = 5,
                                 .threads = threads};
    assert_int_equal(gs_loader_new(&options, &l.loader, &err), GS_OK);
    return l;
}

static void end(loading *l) {
    gs_loader_free(l->loader);
    gs_sampler_free(l->sampler);
}

static const gs_batch *take(loading *l, uint64_t step) {
    const gs_batch *batch;
    gs_error err;
    if (gs_loader_take(l->loader, step, &batch, &err) != GS_OK) fail_msg("%s", err.text);
    return batch;
}

static void expect_same(const gs_batch *a, const gs_batch *b) {
    const size_t images = 2 * PAIRS * SMALL_PIXELS, masks = PAIRS * SMALL_PIXELS;
    assert_int_equal(a->annotated, b->annotated);
    assert_memory_equal(a->images, b->images, images * sizeof(float));
    assert_memory_equal(a->target, b->target, masks * sizeof(float));
    assert_memory_equal(a->annotated_pixels, b->annotated_pixels, masks * sizeof(float));
    assert_memory_equal(a->codes, b->codes, CODES * sizeof(float));
}

static void batches_do_not_depend_on_threads(void **state) {
    (void)state;
    loading one = start(1), many = start(5);
    for (uint64_t step = 0; step < STEPS; step++) expect_same(take(&one, step), take(&many, step));
    end(&one), end(&many);
}

/* As after a resumption or a recovery: forwards, backwards, the same step again. */
static void steps_may_be_asked_for_in_any_order(void **state) {
    (void)state;
    static const uint64_t order[] = {7, 8, 3, 3, 4, 20, 0, 1, 2, 2, 19};
    loading in_order = start(2), jumping = start(2);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        const gs_batch *jumped = take(&jumping, order[i]);
        end(&in_order);
        in_order = start(1);
        for (uint64_t step = 0; step < order[i]; step++) take(&in_order, step);
        expect_same(take(&in_order, order[i]), jumped);
    }
    end(&in_order), end(&jumping);
}

static void a_batch_is_kept_while_others_are_made(void **state) {
    (void)state;
    loading l = start(4), again = start(1);
    const gs_batch *held = take(&l, 0);
    usleep(20000); /* the workers fill the other slots meanwhile */
    expect_same(held, take(&again, 0));
    end(&l), end(&again);
}

static void images_without_masks_have_no_weight(void **state) {
    (void)state;
    loading l = start(1);
    int seen = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        const gs_batch *batch = take(&l, step);
        for (int i = 0; i < PAIRS; i++) {
            double target = 0, annotated = 0;
            for (int p = 0; p < SMALL_PIXELS; p++) {
                target += (double)batch->target[i * SMALL_PIXELS + p];
                annotated += (double)batch->annotated_pixels[i * SMALL_PIXELS + p];
            }
            bool has_mask = i < batch->annotated;
            assert_true(has_mask ? annotated == SMALL_PIXELS && target > 0
                                 : annotated == 0 && target == 0);
            seen += has_mask;
        }
    }
    assert_in_range(seen, STEPS, PAIRS * STEPS - 1);
    end(&l);
}

/* Seconds that 40 steps of this length wait, all but the first, which nothing can be ready for. */
static double wait_of_steps(double seconds) {
    loading l = start(1);
    take(&l, 0);
    double first = gs_loader_waited(l.loader);
    for (uint64_t step = 1; step <= 40; step++) {
        usleep((useconds_t)(1e6 * seconds));
        take(&l, step);
    }
    double waited = gs_loader_waited(l.loader) - first;
    end(&l);
    return waited;
}

/* However long a batch takes on this machine, steps of several times that do not wait for it: in
 * the best of a few tries, for a machine may have something else to do. */
static void batches_keep_ahead_of_slower_steps(void **state) {
    (void)state;
    double each = wait_of_steps(0) / 40;
    assert_true(each > 0); /* steps of no length always wait */
    double least = wait_of_steps(5 * each + 2e-3);
    for (int i = 0; i < 10 && least > 0.1 * 40 * each; i++)
        least = fmin(least, wait_of_steps(5 * each + 2e-3));
    if (!(least <= 0.1 * 40 * each)) fail_msg("%g s of batches of %g s", least, each);
}

static void a_loader_that_is_not_used_ends(void **state) {
    (void)state;
    for (int i = 0; i < 20; i++) {
        loading l = start(1 + i % 4);
        end(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_do_not_depend_on_threads),
        cmocka_unit_test(steps_may_be_asked_for_in_any_order),
        cmocka_unit_test(a_batch_is_kept_while_others_are_made),
        cmocka_unit_test(images_without_masks_have_no_weight),
        cmocka_unit_test(batches_keep_ahead_of_slower_steps),
        cmocka_unit_test(a_loader_that_is_not_used_ends),
    };
    return cmocka_run_group_tests(tests, open_data, close_data);
}

/* Which training draws absence slices by their place in the liver, and by which. */
#include "tests/train/training.h"

#include "engine/train/trainer_internal.h"

enum { SIDE = 32, CASES = 6, LEVELS = 40, LOW = 20, HIGH = 30, PAIRS = 4, STEPS = 200 };

/* Cases with a lesion at half height, and cases without, of which only the upper slices are kept:
 * in all of them the liver is seen at levels 0 to 39. */
static void write_livers(const char *path) {
    gs_error err;
    gs_dataset_info info = {
        .name = "livers", .made_by = "a test", .channels = 1, .height = SIDE, .width = SIDE};
    gs_dataset_writer *writer = NULL;
    float image[SIDE * SIDE];
    uint8_t mask[SIDE * SIDE] = {255};
    assert_int_equal(gs_dataset_writer_open(path, &info, &writer, &err), GS_OK);
    for (int i = 0; i < CASES * LEVELS; i++) {
        char name[32];
        int level = i % LEVELS, is_ill = i / LEVELS % 2;
        int has_lesion = is_ill && level >= LOW && level < HIGH;
        if (!is_ill && level < 15) continue;
        snprintf(name, sizeof name, "case-%d", i / LEVELS);
        gs_random_normal(5, (uint64_t)i, image, SIDE * SIDE);
        const gs_dataset_slice slice = {.case_name = name,
                                        .name = name,
                                        .index = level,
                                        .extent = {0, LEVELS - 1},
                                        .split = GS_SPLIT_TRAIN,
                                        .label = has_lesion ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE};
        assert_int_equal(
            gs_dataset_writer_add(writer, &slice, image, has_lesion ? mask : NULL, &err), GS_OK);
    }
    assert_int_equal(gs_dataset_writer_finish(writer, &err), GS_OK);
    gs_dataset_writer_close(writer);
}

/* The part of the absence slices drawn that lie where the lesions do, or within a bin of it. */
static double share_at_lesions(const char *preset) {
    char dataset[96], out[96];
    gs_error err;
    snprintf(dataset, sizeof dataset, "%s/livers", folder);
    snprintf(out, sizeof out, "%s/%s", folder, preset);
    gs_trainer_options options = options_for(dataset, out);
    options.preset = preset;
    options.width = 0.0625;
    options.batch_size = PAIRS;
    gs_trainer trainer = {.options = &options};
    bool resumed;
    gs_status status = gs__trainer_open(&trainer, &resumed, &err);
    if (status != GS_OK) fail_msg("%s", err.text);
    int near = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        uint32_t presence[PAIRS], absence[PAIRS];
        gs_sampler_batch(trainer.sampler, trainer.dataset, step, presence, absence);
        for (int i = 0; i < PAIRS; i++) {
            int64_t level = gs_dataset_get_slice(trainer.dataset, absence[i])->index;
            near += level >= LOW - 1 && level <= HIGH;
        }
    }
    gs__trainer_close(&trainer);
    return (double)near / (STEPS * PAIRS);
}

static void livers_are_compared_at_equal_heights(void **state) {
    (void)state;
    char path[96];
    snprintf(path, sizeof path, "%s/livers", folder);
    write_livers(path);
    assert_true(share_at_lesions("liver") == 1);
    assert_true(share_at_lesions("brain") < 0.5); /* 42 of 165 */
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(livers_are_compared_at_equal_heights)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

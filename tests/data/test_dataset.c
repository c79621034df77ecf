#include "tests/data/fixture.h"

#include <fcntl.h>

static void what_is_written_is_read(void **state) {
    const char *folder = *state;
    write_small(folder);
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(folder, &dataset, &error));
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    assert_string_equal(info->name, "small");
    assert_string_equal(info->made_by, "a test");
    assert_int_equal(info->normalization, GS_NORMALIZE_FOREGROUND);
    assert_int_equal(info->channels, CHANNELS);
    assert_int_equal(info->height, HEIGHT);
    assert_int_equal(info->width, WIDTH);
    assert_int_equal(gs_dataset_count(dataset), SLICES);
    assert_int_equal(gs_dataset_cases(dataset), 3);
    for (int i = 0; i < SLICES; i++) {
        float image[VALUES];
        uint8_t mask[AREA];
        fill_small(i, image, mask);
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, (size_t)i);
        assert_string_equal(slice->case_name, small_slices[i].case_name);
        assert_string_equal(slice->name, small_slices[i].name);
        assert_int_equal(slice->index, small_slices[i].index);
        assert_int_equal(slice->label, small_slices[i].label);
        assert_int_equal(slice->split, small_slices[i].split);
        assert_int_equal(slice->case_number, small_slices[i].case_number);
        assert_memory_equal(slice->extent, small_slices[i].extent, sizeof slice->extent);
        assert_memory_equal(gs_dataset_image(dataset, (size_t)i), image, sizeof image);
        const uint8_t *kept = gs_dataset_mask(dataset, (size_t)i);
        assert_int_equal(kept != NULL, small_masked[i]);
        if (kept) assert_memory_equal(kept, mask, sizeof mask);
    }
    assert_ok(gs_dataset_check_pixels(dataset, &error));
    gs_dataset_close(dataset);
}

static void a_dataset_without_slices_is_whole(void **state) {
    gs_dataset_writer *writer = NULL;
    assert_ok(gs_dataset_writer_open(*state, &small_info, &writer, &error));
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(*state, &dataset, &error));
    assert_int_equal(gs_dataset_count(dataset), 0);
    assert_ok(gs_dataset_assign_splits(dataset, 1, 0.1, 0.1, &error));
    gs_dataset_close(dataset);
}

static void an_unfinished_dataset_leaves_nothing(void **state) {
    gs_dataset_writer *writer = NULL;
    assert_ok(gs_dataset_writer_open(*state, &small_info, &writer, &error));
    assert_ok(add_small(writer, 0));
    gs_dataset_writer_close(writer);
    gs_dataset *dataset = NULL;
    assert_fails(gs_dataset_open(*state, &dataset, &error), GS_NOT_FOUND);
    assert_int_equal(rmdir(*state), 0); /* empty */
}

static void the_old_dataset_stays_until_the_new_one_is_whole(void **state) {
    write_small(*state);
    gs_dataset *old = NULL, *dataset = NULL;
    gs_dataset_writer *writer = NULL;
    assert_ok(gs_dataset_open(*state, &old, &error));
    assert_ok(gs_dataset_writer_open(*state, &small_info, &writer, &error));
    assert_ok(add_small(writer, 3));
    assert_ok(gs_dataset_open(*state, &dataset, &error));
    assert_int_equal(gs_dataset_count(dataset), SLICES);
    gs_dataset_close(dataset);
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    assert_ok(gs_dataset_open(*state, &dataset, &error));
    assert_int_equal(gs_dataset_count(dataset), 1);
    assert_ok(gs_dataset_check_pixels(old, &error)); /* its files are still mapped */
    gs_dataset_close(dataset);
    gs_dataset_close(old);
}

static void a_full_disk_is_reported_and_leaves_no_dataset(void **state) {
    enum { LARGE = 512 };
    float *image = gs_alloc(LARGE * LARGE, sizeof *image);
    gs_dataset_info info = small_info;
    info.channels = 1, info.height = LARGE, info.width = LARGE;
    assert_int_equal(symlink("/dev/full", path_in(*state, "images.npy.partial")), 0);
    gs_dataset_writer *writer = NULL;
    assert_ok(gs_dataset_writer_open(*state, &info, &writer, &error));
    assert_fails(gs_dataset_writer_add(writer, &small_slices[0], image, NULL, &error),
                 GS_DISK_FULL);
    gs_dataset_writer_close(writer);
    gs_dataset *dataset = NULL;
    assert_fails(gs_dataset_open(*state, &dataset, &error), GS_NOT_FOUND);
    gs_free(image);
}

static void only_one_writer_has_a_folder(void **state) {
    gs_dataset_writer *writer = NULL, *other = NULL;
    assert_ok(gs_dataset_writer_open(*state, &small_info, &writer, &error));
    assert_fails(gs_dataset_writer_open(*state, &small_info, &other, &error), GS_CONFLICT);
    assert_non_null(strstr(error.text, *state));
    for (int i = 0; i < SLICES; i++) assert_ok(add_small(writer, i));
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    write_small(*state); /* the lock is gone */
}

static void a_folder_made_for_nothing_goes_again(void **state) {
    gs_dataset_writer *writer = NULL, *other = NULL;
    const char *folder = path_in(*state, "above/made");
    assert_ok(gs_dataset_writer_open(folder, &small_info, &writer, &error));
    assert_fails(gs_dataset_writer_open(folder, &small_info, &other, &error), GS_CONFLICT);
    assert_int_equal(access(folder, F_OK), 0);
    assert_ok(add_small(writer, 0));
    gs_dataset_writer_close(writer);
    assert_int_equal(access(folder, F_OK), -1);
}

static void images_may_come_before_their_descriptions(void **state) {
    gs_dataset_writer *writer = NULL;
    float image[VALUES];
    uint8_t mask[AREA];
    assert_ok(gs_dataset_writer_open(path_in(*state, "late"), &small_info, &writer, &error));
    for (int i = 0; i < SLICES; i++) {
        fill_small(i, image, mask);
        assert_ok(gs_dataset_writer_add_image(writer, image, &error));
    }
    for (int i = 0; i < SLICES; i++) {
        if (i == 2) /* too early: the last two are not described */
            assert_fails(gs_dataset_writer_finish(writer, &error), GS_INVALID_ARGUMENT);
        fill_small(i, image, mask);
        assert_ok(gs_dataset_writer_describe(writer, &small_slices[i],
                                             small_masked[i] ? mask : NULL, &error));
    }
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    write_small(path_in(*state, "early"));
    for (int i = 0; i < 3; i++) {
        static const char *const files[][2] = {{"late/images.npy", "early/images.npy"},
                                               {"late/masks.npy", "early/masks.npy"},
                                               {"late/dataset.json", "early/dataset.json"}};
        size_t sizes[2];
        char *a = get_file(*state, files[i][0], &sizes[0]);
        char *b = get_file(*state, files[i][1], &sizes[1]);
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(a, b, sizes[0]);
        gs_free(a);
        gs_free(b);
    }
}

static void an_absence_slice_with_target_pixels_is_named(void **state) {
    gs_dataset_writer *writer = NULL;
    gs_dataset *dataset = NULL;
    float image[VALUES] = {0};
    uint8_t mask[AREA] = {0};
    assert_ok(gs_dataset_writer_open(*state, &small_info, &writer, &error));
    assert_ok(gs_dataset_writer_add(writer, &small_slices[1], image, mask, &error));
    mask[3] = GS_MASK_TARGET;
    assert_ok(gs_dataset_writer_add(writer, &small_slices[0], image, mask, &error));
    gs_dataset_slice wrong = small_slices[1];
    wrong.name = "the wrong one";
    assert_ok(gs_dataset_writer_add(writer, &wrong, image, mask, &error));
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    assert_ok(gs_dataset_open(*state, &dataset, &error));
    assert_fails(gs_dataset_check_labels(dataset, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "the wrong one"));
    gs_dataset_close(dataset);
}

static void the_writer_refuses_what_the_reader_would(void **state) {
    gs_dataset_writer *writer = NULL;
    gs_dataset_info info = small_info;
    info.channels = 0;
    assert_fails(gs_dataset_writer_open(*state, &info, &writer, &error), GS_INVALID_ARGUMENT);
    info = small_info, info.width = GS_MAX_SIDE + 1;
    assert_fails(gs_dataset_writer_open(*state, &info, &writer, &error), GS_INVALID_ARGUMENT);
    info = small_info, info.name = "";
    assert_fails(gs_dataset_writer_open(*state, &info, &writer, &error), GS_INVALID_ARGUMENT);
    assert_ok(gs_dataset_writer_open(*state, &small_info, &writer, &error));
    char long_name[GS_DATASET_MAX_TEXT + 1];
    memset(long_name, 'x', GS_DATASET_MAX_TEXT);
    long_name[GS_DATASET_MAX_TEXT] = '\0';
    const char *bad_names[] = {"", NULL, long_name, "not UTF-8: \xff"};
    for (size_t i = 0; i < sizeof bad_names / sizeof *bad_names; i++) {
        gs_dataset_slice slice = small_slices[0];
        slice.case_name = bad_names[i];
        float image[VALUES] = {0};
        assert_fails(gs_dataset_writer_add(writer, &slice, image, NULL, &error),
                     GS_INVALID_ARGUMENT);
    }
    gs_dataset_writer_close(writer);
}

/* One whole life of a dataset; ends at the first failure. */
static gs_status write_and_read(const char *folder) {
    gs_dataset_writer *writer = NULL;
    gs_dataset *dataset = NULL;
    gs_status status = gs_dataset_writer_open(folder, &small_info, &writer, &error);
    for (int i = 0; i < SLICES && status == GS_OK; i++) status = add_small(writer, i);
    if (status == GS_OK) status = gs_dataset_writer_finish(writer, &error);
    gs_dataset_writer_close(writer);
    if (status == GS_OK) status = gs_dataset_open(folder, &dataset, &error);
    if (status == GS_OK) status = gs_dataset_assign_splits(dataset, 1, 0.2, 0.2, &error);
    gs_dataset_close(dataset);
    return status;
}

static void every_failed_allocation_is_reported(void **state) {
    gs_status status = GS_OUT_OF_MEMORY;
    int failures = 0;
    for (uint64_t n = 1; status != GS_OK && n < 1000; n++) {
        gs_memory_fail_at(n, false);
        status = write_and_read(*state);
        gs_memory_fail_at(0, false);
        if (status == GS_OK) continue;
        assert_int_equal(status, GS_OUT_OF_MEMORY);
        failures++;
    }
    assert_int_equal(status, GS_OK);
    assert_true(failures > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_written_is_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_dataset_without_slices_is_whole, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_unfinished_dataset_leaves_nothing, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_old_dataset_stays_until_the_new_one_is_whole,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_full_disk_is_reported_and_leaves_no_dataset, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(only_one_writer_has_a_folder, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_made_for_nothing_goes_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(images_may_come_before_their_descriptions, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_absence_slice_with_target_pixels_is_named, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_writer_refuses_what_the_reader_would, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_failed_allocation_is_reported, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

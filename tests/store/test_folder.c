#include "beside.h"

#include <fcntl.h>

static gs_status open_again(fixture *f) {
    gs_store_close(f->store);
    f->store = NULL;
    return gs_store_open(f->folder, &f->store, &error);
}

static void a_folder_in_use_is_busy(void **state) {
    fixture *f = *state;
    gs_store *second = NULL;
    assert_int_equal(gs_store_open(f->folder, &second, &error), GS_BUSY);
    assert_null(second);
    assert_non_null(strstr(error.text, f->folder));
}

static void a_folder_in_use_can_be_read_and_not_written(void **state) {
    fixture *f = *state;
    gs_store *second = NULL;
    gs_dataset_record record;
    gs_slice_record slice;
    make_dataset(f, "demo");
    assert_ok(gs_store_open_to_read(f->folder, &second, &error));
    add_slice(f, "demo", slice_of("pixels")); /* what is written now is seen */
    gs_slice_list list;
    const gs_slice_filter all = {.dataset = "demo"};
    const gs_page page = {0};
    assert_ok(gs_store_slice_list(second, &all, (gs_slice_sort){0}, &page, &list, &error));
    assert_int_equal(list.count, 1);
    slice = list.items[0];
    gs_free(list.items);
    assert_int_equal(
        gs_store_dataset_put(second, "other", &(gs_dataset_settings){0}, &record, NULL, &error),
        GS_CONFLICT);
    assert_non_null(strstr(error.text, "reading"));
    assert_int_equal(gs_store_slice_set_label(second, slice.id, "absence", &slice, &error),
                     GS_CONFLICT);
    gs_store_close(second);
    assert_ok(gs_store_slice_delete(f->store, slice.id, &error));
}

static void only_a_database_of_this_schema_is_read(void **state) {
    fixture *f = *state;
    gs_store *second = NULL;
    char path[96];
    snprintf(path, sizeof path, "%s/nowhere", f->folder);
    assert_int_equal(gs_store_open_to_read(path, &second, &error), GS_NOT_FOUND);
    assert_int_equal(access(path, F_OK), -1);
    gs_store_close(f->store);
    f->store = NULL;
    run_sql(f, "DELETE FROM schema_version WHERE version > 1");
    assert_int_equal(gs_store_open_to_read(f->folder, &second, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "serve it once"));
    run_sql(f, "INSERT INTO schema_version VALUES (9999, 'later')");
    assert_int_equal(gs_store_open_to_read(f->folder, &second, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "newer genseg"));
    assert_null(second);
}

static void what_was_stored_is_there_after_reopening(void **state) {
    fixture *f = *state;
    make_dataset(f, "demo");
    gs_slice_record slice = add_slice(f, "demo", slice_of("pixels"));
    reopen(f);
    void *bytes;
    size_t size;
    gs_slice_record again;
    assert_ok(gs_store_slice_content(f->store, slice.id, &again, &bytes, &size, &error));
    assert_int_equal(size, 6);
    assert_memory_equal(bytes, "pixels", 6);
    assert_string_equal(again.sha256, slice.sha256);
    gs_free(bytes);
    assert_ok(gs_store_check(f->store, &error));
}

static void a_newer_schema_is_refused(void **state) {
    fixture *f = *state;
    gs_store_close(f->store);
    f->store = NULL;
    run_sql(f, "INSERT INTO schema_version VALUES (9999, 'later')");
    assert_int_equal(gs_store_open(f->folder, &f->store, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "newer genseg"));
    assert_null(f->store);
}

static void a_database_of_another_program_is_refused(void **state) {
    fixture *f = *state;
    gs_store_close(f->store);
    f->store = NULL;
    run_sql(f, "PRAGMA application_id = 1");
    assert_int_equal(gs_store_open(f->folder, &f->store, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "another program"));
}

static void overwrite(const fixture *f, off_t offset, size_t size) {
    char path[96], junk[256];
    memset(junk, 0xa5, sizeof junk);
    snprintf(path, sizeof path, "%s/genseg.db", f->folder);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, junk, size, offset), (ssize_t)size);
    close(fd);
}

static void a_file_that_is_no_database_is_refused(void **state) {
    fixture *f = *state;
    gs_store_close(f->store);
    f->store = NULL;
    overwrite(f, 0, 100);
    assert_int_equal(gs_store_open(f->folder, &f->store, &error), GS_IO);
    assert_non_null(strstr(error.text, "damaged"));
}

static void a_damaged_schema_is_refused(void **state) {
    fixture *f = *state;
    gs_store_close(f->store);
    f->store = NULL;
    overwrite(f, 100, 256); /* the root page of sqlite_schema */
    assert_int_equal(gs_store_open(f->folder, &f->store, &error), GS_IO);
    assert_non_null(strstr(error.text, "damaged"));
}

static void a_folder_that_can_not_be_made_is_an_error(void **state) {
    (void)state;
    gs_store *store = NULL;
    assert_int_not_equal(gs_store_open("/proc/genseg/data", &store, &error), GS_OK);
    assert_null(store);
}

static void opening_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    for (uint64_t n = 1; n < 200; n++) {
        gs_memory_fail_at(n, true);
        gs_status status = open_again(f);
        gs_memory_fail_at(0, false);
        if (status == GS_OK) return;
        assert_int_equal(status, GS_OUT_OF_MEMORY);
    }
    fail_msg("never succeeded");
}

static void pages_of_data_sets_follow_each_other(void **state) {
    fixture *f = *state;
    const char *names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) make_dataset(f, names[i]);
    gs_dataset_list list;
    assert_ok(gs_store_dataset_list(f->store, &(gs_page){.limit = 2}, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[1].name, "b");
    gs_free(list.items);
    gs_page next = {.limit = 2, .cursor = list.next_cursor};
    gs_dataset_list rest;
    assert_ok(gs_store_dataset_list(f->store, &next, &rest, &error));
    assert_int_equal(rest.count, 1);
    assert_string_equal(rest.items[0].name, "c");
    assert_string_equal(rest.next_cursor, "");
    gs_free(rest.items);
    gs_page bad[] = {{.cursor = "x"}, {.cursor = "s0000000000000001"}, {.limit = 501}};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(gs_store_dataset_list(f->store, &bad[i], &rest, &error),
                         GS_INVALID_ARGUMENT);
}

static void names_of_data_sets_are_checked(void **state) {
    fixture *f = *state;
    gs_dataset_record record;
    char longest[66];
    memset(longest, 'a', 65);
    longest[65] = 0;
    const char *bad[] = {"", ".", "-x", "a/b", "a b", "\xc3\xa4", longest};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gs_store_dataset_put(f->store, bad[i], &(gs_dataset_settings){0}, &record,
                                              NULL, &error),
                         GS_INVALID_ARGUMENT);
    bool created;
    gs_dataset_settings settings = {.normalization = "foreground", .channels = 4};
    assert_ok(gs_store_dataset_put(f->store, longest + 1, &settings, &record, &created, &error));
    assert_true(created);
    assert_ok(gs_store_dataset_put(f->store, longest + 1, &(gs_dataset_settings){.height = 5},
                                   &record, &created, &error));
    assert_false(created);
    assert_int_equal(record.channels, 4);
    assert_int_equal(record.height, 5);
    assert_string_equal(record.normalization, "foreground");
    settings.normalization = "other";
    assert_int_equal(gs_store_dataset_put(f->store, "b", &settings, &record, NULL, &error),
                     GS_INVALID_ARGUMENT);
    assert_int_equal(gs_store_dataset_get(f->store, "b", &record, &error), GS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_folder_in_use_is_busy),
        TEST(a_folder_in_use_can_be_read_and_not_written),
        TEST(only_a_database_of_this_schema_is_read),
        TEST(what_was_stored_is_there_after_reopening),
        TEST(a_newer_schema_is_refused),
        TEST(a_database_of_another_program_is_refused),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(a_damaged_schema_is_refused),
        TEST(a_folder_that_can_not_be_made_is_an_error),
        TEST(opening_survives_every_failing_allocation),
        TEST(pages_of_data_sets_follow_each_other),
        TEST(names_of_data_sets_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include <sqlite3.h>

static void the_same_bytes_give_the_first_slice(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    make_dataset(f, "b");
    gs_new_slice slice = slice_of("pixels");
    slice.label = "presence";
    gs_slice_record first = add_slice(f, "a", slice), second;
    slice.label = "absence";
    bool created = true;
    assert_ok(gs_store_slice_add(f->store, "a", &slice, 1, NULL, &second, &created, &error));
    assert_false(created);
    assert_string_equal(second.id, first.id);
    assert_string_equal(second.label, "presence");
    assert_string_not_equal(add_slice(f, "b", slice).id, first.id);
}

static void the_first_slice_fixes_the_size(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    add_slice(f, "a", slice_of("one"));
    gs_dataset_record dataset;
    assert_ok(gs_store_dataset_get(f->store, "a", &dataset, &error));
    assert_int_equal(dataset.channels, 1);
    assert_int_equal(dataset.height, 2);
    assert_int_equal(dataset.width, 3);
    gs_new_slice other = slice_of("two");
    other.width = 4;
    gs_slice_record record;
    assert_int_equal(gs_store_slice_add(f->store, "a", &other, 1, NULL, &record, NULL, &error),
                     GS_SHAPE_MISMATCH);
    assert_int_equal(gs_store_dataset_put(f->store, "a", &(gs_dataset_settings){.width = 4},
                                          &dataset, NULL, &error),
                     GS_CONFLICT);
    assert_int_equal(gs_store_slice_add(f->store, "none", &other, 1, NULL, &record, NULL, &error),
                     GS_NOT_FOUND);
}

static void a_failing_batch_stores_nothing(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    gs_new_slice batch[2] = {slice_of("one"), slice_of("two")};
    batch[1].height = 9;
    gs_slice_record records[2];
    assert_int_equal(gs_store_slice_add(f->store, "a", batch, 2, NULL, records, NULL, &error),
                     GS_SHAPE_MISMATCH);
    gs_dataset_counts counts;
    gs_dataset_record dataset;
    assert_ok(gs_store_dataset_count(f->store, "a", &counts, &error));
    assert_int_equal(counts.slices, 0);
    assert_ok(gs_store_dataset_get(f->store, "a", &dataset, &error));
    assert_int_equal(dataset.height, 0);
}

static void bad_fields_are_refused(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    char long_name[300];
    memset(long_name, 'n', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    gs_new_slice bad[6];
    for (size_t i = 0; i < 6; i++) bad[i] = slice_of("x");
    bad[0].label = "maybe";
    bad[1].split = "dev";
    bad[2].case_name = "a\nb";
    bad[3].case_name = "\xff";
    bad[4].name = long_name;
    bad[5].index = -2;
    const char *said[] = {"label", "split", "control", "UTF-8", "name", "index"};
    gs_slice_record record;
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(gs_store_slice_add(f->store, "a", &bad[i], 1, NULL, &record, NULL, &error),
                         GS_INVALID_ARGUMENT);
        assert_non_null(strstr(error.text, said[i]));
    }
}

static void the_slices_of_a_case_have_one_split(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    gs_new_slice slice = slice_of("1");
    slice.case_name = "case";
    gs_slice_record first = add_slice(f, "a", slice);
    assert_string_equal(first.split, "");
    slice.content = "2";
    slice.split = "test";
    add_slice(f, "a", slice);
    assert_ok(gs_store_slice_get(f->store, first.id, &first, &error));
    assert_string_equal(first.split, "test");
    slice.content = "3";
    slice.split = NULL;
    assert_string_equal(add_slice(f, "a", slice).split, "test");
    slice.content = "4";
    slice.split = "train";
    gs_slice_record record;
    assert_int_equal(gs_store_slice_add(f->store, "a", &slice, 1, NULL, &record, NULL, &error),
                     GS_CONFLICT);
    slice.case_name = NULL; /* without a case each slice stands alone */
    assert_string_equal(add_slice(f, "a", slice).split, "train");
}

static void a_key_gives_the_first_result(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    gs_idempotency key = {.key = "k1", .scope = "POST /v1/slices", .sha256 = "11"};
    gs_new_slice slice = slice_of("one");
    gs_slice_record first, second;
    bool created;
    assert_ok(gs_store_slice_add(f->store, "a", &slice, 1, &key, &first, &created, &error));
    assert_true(created);
    slice = slice_of("two");
    assert_ok(gs_store_slice_add(f->store, "a", &slice, 1, &key, &second, &created, &error));
    assert_false(created);
    assert_string_equal(first.id, second.id);
    key.sha256 = "22";
    assert_int_equal(gs_store_slice_add(f->store, "a", &slice, 1, &key, &second, NULL, &error),
                     GS_UNUSABLE);
    key.sha256 = "11";
    assert_ok(gs_store_slice_delete(f->store, first.id, &error));
    assert_int_equal(gs_store_slice_add(f->store, "a", &slice, 1, &key, &second, NULL, &error),
                     GS_CONFLICT);
    key.key = "";
    assert_int_equal(gs_store_slice_add(f->store, "a", &slice, 1, &key, &second, NULL, &error),
                     GS_INVALID_ARGUMENT);
}

static void a_key_is_forgotten_after_a_day(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    gs_idempotency key = {.key = "k1", .scope = "POST /v1/slices", .sha256 = "11"};
    gs_new_slice slice = slice_of("one");
    gs_slice_record first, second;
    assert_ok(gs_store_slice_add(f->store, "a", &slice, 1, &key, &first, NULL, &error));
    sqlite3 *db;
    char path[96];
    snprintf(path, sizeof path, "%s/genseg.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    const char *age = "UPDATE idempotency_keys SET created_at = '2001-01-01T00:00:00.000Z'";
    assert_int_equal(sqlite3_exec(db, age, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    key.sha256 = "22";
    slice = slice_of("two");
    assert_ok(gs_store_slice_add(f->store, "a", &slice, 1, &key, &second, NULL, &error));
    assert_string_not_equal(first.id, second.id);
}

static size_t count_of(fixture *f, gs_slice_filter filter) {
    gs_slice_list list;
    assert_ok(
        gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &(gs_page){0}, &list, &error));
    gs_free(list.items);
    return list.count;
}

static void lists_filter_by_every_field(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    make_dataset(f, "b");
    gs_new_slice slice = slice_of("1");
    slice.label = "presence";
    slice.case_name = "c1";
    slice.split = "validation";
    slice.mask = "mask";
    slice.mask_size = 4;
    add_slice(f, "a", slice);
    slice = slice_of("2");
    slice.label = "absence";
    slice.case_name = "c2";
    add_slice(f, "a", slice);
    add_slice(f, "b", slice_of("3"));
    assert_int_equal(count_of(f, (gs_slice_filter){0}), 3);
    assert_int_equal(count_of(f, (gs_slice_filter){.dataset = "a"}), 2);
    assert_int_equal(count_of(f, (gs_slice_filter){.dataset = "none"}), 0);
    assert_int_equal(count_of(f, (gs_slice_filter){.case_name = "c2"}), 1);
    assert_int_equal(count_of(f, (gs_slice_filter){.case_name = ""}), 1);
    assert_int_equal(count_of(f, (gs_slice_filter){.dataset = "a", .label = "presence"}), 1);
    assert_int_equal(count_of(f, (gs_slice_filter){.label = "unknown"}), 1);
    assert_int_equal(count_of(f, (gs_slice_filter){.split = "validation"}), 1);
    assert_int_equal(count_of(f, (gs_slice_filter){.annotated = GS_ANNOTATED_YES}), 1);
    assert_int_equal(count_of(f, (gs_slice_filter){.annotated = GS_ANNOTATED_NO}), 2);
    gs_dataset_counts counts;
    assert_ok(gs_store_dataset_count(f->store, "a", &counts, &error));
    assert_int_equal(counts.slices, 2);
    assert_int_equal(counts.cases, 2);
    assert_int_equal(counts.presence, 1);
    assert_int_equal(counts.annotated_presence, 1);
    assert_int_equal(counts.train_presence, 0);
    assert_int_equal(counts.train_absence, 1);
}

static void pages_give_every_slice_once_while_others_come_and_go(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    char content[16], cursor[GS_CURSOR_SIZE] = "";
    for (int i = 0; i < 25; i++) {
        snprintf(content, sizeof content, "slice %d", i);
        add_slice(f, "a", slice_of(content));
    }
    size_t seen = 0;
    do {
        gs_slice_list list;
        gs_page page = {.limit = 10, .cursor = cursor};
        gs_slice_filter filter = {.dataset = "a"};
        assert_ok(gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &page, &list, &error));
        seen += list.count;
        memcpy(cursor, list.next_cursor, sizeof cursor);
        /* The slice the cursor stands on may vanish. */
        assert_ok(gs_store_slice_delete(f->store, list.items[list.count - 1].id, &error));
        gs_free(list.items);
    } while (cursor[0]);
    assert_int_equal(seen, 25);
}

static gs_status write_while_visiting(void *context, const gs_slice_view *slice, gs_error *err) {
    fixture *f = context;
    gs_slice_record record;
    char content[64];
    snprintf(content, sizeof content, "written during %s", slice->record.id);
    gs_new_slice more = slice_of(content);
    GS_TRY(gs_store_slice_add(f->store, "a", &more, 1, NULL, &record, NULL, err));
    return gs_store_slice_delete(f->store, slice->record.id, err);
}

static gs_status count_visits(void *context, const gs_slice_view *slice, gs_error *err) {
    (void)err;
    assert_int_equal(slice->record.content_size > 0, 1);
    ++*(int *)context;
    return GS_OK;
}

static gs_status refuse(void *context, const gs_slice_view *slice, gs_error *err) {
    (void)context, (void)slice;
    return gs_fail(err, GS_CANCELLED, "enough");
}

static void a_snapshot_is_of_one_moment(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    add_slice(f, "a", slice_of("1"));
    add_slice(f, "a", slice_of("2"));
    assert_ok(gs_store_slice_each(f->store, "a", write_while_visiting, f, &error));
    int visits = 0;
    assert_ok(gs_store_slice_each(f->store, "a", count_visits, &visits, &error));
    assert_int_equal(visits, 2); /* the two written during the first walk */
    assert_int_equal(gs_store_slice_each(f->store, "a", refuse, NULL, &error), GS_CANCELLED);
    assert_int_equal(gs_store_slice_each(f->store, "none", refuse, NULL, &error), GS_NOT_FOUND);
}

static void labels_change_and_slices_go(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    gs_slice_record slice = add_slice(f, "a", slice_of("1"));
    assert_ok(gs_store_slice_set_label(f->store, slice.id, "absence", &slice, &error));
    assert_string_equal(slice.label, "absence");
    assert_int_equal(gs_store_slice_set_label(f->store, slice.id, "yes", &slice, &error),
                     GS_INVALID_ARGUMENT);
    assert_int_equal(gs_store_slice_set_label(f->store, "slc_x", "absence", &slice, &error),
                     GS_NOT_FOUND);
    assert_ok(gs_store_slice_delete(f->store, slice.id, &error));
    assert_int_equal(gs_store_slice_delete(f->store, slice.id, &error), GS_NOT_FOUND);
    assert_int_equal(gs_store_slice_get(f->store, slice.id, &slice, &error), GS_NOT_FOUND);
}

static void adding_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    make_dataset(f, "a");
    gs_new_slice slice = slice_of("1");
    gs_slice_record record;
    for (uint64_t n = 1; n < 50; n++) {
        gs_memory_fail_at(n, true);
        gs_status status =
            gs_store_slice_add(f->store, "a", &slice, 1, NULL, &record, NULL, &error);
        gs_memory_fail_at(0, false);
        if (status == GS_OK) return;
        assert_int_equal(status, GS_OUT_OF_MEMORY);
    }
    fail_msg("never succeeded");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_same_bytes_give_the_first_slice),
        TEST(the_first_slice_fixes_the_size),
        TEST(a_failing_batch_stores_nothing),
        TEST(bad_fields_are_refused),
        TEST(the_slices_of_a_case_have_one_split),
        TEST(a_key_gives_the_first_result),
        TEST(a_key_is_forgotten_after_a_day),
        TEST(lists_filter_by_every_field),
        TEST(pages_give_every_slice_once_while_others_come_and_go),
        TEST(a_snapshot_is_of_one_moment),
        TEST(labels_change_and_slices_go),
        TEST(adding_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

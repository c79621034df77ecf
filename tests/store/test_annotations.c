#include "fixture.h"

static gs_annotation_record put(fixture *f, const char *slice, const char *mask,
                                const char *author) {
    gs_annotation_record record;
    const gs_annotation_edit edit = {.author = author};
    assert_ok(gs_store_annotation_put(f->store, slice, mask, strlen(mask), &edit, &record, &error));
    return record;
}

static gs_slice_record make_slice(fixture *f) {
    make_dataset(f, "a");
    return add_slice(f, "a", slice_of("pixels"));
}

static void the_last_mask_is_current_and_all_are_kept(void **state) {
    fixture *f = *state;
    gs_slice_record slice = make_slice(f);
    gs_annotation_record first = put(f, slice.id, "mask 1", "ann"), record;
    put(f, slice.id, "mask 2", NULL);
    void *mask;
    size_t size;
    assert_ok(gs_store_annotation_get(f->store, slice.id, NULL, &record, &mask, &size, &error));
    assert_memory_equal(mask, "mask 2", 6);
    assert_string_equal(record.author, "anonymous");
    assert_true(record.current);
    gs_free(mask);
    assert_ok(gs_store_annotation_get(f->store, slice.id, first.id, &record, &mask, &size, &error));
    assert_memory_equal(mask, "mask 1", 6);
    assert_string_equal(record.author, "ann");
    assert_false(record.current);
    gs_free(mask);
    assert_ok(gs_store_slice_get(f->store, slice.id, &slice, &error));
    assert_true(slice.annotated);
}

static void the_same_mask_again_adds_no_entry(void **state) {
    fixture *f = *state;
    gs_slice_record slice = make_slice(f);
    gs_annotation_record first = put(f, slice.id, "mask", "ann");
    assert_string_equal(put(f, slice.id, "mask", "bob").id, first.id);
}

static void deleting_keeps_the_history(void **state) {
    fixture *f = *state;
    gs_slice_record slice = make_slice(f);
    const gs_annotation_edit bob = {.author = "bob"};
    put(f, slice.id, "mask", "ann");
    assert_ok(gs_store_annotation_delete(f->store, slice.id, &bob, &error));
    assert_int_equal(gs_store_annotation_delete(f->store, slice.id, &bob, &error), GS_NOT_FOUND);
    gs_annotation_record record;
    void *mask = NULL;
    size_t size;
    assert_int_equal(
        gs_store_annotation_get(f->store, slice.id, NULL, &record, &mask, &size, &error),
        GS_NOT_FOUND);
    gs_annotation_list list;
    gs_page page = {.limit = 1};
    assert_ok(gs_store_annotation_list(f->store, slice.id, &page, &list, &error));
    assert_int_equal(list.count, 1);
    assert_true(list.items[0].removed);
    assert_string_equal(list.items[0].author, "bob");
    assert_int_equal(gs_store_annotation_get(f->store, slice.id, list.items[0].id, &record, &mask,
                                             &size, &error),
                     GS_NOT_FOUND);
    gs_free(list.items);
    char cursor[GS_CURSOR_SIZE];
    memcpy(cursor, list.next_cursor, sizeof cursor);
    page.cursor = cursor;
    assert_ok(gs_store_annotation_list(f->store, slice.id, &page, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].author, "ann");
    assert_false(list.items[0].current);
    assert_string_equal(list.next_cursor, "");
    gs_free(list.items);
    assert_ok(gs_store_slice_get(f->store, slice.id, &slice, &error));
    assert_false(slice.annotated);
}

static void a_deleted_slice_takes_its_masks_along(void **state) {
    fixture *f = *state;
    gs_slice_record slice = make_slice(f);
    put(f, slice.id, "mask 1", "ann");
    put(f, slice.id, "mask 2", "ann");
    assert_ok(gs_store_slice_delete(f->store, slice.id, &error));
    gs_annotation_list list;
    assert_int_equal(gs_store_annotation_list(f->store, slice.id, &(gs_page){0}, &list, &error),
                     GS_NOT_FOUND);
    gs_annotation_record record;
    const gs_annotation_edit edit = {0};
    assert_int_equal(gs_store_annotation_put(f->store, slice.id, "mask", 4, &edit, &record, &error),
                     GS_NOT_FOUND);
}

static void bad_masks_and_authors_are_refused(void **state) {
    fixture *f = *state;
    gs_slice_record slice = make_slice(f);
    gs_annotation_record record;
    gs_annotation_edit edit = {0};
    assert_int_equal(gs_store_annotation_put(f->store, slice.id, "", 0, &edit, &record, &error),
                     GS_TOO_LARGE);
    edit.author = "a\tb";
    assert_int_equal(gs_store_annotation_put(f->store, slice.id, "m", 1, &edit, &record, &error),
                     GS_INVALID_ARGUMENT);
}

/* Remembers what it was asked with and refuses. */
static bool refuse(void *state, const gs_annotation_record *current) {
    char *asked = state;
    snprintf(asked, GS_AUTHOR_SIZE, "%s", current ? current->author : "nobody");
    return false;
}

static void an_edit_that_is_not_allowed_changes_nothing(void **state) {
    fixture *f = *state;
    gs_slice_record slice = make_slice(f);
    char asked[GS_AUTHOR_SIZE] = "";
    const gs_annotation_edit edit = {.author = "bob", .allows = refuse, .state = asked};
    gs_annotation_record record;
    assert_int_equal(gs_store_annotation_put(f->store, slice.id, "mask", 4, &edit, &record, &error),
                     GS_CONFLICT);
    assert_string_equal(asked, "nobody");
    gs_annotation_record first = put(f, slice.id, "mask", "ann");
    assert_int_equal(
        gs_store_annotation_put(f->store, slice.id, "other", 5, &edit, &record, &error),
        GS_CONFLICT);
    assert_string_equal(asked, "ann");
    assert_int_equal(gs_store_annotation_delete(f->store, slice.id, &edit, &error), GS_CONFLICT);
    assert_ok(gs_store_annotation_put(f->store, slice.id, "mask", 4, &edit, &record, &error));
    assert_string_equal(record.id, first.id); /* what is stored already needs no permission */
    gs_annotation_list list;
    assert_ok(gs_store_annotation_list(f->store, slice.id, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 1);
    gs_free(list.items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_last_mask_is_current_and_all_are_kept),
        TEST(the_same_mask_again_adds_no_entry),
        TEST(deleting_keeps_the_history),
        TEST(a_deleted_slice_takes_its_masks_along),
        TEST(bad_masks_and_authors_are_refused),
        TEST(an_edit_that_is_not_allowed_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "fixture.h"

#include "store/audit.h"

static int64_t begin(fixture *f, const char *name, const char *path) {
    gs_audit_record record = {
        .request = "r1", .token = "tok_a", .address = "192.0.2.1", .method = "PUT"};
    snprintf(record.name, sizeof record.name, "%s", name);
    snprintf(record.path, sizeof record.path, "%s", path);
    int64_t entry = 0;
    assert_ok(gs_store_audit_begin(f->store, &record, &entry, &error));
    assert_true(entry > 0);
    return entry;
}

static void what_was_begun_is_there_with_its_outcome(void **state) {
    fixture *f = *state;
    int64_t first = begin(f, "ann", "/a");
    begin(f, "bob", "/b");
    assert_ok(gs_store_audit_finish(f->store, first, 204, &error));
    reopen(f);
    gs_audit_list list;
    gs_page page = {0};
    assert_ok(gs_store_audit_list(f->store, NULL, &page, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "bob");
    assert_int_equal(list.items[0].status, 0);
    assert_string_equal(list.items[1].path, "/a");
    assert_string_equal(list.items[1].address, "192.0.2.1");
    assert_int_equal(list.items[1].status, 204);
    gs_free(list.items);
    assert_ok(gs_store_audit_list(f->store, "ann", &page, &list, &error));
    assert_int_equal(list.count, 1);
    gs_free(list.items);
}

static void pages_follow_each_other(void **state) {
    fixture *f = *state;
    char path[16], cursor[GS_CURSOR_SIZE] = "";
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof path, "/%d", i);
        begin(f, "ann", path);
    }
    for (int expected = 4; expected >= 0; expected--) {
        gs_audit_list list;
        gs_page page = {.limit = 1, .cursor = cursor};
        assert_ok(gs_store_audit_list(f->store, NULL, &page, &list, &error));
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].path[1], '0' + expected);
        memcpy(cursor, list.next_cursor, sizeof cursor);
        gs_free(list.items);
    }
    assert_string_equal(cursor, "");
    gs_audit_list list;
    gs_page wrong = {.cursor = "j0000000000000000"};
    assert_int_equal(gs_store_audit_list(f->store, NULL, &wrong, &list, &error),
                     GS_INVALID_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_begun_is_there_with_its_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_follow_each_other, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

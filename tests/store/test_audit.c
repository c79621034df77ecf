#include "beside.h"

#include "store/audit.h"

#include <sqlite3.h>

static const gs_audit_filter all = {0};

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
    assert_ok(gs_store_audit_list(f->store, &all, &page, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].name, "bob");
    assert_int_equal(list.items[0].status, 0);
    assert_string_equal(list.items[1].path, "/a");
    assert_string_equal(list.items[1].address, "192.0.2.1");
    assert_int_equal(list.items[1].status, 204);
    gs_free(list.items);
    assert_ok(
        gs_store_audit_list(f->store, &(gs_audit_filter){.name = "ann"}, &page, &list, &error));
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
        assert_ok(gs_store_audit_list(f->store, &all, &page, &list, &error));
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].path[1], '0' + expected);
        memcpy(cursor, list.next_cursor, sizeof cursor);
        gs_free(list.items);
    }
    assert_string_equal(cursor, "");
    gs_audit_list list;
    gs_page wrong = {.cursor = "j0000000000000000"};
    assert_int_equal(gs_store_audit_list(f->store, &all, &wrong, &list, &error),
                     GS_INVALID_ARGUMENT);
}

static size_t count_entries(fixture *f, const char *since) {
    gs_audit_filter filter = {.since = since};
    gs_page page = {.limit = GS_PAGE_MAX};
    gs_audit_list list;
    assert_ok(gs_store_audit_list(f->store, &filter, &page, &list, &error));
    assert_string_equal(list.next_cursor, "");
    gs_free(list.items);
    return list.count;
}

/* One entry per day of January, the last of which came when the clock was wrong. */
static void make_january(fixture *f) {
    char sql[256];
    for (int i = 0; i < 6; i++) begin(f, "ann", "/a");
    for (int day = 1; day <= 5; day++) {
        snprintf(sql, sizeof sql,
                 "UPDATE audit SET at = '2026-01-0%dT12:00:00.000Z' WHERE seq = %d", day, day);
        run_sql(f, sql);
    }
    run_sql(f, "UPDATE audit SET at = '2026-01-01T06:00:00.000Z' WHERE seq = 6");
}

static void a_list_begins_at_a_time(void **state) {
    fixture *f = *state;
    make_january(f);
    assert_int_equal(count_entries(f, NULL), 6);
    assert_int_equal(count_entries(f, "2026-01-04T12:00:00.000Z"), 2);
    assert_int_equal(count_entries(f, "2026-01-04T12:00:00.001Z"), 1);
}

static void what_is_older_is_forgotten_and_nothing_else(void **state) {
    fixture *f = *state;
    size_t count = 77;
    make_january(f);
    assert_ok(gs_store_audit_prune(f->store, "2026-01-01T00:00:00.000Z", &count, &error));
    assert_int_equal(count, 0);
    assert_ok(gs_store_audit_prune(f->store, "2026-01-03T12:00:00.000Z", &count, &error));
    assert_int_equal(count, 3); /* 1, 2 and the one of the wrong clock */
    assert_int_equal(count_entries(f, NULL), 3);
    reopen(f);
    assert_int_equal(count_entries(f, "2026-01-03T12:00:00.000Z"), 3);
    assert_true(begin(f, "ann", "/new") > 6); /* no number comes twice */
}

static void much_is_forgotten_in_small_portions(void **state) {
    fixture *f = *state;
    size_t count, rounds = 0, total = 0;
    begin(f, "ann", "/new");
    run_sql(f, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)"
               " INSERT INTO audit (at, request, token, name, address, method, path, status)"
               " SELECT '2020-01-01T00:00:00.000Z', '', '', '', '', '', '', 200 FROM n");
    do {
        assert_ok(gs_store_audit_prune(f->store, "2021-01-01T00:00:00.000Z", &count, &error));
        assert_true(count <= GS_AUDIT_PRUNE_MAX);
        total += count;
        rounds++;
    } while (count == GS_AUDIT_PRUNE_MAX);
    assert_int_equal(total, 1200);
    assert_int_equal(rounds, 3);
    assert_int_equal(count_entries(f, NULL), 1);
}

static void times_are_days_or_moments(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "2026",
                                        "2026-01-32",
                                        "2026-02-29",
                                        "2026-13-01",
                                        "2026-1-1",
                                        "2026-01-31T24:00:00Z",
                                        "2026-01-31T23:59:59",
                                        "2026-00-10",
                                        "2026-01-00",
                                        "2026-01-31 23:59:59Z",
                                        "2026-01-31T23:59:59.123+01:00",
                                        "20a6-01-31",
                                        "2026-01-31T23:59:59.12Z"};
    char out[GS_TIME_SIZE] = "untouched";
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(gs_time_parse("since", wrong[i], out, &error), GS_INVALID_ARGUMENT);
        assert_string_equal(out, "untouched");
    }
    assert_ok(gs_time_parse("since", "2028-02-29", out, &error));
    assert_string_equal(out, "2028-02-29T00:00:00.000Z");
    assert_ok(gs_time_parse("since", "2026-12-31T23:59:59Z", out, &error));
    assert_string_equal(out, "2026-12-31T23:59:59.000Z");
    assert_ok(gs_time_parse("since", "2026-01-31T00:00:00.123Z", out, &error));
    assert_string_equal(out, "2026-01-31T00:00:00.123Z");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_begun_is_there_with_its_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(pages_follow_each_other, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_begins_at_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_older_is_forgotten_and_nothing_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(much_is_forgotten_in_small_portions, setup, teardown),
        cmocka_unit_test(times_are_days_or_moments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

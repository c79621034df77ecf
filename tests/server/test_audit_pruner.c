/* The audit log is pruned at once and again every period, and not while it should not be. */
#include "../store/fixture.h"

#include "server/audit_pruner.h"
#include "store/audit.h"

#include <sqlite3.h>
#include <time.h>

enum { WAIT_STEPS = 500, STEP_MS = 20 };

static void run_sql(const fixture *f, const char *sql) {
    char *path = gs_format("%s/genseg.db", f->folder);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    gs_free(path);
}

/* `count` entries of so many days ago. */
static void add(const fixture *f, int count, int days) {
    char sql[512], at[GS_TIME_SIZE];
    gs_time_before(24 * days, at);
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO audit (at, request, token, name, address, method, path, status)"
             " SELECT '%s', '', '', '', '', '', '', 200 FROM n",
             count, at);
    run_sql(f, sql);
}

static size_t count_entries(fixture *f) {
    gs_page page = {.limit = GS_PAGE_MAX};
    gs_audit_list list;
    assert_ok(gs_store_audit_list(f->store, &(gs_audit_filter){0}, &page, &list, &error));
    gs_free(list.items);
    return list.count;
}

static void wait_for(fixture *f, size_t count) {
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
    for (int i = 0; i < WAIT_STEPS && count_entries(f) != count; i++) nanosleep(&step, NULL);
    assert_int_equal(count_entries(f), count);
}

static void it_prunes_at_once_and_every_period(void **state) {
    fixture *f = *state;
    gs_audit_pruner *pruner;
    const gs_audit_pruner_options options = {.days = 30, .period_ms = 100};
    add(f, 3, 29);
    add(f, 2 * GS_AUDIT_PRUNE_MAX + 1, 31);
    assert_ok(gs_audit_pruner_open(f->store, &options, &pruner, &error));
    wait_for(f, 3);
    add(f, 5, 400);
    wait_for(f, 3);
    gs_audit_pruner_close(pruner);
}

static void closing_does_not_wait_for_the_period(void **state) {
    fixture *f = *state;
    gs_audit_pruner *pruner;
    const gs_audit_pruner_options options = {.days = 30, .period_ms = 24 * 60 * 60 * 1000};
    add(f, 20 * GS_AUDIT_PRUNE_MAX, 31);
    time_t begin = time(NULL);
    assert_ok(gs_audit_pruner_open(f->store, &options, &pruner, &error));
    gs_audit_pruner_close(pruner);
    assert_true(time(NULL) - begin < 5);
    gs_audit_pruner_close(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_prunes_at_once_and_every_period),
        TEST(closing_does_not_wait_for_the_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

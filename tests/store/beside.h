/* What tests do to a store's database beside the store. */
#ifndef TESTS_STORE_BESIDE_H
#define TESTS_STORE_BESIDE_H

#include "fixture.h"

#include <sqlite3.h>

static inline sqlite3 *open_beside(const fixture *f) {
    char path[96];
    sqlite3 *db;
    snprintf(path, sizeof path, "%s/genseg.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static inline void run_sql(const fixture *f, const char *sql) {
    sqlite3 *db = open_beside(f);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* The bytes of slices that were cut from volumes, whether they show or not. */
static inline int64_t count_contents(const fixture *f) {
    sqlite3 *db = open_beside(f);
    sqlite3_stmt *query;
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT count(*) FROM volume_contents", -1, &query, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(query), SQLITE_ROW);
    int64_t count = sqlite3_column_int64(query, 0);
    sqlite3_finalize(query);
    sqlite3_close(db);
    return count;
}

#endif

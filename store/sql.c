/* Statements with sticky errors, and SQLite's result codes as ours. */
#include "store/store_internal.h"
#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* errno of the last failed call on the database or on its log; sqlite3_system_errno may have been
 * overwritten by a clean-up since. */
static int last_errno(sqlite3 *db) {
    int cause = 0;
    sqlite3_file *log = NULL;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    if (log && log->pMethods) log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &cause);
    if (!cause) sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &cause);
    return cause ? cause : sqlite3_system_errno(db);
}

static bool is_disk_full(sqlite3 *db, int rc) {
    if ((rc & 0xff) == SQLITE_FULL) return true;
    if ((rc & 0xff) != SQLITE_IOERR) return false;
    /* SQLite says SQLITE_FULL for ENOSPC of a write only. EFBIG: a limit set by `ulimit -f`. */
    int cause = last_errno(db);
    return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

gs_status gs__sql_fail(sqlite3 *db, int rc, gs_error *err) {
    const char *text = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    if (db && is_disk_full(db, rc))
        return gs_fail(err, GS_DISK_FULL, "the disk of the data folder is full: %s", text);
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return gs_fail(err, GS_OUT_OF_MEMORY, "database: %s", text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return gs_fail(err, GS_BUSY, "the database is in use: %s", text);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return gs_fail(err, GS_IO, "genseg.db is damaged: %s", text);
    case SQLITE_TOOBIG:
        return gs_fail(err, GS_TOO_LARGE, "database: %s", text);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return gs_fail(err, GS_IO, "database: %s (%s)", text,
                       db ? strerror(last_errno(db)) : "no connection");
    default:
        return gs_fail(err, GS_INTERNAL, "database: %s (code %d)", text, rc);
    }
}

gs_status gs__sql_run(sqlite3 *db, const char *sql, gs_error *err) {
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? GS_OK : gs__sql_fail(db, rc, err);
}

gs__sql gs__sql_prepare(sqlite3 *db, const char *sql, gs_error *err) {
    gs__sql query = {.db = db, .err = err};
    int rc = sqlite3_prepare_v2(db, sql, -1, &query.statement, NULL);
    if (rc != SQLITE_OK) query.status = gs__sql_fail(db, rc, err);
    return query;
}

static void check(gs__sql *query, int rc) {
    if (rc != SQLITE_OK) query->status = gs__sql_fail(query->db, rc, query->err);
}

void gs__sql_bind_text(gs__sql *query, int parameter, const char *text) {
    if (query->status) return;
    check(query,
          sqlite3_bind_text(query->statement, parameter, text ? text : "", -1, SQLITE_STATIC));
}

void gs__sql_bind_int(gs__sql *query, int parameter, int64_t value) {
    if (query->status) return;
    check(query, sqlite3_bind_int64(query->statement, parameter, value));
}

void gs__sql_bind_real(gs__sql *query, int parameter, double value) {
    if (query->status) return;
    check(query, sqlite3_bind_double(query->statement, parameter, value));
}

void gs__sql_bind_bytes(gs__sql *query, int parameter, const void *bytes, size_t size) {
    if (query->status) return;
    check(query, sqlite3_bind_blob64(query->statement, parameter, bytes ? bytes : "", size,
                                     SQLITE_STATIC));
}

bool gs__sql_row(gs__sql *query) {
    if (query->status) return false;
    int rc = sqlite3_step(query->statement);
    if (rc == SQLITE_ROW) return true;
    if (rc != SQLITE_DONE) query->status = gs__sql_fail(query->db, rc, query->err);
    return false;
}

void gs__sql_stop(gs__sql *query, gs_status status) {
    if (!query->status) query->status = status;
}

gs_status gs__sql_end(gs__sql *query) {
    int rc =
        sqlite3_finalize(query->statement); /* also of a column for which there was no memory */
    query->statement = NULL;
    if (rc != SQLITE_OK && !query->status) query->status = gs__sql_fail(query->db, rc, query->err);
    return query->status;
}

gs_status gs__sql_finish(gs__sql *query) {
    while (gs__sql_row(query)) continue;
    return gs__sql_end(query);
}

int64_t gs__sql_int(gs__sql *query, int column) {
    return sqlite3_column_int64(query->statement, column);
}

double gs__sql_real(gs__sql *query, int column) {
    if (sqlite3_column_type(query->statement, column) == SQLITE_NULL) return (double)NAN;
    return sqlite3_column_double(query->statement, column);
}

/* NULL for NULL, and when out of memory, which the query remembers. The type is asked first: a
 * value for which there was no memory is NULL after that. */
static const char *column_text(gs__sql *query, int column) {
    bool is_null = sqlite3_column_type(query->statement, column) == SQLITE_NULL;
    const char *text = (const char *)sqlite3_column_text(query->statement, column);
    if (!text && !is_null)
        gs__sql_stop(query, gs_fail(query->err, GS_OUT_OF_MEMORY, "no memory for a row"));
    return text;
}

void gs__sql_text(gs__sql *query, int column, char *out, size_t size) {
    gs__text_copy(out, column_text(query, column), size);
}

char *gs__sql_text_copy(gs__sql *query, int column) {
    const char *text = column_text(query, column);
    char *copy = gs_copy_string(text ? text : "");
    if (!copy) gs__sql_stop(query, gs_fail(query->err, GS_OUT_OF_MEMORY, "no memory for a text"));
    return copy;
}

const void *gs__sql_bytes(gs__sql *query, int column, size_t *size_out) {
    bool is_null = sqlite3_column_type(query->statement, column) == SQLITE_NULL;
    const void *bytes = sqlite3_column_blob(query->statement, column);
    int size = sqlite3_column_bytes(query->statement, column);
    *size_out = 0;
    if (is_null) return NULL;
    if (!bytes && size > 0) {
        gs__sql_stop(query, gs_fail(query->err, GS_OUT_OF_MEMORY, "no memory for %d bytes", size));
        return NULL;
    }
    *size_out = (size_t)size;
    return bytes ? bytes : "";
}

void *gs__sql_bytes_copy(gs__sql *query, int column, size_t *size_out) {
    const void *bytes = gs__sql_bytes(query, column, size_out);
    char *copy = query->status ? NULL : gs_copy_bytes(bytes ? bytes : "", *size_out);
    if (!copy)
        gs__sql_stop(query,
                     gs_fail(query->err, GS_OUT_OF_MEMORY, "no memory for %zu bytes", *size_out));
    return copy;
}

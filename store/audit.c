#include "store/audit.h"
#include "store/store_internal.h"
#include "base/memory.h"

#define AUDIT_COLUMNS "at, request, token, name, address, method, path, status"

static gs_status insert_entry(sqlite3 *db, const gs_audit_record *record, gs_error *err) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(
        db, "INSERT INTO audit (" AUDIT_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)", err);
    gs__sql_bind_text(&query, 1, now);
    gs__sql_bind_text(&query, 2, record->request);
    gs__sql_bind_text(&query, 3, record->token);
    gs__sql_bind_text(&query, 4, record->name);
    gs__sql_bind_text(&query, 5, record->address);
    gs__sql_bind_text(&query, 6, record->method);
    gs__sql_bind_text(&query, 7, record->path);
    return gs__sql_finish(&query);
}

gs_status gs_store_audit_begin(gs_store *store, const gs_audit_record *record, int64_t *entry_out,
                               gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    gs_status status = insert_entry(db, record, err);
    int64_t entry = sqlite3_last_insert_rowid(db);
    GS_TRY(gs__write_end(store, status, err));
    *entry_out = entry;
    return GS_OK;
}

static gs_status set_status(sqlite3 *db, int64_t entry, int http_status, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "UPDATE audit SET status = ?2 WHERE seq = ?1", err);
    gs__sql_bind_int(&query, 1, entry);
    gs__sql_bind_int(&query, 2, http_status);
    return gs__sql_finish(&query);
}

gs_status gs_store_audit_finish(gs_store *store, int64_t entry, int http_status, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, set_status(db, entry, http_status, err), err);
}

static void read_entry(gs__sql *query, int column, gs_audit_record *out) {
    *out = (gs_audit_record){0};
    gs__sql_text(query, column, out->at, sizeof out->at);
    gs__sql_text(query, column + 1, out->request, sizeof out->request);
    gs__sql_text(query, column + 2, out->token, sizeof out->token);
    gs__sql_text(query, column + 3, out->name, sizeof out->name);
    gs__sql_text(query, column + 4, out->address, sizeof out->address);
    gs__sql_text(query, column + 5, out->method, sizeof out->method);
    gs__sql_text(query, column + 6, out->path, sizeof out->path);
    out->status = (int)gs__sql_int(query, column + 7);
}

static gs_status read_page(sqlite3 *db, const gs_audit_filter *filter, size_t limit, int64_t before,
                           gs_audit_list *list, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db,
                        "SELECT seq, " AUDIT_COLUMNS " FROM audit WHERE seq < ?1"
                        " AND (?3 = '' OR name = ?3) AND at >= ?4 ORDER BY seq DESC LIMIT ?2",
                        err);
    gs__sql_bind_int(&query, 1, before);
    gs__sql_bind_int(&query, 2, (int64_t)limit + 1);
    gs__sql_bind_text(&query, 3, filter->name);
    gs__sql_bind_text(&query, 4, filter->since);
    while (gs__sql_row(&query)) {
        if (list->count == limit) { /* one more exists */
            gs__cursor_make('u', before, list->next_cursor);
            break;
        }
        before = gs__sql_int(&query, 0);
        read_entry(&query, 1, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_audit_list(gs_store *store, const gs_audit_filter *filter, const gs_page *page,
                              gs_audit_list *out, gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t before;
    gs_audit_list list = {0};
    GS_TRY(gs__page_parse(page, 'u', INT64_MAX, &limit, &before, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu entries", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_page(db, filter, limit, before, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_free(list.items);
    else
        *out = list;
    return status;
}

/* The last of the entries to forget now, 0 = none. The whole log may have to be looked through,
 * which is no writer's to wait for. */
static gs_status find_last(gs_store *store, const char *before, int64_t *last_out, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__read_begin(store, &db, err));
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT coalesce(max(seq), 0) FROM (SELECT seq FROM audit"
                                    " WHERE at < ?1 ORDER BY seq LIMIT ?2)",
                                    err);
    gs__sql_bind_text(&query, 1, before);
    gs__sql_bind_int(&query, 2, GS_AUDIT_PRUNE_MAX);
    if (gs__sql_row(&query)) *last_out = gs__sql_int(&query, 0);
    gs_status status = gs__sql_end(&query);
    gs__read_end(store, db);
    return status;
}

static gs_status delete_entries(sqlite3 *db, const char *before, int64_t last, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "DELETE FROM audit WHERE seq <= ?1 AND at < ?2", err);
    gs__sql_bind_int(&query, 1, last);
    gs__sql_bind_text(&query, 2, before);
    return gs__sql_finish(&query);
}

gs_status gs_store_audit_prune(gs_store *store, const char *before, size_t *count_out,
                               gs_error *err) {
    sqlite3 *db;
    int64_t last = 0;
    size_t count = 0;
    GS_TRY(find_last(store, before, &last, err));
    if (last > 0) {
        GS_TRY(gs__write_begin(store, &db, err));
        gs_status status = delete_entries(db, before, last, err);
        count = (size_t)sqlite3_changes(db);
        GS_TRY(gs__write_end(store, status, err));
    }
    *count_out = count;
    return GS_OK;
}

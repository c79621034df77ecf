/* Invariant: what is in volume_contents is shown by one slice, or is in waiting_contents, too. */
#include "store/volume_contents.h"

#include "base/memory.h"

/* ==== Rows ==== */

void gs__content_rows_deinit(gs__content_rows *rows) {
    gs_free(rows->items);
    *rows = (gs__content_rows){0};
}

gs_status gs__content_rows_add(gs__content_rows *rows, int64_t seq, size_t size, gs_error *err) {
    if (rows->count == rows->room) {
        size_t room = rows->room ? 2 * rows->room : 64;
        gs__content_row *items = gs_resize(rows->items, room, sizeof *items);
        if (!items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", room);
        rows->items = items;
        rows->room = room;
    }
    rows->items[rows->count++] = (gs__content_row){seq, size};
    return GS_OK;
}

/* ==== Detaching ==== */

static gs_status list_contents(sqlite3 *db, int64_t volume, gs__content_rows *rows, gs_error *err) {
    gs__sql query = gs__sql_prepare(
        db, "SELECT content, content_size FROM slices WHERE volume = ?1 AND content IS NOT NULL",
        err);
    gs__sql_bind_int(&query, 1, volume);
    while (gs__sql_row(&query)) {
        gs_status status =
            gs__content_rows_add(rows, gs__sql_int(&query, 0), (size_t)gs__sql_int(&query, 1), err);
        if (status) gs__sql_stop(&query, status);
    }
    return gs__sql_end(&query);
}

static gs_status run_for(sqlite3 *db, const char *sql, int64_t seq, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, sql, err);
    gs__sql_bind_int(&query, 1, seq);
    return gs__sql_finish(&query);
}

gs_status gs__volume_contents_detach(sqlite3 *db, const char *volume, gs__content_rows *rows,
                                     gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "SELECT seq FROM volumes WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, volume);
    int64_t seq = gs__sql_row(&query) ? gs__sql_int(&query, 0) : 0;
    GS_TRY(gs__sql_end(&query));
    GS_TRY(list_contents(db, seq, rows, err));
    for (size_t i = 0; i < rows->count; i++)
        GS_TRY(run_for(db, "INSERT INTO waiting_contents VALUES (?1)", rows->items[i].seq, err));
    return run_for(db, "UPDATE slices SET content = NULL WHERE volume = ?1", seq, err);
}

/* ==== Deleting ==== */

/* From row `first` on, about a portion; *end_out: the first that is left. */
static gs_status delete_portion(sqlite3 *db, const gs__content_rows *rows, size_t first,
                                size_t *end_out, gs_error *err) {
    size_t bytes = 0, i = first;
    for (; i < rows->count && bytes < GS__PORTION_BYTES; i++) {
        GS_TRY(run_for(db,
                       "DELETE FROM volume_contents WHERE seq ="
                       " (SELECT seq FROM waiting_contents WHERE seq = ?1)",
                       rows->items[i].seq, err));
        bytes += rows->items[i].size;
    }
    *end_out = i;
    return GS_OK;
}

/* What cannot be deleted now is swept at the next open. */
void gs__volume_contents_delete(gs_store *store, const gs__content_rows *rows) {
    sqlite3 *db;
    gs_error ignored;
    for (size_t at = 0, end = 0; at < rows->count; at = end) {
        if (gs__write_begin(store, &db, &ignored) != GS_OK) return;
        gs_status status = delete_portion(db, rows, at, &end, &ignored);
        if (gs__write_end(store, status, &ignored) != GS_OK) return;
    }
}

gs_status gs__volume_contents_sweep(gs_store *store, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    gs_status status = gs__sql_run(db,
                                   "DELETE FROM volume_contents"
                                   " WHERE seq IN (SELECT seq FROM waiting_contents)",
                                   err);
    return gs__write_end(store, status, err);
}

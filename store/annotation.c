/* Annotations: an append-only history per slice; slices.annotation points to the current entry. */
#include "store/annotation.h"
#include "store/slice_internal.h"
#include "base/memory.h"

#include <string.h>

#define ANNOTATION_COLUMNS                                                                         \
    "a.id, s.id, a.author, a.created_at, a.mask IS NULL, a.seq IS s.annotation, a.sha256,"         \
    " a.began_with"
#define ANNOTATION_TABLES "annotations a JOIN slices s ON s.seq = a.slice"

static void read_annotation(gs__sql *query, int column, gs_annotation_record *out) {
    *out = (gs_annotation_record){0};
    gs__sql_text(query, column, out->id, sizeof out->id);
    gs__sql_text(query, column + 1, out->slice_id, sizeof out->slice_id);
    gs__sql_text(query, column + 2, out->author, sizeof out->author);
    gs__sql_text(query, column + 3, out->created_at, sizeof out->created_at);
    out->removed = gs__sql_int(query, column + 4) != 0;
    out->current = gs__sql_int(query, column + 5) != 0;
    gs__sql_text(query, column + 6, out->sha256, sizeof out->sha256);
    gs__sql_text(query, column + 7, out->began_with, sizeof out->began_with);
}

gs_status gs__mask_check(const gs__new_mask *mask, gs_error *err) {
    GS_TRY(gs__text_check("author", mask->author, GS_AUTHOR_SIZE, err));
    GS_TRY(gs__text_check("began_with", mask->began_with, GS_ID_SIZE, err));
    if (!mask->bytes || mask->size == 0 || mask->size > GS_SLICE_BYTES_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the mask has %zu bytes, expected 1 to %d", mask->size,
                       GS_SLICE_BYTES_MAX);
    return GS_OK;
}

static gs_status point_slice(sqlite3 *db, int64_t slice, int64_t annotation, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db, "UPDATE slices SET annotation = nullif(?2, 0) WHERE seq = ?1", err);
    gs__sql_bind_int(&query, 1, slice);
    gs__sql_bind_int(&query, 2, annotation);
    return gs__sql_finish(&query);
}

gs_status gs__annotation_append(sqlite3 *db, int64_t slice, const gs__new_mask *mask,
                                char id_out[GS_ID_SIZE], gs_error *err) {
    char id[GS_ID_SIZE], now[GS_TIME_SIZE], sha256[GS_SHA256_SIZE] = "";
    GS_TRY(gs__id_make("ann", id, err));
    gs_time_now(now);
    if (mask->bytes) gs_sha256_hex(mask->bytes, mask->size, sha256);
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO annotations (id, slice, author, created_at, sha256, mask, began_with)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_int(&query, 2, slice);
    gs__sql_bind_text(&query, 3, mask->author && mask->author[0] ? mask->author : "anonymous");
    gs__sql_bind_text(&query, 4, now);
    gs__sql_bind_text(&query, 5, sha256);
    if (mask->bytes) gs__sql_bind_bytes(&query, 6, mask->bytes, mask->size); /* unbound: NULL */
    gs__sql_bind_text(&query, 7, mask->began_with);
    GS_TRY(gs__sql_finish(&query));
    GS_TRY(point_slice(db, slice, mask->bytes ? sqlite3_last_insert_rowid(db) : 0, err));
    if (id_out) gs__text_copy(id_out, id, GS_ID_SIZE);
    return GS_OK;
}

/* The current entry (id NULL) or that of this id; *found_out says whether there is one. mask: NULL
 * or where a copy of the mask goes, NULL for a removal. */
static gs_status find_annotation(sqlite3 *db, const char *slice_id, const char *id,
                                 gs_annotation_record *record, bool *found_out, void **mask,
                                 size_t *mask_size, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db,
                        id ? "SELECT a.mask, " ANNOTATION_COLUMNS " FROM " ANNOTATION_TABLES
                             " WHERE s.id = ?1 AND a.id = ?2"
                           : "SELECT a.mask, " ANNOTATION_COLUMNS " FROM " ANNOTATION_TABLES
                             " WHERE s.id = ?1 AND a.seq = s.annotation",
                        err);
    gs__sql_bind_text(&query, 1, slice_id);
    if (id) gs__sql_bind_text(&query, 2, id);
    bool found = gs__sql_row(&query);
    if (found) {
        read_annotation(&query, 1, record);
        if (mask && !record->removed) *mask = gs__sql_bytes_copy(&query, 0, mask_size);
    }
    *found_out = found;
    return gs__sql_end(&query);
}

static gs_status check_edit(const gs_annotation_edit *edit, const char *slice_id,
                            const gs_annotation_record *current, gs_error *err) {
    if (!edit->allows || edit->allows(edit->state, current)) return GS_OK;
    return gs_fail(err, GS_CONFLICT, "the annotation of slice %s is another one by now", slice_id);
}

static gs_status put_annotation(sqlite3 *db, const char *slice_id, const gs__new_mask *mask,
                                const gs_annotation_edit *edit, gs_annotation_record *record,
                                gs_error *err) {
    int64_t slice = 0;
    bool found = false;
    char id[GS_ID_SIZE], sha256[GS_SHA256_SIZE];
    GS_TRY(gs__slice_find(db, slice_id, &slice, err));
    GS_TRY(find_annotation(db, slice_id, NULL, record, &found, NULL, NULL, err));
    gs_sha256_hex(mask->bytes, mask->size, sha256);
    if (found && strcmp(record->sha256, sha256) == 0 &&
        strcmp(record->began_with, mask->began_with ? mask->began_with : "") == 0)
        return GS_OK;
    GS_TRY(check_edit(edit, slice_id, found ? record : NULL, err));
    GS_TRY(gs__annotation_append(db, slice, mask, id, err));
    return find_annotation(db, slice_id, id, record, &found, NULL, NULL, err);
}

gs_status gs_store_annotation_put(gs_store *store, const char *slice_id, const void *mask,
                                  size_t mask_size, const gs_annotation_edit *edit,
                                  gs_annotation_record *out, gs_error *err) {
    sqlite3 *db;
    gs_annotation_record record;
    const gs__new_mask given = {mask, mask_size, edit->author, edit->began_with};
    GS_TRY(gs__mask_check(&given, err));
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, put_annotation(db, slice_id, &given, edit, &record, err), err));
    *out = record;
    return GS_OK;
}

static gs_status no_annotation(const char *slice_id, const char *id, gs_error *err) {
    if (id)
        return gs_fail(err, GS_NOT_FOUND, "slice %s has no mask in its history with the id '%.40s'",
                       slice_id, id);
    return gs_fail(err, GS_NOT_FOUND, "slice %s has no annotation", slice_id);
}

static gs_status load_annotation(sqlite3 *db, const char *slice_id, const char *id,
                                 gs_annotation_record *record, void **mask, size_t *size,
                                 gs_error *err) {
    int64_t slice = 0;
    bool found = false;
    GS_TRY(gs__slice_find(db, slice_id, &slice, err));
    GS_TRY(find_annotation(db, slice_id, id, record, &found, mask, size, err));
    return found && *mask ? GS_OK : no_annotation(slice_id, id, err);
}

gs_status gs_store_annotation_get(gs_store *store, const char *slice_id, const char *annotation_id,
                                  gs_annotation_record *out, void **mask_out, size_t *size_out,
                                  gs_error *err) {
    sqlite3 *db;
    gs_annotation_record record;
    void *mask = NULL;
    size_t size = 0;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = load_annotation(db, slice_id, annotation_id, &record, &mask, &size, err);
    gs__read_end(store, db);
    if (status) {
        gs_free(mask);
        return status;
    }
    *out = record;
    *mask_out = mask;
    *size_out = size;
    return GS_OK;
}

static gs_status remove_annotation(sqlite3 *db, const char *slice_id,
                                   const gs_annotation_edit *edit, gs_error *err) {
    int64_t slice = 0;
    bool found = false;
    gs_annotation_record record;
    GS_TRY(gs__slice_find(db, slice_id, &slice, err));
    GS_TRY(find_annotation(db, slice_id, NULL, &record, &found, NULL, NULL, err));
    if (!found) return no_annotation(slice_id, NULL, err);
    GS_TRY(check_edit(edit, slice_id, &record, err));
    return gs__annotation_append(db, slice, &(gs__new_mask){.author = edit->author}, NULL, err);
}

gs_status gs_store_annotation_delete(gs_store *store, const char *slice_id,
                                     const gs_annotation_edit *edit, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__text_check("author", edit->author, GS_AUTHOR_SIZE, err));
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, remove_annotation(db, slice_id, edit, err), err);
}

static gs_status read_page(sqlite3 *db, const char *slice_id, size_t limit, int64_t before,
                           gs_annotation_list *list, gs_error *err) {
    int64_t slice = 0;
    GS_TRY(gs__slice_find(db, slice_id, &slice, err));
    gs__sql query =
        gs__sql_prepare(db,
                        "SELECT a.seq, " ANNOTATION_COLUMNS " FROM " ANNOTATION_TABLES
                        " WHERE a.slice = ?1 AND a.seq < ?2 ORDER BY a.seq DESC LIMIT ?3",
                        err);
    gs__sql_bind_int(&query, 1, slice);
    gs__sql_bind_int(&query, 2, before);
    gs__sql_bind_int(&query, 3, (int64_t)limit + 1);
    while (gs__sql_row(&query)) {
        if (list->count == limit) { /* one more exists */
            gs__cursor_make('a', before, list->next_cursor);
            break;
        }
        before = gs__sql_int(&query, 0);
        read_annotation(&query, 1, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_annotation_list(gs_store *store, const char *slice_id, const gs_page *page,
                                   gs_annotation_list *out, gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t before;
    gs_annotation_list list = {0};
    GS_TRY(gs__page_parse(page, 'a', INT64_MAX, &limit, &before, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu entries", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_page(db, slice_id, limit, before, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_free(list.items);
    else
        *out = list;
    return status;
}

static gs_status visit_masks(sqlite3 *db, const char *volume, gs_volume_mask_visit *visit,
                             void *context, gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT s.position, s.part, a.mask, a.began_with FROM slices s"
                                    " JOIN annotations a ON a.seq = s.annotation"
                                    " WHERE s.volume = (SELECT seq FROM volumes WHERE id = ?1)"
                                    " ORDER BY s.position, s.part, s.seq",
                                    err);
    gs__sql_bind_text(&query, 1, volume);
    while (gs__sql_row(&query)) {
        gs_volume_mask mask = {.index = gs__sql_int(&query, 0)};
        gs__sql_text(&query, 1, mask.part, sizeof mask.part);
        mask.mask = gs__sql_bytes(&query, 2, &mask.mask_size);
        gs__sql_text(&query, 3, mask.began_with, sizeof mask.began_with);
        if (!query.status) gs__sql_stop(&query, visit(context, &mask, err));
    }
    return gs__sql_end(&query);
}

gs_status gs_store_annotation_each(gs_store *store, const char *volume, gs_volume_mask_visit *visit,
                                   void *context, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = visit_masks(db, volume, visit, context, err);
    gs__read_end(store, db);
    return status;
}

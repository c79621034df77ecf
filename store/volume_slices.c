/* Invariant: what is in volume_contents is shown by one slice, or is in waiting_contents, too. */
#include "store/volume_slices.h"
#include "store/slice_internal.h"
#include "base/memory.h"

#include <string.h>

/* One that waits, with copies of all that its giver pointed to; texts are "" for none. */
typedef struct gs__waiting_slice {
    gs_new_slice slice; /* its pointers are set when it is inserted */
    char name[GS_SLICE_NAME_SIZE], content_type[GS_MEDIA_TYPE_SIZE], author[GS_AUTHOR_SIZE];
    char label[GS_WORD_SIZE], part[GS_WORD_SIZE], began_with[GS_ID_SIZE];
    char *content; /* owned; NULL once it was written */
    char *mask;    /* owned; NULL without one */
    gs__slice_content stored;
} waiting_slice;

/* ==== Pulling ==== */

static gs_status keep_slice(waiting_slice *item, const gs_new_slice *slice, gs_error *err) {
    item->slice = *slice;
    gs__text_copy(item->name, slice->name, sizeof item->name);
    gs__text_copy(item->content_type, slice->content_type, sizeof item->content_type);
    gs__text_copy(item->author, slice->author, sizeof item->author);
    gs__text_copy(item->label, slice->label ? slice->label : "unknown", sizeof item->label);
    gs__text_copy(item->part, slice->part, sizeof item->part);
    gs__text_copy(item->began_with, slice->began_with, sizeof item->began_with);
    item->content = gs_copy_bytes(slice->content, slice->content_size);
    item->mask = slice->mask ? gs_copy_bytes(slice->mask, slice->mask_size) : NULL;
    if (!item->content || (slice->mask && !item->mask))
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice of %zu bytes",
                       slice->content_size);
    gs_sha256_hex(slice->content, slice->content_size, item->stored.sha256);
    return GS_OK;
}

static gs_status make_room(gs__volume_slices *s, gs_error *err) {
    if (s->count < s->room) return GS_OK;
    size_t room = s->room ? 2 * s->room : 64;
    waiting_slice *items = gs_resize(s->items, room, sizeof *items);
    if (!items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", room);
    s->items = items;
    s->room = room;
    return GS_OK;
}

static gs_status add_slice(gs__volume_slices *s, const gs_new_slice *slice, gs_error *err) {
    GS_TRY(gs__slice_check(slice, err));
    GS_TRY(make_room(s, err));
    waiting_slice *item = &s->items[s->count++];
    *item = (waiting_slice){0};
    GS_TRY(keep_slice(item, slice, err));
    s->pending_bytes += slice->content_size;
    return GS_OK;
}

/* ==== Writing bytes ==== */

static gs_status run_for(sqlite3 *db, const char *sql, int64_t seq, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, sql, err);
    gs__sql_bind_int(&query, 1, seq);
    return gs__sql_finish(&query);
}

static gs_status insert_content(sqlite3 *db, gs__volume_slices *s, waiting_slice *item,
                                gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "INSERT INTO volume_contents (bytes) VALUES (?1)", err);
    gs__sql_bind_bytes(&query, 1, item->content, item->slice.content_size);
    GS_TRY(gs__sql_finish(&query));
    item->stored.seq = sqlite3_last_insert_rowid(db);
    GS_TRY(gs__content_rows_add(&s->rows, item->stored.seq, item->slice.content_size, err));
    return run_for(db, "INSERT INTO waiting_contents VALUES (?1)", item->stored.seq, err);
}

static gs_status insert_pending(sqlite3 *db, gs__volume_slices *s, gs_error *err) {
    for (size_t i = s->written; i < s->count; i++) GS_TRY(insert_content(db, s, &s->items[i], err));
    return GS_OK;
}

static gs_status write_pending(gs__volume_slices *s, gs_error *err) {
    sqlite3 *db;
    if (s->written == s->count) return GS_OK;
    GS_TRY(gs__write_begin(s->store, &db, err));
    gs_status status = gs__write_end(s->store, insert_pending(db, s, err), err);
    if (status != GS_OK) {
        s->rows.count = s->written; /* their numbers may be others' now */
        return status;
    }
    for (; s->written < s->count; s->written++) {
        gs_free(s->items[s->written].content);
        s->items[s->written].content = NULL;
    }
    s->pending_bytes = 0;
    return GS_OK;
}

gs_status gs__volume_slices_take(gs__volume_slices *s, gs_volume_next *next, void *context,
                                 gs_error *err) {
    for (;;) {
        gs_new_slice slice = {0};
        bool more = false;
        GS_TRY(next(context, &slice, &more, err));
        if (!more) break;
        GS_TRY(add_slice(s, &slice, err));
        if (s->pending_bytes >= GS__PORTION_BYTES) GS_TRY(write_pending(s, err));
    }
    return write_pending(s, err);
}

/* ==== Rows ==== */

static gs_new_slice new_slice(const waiting_slice *item, const char *case_name, const char *split) {
    gs_new_slice slice = item->slice;
    slice.case_name = case_name;
    slice.split = split;
    slice.name = item->name;
    slice.content_type = item->content_type;
    slice.content = NULL; /* it is in the database */
    slice.label = item->label;
    slice.part = item->part;
    slice.mask = item->mask;
    slice.author = item->author;
    slice.began_with = item->began_with;
    return slice;
}

gs_status gs__volume_slices_insert(const gs__volume_slices *s, sqlite3 *db, const char *dataset,
                                   const char *case_name, const char *split, int64_t volume,
                                   gs_error *err) {
    size_t created_count = 0;
    for (size_t i = 0; i < s->count; i++) {
        const gs_new_slice slice = new_slice(&s->items[i], case_name, split);
        gs_slice_record record;
        bool created;
        GS_TRY(gs__slice_insert(db, dataset, &slice, volume, &s->items[i].stored, &record, &created,
                                err));
        if (created)
            GS_TRY(run_for(db, "DELETE FROM waiting_contents WHERE seq = ?1",
                           s->items[i].stored.seq, err));
        created_count += created;
    }
    if (s->count == 0) return gs_fail(err, GS_UNUSABLE, "no slice of the volume is of use");
    if (created_count == 0)
        return gs_fail(err, GS_CONFLICT,
                       "data set '%.64s' has all %zu slices of the volume already", dataset,
                       s->count);
    return GS_OK;
}

/* ==== The end ==== */

void gs__volume_slices_deinit(gs__volume_slices *s) {
    gs__volume_contents_delete(s->store, &s->rows);
    gs__content_rows_deinit(&s->rows);
    for (size_t i = 0; i < s->count; i++) {
        gs_free(s->items[i].content);
        gs_free(s->items[i].mask);
    }
    gs_free(s->items);
    *s = (gs__volume_slices){0};
}

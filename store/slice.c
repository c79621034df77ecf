/* Slices one at a time: storing, reading, labelling, deleting.
 *
 * Invariants: all slices of a data set have its size; the same content is in a data set once; the
 * slices of a named case have one split. */
#include "store/slice_internal.h"
#include "base/memory.h"

#include <string.h>

static const char *const labels[] = {"presence", "absence", "unknown", NULL};
static const char *const splits[] = {"train", "validation", "test", NULL};
static const char *const parts[] = {"left", "right", NULL};

void gs__slice_read(gs__sql *query, int column, gs_slice_record *out) {
    *out = (gs_slice_record){0};
    gs__sql_text(query, column, out->id, sizeof out->id);
    gs__sql_text(query, column + 1, out->dataset, sizeof out->dataset);
    gs__sql_text(query, column + 2, out->case_name, sizeof out->case_name);
    out->index = gs__sql_int(query, column + 3);
    gs__sql_text(query, column + 4, out->name, sizeof out->name);
    out->channels = (int)gs__sql_int(query, column + 5);
    out->height = (int)gs__sql_int(query, column + 6);
    out->width = (int)gs__sql_int(query, column + 7);
    gs__sql_text(query, column + 8, out->content_type, sizeof out->content_type);
    out->content_size = gs__sql_int(query, column + 9);
    gs__sql_text(query, column + 10, out->sha256, sizeof out->sha256);
    gs__sql_text(query, column + 11, out->label, sizeof out->label);
    gs__sql_text(query, column + 12, out->split, sizeof out->split);
    out->annotated = gs__sql_int(query, column + 13) != 0;
    gs__sql_text(query, column + 14, out->created_at, sizeof out->created_at);
    gs__sql_text(query, column + 15, out->volume, sizeof out->volume);
    gs__sql_text(query, column + 16, out->part, sizeof out->part);
    gs__sql_text(query, column + 22, out->normalization, sizeof out->normalization);
    gs__sql_text(query, column + 23, out->preset, sizeof out->preset);
    gs_prediction *prediction = &out->prediction;
    gs__sql_text(query, column + 17, prediction->model, sizeof prediction->model);
    if (!prediction->model[0]) return;
    prediction->area = gs__sql_int(query, column + 18);
    prediction->uncertainty = gs__sql_real(query, column + 19);
    prediction->disagreement = gs__sql_real(query, column + 20);
    prediction->score = gs__sql_real(query, column + 21);
}

gs_status gs__slice_load(sqlite3 *db, const char *id, gs_slice_record *out, gs_error *err) {
    gs__sql query = gs__sql_prepare(
        db, "SELECT " GS__SLICE_COLUMNS " FROM " GS__SLICE_TABLES " WHERE s.id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) gs__slice_read(&query, 0, out);
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : gs_fail(err, GS_NOT_FOUND, "there is no slice '%.40s'", id);
}

gs_status gs__slice_find(sqlite3 *db, const char *id, int64_t *seq_out, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "SELECT seq FROM slices WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) *seq_out = gs__sql_int(&query, 0);
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : gs_fail(err, GS_NOT_FOUND, "there is no slice '%.40s'", id);
}

/* ==== Adding ==== */

gs_status gs__split_check(const char *split, gs_error *err) {
    return split ? gs__word_check("split", split, splits, err) : GS_OK;
}

static gs__new_mask mask_of(const gs_new_slice *slice) {
    return (gs__new_mask){slice->mask, slice->mask_size, slice->author, slice->began_with};
}

gs_status gs__slice_check(const gs_new_slice *slice, gs_error *err) {
    GS_TRY(gs__text_check("case", slice->case_name, GS_CASE_SIZE, err));
    GS_TRY(gs__text_check("name", slice->name, GS_SLICE_NAME_SIZE, err));
    GS_TRY(gs__text_check("content type", slice->content_type, GS_MEDIA_TYPE_SIZE, err));
    if (slice->label) GS_TRY(gs__word_check("label", slice->label, labels, err));
    GS_TRY(gs__split_check(slice->split, err));
    if (slice->part) GS_TRY(gs__word_check("part", slice->part, parts, err));
    if (slice->index < -1) return gs_fail(err, GS_INVALID_ARGUMENT, "index must not be negative");
    if (slice->channels < 1 || slice->height < 1 || slice->width < 1)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a slice must have a size");
    if (slice->content_size > GS_SLICE_BYTES_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the content has %zu bytes, the limit is %d",
                       slice->content_size, GS_SLICE_BYTES_MAX);
    const gs__new_mask mask = mask_of(slice);
    if (mask.bytes) GS_TRY(gs__mask_check(&mask, err));
    return GS_OK;
}

/* The seq of the data set; its size is compared with the slices', and fixed by the first. */
static gs_status enter_dataset(sqlite3 *db, const char *dataset, const gs_new_slice *slice,
                               int64_t *seq_out, gs_error *err) {
    gs__sql query = gs__sql_prepare(
        db, "SELECT seq, channels, height, width FROM datasets WHERE name = ?1", err);
    gs__sql_bind_text(&query, 1, dataset);
    bool found = gs__sql_row(&query);
    int64_t seq = 0, channels = 0, height = 0, width = 0;
    if (found) {
        seq = gs__sql_int(&query, 0);
        channels = gs__sql_int(&query, 1);
        height = gs__sql_int(&query, 2);
        width = gs__sql_int(&query, 3);
    }
    GS_TRY(gs__sql_end(&query));
    if (!found) return gs_fail(err, GS_NOT_FOUND, "there is no data set '%.64s'", dataset);
    if ((channels && channels != slice->channels) || (height && height != slice->height) ||
        (width && width != slice->width))
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "the slice has %d channels, height %d and width %d; data set '%s' has "
                       "%lld, %lld and %lld (0: not fixed yet)",
                       slice->channels, slice->height, slice->width, dataset, (long long)channels,
                       (long long)height, (long long)width);
    *seq_out = seq;
    if (channels && height && width) return GS_OK;
    gs__sql fix = gs__sql_prepare(
        db, "UPDATE datasets SET channels = ?2, height = ?3, width = ?4 WHERE seq = ?1", err);
    gs__sql_bind_int(&fix, 1, seq);
    gs__sql_bind_int(&fix, 2, slice->channels);
    gs__sql_bind_int(&fix, 3, slice->height);
    gs__sql_bind_int(&fix, 4, slice->width);
    return gs__sql_finish(&fix);
}

/* The split of a new slice: its own, else its case's. A case without one takes that of the slice.
 */
static gs_status enter_case(sqlite3 *db, int64_t dataset, const gs_new_slice *slice,
                            char split[GS_WORD_SIZE], gs_error *err) {
    char known[GS_WORD_SIZE] = "";
    gs__text_copy(split, slice->split, GS_WORD_SIZE);
    if (!slice->case_name || !slice->case_name[0]) return GS_OK;
    gs__sql query = gs__sql_prepare(
        db, "SELECT split FROM slices WHERE dataset = ?1 AND case_name = ?2 LIMIT 1", err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, slice->case_name);
    bool found = gs__sql_row(&query);
    if (found) gs__sql_text(&query, 0, known, sizeof known);
    GS_TRY(gs__sql_end(&query));
    if (!found || strcmp(known, split) == 0) return GS_OK;
    if (!split[0]) {
        gs__text_copy(split, known, GS_WORD_SIZE);
        return GS_OK;
    }
    if (known[0])
        return gs_fail(err, GS_CONFLICT, "split is %s, but the slices of case '%s' are in %s",
                       split, slice->case_name, known);
    gs__sql update = gs__sql_prepare(
        db, "UPDATE slices SET split = ?3 WHERE dataset = ?1 AND case_name = ?2", err);
    gs__sql_bind_int(&update, 1, dataset);
    gs__sql_bind_text(&update, 2, slice->case_name);
    gs__sql_bind_text(&update, 3, split);
    return gs__sql_finish(&update);
}

/* Where a new slice's bytes are: with it, or, of a volume's, in the database already. */
typedef struct new_content {
    int64_t volume, stored; /* 0 = none */
    const char *sha256;
} new_content;

static gs_status insert_content(sqlite3 *db, int64_t seq, const gs_new_slice *slice,
                                gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "INSERT INTO slice_contents VALUES (?1, ?2)", err);
    gs__sql_bind_int(&query, 1, seq);
    gs__sql_bind_bytes(&query, 2, slice->content, slice->content_size);
    return gs__sql_finish(&query);
}

static gs_status insert_slice(sqlite3 *db, int64_t dataset, const gs_new_slice *slice,
                              const new_content *content, char id[GS_ID_SIZE], gs_error *err) {
    char now[GS_TIME_SIZE], split[GS_WORD_SIZE];
    GS_TRY(enter_case(db, dataset, slice, split, err));
    GS_TRY(gs__id_make("slc", id, err));
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO slices (id, dataset, case_name, position, name, channels, height, width,"
        " content_type, content_size, sha256, label, split, created_at, volume, part, content)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, nullif(?15, 0), ?16,"
        " nullif(?17, 0))",
        err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_int(&query, 2, dataset);
    gs__sql_bind_text(&query, 3, slice->case_name);
    gs__sql_bind_int(&query, 4, slice->index);
    gs__sql_bind_text(&query, 5, slice->name);
    gs__sql_bind_int(&query, 6, slice->channels);
    gs__sql_bind_int(&query, 7, slice->height);
    gs__sql_bind_int(&query, 8, slice->width);
    gs__sql_bind_text(&query, 9, slice->content_type);
    gs__sql_bind_int(&query, 10, (int64_t)slice->content_size);
    gs__sql_bind_text(&query, 11, content->sha256);
    gs__sql_bind_text(&query, 12, slice->label ? slice->label : "unknown");
    gs__sql_bind_text(&query, 13, split);
    gs__sql_bind_text(&query, 14, now);
    gs__sql_bind_int(&query, 15, content->volume);
    gs__sql_bind_text(&query, 16, slice->part);
    gs__sql_bind_int(&query, 17, content->stored);
    GS_TRY(gs__sql_finish(&query));
    int64_t seq = sqlite3_last_insert_rowid(db);
    if (!content->stored) GS_TRY(insert_content(db, seq, slice, err));
    const gs__new_mask mask = mask_of(slice);
    return mask.bytes ? gs__annotation_append(db, seq, &mask, NULL, err) : GS_OK;
}

/* The id of the slice with this content; "" when there is none. */
static gs_status find_content(sqlite3 *db, int64_t dataset, const char *sha256, char id[GS_ID_SIZE],
                              gs_error *err) {
    id[0] = 0;
    gs__sql query =
        gs__sql_prepare(db, "SELECT id FROM slices WHERE dataset = ?1 AND sha256 = ?2", err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, sha256);
    if (gs__sql_row(&query)) gs__sql_text(&query, 0, id, GS_ID_SIZE);
    return gs__sql_end(&query);
}

static gs_status was_deleted(sqlite3 *db, int64_t dataset, const char *sha256, bool *out,
                             gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db, "SELECT 1 FROM deleted_slices WHERE dataset = ?1 AND sha256 = ?2", err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, sha256);
    *out = gs__sql_row(&query);
    return gs__sql_end(&query);
}

/* What is added on purpose is no longer deleted. */
static gs_status forget_deletion(sqlite3 *db, int64_t dataset, const char *sha256, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db, "DELETE FROM deleted_slices WHERE dataset = ?1 AND sha256 = ?2", err);
    gs__sql_bind_int(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, sha256);
    return gs__sql_finish(&query);
}

static gs_status add_slice(sqlite3 *db, const char *dataset, const gs_new_slice *slice,
                           const new_content *content, gs_slice_record *record, bool *created,
                           gs_error *err) {
    const char *sha256 = content->sha256;
    char id[GS_ID_SIZE];
    int64_t seq = 0;
    GS_TRY(enter_dataset(db, dataset, slice, &seq, err));
    GS_TRY(find_content(db, seq, sha256, id, err));
    *created = !id[0];
    if (*created && slice->unless_deleted) {
        bool deleted;
        GS_TRY(was_deleted(db, seq, sha256, &deleted, err));
        if (deleted) {
            *created = false;
            *record = (gs_slice_record){0};
            return GS_OK;
        }
    }
    if (*created) {
        GS_TRY(insert_slice(db, seq, slice, content, id, err));
        GS_TRY(forget_deletion(db, seq, sha256, err));
    }
    return gs__slice_load(db, id, record, err);
}

gs_status gs__slice_insert(sqlite3 *db, const char *dataset, const gs_new_slice *slice,
                           int64_t volume, const gs__slice_content *stored, gs_slice_record *record,
                           bool *created, gs_error *err) {
    const new_content content = {.volume = volume, .stored = stored->seq, .sha256 = stored->sha256};
    return add_slice(db, dataset, slice, &content, record, created, err);
}

/* What one call of gs_store_slice_add adds, with what it gives, kept aside until the commit. */
typedef struct new_slices {
    const char *dataset;
    const gs_new_slice *slices;
    char (*sha256)[GS_SHA256_SIZE]; /* [count] */
    gs_slice_record *records;       /* [count] */
    bool *created;                  /* [count] */
    size_t count;
} new_slices;

static gs_status add_batch(sqlite3 *db, new_slices *batch, const gs_idempotency *key,
                           gs_error *err) {
    char id[GS_ID_SIZE];
    GS_TRY(gs__idempotency_find(db, key, id, err));
    if (id[0]) {
        gs_status status = gs__slice_load(db, id, &batch->records[0], err);
        return status == GS_NOT_FOUND ? gs__idempotency_gone(key, err) : status;
    }
    for (size_t i = 0; i < batch->count; i++) {
        const new_content content = {.sha256 = batch->sha256[i]};
        GS_TRY(add_slice(db, batch->dataset, &batch->slices[i], &content, &batch->records[i],
                         &batch->created[i], err));
    }
    return batch->count ? gs__idempotency_keep(db, key, batch->records[0].id, err) : GS_OK;
}

gs_status gs_store_slice_add(gs_store *store, const char *dataset, const gs_new_slice *slices,
                             size_t count, const gs_idempotency *key, gs_slice_record *out,
                             bool *created_out, gs_error *err) {
    sqlite3 *db;
    gs_status status = GS_OK;
    gs_assert(!key || count == 1);
    new_slices batch = {.dataset = dataset, .slices = slices, .count = count};
    for (size_t i = 0; i < count; i++) GS_TRY(gs__slice_check(&slices[i], err));
    batch.sha256 = gs_alloc(count, sizeof *batch.sha256);
    batch.records = gs_alloc(count, sizeof *batch.records);
    batch.created = gs_alloc(count, sizeof *batch.created);
    if (!batch.sha256 || !batch.records || !batch.created)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", count);
    for (size_t i = 0; i < count && !status; i++)
        gs_sha256_hex(slices[i].content, slices[i].content_size, batch.sha256[i]);
    if (!status) status = gs__write_begin(store, &db, err);
    if (!status) status = gs__write_end(store, add_batch(db, &batch, key, err), err);
    for (size_t i = 0; i < count && !status; i++) {
        out[i] = batch.records[i];
        if (created_out) created_out[i] = batch.created[i];
    }
    gs_free(batch.created);
    gs_free(batch.records);
    gs_free(batch.sha256);
    return status;
}

/* ==== One slice ==== */

gs_status gs_store_slice_get(gs_store *store, const char *id, gs_slice_record *out, gs_error *err) {
    sqlite3 *db;
    gs_slice_record record;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = gs__slice_load(db, id, &record, err);
    gs__read_end(store, db);
    if (!status) *out = record;
    return status;
}

static gs_status load_content(sqlite3 *db, const char *id, gs_slice_record *record, void **bytes,
                              size_t *size, gs_error *err) {
    GS_TRY(gs__slice_load(db, id, record, err));
    gs__sql query = gs__sql_prepare(
        db, "SELECT " GS__CONTENT_BYTES " FROM slices s " GS__CONTENT_JOIN " WHERE s.id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    if (gs__sql_row(&query)) *bytes = gs__sql_bytes_copy(&query, 0, size);
    GS_TRY(gs__sql_end(&query));
    return *bytes ? GS_OK : gs_fail(err, GS_IO, "genseg.db is damaged: slice %s has no bytes", id);
}

gs_status gs_store_slice_content(gs_store *store, const char *id, gs_slice_record *out,
                                 void **bytes_out, size_t *size_out, gs_error *err) {
    sqlite3 *db;
    gs_slice_record record;
    void *bytes = NULL;
    size_t size = 0;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = load_content(db, id, &record, &bytes, &size, err);
    gs__read_end(store, db);
    if (status) {
        gs_free(bytes);
        return status;
    }
    if (out) *out = record;
    *bytes_out = bytes;
    *size_out = size;
    return GS_OK;
}

static gs_status set_label(sqlite3 *db, const char *id, const char *label, gs_slice_record *record,
                           gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "UPDATE slices SET label = ?2 WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_text(&query, 2, label);
    GS_TRY(gs__sql_finish(&query));
    return gs__slice_load(db, id, record, err);
}

gs_status gs_store_slice_set_label(gs_store *store, const char *id, const char *label,
                                   gs_slice_record *out, gs_error *err) {
    sqlite3 *db;
    gs_slice_record record;
    GS_TRY(gs__word_check("label", label, labels, err));
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, set_label(db, id, label, &record, err), err));
    *out = record;
    return GS_OK;
}

static gs_status delete_slice(sqlite3 *db, const char *id, gs_error *err) {
    int64_t seq = 0;
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    GS_TRY(gs__slice_find(db, id, &seq, err));
    gs__sql note = gs__sql_prepare(
        db,
        "INSERT OR REPLACE INTO deleted_slices SELECT dataset, sha256, ?2 FROM slices"
        " WHERE seq = ?1",
        err);
    gs__sql_bind_int(&note, 1, seq);
    gs__sql_bind_text(&note, 2, now);
    GS_TRY(gs__sql_finish(&note));
    gs__sql query = gs__sql_prepare(db, "DELETE FROM slices WHERE seq = ?1", err);
    gs__sql_bind_int(&query, 1, seq);
    return gs__sql_finish(&query);
}

gs_status gs_store_slice_delete(gs_store *store, const char *id, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, delete_slice(db, id, err), err);
}

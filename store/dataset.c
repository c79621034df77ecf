/* Data sets. Invariant: a size, once a slice is stored, is the size of all slices of the data set.
 */
#include "store/dataset.h"
#include "store/store_internal.h"
#include "base/memory.h"

#include <string.h>

#define DATASET_COLUMNS "name, normalization, channels, height, width, created_at"

static void read_dataset(gs__sql *query, int column, gs_dataset_record *out) {
    gs__sql_text(query, column, out->name, sizeof out->name);
    gs__sql_text(query, column + 1, out->normalization, sizeof out->normalization);
    out->channels = (int)gs__sql_int(query, column + 2);
    out->height = (int)gs__sql_int(query, column + 3);
    out->width = (int)gs__sql_int(query, column + 4);
    gs__sql_text(query, column + 5, out->created_at, sizeof out->created_at);
}

static gs_status check_name(const char *name, gs_error *err) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t length = strnlen(name, GS_DATASET_NAME_SIZE);
    if (length > 0 && length < GS_DATASET_NAME_SIZE && strspn(name, allowed) == length &&
        name[0] != '.' && name[0] != '-')
        return GS_OK;
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "name of a data set must be 1 to %d letters, digits, '.', '_' or '-', not "
                   "starting with '.' or '-'",
                   GS_DATASET_NAME_SIZE - 1);
}

static gs_status check_settings(const gs_dataset_settings *settings, gs_error *err) {
    static const char *const words[] = {"none", "unit", "foreground", NULL};
    if (settings->normalization)
        GS_TRY(gs__word_check("normalization", settings->normalization, words, err));
    if (settings->channels < 0 || settings->height < 0 || settings->width < 0)
        return gs_fail(err, GS_INVALID_ARGUMENT, "channels, height and width must not be negative");
    return GS_OK;
}

/* *found_out says whether there is one. */
static gs_status find_dataset(sqlite3 *db, const char *name, gs_dataset_record *out,
                              bool *found_out, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db, "SELECT " DATASET_COLUMNS " FROM datasets WHERE name = ?1", err);
    gs__sql_bind_text(&query, 1, name);
    bool found = gs__sql_row(&query);
    if (found) read_dataset(&query, 0, out);
    *found_out = found;
    return gs__sql_end(&query);
}

static gs_status not_found(const char *name, gs_error *err) {
    return gs_fail(err, GS_NOT_FOUND, "there is no data set '%.64s'", name);
}

gs_status gs__dataset_seq(sqlite3 *db, const char *name, int64_t *seq_out, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "SELECT seq FROM datasets WHERE name = ?1", err);
    gs__sql_bind_text(&query, 1, name);
    bool found = gs__sql_row(&query);
    if (found) *seq_out = gs__sql_int(&query, 0);
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : not_found(name, err);
}

static gs_status has_slices(sqlite3 *db, const char *name, bool *out, gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT 1 FROM slices s JOIN datasets d ON d.seq = s.dataset"
                                    " WHERE d.name = ?1 LIMIT 1",
                                    err);
    gs__sql_bind_text(&query, 1, name);
    *out = gs__sql_row(&query);
    return gs__sql_end(&query);
}

/* Slices of a volume are cut for the normalization of their data set. */
static gs_status check_normalization(sqlite3 *db, const char *name, const gs_dataset_record *old,
                                     const gs_dataset_settings *settings, gs_error *err) {
    if (!settings->normalization || strcmp(settings->normalization, old->normalization) == 0)
        return GS_OK;
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT 1 FROM volumes v JOIN datasets d ON d.seq = v.dataset"
                                    " WHERE d.name = ?1 LIMIT 1",
                                    err);
    gs__sql_bind_text(&query, 1, name);
    bool found = gs__sql_row(&query);
    GS_TRY(gs__sql_end(&query));
    return found ? gs_fail(err, GS_CONFLICT,
                           "the volumes of data set '%s' were cut for the normalization %s", name,
                           old->normalization)
                 : GS_OK;
}

static bool changes_size(const gs_dataset_record *old, const gs_dataset_settings *settings) {
    return (settings->channels && settings->channels != old->channels) ||
           (settings->height && settings->height != old->height) ||
           (settings->width && settings->width != old->width);
}

static gs_status put_dataset(sqlite3 *db, const char *name, const gs_dataset_settings *settings,
                             gs_dataset_record *record, bool *created, gs_error *err) {
    bool found = false, filled = false;
    GS_TRY(find_dataset(db, name, record, &found, err));
    if (found) GS_TRY(has_slices(db, name, &filled, err));
    if (filled && changes_size(record, settings))
        return gs_fail(err, GS_CONFLICT,
                       "the slices of data set '%s' have %d channels, height %d and width %d", name,
                       record->channels, record->height, record->width);
    if (found) GS_TRY(check_normalization(db, name, record, settings, err));
    if (!found) {
        *record = (gs_dataset_record){.normalization = "none"};
        gs__text_copy(record->name, name, sizeof record->name);
        gs_time_now(record->created_at);
    }
    if (settings->normalization)
        gs__text_copy(record->normalization, settings->normalization, sizeof record->normalization);
    if (settings->channels) record->channels = settings->channels;
    if (settings->height) record->height = settings->height;
    if (settings->width) record->width = settings->width;
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO datasets (" DATASET_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
        " ON CONFLICT (name) DO UPDATE SET normalization = ?2, channels = ?3, height = ?4,"
        " width = ?5",
        err);
    gs__sql_bind_text(&query, 1, name);
    gs__sql_bind_text(&query, 2, record->normalization);
    gs__sql_bind_int(&query, 3, record->channels);
    gs__sql_bind_int(&query, 4, record->height);
    gs__sql_bind_int(&query, 5, record->width);
    gs__sql_bind_text(&query, 6, record->created_at);
    *created = !found;
    return gs__sql_finish(&query);
}

gs_status gs_store_dataset_put(gs_store *store, const char *name,
                               const gs_dataset_settings *settings, gs_dataset_record *out,
                               bool *created_out, gs_error *err) {
    sqlite3 *db;
    gs_dataset_record record;
    bool created = false;
    GS_TRY(check_name(name, err));
    GS_TRY(check_settings(settings, err));
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, put_dataset(db, name, settings, &record, &created, err), err));
    *out = record;
    if (created_out) *created_out = created;
    return GS_OK;
}

gs_status gs_store_dataset_get(gs_store *store, const char *name, gs_dataset_record *out,
                               gs_error *err) {
    sqlite3 *db;
    gs_dataset_record record;
    bool found = false;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = find_dataset(db, name, &record, &found, err);
    gs__read_end(store, db);
    if (!status && !found) status = not_found(name, err);
    if (!status) *out = record;
    return status;
}

static gs_status count_slices(sqlite3 *db, const char *name, gs_dataset_counts *counts,
                              gs_error *err) {
    gs_dataset_record record;
    bool found = false;
    GS_TRY(find_dataset(db, name, &record, &found, err));
    if (!found) return not_found(name, err);
    gs__sql query = gs__sql_prepare(
        db,
        "SELECT count(*), count(DISTINCT nullif(case_name, '')),"
        " total(label = 'presence'), total(label = 'absence'), total(label = 'unknown'),"
        " count(annotation), total(label = 'presence' AND annotation IS NOT NULL),"
        " total(label = 'presence' AND split IN ('', 'train')),"
        " total(label = 'absence' AND split IN ('', 'train')),"
        " total(label = 'presence' AND annotation IS NOT NULL AND split IN ('', 'train'))"
        " FROM slices WHERE dataset = (SELECT seq FROM datasets WHERE name = ?1)",
        err);
    gs__sql_bind_text(&query, 1, name);
    if (gs__sql_row(&query)) {
        int64_t *fields[] = {&counts->slices,
                             &counts->cases,
                             &counts->presence,
                             &counts->absence,
                             &counts->unknown,
                             &counts->annotated,
                             &counts->annotated_presence,
                             &counts->train_presence,
                             &counts->train_absence,
                             &counts->train_annotated};
        for (int i = 0; i < 10; i++) *fields[i] = gs__sql_int(&query, i);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_dataset_count(gs_store *store, const char *name, gs_dataset_counts *out,
                                 gs_error *err) {
    sqlite3 *db;
    gs_dataset_counts counts = {0};
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = count_slices(db, name, &counts, err);
    gs__read_end(store, db);
    if (!status) *out = counts;
    return status;
}

gs_status gs_store_dataset_list(gs_store *store, const gs_page *page, gs_dataset_list *out,
                                gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t after;
    gs_dataset_list list = {0};
    GS_TRY(gs__page_parse(page, 'd', 0, &limit, &after, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu data sets", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (status) goto fail;
    gs__sql query = gs__sql_prepare(
        db, "SELECT seq, " DATASET_COLUMNS " FROM datasets WHERE seq > ?1 ORDER BY seq LIMIT ?2",
        err);
    gs__sql_bind_int(&query, 1, after);
    gs__sql_bind_int(&query, 2, (int64_t)limit + 1);
    while (gs__sql_row(&query)) {
        if (list.count == limit) { /* one more exists */
            gs__cursor_make('d', after, list.next_cursor);
            break;
        }
        after = gs__sql_int(&query, 0);
        read_dataset(&query, 1, &list.items[list.count++]);
    }
    status = gs__sql_end(&query);
    gs__read_end(store, db);
    if (status) goto fail;
    *out = list;
    return GS_OK;
fail:
    gs_free(list.items);
    return status;
}

/* Volumes: rows, their slices and their files. A volume is cut, and the bytes of its slices stored,
 * before the transaction that makes it one; other writers wait for that one alone.
 *
 * Invariant: a row's folder is whole and on the disk before the row is committed; a folder without
 * a row, left by a crash, is removed at the next open. */
#include "store/volume.h"
#include "store/slice_internal.h"
#include "store/volume_slices.h"
#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VOLUME_COLUMNS                                                                             \
    "v.id, d.name, v.case_name, v.name, v.preset, v.channels, v.labels, v.organ, v.geometry,"      \
    " v.sha256, (SELECT count(*) FROM slices s WHERE s.volume = v.seq), v.created_at"
#define VOLUME_TABLES "volumes v CROSS JOIN datasets d ON d.seq = v.dataset"

void gs_volume_record_deinit(gs_volume_record *record) {
    gs_free(record->geometry_json);
    *record = (gs_volume_record){0};
}

static void read_volume(gs__sql *query, int column, gs_volume_record *out) {
    *out = (gs_volume_record){0};
    gs__sql_text(query, column, out->id, sizeof out->id);
    gs__sql_text(query, column + 1, out->dataset, sizeof out->dataset);
    gs__sql_text(query, column + 2, out->case_name, sizeof out->case_name);
    gs__sql_text(query, column + 3, out->name, sizeof out->name);
    gs__sql_text(query, column + 4, out->preset, sizeof out->preset);
    out->channels = (int)gs__sql_int(query, column + 5);
    out->has_labels = gs__sql_int(query, column + 6) != 0;
    out->has_organ = gs__sql_int(query, column + 7) != 0;
    out->geometry_json = gs__sql_text_copy(query, column + 8);
    gs__sql_text(query, column + 9, out->sha256, sizeof out->sha256);
    out->slices = gs__sql_int(query, column + 10);
    gs__sql_text(query, column + 11, out->created_at, sizeof out->created_at);
}

/* Ends the query, which gives at most one volume. Caller deinits *out when *found_out. */
static gs_status take_volume(gs__sql *query, gs_volume_record *out, bool *found_out) {
    gs_volume_record record = {0};
    *found_out = gs__sql_row(query);
    if (*found_out) read_volume(query, 0, &record);
    gs_status status = gs__sql_end(query);
    if (status || !*found_out)
        gs_volume_record_deinit(&record);
    else
        *out = record;
    return status;
}

static gs_status no_volume(const char *id, gs_error *err) {
    return gs_fail(err, GS_NOT_FOUND, "there is no volume '%.40s'", id);
}

static gs_status load_volume(sqlite3 *db, const char *id, gs_volume_record *out, gs_error *err) {
    bool found;
    gs__sql query = gs__sql_prepare(
        db, "SELECT " VOLUME_COLUMNS " FROM " VOLUME_TABLES " WHERE v.id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    GS_TRY(take_volume(&query, out, &found));
    return found ? GS_OK : no_volume(id, err);
}

static gs_status find_bytes(sqlite3 *db, const char *dataset, const char *sha256,
                            gs_volume_record *out, bool *found_out, gs_error *err) {
    gs__sql query = gs__sql_prepare(
        db, "SELECT " VOLUME_COLUMNS " FROM " VOLUME_TABLES " WHERE d.name = ?1 AND v.sha256 = ?2",
        err);
    gs__sql_bind_text(&query, 1, dataset);
    gs__sql_bind_text(&query, 2, sha256);
    return take_volume(&query, out, found_out);
}

/* ==== Files ==== */

char *gs_store_volume_folder(const gs_store *store, const char *id) {
    return gs_format("%s/volumes/%s", store->folder, id);
}

static gs_status sync_files(const char *folder, gs_error *err) {
    DIR *entries = opendir(folder);
    if (!entries) return gs_fail_errno(err, "cannot list %s", folder);
    gs_status status = GS_OK;
    for (struct dirent *entry; status == GS_OK && (entry = readdir(entries)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char *path = gs_format("%s/%s", folder, entry->d_name);
        status =
            path ? gs_file_sync(path, err) : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
        gs_free(path);
    }
    closedir(entries);
    return status ? status : gs_file_sync(folder, err);
}

/* Of files that are on the disk. */
static gs_status move_folder(const gs_store *store, const char *from, const char *id,
                             gs_error *err) {
    char *parent = gs_format("%s/volumes", store->folder);
    char *to = gs_store_volume_folder(store, id);
    gs_status status =
        parent && to ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    if (!status && rename(from, to) != 0)
        status = gs_fail_errno(err, "cannot rename %s to %s", from, to);
    if (!status) status = gs_file_sync(parent, err);
    gs_free(to);
    gs_free(parent);
    return status;
}

static void remove_folder(const gs_store *store, const char *id) {
    char *folder = gs_store_volume_folder(store, id);
    if (folder) gs_folder_remove(folder); /* what stays behind is swept at the next open */
    gs_free(folder);
}

gs_status gs__volumes_sweep(gs_store *store, gs_error *err) {
    char *path = gs_format("%s/volumes", store->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_folder_make(path, err);
    DIR *entries = status ? NULL : opendir(path);
    if (!status && !entries) status = gs_fail_errno(err, "cannot list %s", path);
    gs_free(path);
    for (struct dirent *entry; !status && (entry = readdir(entries)) != NULL;) {
        gs_volume_record record;
        if (strncmp(entry->d_name, "vol_", 4) != 0) continue;
        status = gs_store_volume_get(store, entry->d_name, &record, err);
        if (status == GS_OK) gs_volume_record_deinit(&record);
        if (status != GS_NOT_FOUND) continue;
        status = GS_OK;
        remove_folder(store, entry->d_name);
    }
    if (entries) closedir(entries);
    return status;
}

/* ==== Adding ==== */

/* What one call of gs_store_volume_add adds and gives. */
typedef struct adding {
    gs_store *store;
    const char *dataset;
    const gs_new_volume *volume;
    gs__volume_slices slices;
    char id[GS_ID_SIZE];
    bool moved; /* the folder is volumes/<id> now */
    gs_volume_record record;
    bool created;
} adding;

static const char *case_of(const adding *a) {
    return a->volume->case_name ? a->volume->case_name : a->id;
}

static gs_status insert_volume(sqlite3 *db, const adding *a, int64_t dataset, int64_t *seq_out,
                               gs_error *err) {
    const gs_new_volume *volume = a->volume;
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO volumes (id, dataset, case_name, name, preset, channels, labels, organ,"
        " geometry, sha256, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        err);
    gs__sql_bind_text(&query, 1, a->id);
    gs__sql_bind_int(&query, 2, dataset);
    gs__sql_bind_text(&query, 3, case_of(a));
    gs__sql_bind_text(&query, 4, volume->name);
    gs__sql_bind_text(&query, 5, volume->preset);
    gs__sql_bind_int(&query, 6, volume->channels);
    gs__sql_bind_int(&query, 7, volume->has_labels);
    gs__sql_bind_int(&query, 8, volume->has_organ);
    gs__sql_bind_text(&query, 9, volume->geometry_json);
    gs__sql_bind_text(&query, 10, volume->sha256);
    gs__sql_bind_text(&query, 11, now);
    GS_TRY(gs__sql_finish(&query));
    *seq_out = sqlite3_last_insert_rowid(db);
    return GS_OK;
}

/* Looks for what the key gave, then for the same bytes; a key that is new is kept for those. */
static gs_status find_volume(sqlite3 *db, adding *a, const gs_idempotency *key, bool *found_out,
                             gs_error *err) {
    char id[GS_ID_SIZE];
    GS_TRY(gs__idempotency_find(db, key, id, err));
    *found_out = id[0];
    if (id[0]) {
        gs_status status = load_volume(db, id, &a->record, err);
        return status == GS_NOT_FOUND ? gs__idempotency_gone(key, err) : status;
    }
    GS_TRY(find_bytes(db, a->dataset, a->volume->sha256, &a->record, found_out, err));
    return *found_out ? gs__idempotency_keep(db, key, a->record.id, err) : GS_OK;
}

static gs_status create_volume(sqlite3 *db, adding *a, const gs_idempotency *key, gs_error *err) {
    int64_t dataset = 0, seq = 0;
    GS_TRY(gs__dataset_seq(db, a->dataset, &dataset, err));
    GS_TRY(insert_volume(db, a, dataset, &seq, err));
    GS_TRY(gs__volume_slices_insert(&a->slices, db, a->dataset, case_of(a), a->volume->split, seq,
                                    err));
    a->moved = true; /* also when it fails halfway */
    GS_TRY(move_folder(a->store, a->volume->folder, a->id, err));
    GS_TRY(load_volume(db, a->id, &a->record, err));
    a->created = true;
    return gs__idempotency_keep(db, key, a->id, err);
}

/* Somebody else may have stored the same meanwhile. */
static gs_status add_volume(sqlite3 *db, adding *a, const gs_idempotency *key, gs_error *err) {
    bool found = false;
    GS_TRY(find_volume(db, a, key, &found, err));
    return found ? GS_OK : create_volume(db, a, key, err);
}

/* Before anything is cut: whether the volume is there, or its data set is not. */
static gs_status look_first(sqlite3 *db, adding *a, const gs_idempotency *key, bool *found_out,
                            gs_error *err) {
    int64_t dataset;
    GS_TRY(find_volume(db, a, key, found_out, err));
    return *found_out ? GS_OK : gs__dataset_seq(db, a->dataset, &dataset, err);
}

static gs_status add_in_steps(adding *a, const gs_idempotency *key, gs_error *err) {
    sqlite3 *db;
    bool found = false;
    GS_TRY(gs__id_make("vol", a->id, err));
    GS_TRY(gs__write_begin(a->store, &db, err));
    GS_TRY(gs__write_end(a->store, look_first(db, a, key, &found, err), err));
    if (found) return GS_OK;
    GS_TRY(gs__volume_slices_take(&a->slices, a->volume->next, a->volume->context, err));
    GS_TRY(sync_files(a->volume->folder, err));
    GS_TRY(gs__write_begin(a->store, &db, err));
    return gs__write_end(a->store, add_volume(db, a, key, err), err);
}

static gs_status check_new_volume(const gs_new_volume *volume, gs_error *err) {
    GS_TRY(gs__text_check("case", volume->case_name, GS_CASE_SIZE, err));
    GS_TRY(gs__text_check("name", volume->name, GS_SLICE_NAME_SIZE, err));
    GS_TRY(gs__text_check("preset", volume->preset, GS_WORD_SIZE, err));
    GS_TRY(gs__split_check(volume->split, err));
    if (strlen(volume->geometry_json) > GS_VOLUME_GEOMETRY_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the geometry has more than %d bytes",
                       GS_VOLUME_GEOMETRY_MAX);
    return GS_OK;
}

gs_status gs_store_volume_add(gs_store *store, const char *dataset, const gs_new_volume *volume,
                              const gs_idempotency *key, gs_volume_record *out, bool *created_out,
                              gs_error *err) {
    adding a = {.store = store, .dataset = dataset, .volume = volume, .slices = {.store = store}};
    GS_TRY(check_new_volume(volume, err));
    gs_status status = add_in_steps(&a, key, err);
    gs__volume_slices_deinit(&a.slices);
    if (status) {
        if (a.moved) remove_folder(store, a.id);
        gs_volume_record_deinit(&a.record);
        return status;
    }
    *out = a.record;
    if (created_out) *created_out = a.created;
    return GS_OK;
}

/* ==== Reading and deleting ==== */

gs_status gs_store_volume_get(gs_store *store, const char *id, gs_volume_record *out,
                              gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = load_volume(db, id, out, err);
    gs__read_end(store, db);
    return status;
}

gs_status gs_store_volume_find(gs_store *store, const char *dataset, const char *sha256,
                               gs_volume_record *out, gs_error *err) {
    sqlite3 *db;
    bool found = false;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = find_bytes(db, dataset, sha256, out, &found, err);
    gs__read_end(store, db);
    if (status || found) return status;
    return gs_fail(err, GS_NOT_FOUND, "data set '%.64s' has no such volume", dataset);
}

/* A job that is not over yet would lose its input. */
static gs_status check_no_job(sqlite3 *db, const char *id, gs_error *err) {
    char job[GS_ID_SIZE] = "";
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT id FROM jobs WHERE volume = ?1 AND volume <> ''"
                                    " AND state IN ('queued', 'running') LIMIT 1",
                                    err);
    gs__sql_bind_text(&query, 1, id);
    if (gs__sql_row(&query)) gs__sql_text(&query, 0, job, sizeof job);
    GS_TRY(gs__sql_end(&query));
    if (!job[0]) return GS_OK;
    return gs_fail(err, GS_CONFLICT, "job %s works on volume %.40s; cancel it first", job, id);
}

static gs_status delete_volume(sqlite3 *db, const char *id, gs__content_rows *rows, gs_error *err) {
    GS_TRY(check_no_job(db, id, err));
    GS_TRY(gs__volume_contents_detach(db, id, rows, err));
    gs__sql query = gs__sql_prepare(db, "DELETE FROM volumes WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    GS_TRY(gs__sql_finish(&query));
    return sqlite3_changes(db) == 1 ? GS_OK : no_volume(id, err);
}

gs_status gs_store_volume_delete(gs_store *store, const char *id, gs_error *err) {
    sqlite3 *db;
    gs__content_rows rows = {0};
    GS_TRY(gs__write_begin(store, &db, err));
    gs_status status = gs__write_end(store, delete_volume(db, id, &rows, err), err);
    if (status == GS_OK) {
        gs__volume_contents_delete(store, &rows);
        remove_folder(store, id);
    }
    gs__content_rows_deinit(&rows);
    return status;
}

/* ==== Listing ==== */

void gs_volume_list_deinit(gs_volume_list *list) {
    for (size_t i = 0; i < list->count; i++) gs_volume_record_deinit(&list->items[i]);
    gs_free(list->items);
    *list = (gs_volume_list){0};
}

static gs_status read_page(sqlite3 *db, const char *dataset, const char *case_name, size_t limit,
                           int64_t after, gs_volume_list *list, gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT v.seq, " VOLUME_COLUMNS " FROM " VOLUME_TABLES
                                    " WHERE v.seq > ?1 AND (?3 = '' OR d.name = ?3)"
                                    " AND (?4 = '' OR v.case_name = ?4) ORDER BY v.seq LIMIT ?2",
                                    err);
    gs__sql_bind_int(&query, 1, after);
    gs__sql_bind_int(&query, 2, (int64_t)limit + 1);
    gs__sql_bind_text(&query, 3, dataset);
    gs__sql_bind_text(&query, 4, case_name);
    while (gs__sql_row(&query)) {
        if (list->count == limit) { /* one more exists */
            gs__cursor_make('v', after, list->next_cursor);
            break;
        }
        after = gs__sql_int(&query, 0);
        read_volume(&query, 1, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_volume_list(gs_store *store, const char *dataset, const char *case_name,
                               const gs_page *page, gs_volume_list *out, gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t after;
    gs_volume_list list = {0};
    GS_TRY(gs__page_parse(page, 'v', 0, &limit, &after, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu volumes", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_page(db, dataset, case_name, limit, after, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_volume_list_deinit(&list);
    else
        *out = list;
    return status;
}

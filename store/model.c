/* Model versions and the pointer to the active one.
 *
 * Invariants: a row's weights exist; the active model's row exists (a foreign key holds it). */
#include "store/model.h"
#include "store/store_internal.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

#define MODEL_COLUMNS                                                                              \
    "m.id, m.name, m.parent, m.job, m.preset, m.width, m.config, m.metrics, m.dataset,"            \
    " m.weights_size, m.sha256, m.seq IN (SELECT model FROM active_model), m.created_at,"          \
    " m.activation"

void gs_model_record_deinit(gs_model_record *record) {
    gs_free(record->config_json);
    gs_free(record->metrics_json);
    gs_free(record->dataset_json);
    gs_free(record->activation_json);
    *record = (gs_model_record){0};
}

static void read_model(gs__sql *query, int column, gs_model_record *out) {
    *out = (gs_model_record){0};
    gs__sql_text(query, column, out->id, sizeof out->id);
    gs__sql_text(query, column + 1, out->name, sizeof out->name);
    gs__sql_text(query, column + 2, out->parent, sizeof out->parent);
    gs__sql_text(query, column + 3, out->job, sizeof out->job);
    gs__sql_text(query, column + 4, out->preset, sizeof out->preset);
    out->width = gs__sql_real(query, column + 5);
    out->config_json = gs__sql_text_copy(query, column + 6);
    out->metrics_json = gs__sql_text_copy(query, column + 7);
    out->dataset_json = gs__sql_text_copy(query, column + 8);
    out->weights_size = gs__sql_int(query, column + 9);
    gs__sql_text(query, column + 10, out->sha256, sizeof out->sha256);
    out->active = gs__sql_int(query, column + 11) != 0;
    gs__sql_text(query, column + 12, out->created_at, sizeof out->created_at);
    out->activation_json = gs__sql_text_copy(query, column + 13);
}

/* The oldest model for which `condition`, an SQL expression over ?1, holds; "" as id when there is
 * none. Caller deinits *out when this is GS_OK. */
static gs_status find_model(sqlite3 *db, const char *condition, const char *value,
                            gs_model_record *out, gs_error *err) {
    char sql[512];
    sqlite3_snprintf(sizeof sql, sql,
                     "SELECT " MODEL_COLUMNS " FROM models m WHERE %s ORDER BY m.seq LIMIT 1",
                     condition);
    gs_model_record record = {0};
    gs__sql query = gs__sql_prepare(db, sql, err);
    gs__sql_bind_text(&query, 1, value);
    if (gs__sql_row(&query)) read_model(&query, 0, &record);
    gs_status status = gs__sql_end(&query);
    if (status)
        gs_model_record_deinit(&record);
    else
        *out = record;
    return status;
}

/* As find_model in a transaction of its own; NOT_FOUND when there is none. `missing` has one %s. */
static gs_status get_model(gs_store *store, const char *condition, const char *value,
                           const char *missing, gs_model_record *out, gs_error *err) {
    sqlite3 *db;
    gs_model_record record;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = find_model(db, condition, value, &record, err);
    gs__read_end(store, db);
    if (status) return status;
    if (!record.id[0]) return gs_fail(err, GS_NOT_FOUND, "%s '%.64s'", missing, value);
    *out = record;
    return GS_OK;
}

gs_status gs_store_model_get(gs_store *store, const char *id, gs_model_record *out, gs_error *err) {
    return get_model(store, "m.id = ?1", id, "there is no model", out, err);
}

gs_status gs_store_model_find(gs_store *store, const char *sha256, gs_model_record *out,
                              gs_error *err) {
    return get_model(store, "m.sha256 = ?1", sha256, "no model has the weights", out, err);
}

gs_status gs_store_model_get_active(gs_store *store, gs_model_record *out, gs_error *err) {
    return get_model(store, "?1 = 'active' AND m.seq = (SELECT model FROM active_model)", "active",
                     "there is no model that is", out, err);
}

/* ==== Adding ==== */

static gs_status check_new_model(const gs_new_model *model, gs_error *err) {
    const char *texts[] = {model->config_json, model->metrics_json, model->dataset_json};
    GS_TRY(gs__text_check("name", model->name, GS_MODEL_NAME_SIZE, err));
    GS_TRY(gs__text_check("parent", model->parent, GS_ID_SIZE, err));
    GS_TRY(gs__text_check("job", model->job, GS_ID_SIZE, err));
    GS_TRY(gs__text_check("preset", model->preset, GS_PRESET_SIZE, err));
    if (!isfinite(model->width))
        return gs_fail(err, GS_INVALID_ARGUMENT, "width is not a finite number");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i] && strlen(texts[i]) > GS_JSON_MAX)
            return gs_fail(err, GS_TOO_LARGE, "a JSON text of a model has more than %d bytes",
                           GS_JSON_MAX);
    return GS_OK;
}

/* The model that the key or the job gave before; "" as id when there is none. */
static gs_status find_earlier(sqlite3 *db, const gs_new_model *model, const gs_idempotency *key,
                              gs_model_record *out, gs_error *err) {
    char id[GS_ID_SIZE];
    GS_TRY(gs__idempotency_find(db, key, id, err));
    if (id[0]) {
        GS_TRY(find_model(db, "m.id = ?1", id, out, err));
        return out->id[0] ? GS_OK : gs__idempotency_gone(key, err);
    }
    const char *job = model->job ? model->job : "";
    return find_model(db, "?1 <> '' AND m.job = ?1", job, out, err);
}

static gs_status activate(sqlite3 *db, int64_t seq, gs_activation activation, gs_error *err) {
    if (activation == GS_ACTIVATE_NEVER) return GS_OK;
    gs__sql query = gs__sql_prepare(
        db,
        activation == GS_ACTIVATE_IF_NONE
            ? "INSERT INTO active_model VALUES (1, ?1) ON CONFLICT DO NOTHING"
            : "INSERT INTO active_model VALUES (1, ?1) ON CONFLICT DO UPDATE SET model = ?1",
        err);
    gs__sql_bind_int(&query, 1, seq);
    return gs__sql_finish(&query);
}

/* record: id, weights_size and sha256 are set. */
static gs_status insert_model(sqlite3 *db, const gs_new_model *model, const gs_model_record *record,
                              gs_error *err) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO models (id, name, parent, job, preset, width, config, metrics, dataset,"
        " weights_size, sha256, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        err);
    gs__sql_bind_text(&query, 1, record->id);
    gs__sql_bind_text(&query, 2, model->name);
    gs__sql_bind_text(&query, 3, model->parent);
    gs__sql_bind_text(&query, 4, model->job);
    gs__sql_bind_text(&query, 5, model->preset);
    gs__sql_bind_real(&query, 6, model->width);
    gs__sql_bind_text(&query, 7, model->config_json ? model->config_json : "null");
    gs__sql_bind_text(&query, 8, model->metrics_json ? model->metrics_json : "null");
    gs__sql_bind_text(&query, 9, model->dataset_json ? model->dataset_json : "null");
    gs__sql_bind_int(&query, 10, record->weights_size);
    gs__sql_bind_text(&query, 11, record->sha256);
    gs__sql_bind_text(&query, 12, now);
    GS_TRY(gs__sql_finish(&query));
    return activate(db, sqlite3_last_insert_rowid(db), model->activation, err);
}

/* `copied` describes the file; *out is the earlier model or the new one. */
static gs_status add_model(sqlite3 *db, const gs_new_model *model, const gs_idempotency *key,
                           const gs_model_record *copied, gs_model_record *out, gs_error *err) {
    gs_model_record record = {0};
    gs_status status = find_earlier(db, model, key, &record, err);
    if (!status && !record.id[0]) {
        status = insert_model(db, model, copied, err);
        if (!status) status = gs__idempotency_keep(db, key, copied->id, err);
        if (!status) {
            gs_model_record_deinit(&record);
            status = find_model(db, "m.id = ?1", copied->id, &record, err);
        }
    }
    if (status)
        gs_model_record_deinit(&record);
    else
        *out = record;
    return status;
}

gs_status gs_store_model_add(gs_store *store, const gs_new_model *model, const gs_idempotency *key,
                             gs_model_record *out, bool *created_out, gs_error *err) {
    sqlite3 *db;
    gs_model_record copied = {0}, record = {0};
    GS_TRY(check_new_model(model, err));
    GS_TRY(gs__id_make("mdl", copied.id, err));
    /* Outside the transaction: other writers need not wait for the copy. */
    GS_TRY(gs__weights_copy(store, model->weights_path, copied.id, copied.sha256,
                            &copied.weights_size, err));
    gs_status status = gs__write_begin(store, &db, err);
    if (!status)
        status = gs__write_end(store, add_model(db, model, key, &copied, &record, err), err);
    bool created = !status && strcmp(record.id, copied.id) == 0;
    if (!created) gs__weights_remove(store, copied.id);
    if (status) {
        gs_model_record_deinit(&record);
        return status;
    }
    *out = record;
    if (created_out) *created_out = created;
    return GS_OK;
}

/* ==== Deleting and activating ==== */

static gs_status find_seq(sqlite3 *db, const char *id, int64_t *seq_out, bool *active_out,
                          gs_error *err) {
    gs__sql query = gs__sql_prepare(
        db, "SELECT seq, seq IN (SELECT model FROM active_model) FROM models WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) {
        *seq_out = gs__sql_int(&query, 0);
        *active_out = gs__sql_int(&query, 1) != 0;
    }
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : gs_fail(err, GS_NOT_FOUND, "there is no model '%.40s'", id);
}

static gs_status delete_model(sqlite3 *db, const char *id, gs_error *err) {
    int64_t seq = 0;
    bool active = false;
    GS_TRY(find_seq(db, id, &seq, &active, err));
    if (active)
        return gs_fail(err, GS_CONFLICT, "model %s is active; activate another one first", id);
    gs__sql query = gs__sql_prepare(db, "DELETE FROM models WHERE seq = ?1", err);
    gs__sql_bind_int(&query, 1, seq);
    return gs__sql_finish(&query);
}

gs_status gs_store_model_delete(gs_store *store, const char *id, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, delete_model(db, id, err), err));
    gs__weights_remove(store, id); /* the row was there: `id` is a name we made */
    return GS_OK;
}

static gs_status set_active(sqlite3 *db, const char *id, gs_error *err) {
    int64_t seq = 0;
    bool active = false;
    GS_TRY(find_seq(db, id, &seq, &active, err));
    return activate(db, seq, GS_ACTIVATE_ALWAYS, err);
}

gs_status gs_store_model_set_active(gs_store *store, const char *id, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, set_active(db, id, err), err);
}

/* ==== Listing ==== */

void gs_model_list_deinit(gs_model_list *list) {
    for (size_t i = 0; i < list->count; i++) gs_model_record_deinit(&list->items[i]);
    gs_free(list->items);
    *list = (gs_model_list){0};
}

static gs_status read_page(sqlite3 *db, size_t limit, int64_t before, gs_model_list *list,
                           gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT m.seq, " MODEL_COLUMNS " FROM models m WHERE m.seq < ?1"
                                    " ORDER BY m.seq DESC LIMIT ?2",
                                    err);
    gs__sql_bind_int(&query, 1, before);
    gs__sql_bind_int(&query, 2, (int64_t)limit + 1);
    while (gs__sql_row(&query)) {
        if (list->count == limit) { /* one more exists */
            gs__cursor_make('m', before, list->next_cursor);
            break;
        }
        before = gs__sql_int(&query, 0);
        read_model(&query, 1, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_model_list(gs_store *store, const gs_page *page, gs_model_list *out,
                              gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t before;
    gs_model_list list = {0};
    GS_TRY(gs__page_parse(page, 'm', INT64_MAX, &limit, &before, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu models", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_page(db, limit, before, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_model_list_deinit(&list);
    else
        *out = list;
    return status;
}

static gs_status set_activation(sqlite3 *db, const char *id, const char *json, gs_error *err) {
    gs__sql model = gs__sql_prepare(db, "UPDATE models SET activation = ?2 WHERE id = ?1", err);
    gs__sql_bind_text(&model, 1, id);
    gs__sql_bind_text(&model, 2, json);
    GS_TRY(gs__sql_finish(&model));
    if (sqlite3_changes(db) != 1)
        return gs_fail(err, GS_NOT_FOUND, "there is no model '%.40s'", id);
    gs__sql job = gs__sql_prepare(
        db, "UPDATE jobs SET activation = ?2 WHERE id = (SELECT job FROM models WHERE id = ?1)",
        err);
    gs__sql_bind_text(&job, 1, id);
    gs__sql_bind_text(&job, 2, json);
    return gs__sql_finish(&job);
}

gs_status gs_store_model_set_activation(gs_store *store, const char *id,
                                        const char *activation_json, gs_error *err) {
    sqlite3 *db;
    if (strlen(activation_json) > GS_JSON_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the reason has more than %d bytes", GS_JSON_MAX);
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, set_activation(db, id, activation_json, err), err);
}

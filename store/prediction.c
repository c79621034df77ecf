/* Predictions by slice and model. Invariant: a row goes with its slice and with its model. */
#include "store/prediction.h"
#include "store/store_internal.h"

#include <string.h>

static gs_status find_model(sqlite3 *db, const char *id, int64_t *seq_out, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "SELECT seq FROM models WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) *seq_out = gs__sql_int(&query, 0);
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : gs_fail(err, GS_NOT_FOUND, "there is no model '%.40s'", id);
}

static gs_status read_gaps(sqlite3 *db, const char *dataset, const char *model, int64_t after,
                           size_t limit, gs_prediction_gap *out, size_t *count, gs_error *err) {
    int64_t dataset_seq = 0, model_seq = 0;
    GS_TRY(gs__dataset_seq(db, dataset, &dataset_seq, err));
    GS_TRY(find_model(db, model, &model_seq, err));
    gs__sql query = gs__sql_prepare(
        db,
        "SELECT s.id, s.seq FROM slices s WHERE s.dataset = ?1 AND s.seq > ?3 AND NOT EXISTS"
        " (SELECT 1 FROM predictions p WHERE p.slice = s.seq AND p.model = ?2)"
        " ORDER BY s.seq LIMIT ?4",
        err);
    gs__sql_bind_int(&query, 1, dataset_seq);
    gs__sql_bind_int(&query, 2, model_seq);
    gs__sql_bind_int(&query, 3, after);
    gs__sql_bind_int(&query, 4, (int64_t)limit);
    while (*count < limit && gs__sql_row(&query)) {
        gs__sql_text(&query, 0, out[*count].slice, GS_ID_SIZE);
        out[(*count)++].position = gs__sql_int(&query, 1);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_prediction_gaps(gs_store *store, const char *dataset, const char *model,
                                   int64_t after, size_t limit, gs_prediction_gap *out,
                                   size_t *count_out, gs_error *err) {
    sqlite3 *db;
    size_t count = 0;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = read_gaps(db, dataset, model, after, limit, out, &count, err);
    gs__read_end(store, db);
    if (!status) *count_out = count;
    return status;
}

static gs_status put_one(sqlite3 *db, int64_t model, const gs_new_prediction *prediction,
                         gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "INSERT OR REPLACE INTO predictions"
                                    " SELECT seq, ?2, ?3, ?4, ?5 FROM slices WHERE id = ?1",
                                    err);
    gs__sql_bind_text(&query, 1, prediction->slice);
    gs__sql_bind_int(&query, 2, model);
    gs__sql_bind_int(&query, 3, prediction->area);
    gs__sql_bind_real(&query, 4, prediction->uncertainty);
    gs__sql_bind_real(&query, 5, prediction->disagreement);
    return gs__sql_finish(&query);
}

static gs_status put_all(sqlite3 *db, const char *model, const gs_new_prediction *predictions,
                         size_t count, gs_error *err) {
    int64_t seq = 0;
    GS_TRY(find_model(db, model, &seq, err));
    for (size_t i = 0; i < count; i++) GS_TRY(put_one(db, seq, &predictions[i], err));
    return GS_OK;
}

gs_status gs_store_prediction_put(gs_store *store, const char *model,
                                  const gs_new_prediction *predictions, size_t count,
                                  gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, put_all(db, model, predictions, count, err), err);
}

static gs_status count_all(sqlite3 *db, const char *dataset, const char *model, int64_t *predicted,
                           int64_t *total, gs_error *err) {
    int64_t dataset_seq = 0, model_seq = 0;
    GS_TRY(gs__dataset_seq(db, dataset, &dataset_seq, err));
    GS_TRY(find_model(db, model, &model_seq, err));
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT count(p.slice), count(*) FROM slices s"
                                    " LEFT JOIN predictions p ON p.slice = s.seq AND p.model = ?2"
                                    " WHERE s.dataset = ?1",
                                    err);
    gs__sql_bind_int(&query, 1, dataset_seq);
    gs__sql_bind_int(&query, 2, model_seq);
    if (gs__sql_row(&query)) {
        *predicted = gs__sql_int(&query, 0);
        *total = gs__sql_int(&query, 1);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_prediction_count(gs_store *store, const char *dataset, const char *model,
                                    int64_t *predicted_out, int64_t *total_out, gs_error *err) {
    sqlite3 *db;
    int64_t predicted = 0, total = 0;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = count_all(db, dataset, model, &predicted, &total, err);
    gs__read_end(store, db);
    if (status) return status;
    *predicted_out = predicted;
    *total_out = total;
    return GS_OK;
}

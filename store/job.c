/* Jobs and their states; the diagram of edges is in job.h. */
#include "store/job_internal.h"
#include "base/memory.h"

#include <string.h>

enum { ERROR_BYTES_MAX = 2000 };

#define JOB_COLUMNS                                                                                \
    "j.id, j.kind, j.state, j.dataset, j.request, j.dataset_snapshot, j.progress, j.step,"         \
    " j.losses, j.dice, j.model, j.error, j.runs, j.created_at, j.started_at, j.finished_at,"      \
    " j.volume, j.outputs, j.activation, j.author"

/* A gs_job_queue, as gs_job_record_queue says it. */
#define QUEUE_OF_JOB "(CASE WHEN volume <> '' THEN 1 WHEN kind = 'predict' THEN 2 ELSE 0 END)"

static const char *const state_names[GS_JOB_STATES + 1] = {"queued", "running",   "succeeded",
                                                           "failed", "cancelled", NULL};

const char *gs_job_state_name(gs_job_state state) {
    gs_assert(state >= 0 && state < GS_JOB_STATES);
    return state_names[state];
}

bool gs_job_state_find(const char *name, gs_job_state *out) {
    for (int i = 0; i < GS_JOB_STATES; i++) {
        if (strcmp(name, state_names[i]) != 0) continue;
        *out = (gs_job_state)i;
        return true;
    }
    return false;
}

bool gs_job_state_is_terminal(gs_job_state state) {
    return state == GS_JOB_SUCCEEDED || state == GS_JOB_FAILED || state == GS_JOB_CANCELLED;
}

void gs_job_record_deinit(gs_job_record *record) {
    gs_free(record->request_json);
    gs_free(record->dataset_json);
    gs_free(record->losses_json);
    gs_free(record->outputs_json);
    gs_free(record->activation_json);
    gs_free(record->error);
    *record = (gs_job_record){0};
}

gs_job_queue gs_job_record_queue(const gs_job_record *record) {
    if (record->volume[0]) return GS_QUEUE_VOLUMES;
    return strcmp(record->kind, "predict") == 0 ? GS_QUEUE_PREDICTIONS : GS_QUEUE_TRAINING;
}

static gs_job_state read_state(gs__sql *query, int column) {
    char name[GS_WORD_SIZE];
    gs_job_state state = GS_JOB_FAILED;
    gs__sql_text(query, column, name, sizeof name);
    if (!gs_job_state_find(name, &state)) /* a CHECK of the table forbids it */
        gs__sql_stop(query, gs_fail(query->err, GS_IO, "genseg.db is damaged: job state"));
    return state;
}

static void read_job(gs__sql *query, int column, gs_job_record *out) {
    *out = (gs_job_record){0};
    gs__sql_text(query, column, out->id, sizeof out->id);
    gs__sql_text(query, column + 1, out->kind, sizeof out->kind);
    out->state = read_state(query, column + 2);
    gs__sql_text(query, column + 3, out->dataset, sizeof out->dataset);
    out->request_json = gs__sql_text_copy(query, column + 4);
    out->dataset_json = gs__sql_text_copy(query, column + 5);
    out->progress = gs__sql_real(query, column + 6);
    out->step = gs__sql_int(query, column + 7);
    out->losses_json = gs__sql_text_copy(query, column + 8);
    out->dice = gs__sql_real(query, column + 9);
    gs__sql_text(query, column + 10, out->model, sizeof out->model);
    out->error = gs__sql_text_copy(query, column + 11);
    out->runs = (int)gs__sql_int(query, column + 12);
    gs__sql_text(query, column + 13, out->created_at, sizeof out->created_at);
    gs__sql_text(query, column + 14, out->started_at, sizeof out->started_at);
    gs__sql_text(query, column + 15, out->finished_at, sizeof out->finished_at);
    gs__sql_text(query, column + 16, out->volume, sizeof out->volume);
    out->outputs_json = gs__sql_text_copy(query, column + 17);
    out->activation_json = gs__sql_text_copy(query, column + 18);
    gs__sql_text(query, column + 19, out->author, sizeof out->author);
}

static gs_status no_job(const char *id, gs_error *err) {
    return gs_fail(err, GS_NOT_FOUND, "there is no job '%.40s'", id);
}

gs_status gs__job_find(sqlite3 *db, const char *id, int64_t *seq_out, gs_job_state *state_out,
                       gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "SELECT seq, state FROM jobs WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) {
        *seq_out = gs__sql_int(&query, 0);
        *state_out = read_state(&query, 1);
    }
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : no_job(id, err);
}

/* Caller deinits *out when this is GS_OK. */
static gs_status load_job(sqlite3 *db, const char *id, gs_job_record *out, gs_error *err) {
    gs_job_record record = {0};
    gs__sql query = gs__sql_prepare(db, "SELECT " JOB_COLUMNS " FROM jobs j WHERE j.id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) read_job(&query, 0, &record);
    gs_status status = gs__sql_end(&query);
    if (!status && !found) status = no_job(id, err);
    if (status)
        gs_job_record_deinit(&record);
    else
        *out = record;
    return status;
}

/* ==== Adding and reading ==== */

typedef struct new_job {
    const char *kind, *dataset, *volume, *request_json, *author;
    const gs_idempotency *key;
    gs_job_record record;
    bool created;
} new_job;

static gs_status insert_job(sqlite3 *db, const char *id, const new_job *job, gs_error *err) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO jobs (id, kind, state, dataset, request, dataset_snapshot, progress, step,"
        " losses, dice, model, error, runs, last_event, created_at, started_at, finished_at, "
        "volume, author)"
        " VALUES (?1, ?2, 'queued', ?3, ?4, 'null', 0, 0, 'null', NULL, '', '', 0, 0, ?5, '', '', "
        "?6, ?7)",
        err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_text(&query, 2, job->kind);
    gs__sql_bind_text(&query, 3, job->dataset);
    gs__sql_bind_text(&query, 4, job->request_json);
    gs__sql_bind_text(&query, 5, now);
    gs__sql_bind_text(&query, 6, job->volume);
    gs__sql_bind_text(&query, 7, job->author);
    return gs__sql_finish(&query);
}

/* Fails, with NOT_FOUND, when a volume that the job is about is gone; else its data set. */
static gs_status find_volume(sqlite3 *db, const new_job *job, char dataset[GS_DATASET_NAME_SIZE],
                             gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT d.name FROM volumes v CROSS JOIN datasets d"
                                    " ON d.seq = v.dataset WHERE v.id = ?1",
                                    err);
    gs__sql_bind_text(&query, 1, job->volume);
    bool found = gs__sql_row(&query);
    if (found) gs__sql_text(&query, 0, dataset, GS_DATASET_NAME_SIZE);
    GS_TRY(gs__sql_end(&query));
    if (found) return GS_OK;
    return gs_fail(err, GS_NOT_FOUND, "there is no volume '%.40s'", job->volume);
}

static gs_status add_job(sqlite3 *db, new_job *job, gs_error *err) {
    char id[GS_ID_SIZE];
    GS_TRY(gs__idempotency_find(db, job->key, id, err));
    job->created = !id[0];
    if (job->created) {
        char dataset[GS_DATASET_NAME_SIZE];
        if (job->volume) {
            GS_TRY(find_volume(db, job, dataset, err));
            job->dataset = dataset;
        }
        GS_TRY(gs__id_make("job", id, err));
        GS_TRY(insert_job(db, id, job, err));
        job->dataset = NULL;
        GS_TRY(gs__idempotency_keep(db, job->key, id, err));
    }
    return load_job(db, id, &job->record, err);
}

static gs_status add(gs_store *store, new_job job, gs_job_record *out, bool *created_out,
                     gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__text_check("kind", job.kind, GS_JOB_KIND_SIZE, err));
    GS_TRY(gs__text_check("author", job.author, GS_AUTHOR_SIZE, err));
    GS_TRY(gs__text_check("dataset", job.dataset, GS_DATASET_NAME_SIZE, err));
    if (strlen(job.request_json) > GS_JSON_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the request has more than %d bytes", GS_JSON_MAX);
    GS_TRY(gs__write_begin(store, &db, err));
    gs_status status = gs__write_end(store, add_job(db, &job, err), err);
    if (status) {
        gs_job_record_deinit(&job.record);
        return status;
    }
    *out = job.record;
    if (created_out) *created_out = job.created;
    return GS_OK;
}

gs_status gs_store_job_add(gs_store *store, const char *kind, const char *dataset,
                           const char *request_json, const char *author, const gs_idempotency *key,
                           gs_job_record *out, bool *created_out, gs_error *err) {
    const new_job job = {.kind = kind,
                         .dataset = dataset,
                         .request_json = request_json,
                         .author = author,
                         .key = key};
    return add(store, job, out, created_out, err);
}

gs_status gs_store_job_add_for_volume(gs_store *store, const char *kind, const char *volume,
                                      const char *request_json, const char *author,
                                      const gs_idempotency *key, gs_job_record *out,
                                      bool *created_out, gs_error *err) {
    const new_job job = {
        .kind = kind, .volume = volume, .request_json = request_json, .author = author, .key = key};
    return add(store, job, out, created_out, err);
}

gs_status gs_store_job_get(gs_store *store, const char *id, gs_job_record *out, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = load_job(db, id, out, err);
    gs__read_end(store, db);
    return status;
}

/* ==== Edges ==== */

static gs_status claim_job(sqlite3 *db, gs_job_queue queue, gs_job_record *record, gs_error *err) {
    char id[GS_ID_SIZE] = "", now[GS_TIME_SIZE];
    gs__sql oldest =
        gs__sql_prepare(db,
                        "SELECT id FROM jobs WHERE state = 'queued' AND " QUEUE_OF_JOB " = ?1"
                        " ORDER BY seq LIMIT 1",
                        err);
    gs__sql_bind_int(&oldest, 1, queue);
    if (gs__sql_row(&oldest)) gs__sql_text(&oldest, 0, id, sizeof id);
    GS_TRY(gs__sql_end(&oldest));
    if (!id[0]) return gs_fail(err, GS_NOT_FOUND, "no job is queued");
    gs_time_now(now);
    gs__sql query =
        gs__sql_prepare(db,
                        "UPDATE jobs SET state = 'running', runs = runs + 1,"
                        " started_at = iif(started_at = '', ?2, started_at) WHERE id = ?1",
                        err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_text(&query, 2, now);
    GS_TRY(gs__sql_finish(&query));
    return load_job(db, id, record, err);
}

gs_status gs_store_job_claim(gs_store *store, gs_job_queue queue, gs_job_record *out,
                             gs_error *err) {
    sqlite3 *db;
    gs_job_record record = {0};
    GS_TRY(gs__write_begin(store, &db, err));
    gs_status status = gs__write_end(store, claim_job(db, queue, &record, err), err);
    if (status)
        gs_job_record_deinit(&record);
    else
        *out = record;
    return status;
}

static gs_status wrong_edge(const char *id, gs_job_state from, gs_job_state to, gs_error *err) {
    return gs_fail(err, GS_CONFLICT, "job %s is %s and can not become %s", id,
                   gs_job_state_name(from), gs_job_state_name(to));
}

static gs_status requeue_job(sqlite3 *db, const char *id, gs_error *err) {
    int64_t seq = 0;
    gs_job_state state = GS_JOB_QUEUED;
    GS_TRY(gs__job_find(db, id, &seq, &state, err));
    if (state == GS_JOB_QUEUED || state == GS_JOB_SUCCEEDED)
        return wrong_edge(id, state, GS_JOB_QUEUED, err);
    gs__sql query = gs__sql_prepare(
        db, "UPDATE jobs SET state = 'queued', error = '', finished_at = '' WHERE seq = ?1", err);
    gs__sql_bind_int(&query, 1, seq);
    return gs__sql_finish(&query);
}

gs_status gs_store_job_requeue(gs_store *store, const char *id, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, requeue_job(db, id, err), err);
}

gs_status gs_store_job_requeue_all(gs_store *store, gs_job_queue queue, size_t *count_out,
                                   gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__write_begin(store, &db, err));
    gs__sql query = gs__sql_prepare(
        db, "UPDATE jobs SET state = 'queued' WHERE state = 'running' AND " QUEUE_OF_JOB " = ?1",
        err);
    gs__sql_bind_int(&query, 1, queue);
    gs_status status = gs__sql_finish(&query);
    size_t count = (size_t)sqlite3_changes(db);
    GS_TRY(gs__write_end(store, status, err));
    if (count_out) *count_out = count;
    return GS_OK;
}

static gs_status finish_job(sqlite3 *db, const char *id, gs_job_state to, const char *model,
                            const char *error, gs_error *err) {
    int64_t seq = 0;
    gs_job_state state = GS_JOB_QUEUED;
    char now[GS_TIME_SIZE];
    GS_TRY(gs__job_find(db, id, &seq, &state, err));
    if (state != GS_JOB_RUNNING && !(state == GS_JOB_QUEUED && to == GS_JOB_CANCELLED))
        return wrong_edge(id, state, to, err);
    gs_time_now(now);
    gs__sql query =
        gs__sql_prepare(db,
                        "UPDATE jobs SET state = ?2, model = ?3, error = ?4, finished_at = ?5,"
                        " progress = iif(?2 = 'succeeded', 1, progress) WHERE seq = ?1",
                        err);
    gs__sql_bind_int(&query, 1, seq);
    gs__sql_bind_text(&query, 2, gs_job_state_name(to));
    gs__sql_bind_text(&query, 3, model);
    gs__sql_bind_text(&query, 4, error);
    gs__sql_bind_text(&query, 5, now);
    return gs__sql_finish(&query);
}

/* Copies `error` cut to ERROR_BYTES_MAX, not inside a UTF-8 character. */
static void cut_error(const char *error, char out[ERROR_BYTES_MAX + 1]) {
    gs__text_copy(out, error, ERROR_BYTES_MAX + 1);
    size_t end = strlen(out);
    if (!error || strlen(error) == end) return;
    while (end > 0 && (error[end] & 0xc0) == 0x80) end--;
    out[end] = 0;
}

gs_status gs_store_job_finish(gs_store *store, const char *id, gs_job_state state,
                              const char *model, const char *error, gs_error *err) {
    sqlite3 *db;
    char text[ERROR_BYTES_MAX + 1];
    gs_assert(gs_job_state_is_terminal(state));
    cut_error(error, text);
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, finish_job(db, id, state, model, text, err), err);
}

static gs_status set_dataset(sqlite3 *db, const char *id, const char *json, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "UPDATE jobs SET dataset_snapshot = ?2 WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_text(&query, 2, json);
    GS_TRY(gs__sql_finish(&query));
    return sqlite3_changes(db) == 1 ? GS_OK : no_job(id, err);
}

gs_status gs_store_job_set_dataset(gs_store *store, const char *id, const char *dataset_json,
                                   gs_error *err) {
    sqlite3 *db;
    if (strlen(dataset_json) > GS_JSON_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the snapshot has more than %d bytes", GS_JSON_MAX);
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, set_dataset(db, id, dataset_json, err), err);
}

static gs_status set_outputs(sqlite3 *db, const char *id, const char *json, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "UPDATE jobs SET outputs = ?2 WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_text(&query, 2, json);
    GS_TRY(gs__sql_finish(&query));
    return sqlite3_changes(db) == 1 ? GS_OK : no_job(id, err);
}

gs_status gs_store_job_set_outputs(gs_store *store, const char *id, const char *outputs_json,
                                   gs_error *err) {
    sqlite3 *db;
    if (strlen(outputs_json) > GS_JSON_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the outputs have more than %d bytes", GS_JSON_MAX);
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, set_outputs(db, id, outputs_json, err), err);
}

/* ==== Listing ==== */

void gs_job_list_deinit(gs_job_list *list) {
    for (size_t i = 0; i < list->count; i++) gs_job_record_deinit(&list->items[i]);
    gs_free(list->items);
    *list = (gs_job_list){0};
}

static gs_status read_page(sqlite3 *db, const gs_job_filter *filter, size_t limit, int64_t before,
                           gs_job_list *list, gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT j.seq, " JOB_COLUMNS " FROM jobs j WHERE j.seq < ?1"
                                    " AND (?3 = '' OR j.state = ?3) AND (?4 = '' OR j.dataset = ?4)"
                                    " AND (?5 = '' OR j.volume = ?5) AND (?6 = '' OR j.kind = ?6)"
                                    " ORDER BY j.seq DESC LIMIT ?2",
                                    err);
    gs__sql_bind_int(&query, 1, before);
    gs__sql_bind_int(&query, 2, (int64_t)limit + 1);
    gs__sql_bind_text(&query, 3, filter->state ? gs_job_state_name(*filter->state) : "");
    gs__sql_bind_text(&query, 4, filter->dataset);
    gs__sql_bind_text(&query, 5, filter->volume);
    gs__sql_bind_text(&query, 6, filter->kind);
    while (gs__sql_row(&query)) {
        if (list->count == limit) { /* one more exists */
            gs__cursor_make('j', before, list->next_cursor);
            break;
        }
        before = gs__sql_int(&query, 0);
        read_job(&query, 1, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_job_list(gs_store *store, const gs_job_filter *filter, const gs_page *page,
                            gs_job_list *out, gs_error *err) {
    sqlite3 *db;
    size_t limit;
    int64_t before;
    gs_job_list list = {0};
    GS_TRY(gs__page_parse(page, 'j', INT64_MAX, &limit, &before, err));
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu jobs", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_page(db, filter, limit, before, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_job_list_deinit(&list);
    else
        *out = list;
    return status;
}

gs_status gs_store_job_count(gs_store *store, int64_t counts[GS_JOB_STATES], gs_error *err) {
    sqlite3 *db;
    int64_t found[GS_JOB_STATES] = {0};
    GS_TRY(gs__read_begin(store, &db, err));
    gs__sql query = gs__sql_prepare(db, "SELECT state, count(*) FROM jobs GROUP BY state", err);
    while (gs__sql_row(&query)) {
        gs_job_state state = read_state(&query, 0);
        found[state] = gs__sql_int(&query, 1);
    }
    gs_status status = gs__sql_end(&query);
    gs__read_end(store, db);
    if (!status) memcpy(counts, found, sizeof found);
    return status;
}

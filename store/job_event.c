/* A job's events: numbered, resumable from any number, and bounded by thinning. */
#include "store/job_internal.h"
#include "base/memory.h"

#include <string.h>

static gs_status check_event(const char *name, const char *json, gs_error *err) {
    if (!name[0]) return gs_fail(err, GS_INVALID_ARGUMENT, "an event must have a name");
    GS_TRY(gs__text_check("event", name, GS_EVENT_NAME_SIZE, err));
    if (strlen(json) > GS_EVENT_BYTES_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the event has more than %d bytes", GS_EVENT_BYTES_MAX);
    return GS_OK;
}

/* How many events of this name the job has, and how many names. */
static gs_status count_events(sqlite3 *db, int64_t job, const char *name, int64_t *of_name,
                              int64_t *names, gs_error *err) {
    *of_name = *names = 0;
    gs__sql query =
        gs__sql_prepare(db, "SELECT count(*) FROM job_events WHERE job = ?1 AND name = ?2", err);
    gs__sql_bind_int(&query, 1, job);
    gs__sql_bind_text(&query, 2, name);
    if (gs__sql_row(&query)) *of_name = gs__sql_int(&query, 0);
    GS_TRY(gs__sql_end(&query));
    if (*of_name > 0) return GS_OK; /* a known name adds none */
    query = gs__sql_prepare(db, "SELECT count(DISTINCT name) FROM job_events WHERE job = ?1", err);
    gs__sql_bind_int(&query, 1, job);
    if (gs__sql_row(&query)) *names = gs__sql_int(&query, 0);
    return gs__sql_end(&query);
}

/* Removes the second, fourth, … event of this name. */
static gs_status thin_events(sqlite3 *db, int64_t job, const char *name, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db,
                        "DELETE FROM job_events WHERE job = ?1 AND seq IN"
                        " (SELECT seq FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS rank"
                        " FROM job_events WHERE job = ?1 AND name = ?2) WHERE rank % 2 = 0)",
                        err);
    gs__sql_bind_int(&query, 1, job);
    gs__sql_bind_text(&query, 2, name);
    return gs__sql_finish(&query);
}

/* Takes the next number of the job and applies the update to its row. */
static gs_status update_job(sqlite3 *db, int64_t job, const gs_job_update *update,
                            int64_t *event_out, gs_error *err) {
    static const gs_job_update nothing = {0};
    if (!update) update = &nothing;
    gs__sql query = gs__sql_prepare(
        db,
        "UPDATE jobs SET last_event = last_event + 1, progress = coalesce(?2, progress),"
        " step = coalesce(?3, step), losses = coalesce(?4, losses), dice = coalesce(?5, dice)"
        " WHERE seq = ?1 RETURNING last_event",
        err);
    gs__sql_bind_int(&query, 1, job);
    if (update->progress) gs__sql_bind_real(&query, 2, *update->progress);
    if (update->step) gs__sql_bind_int(&query, 3, *update->step);
    if (update->losses_json) gs__sql_bind_text(&query, 4, update->losses_json);
    if (update->dice) gs__sql_bind_real(&query, 5, *update->dice);
    if (gs__sql_row(&query)) *event_out = gs__sql_int(&query, 0);
    return gs__sql_finish(&query);
}

static gs_status insert_event(sqlite3 *db, int64_t job, int64_t event, const char *name,
                              const char *json, gs_error *err) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(db, "INSERT INTO job_events VALUES (?1, ?2, ?3, ?4, ?5)", err);
    gs__sql_bind_int(&query, 1, job);
    gs__sql_bind_int(&query, 2, event);
    gs__sql_bind_text(&query, 3, name);
    gs__sql_bind_text(&query, 4, now);
    gs__sql_bind_text(&query, 5, json);
    return gs__sql_finish(&query);
}

static gs_status append_event(sqlite3 *db, const char *id, const char *name, const char *json,
                              const gs_job_update *update, int64_t *event_out, gs_error *err) {
    int64_t job = 0, of_name, names;
    gs_job_state state = GS_JOB_QUEUED;
    GS_TRY(gs__job_find(db, id, &job, &state, err));
    GS_TRY(count_events(db, job, name, &of_name, &names, err));
    if (names >= GS_JOB_EVENT_NAMES_MAX)
        return gs_fail(err, GS_UNUSABLE, "job %s has events of %d names already", id,
                       GS_JOB_EVENT_NAMES_MAX);
    if (of_name >= GS_JOB_EVENTS_MAX) GS_TRY(thin_events(db, job, name, err));
    GS_TRY(update_job(db, job, update, event_out, err));
    return insert_event(db, job, *event_out, name, json, err);
}

gs_status gs_store_job_append(gs_store *store, const char *id, const char *name, const char *json,
                              const gs_job_update *update, int64_t *seq_out, gs_error *err) {
    sqlite3 *db;
    int64_t event = 0;
    GS_TRY(check_event(name, json, err));
    if (update && update->losses_json && strlen(update->losses_json) > GS_EVENT_BYTES_MAX)
        return gs_fail(err, GS_TOO_LARGE, "losses have more than %d bytes", GS_EVENT_BYTES_MAX);
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, append_event(db, id, name, json, update, &event, err), err));
    if (seq_out) *seq_out = event;
    return GS_OK;
}

void gs_job_event_list_deinit(gs_job_event_list *list) {
    for (size_t i = 0; i < list->count; i++) gs_free(list->items[i].json);
    gs_free(list->items);
    *list = (gs_job_event_list){0};
}

static gs_status read_events(sqlite3 *db, const char *id, int64_t after, size_t limit,
                             gs_job_event_list *list, gs_error *err) {
    int64_t job = 0;
    gs_job_state state = GS_JOB_QUEUED;
    GS_TRY(gs__job_find(db, id, &job, &state, err));
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT seq, name, created_at, json FROM job_events"
                                    " WHERE job = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
                                    err);
    gs__sql_bind_int(&query, 1, job);
    gs__sql_bind_int(&query, 2, after);
    gs__sql_bind_int(&query, 3, (int64_t)limit);
    while (list->count < limit && gs__sql_row(&query)) {
        gs_job_event *event = &list->items[list->count++];
        event->seq = gs__sql_int(&query, 0);
        gs__sql_text(&query, 1, event->name, sizeof event->name);
        gs__sql_text(&query, 2, event->created_at, sizeof event->created_at);
        event->json = gs__sql_text_copy(&query, 3);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_job_events(gs_store *store, const char *id, int64_t after, size_t limit,
                              gs_job_event_list *out, gs_error *err) {
    sqlite3 *db;
    gs_job_event_list list = {0};
    if (limit < 1 || limit > GS_PAGE_MAX)
        return gs_fail(err, GS_INVALID_ARGUMENT, "limit is %zu, expected 1 to %d", limit,
                       GS_PAGE_MAX);
    list.items = gs_alloc(limit, sizeof *list.items);
    if (!list.items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu events", limit);
    gs_status status = gs__read_begin(store, &db, err);
    if (!status) {
        status = read_events(db, id, after, limit, &list, err);
        gs__read_end(store, db);
    }
    if (status)
        gs_job_event_list_deinit(&list);
    else
        *out = list;
    return status;
}

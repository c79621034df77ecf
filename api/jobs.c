/* /v1/jobs: asking for a training, watching it, stopping it, going on. The supervisor in server/
 * runs what is queued here. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_request.h"
#include "api/resources.h"
#include "base/memory.h"

static json_t *stored_json(const char *text) {
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : json_null();
}

static json_t *text_or_null(const char *text) {
    return text[0] ? json_string(text) : json_null();
}

static json_t *job_to_json(const gs_job_record *job) {
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:f, s:I, s:o, s:o, s:o, s:o, s:i, s:s, s:o, "
                     "s:o}",
                     "id", job->id, "kind", job->kind, "state", gs_job_state_name(job->state),
                     "dataset", job->dataset, "request", stored_json(job->request_json), "snapshot",
                     stored_json(job->dataset_json), "progress", job->progress, "step",
                     (json_int_t)job->step, "losses", stored_json(job->losses_json), "dice",
                     isnan(job->dice) ? json_null() : json_real(job->dice), "model",
                     text_or_null(job->model), "error", text_or_null(job->error), "runs", job->runs,
                     "created_at", job->created_at, "started_at", text_or_null(job->started_at),
                     "finished_at", text_or_null(job->finished_at));
}

/* Deinits the record. */
static gs_status respond_job(gs_response *response, int http_status, gs_job_record *job,
                             gs_error *err) {
    gs_status status = GS_OK;
    if (http_status == 202)
        status = gs_response_set_header(response, err, "Location", "/v1/jobs/%s", job->id);
    if (status == GS_OK)
        status = gs_response_set_json(response, http_status, job_to_json(job), err);
    gs_job_record_deinit(job);
    return status;
}

gs_status gs_api_job_create(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    json_t *json;
    char dataset[GS_DATASET_NAME_SIZE];
    gs_request_key storage;
    const gs_idempotency *key;
    GS_TRY(gs_request_idempotency(request, &storage, &key, err));
    GS_TRY(gs_job_request_read(context, request, response, &json, dataset, err));
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    gs_job_record job;
    gs_status status =
        text ? gs_store_job_add(context->store, "train", dataset, text, key, &job, NULL, err)
             : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the job");
    free(text);
    if (status != GS_OK) return status;
    context->services->jobs_changed(context->server);
    return respond_job(response, 202, &job, err);
}

gs_status gs_api_job_list(const gs_api_context *context, const gs_request *request,
                          gs_response *response, gs_error *err) {
    static const char *const states[] = {"queued", "running",   "succeeded",
                                         "failed", "cancelled", NULL};
    gs_fields fields;
    gs_page page;
    gs_fields_of_query(request, response, &fields);
    gs_fields_page(&fields, &page);
    int state = gs_fields_choice(&fields, "state", GS_OPTIONAL, states);
    gs_job_filter filter = {
        .dataset = gs_fields_string(&fields, "dataset", GS_OPTIONAL, GS_DATASET_NAME_SIZE - 1)};
    GS_TRY(gs_fields_finish(&fields, err));
    gs_job_state wanted;
    if (state >= 0 && gs_job_state_find(states[state], &wanted)) filter.state = &wanted;
    gs_job_list list;
    GS_TRY(gs_store_job_list(context->store, &filter, &page, &list, err));
    json_t *items = json_array();
    int failed = 0;
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, job_to_json(&list.items[i]));
    if (failed) {
        json_decref(items);
        items = NULL;
    }
    gs_status status = gs_response_set_list(response, items, list.next_cursor, err);
    gs_job_list_deinit(&list);
    return status;
}

gs_status gs_api_job_get(const gs_api_context *context, const gs_request *request,
                         gs_response *response, gs_error *err) {
    gs_job_record job;
    GS_TRY(gs_store_job_get(context->store, request->params[0], &job, err));
    return respond_job(response, 200, &job, err);
}

/* A queued job ends at once; a running one when its trainer has written a checkpoint. */
gs_status gs_api_job_cancel(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    const char *id = request->params[0];
    gs_job_record job;
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    gs_job_state state = job.state;
    gs_job_record_deinit(&job);
    if (gs_job_state_is_terminal(state))
        return gs_fail(err, GS_CONFLICT, "job %s is %s, there is nothing to cancel", id,
                       gs_job_state_name(state));
    GS_TRY(context->services->stop_job(context->server, id, err));
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    return respond_job(response, 202, &job, err);
}

gs_status gs_api_job_resume(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    const char *id = request->params[0];
    gs_job_record job;
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    gs_job_state state = job.state;
    gs_job_record_deinit(&job);
    if (state != GS_JOB_FAILED && state != GS_JOB_CANCELLED)
        return gs_fail(err, GS_CONFLICT, "job %s is %s; only a failed or cancelled one can go on",
                       id, gs_job_state_name(state));
    GS_TRY(gs_store_job_requeue(context->store, id, err));
    context->services->jobs_changed(context->server);
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    return respond_job(response, 202, &job, err);
}

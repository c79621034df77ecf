/* /v1/jobs: asking for a training or for predictions, watching them, stopping it, going on. The
 * supervisor in server/ runs what is queued here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/job_request.h"
#include "api/resources.h"
#include "api/volume_json.h"
#include "base/memory.h"

static json_t *stored_json(const char *text) {
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : json_null();
}

static json_t *text_or_null(const char *text) {
    return text[0] ? json_string(text) : json_null();
}

/* What the job made of a volume, with where it is. */
static json_t *outputs_json(const gs_job_record *job) {
    json_t *list = stored_json(job->outputs_json), *output;
    size_t i;
    json_array_foreach(list, i, output) {
        const char *name = json_string_value(json_object_get(output, "name"));
        (void)json_object_set_new(output, "href",
                                  json_sprintf("/v1/jobs/%s/outputs/%s", job->id, name));
    }
    return list;
}

json_t *gs_job_to_json(const gs_job_record *job) {
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:f, s:I, s:o, s:o, s:o, s:o, s:o, s:i, s:s, "
        "s:o, s:o, s:o}",
        "id", job->id, "kind", job->kind, "state", gs_job_state_name(job->state), "dataset",
        job->dataset, "volume", text_or_null(job->volume), "outputs", outputs_json(job), "request",
        stored_json(job->request_json), "snapshot", stored_json(job->dataset_json), "progress",
        job->progress, "step", (json_int_t)job->step, "losses", stored_json(job->losses_json),
        "dice", isnan(job->dice) ? json_null() : json_real(job->dice), "model",
        text_or_null(job->model), "activation", stored_json(job->activation_json), "error",
        text_or_null(job->error), "runs", job->runs, "created_at", job->created_at, "author",
        text_or_null(job->author), "started_at", text_or_null(job->started_at), "finished_at",
        text_or_null(job->finished_at));
}

/* Deinits the record. */
static gs_status respond_job(gs_response *response, int http_status, gs_job_record *job,
                             gs_error *err) {
    gs_status status = GS_OK;
    if (http_status == 202)
        status = gs_response_set_header(response, err, "Location", "/v1/jobs/%s", job->id);
    if (status == GS_OK)
        status = gs_response_set_json(response, http_status, gs_job_to_json(job), err);
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
    char *text = json_dumps(json, JSON_COMPACT), kind[GS_JOB_KIND_SIZE];
    snprintf(kind, sizeof kind, "%s", json_string_value(json_object_get(json, "kind")));
    json_decref(json);
    gs_job_record job;
    gs_status status = text
                           ? gs_store_job_add(context->store, kind, dataset, text,
                                              gs_access_author(request, NULL), key, &job, NULL, err)
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
    static const char *const kinds[] = {"train", "segment", "translate", "predict", NULL};
    gs_fields fields;
    gs_page page;
    gs_fields_of_query(request, response, &fields);
    gs_fields_page(&fields, &page);
    int state = gs_fields_choice(&fields, "state", GS_OPTIONAL, states);
    gs_job_filter filter = {
        .dataset = gs_fields_string(&fields, "dataset", GS_OPTIONAL, GS_DATASET_NAME_SIZE - 1),
        .volume = gs_fields_string(&fields, "volume", GS_OPTIONAL, GS_ID_SIZE - 1)};
    int kind = gs_fields_choice(&fields, "kind", GS_OPTIONAL, kinds);
    if (kind >= 0) filter.kind = kinds[kind];
    GS_TRY(gs_fields_finish(&fields, err));
    gs_job_state wanted;
    if (state >= 0 && gs_job_state_find(states[state], &wanted)) filter.state = &wanted;
    gs_job_list list;
    GS_TRY(gs_store_job_list(context->store, &filter, &page, &list, err));
    json_t *items = json_array();
    int failed = 0;
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, gs_job_to_json(&list.items[i]));
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

/* Whether the job made a file of that name. */
static bool has_output(const gs_job_record *job, const char *name) {
    json_t *list = stored_json(job->outputs_json), *output;
    size_t i;
    bool found = false;
    json_array_foreach(list, i, output) {
        const char *own = json_string_value(json_object_get(output, "name"));
        found = found || (own && strcmp(own, name) == 0);
    }
    json_decref(list);
    return found;
}

static gs_status send_output(const gs_api_context *context, const gs_job_record *job,
                             const char *name, gs_response *response, gs_error *err) {
    char *folder = gs_store_volume_folder(context->store, job->volume);
    char *path = folder ? gs_format("%s/%s/%s.nii.gz", folder, job->id, name) : NULL;
    gs_error gone;
    gs_status status = path ? gs_response_set_file(response, "application/x-nifti", path, &gone)
                            : gs_fail(&gone, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(path);
    gs_free(folder);
    if (status == GS_NOT_FOUND)
        return gs_fail(err, GS_NOT_FOUND, "the results of job %s went with volume %s", job->id,
                       job->volume);
    if (status != GS_OK) return gs_fail(err, status, "%s", gone.text);
    return gs_response_set_header(response, err, "Content-Disposition",
                                  "attachment; filename=\"%s-%s.nii.gz\"", job->volume, name);
}

/* GET /v1/jobs/{id}/outputs/{name}. Outputs never change, so the job's id and the name are an ETag.
 */
gs_status gs_api_job_output(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    const char *id = request->params[0], *name = request->params[1];
    gs_job_record job;
    char tag[2 * GS_ID_SIZE];
    bool not_modified = false;
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    gs_status status = GS_OK;
    if (!has_output(&job, name))
        status = gs_fail(err, GS_NOT_FOUND, "job %s (%s, %s) has no output '%.40s'", id, job.kind,
                         gs_job_state_name(job.state), name);
    snprintf(tag, sizeof tag, "%s-%.20s", job.id, name);
    if (status == GS_OK) status = gs_response_set_etag(request, response, tag, &not_modified, err);
    if (status == GS_OK && !not_modified) status = send_output(context, &job, name, response, err);
    gs_job_record_deinit(&job);
    return status;
}

/* What takes no more than the scope to ask for it: a job on a volume, for whoever asked for it. The
 * others are of those who may train. */
static bool is_own_volume_job(const gs_job_record *job, const gs_request *request) {
    const char *name = gs_access_author(request, "");
    return gs_job_record_queue(job) == GS_QUEUE_VOLUMES && name[0] &&
           strcmp(job->author, name) == 0;
}

/* A queued job ends at once; a running one when its trainer has written a checkpoint. */
gs_status gs_api_job_cancel(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    const char *id = request->params[0];
    gs_job_record job;
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    gs_job_state state = job.state;
    bool is_own = is_own_volume_job(&job, request);
    gs_job_record_deinit(&job);
    if (!is_own && !(request->caller.scopes & GS_SCOPE_TRAIN))
        return gs_access_check(context, request, GS_SCOPE_TRAIN, response, err);
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

/* /v1/volumes: list, one, delete; and jobs on one. Uploading is in volume_upload.c. */
#include <stdlib.h>
#include <string.h>

#include "api/access.h"
#include "api/model_register.h"
#include "api/resources.h"
#include "api/volume_json.h"
#include "base/memory.h"
#include "engine/data/volume_cut.h"

/* ==== As JSON ==== */

static json_t *stored_json(const char *text) {
    json_t *json = json_loads(text, 0, NULL);
    return json ? json : json_object();
}

json_t *gs_volume_to_json(const gs_volume_record *volume) {
    return json_pack("{s:s, s:s, s:s, s:o, s:s, s:i, s:b, s:b, s:o, s:I, s:s, s:s}", "id",
                     volume->id, "dataset", volume->dataset, "case", volume->case_name, "name",
                     volume->name[0] ? json_string(volume->name) : json_null(), "preset",
                     volume->preset, "channels", volume->channels, "has_label", volume->has_labels,
                     "has_organ", volume->has_organ, "geometry", stored_json(volume->geometry_json),
                     "slices", (json_int_t)volume->slices, "sha256", volume->sha256, "created_at",
                     volume->created_at);
}

char *gs_volume_geometry_text(const gs_volume *grid) {
    json_t *json = json_pack("{s:[i,i,i], s:[f,f,f], s:[f,f,f]}", "size", grid->side[0],
                             grid->side[1], grid->side[2], "spacing_mm", grid->spacing_mm[0],
                             grid->spacing_mm[1], grid->spacing_mm[2], "origin_mm",
                             grid->origin_mm[0], grid->origin_mm[1], grid->origin_mm[2]);
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
    json_decref(json);
    return text;
}

/* ==== GET and DELETE ==== */

gs_status gs_api_volume_list(const gs_api_context *context, const gs_request *request,
                             gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_page page;
    gs_volume_list list;
    gs_dataset_record record;
    gs_fields_of_query(request, response, &fields);
    const char *dataset =
        gs_fields_string(&fields, "dataset", GS_OPTIONAL, GS_DATASET_NAME_SIZE - 1);
    const char *case_name = gs_fields_string(&fields, "case", GS_OPTIONAL, GS_CASE_SIZE - 1);
    gs_fields_page(&fields, &page);
    GS_TRY(gs_fields_finish(&fields, err));
    if (dataset) GS_TRY(gs_store_dataset_get(context->store, dataset, &record, err));
    GS_TRY(gs_store_volume_list(context->store, dataset, case_name, &page, &list, err));
    json_t *items = json_array();
    int failed = 0;
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, gs_volume_to_json(&list.items[i]));
    if (failed) {
        json_decref(items);
        items = NULL;
    }
    gs_status status = gs_response_set_list(response, items, list.next_cursor, err);
    gs_volume_list_deinit(&list);
    return status;
}

gs_status gs_api_volume_get(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    gs_volume_record volume;
    GS_TRY(gs_store_volume_get(context->store, request->params[0], &volume, err));
    gs_status status = gs_response_set_json(response, 200, gs_volume_to_json(&volume), err);
    gs_volume_record_deinit(&volume);
    return status;
}

gs_status gs_api_volume_delete(const gs_api_context *context, const gs_request *request,
                               gs_response *response, gs_error *err) {
    GS_TRY(gs_store_volume_delete(context->store, request->params[0], err));
    response->status = 204;
    return GS_OK;
}

/* ==== Jobs ==== */

/* What can be refused at once is; what a run finds (a broken file, no memory) fails the job. */
static gs_status check_model(const gs_model_record *model, const gs_volume_record *volume,
                             gs_response *response, gs_error *err) {
    gs_model_config config;
    GS_TRY(gs_model_record_config(model, &config, err));
    if (config.channels != volume->channels)
        return gs_response_add_error(response, err, "model",
                                     "%s takes %d channels, the volume has %d", model->id,
                                     config.channels, volume->channels);
    if (config.normalization == GS_NORMALIZE_FOREGROUND && strcmp(volume->preset, "plain") != 0)
        return gs_response_add_error(response, err, "model",
                                     "%s normalises each slice, a volume of the preset %s is "
                                     "normalised as a whole",
                                     model->id, volume->preset);
    int size[3] = {0};
    json_t *geometry = stored_json(volume->geometry_json);
    for (size_t k = 0; k < 3; k++)
        size[k] = (int)json_integer_value(json_array_get(json_object_get(geometry, "size"), k));
    json_decref(geometry);
    const gs_volume_form form = {.height = config.height, .width = config.columns};
    gs_volume_preset preset;
    if (!gs_volume_preset_find(volume->preset, &preset) ||
        gs_volume_preset_gives(preset, size, &form))
        return GS_OK; /* an unknown preset fails the job, which says so */
    return gs_response_add_error(response, err, "model",
                                 "%s takes height %d and width %d, which the preset %s does not "
                                 "give of this volume",
                                 model->id, config.height, config.columns, volume->preset);
}

static gs_status find_model(const gs_api_context *context, const char *id, gs_model_record *out,
                            gs_response *response, gs_error *err) {
    if (!id) {
        gs_status status = gs_store_model_get_active(context->store, out, err);
        return status == GS_NOT_FOUND ? gs_fail(err, GS_CONFLICT, "no model is active") : status;
    }
    gs_status status = gs_store_model_get(context->store, id, out, err);
    if (status != GS_NOT_FOUND) return status;
    (void)gs_response_add_error(response, NULL, "model", "there is no model '%.40s'", id);
    return status;
}

static gs_status add_job(const gs_api_context *context, const gs_request *request, json_t *wish,
                         const char *kind, gs_response *response, gs_error *err) {
    gs_request_key storage;
    const gs_idempotency *key;
    gs_job_record job;
    gs_status status = gs_request_idempotency(request, &storage, &key, err);
    char *text = json_dumps(wish, JSON_COMPACT);
    json_decref(wish);
    if (status == GS_OK && !text) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the job");
    if (status == GS_OK)
        status = gs_store_job_add_for_volume(context->store, kind, request->params[0], text,
                                             gs_access_author(request, NULL), key, &job, NULL, err);
    free(text);
    if (status != GS_OK) return status;
    context->services->jobs_changed(context->server);
    status = gs_response_set_header(response, err, "Location", "/v1/jobs/%s", job.id);
    if (status == GS_OK) status = gs_response_set_json(response, 202, gs_job_to_json(&job), err);
    gs_job_record_deinit(&job);
    return status;
}

/* `model_id` NULL: the active one, named in the job, so that what it runs does not change. */
static gs_status choose_model(const gs_api_context *context, const gs_request *request,
                              const char *model_id, char out[GS_ID_SIZE], gs_response *response,
                              gs_error *err) {
    gs_volume_record volume;
    gs_model_record model;
    GS_TRY(gs_store_volume_get(context->store, request->params[0], &volume, err));
    gs_status status = find_model(context, model_id, &model, response, err);
    if (status == GS_OK) {
        status = check_model(&model, &volume, response, err);
        memcpy(out, model.id, GS_ID_SIZE);
        gs_model_record_deinit(&model);
    }
    gs_volume_record_deinit(&volume);
    return status;
}

gs_status gs_api_volume_segment(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err) {
    gs_fields fields;
    char model[GS_ID_SIZE];
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    const char *wished = gs_fields_string(&fields, "model", GS_OPTIONAL, GS_ID_SIZE - 1);
    double threshold = gs_fields_number(&fields, "threshold", GS_OPTIONAL, 0, 1, 0.5);
    gs_status status = gs_fields_finish(&fields, err);
    if (status == GS_OK) status = choose_model(context, request, wished, model, response, err);
    gs_fields_deinit(&fields);
    if (status != GS_OK) return status;
    json_t *wish = json_pack("{s:s, s:s, s:s, s:f}", "kind", "segment", "volume",
                             request->params[0], "model", model, "threshold", threshold);
    return add_job(context, request, wish, "segment", response, err);
}

gs_status gs_api_volume_translate(const gs_api_context *context, const gs_request *request,
                                  gs_response *response, gs_error *err) {
    /* The other direction draws a tumour per slice, and neighbours would not fit together. */
    static const char *const directions[] = {"presence_to_absence", NULL};
    gs_fields fields;
    char model[GS_ID_SIZE];
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    const char *wished = gs_fields_string(&fields, "model", GS_OPTIONAL, GS_ID_SIZE - 1);
    (void)gs_fields_choice(&fields, "direction", GS_OPTIONAL, directions);
    gs_status status = gs_fields_finish(&fields, err);
    if (status == GS_OK) status = choose_model(context, request, wished, model, response, err);
    gs_fields_deinit(&fields);
    if (status != GS_OK) return status;
    json_t *wish = json_pack("{s:s, s:s, s:s, s:s}", "kind", "translate", "volume",
                             request->params[0], "model", model, "direction", directions[0]);
    return add_job(context, request, wish, "translate", response, err);
}

/* /v1/models: versions in and out, and which one answers. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/model_register.h"
#include "api/resources.h"
#include "base/file.h"
#include "base/memory.h"

static gs_status respond_model(gs_response *response, int http_status, gs_model_record *model,
                               gs_error *err) {
    json_t *json = gs_model_to_json(model);
    gs_model_record_deinit(model);
    return gs_response_set_json(response, http_status, json, err);
}

gs_status gs_api_model_list(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_page page;
    gs_fields_of_query(request, response, &fields);
    gs_fields_page(&fields, &page);
    GS_TRY(gs_fields_finish(&fields, err));
    gs_model_list list;
    GS_TRY(gs_store_model_list(context->store, &page, &list, err));
    json_t *items = json_array();
    int failed = 0;
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, gs_model_to_json(&list.items[i]));
    if (failed) {
        json_decref(items);
        items = NULL;
    }
    gs_status status = gs_response_set_list(response, items, list.next_cursor, err);
    gs_model_list_deinit(&list);
    return status;
}

gs_status gs_api_model_get(const gs_api_context *context, const gs_request *request,
                           gs_response *response, gs_error *err) {
    gs_model_record model;
    GS_TRY(gs_store_model_get(context->store, request->params[0], &model, err));
    return respond_model(response, 200, &model, err);
}

gs_status gs_api_model_weights(const gs_api_context *context, const gs_request *request,
                               gs_response *response, gs_error *err) {
    gs_model_record model;
    bool not_modified;
    GS_TRY(gs_store_model_get(context->store, request->params[0], &model, err));
    char *path = gs_store_model_weights_path(context->store, model.id);
    gs_status status =
        path ? gs_response_set_etag(request, response, model.sha256, &not_modified, err)
             : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the weights' path");
    if (status == GS_OK && !not_modified)
        status = gs_response_set_file(response, "application/octet-stream", path, err);
    if (status == GS_OK)
        status = gs_response_set_header(response, err, "Content-Disposition",
                                        "attachment; filename=\"%s.safetensors\"", model.id);
    gs_free(path);
    gs_model_record_deinit(&model);
    return status;
}

/* ==== POST /v1/models ==== */

/* The upload as a file for gs_model_load; the caller unlinks and frees *path_out. Lies in the data
 * folder so that a full disk is found before the store is asked. */
static gs_status write_upload(const gs_api_context *context, const gs_request *request,
                              char **path_out, gs_error *err) {
    char *folder = gs_format("%s/uploads", context->data_folder);
    char *path = folder ? gs_format("%s/XXXXXX.safetensors", folder) : NULL;
    gs_status status = path ? gs_folder_make(folder, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the upload's path");
    gs_free(folder);
    int fd = status == GS_OK ? mkostemps(path, (int)strlen(".safetensors"), O_CLOEXEC) : -1;
    if (status == GS_OK && fd < 0) status = gs_fail_errno(err, "cannot create %s", path);
    gs_file_piece piece = {.bytes = request->body, .size = request->body_size};
    if (fd >= 0) {
        close(fd); /* the name is ours now */
        status = gs_file_replace(path, &piece, 1, err);
        if (status != GS_OK) unlink(path);
    }
    if (status != GS_OK) {
        gs_free(path);
        return status;
    }
    *path_out = path;
    return GS_OK;
}

/* Error texts of the loader begin with the temporary file's path, which says nothing to a client.
 */
static void name_the_body(const char *path, gs_error *err) {
    char *at = err ? strstr(err->text, path) : NULL;
    if (!at) return;
    static const char name[] = "the body";
    size_t length = strlen(path);
    if (length < sizeof name - 1) return;
    memcpy(at, name, sizeof name - 1);
    memmove(at + sizeof name - 1, at + length, strlen(at + length) + 1);
}

gs_status gs_api_model_create(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_request_key storage;
    const gs_idempotency *key;
    gs_fields_of_query(request, response, &fields);
    const char *name = gs_fields_string(&fields, "name", GS_OPTIONAL, GS_MODEL_NAME_SIZE - 1);
    GS_TRY(gs_fields_finish(&fields, err));
    if (!gs_request_has_type(request, "application/octet-stream") &&
        !gs_request_has_type(request, "application/x-safetensors"))
        return gs_fail(err, GS_UNSUPPORTED,
                       "the body must be a safetensors file as application/octet-stream");
    GS_TRY(gs_request_idempotency(request, &storage, &key, err));
    gs_model_record model;
    char sha256[GS_SHA256_SIZE];
    gs_sha256_hex(request->body, request->body_size, sha256);
    gs_status status = gs_store_model_find(context->store, sha256, &model, err);
    if (status == GS_OK) return respond_model(response, 200, &model, err);
    if (status != GS_NOT_FOUND) return status;
    char *path;
    GS_TRY(write_upload(context, request, &path, err));
    gs_model_origin origin = {.path = path, .name = name};
    bool created = false;
    status = gs_model_register(context->store, &origin, key, &model, &created, err);
    if (status != GS_OK) name_the_body(path, err);
    unlink(path);
    gs_free(path);
    if (status != GS_OK) return status;
    status = gs_response_set_header(response, err, "Location", "/v1/models/%s", model.id);
    if (status == GS_OK) return respond_model(response, created ? 201 : 200, &model, err);
    gs_model_record_deinit(&model);
    return status;
}

gs_status gs_api_model_delete(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    GS_TRY(gs_store_model_delete(context->store, request->params[0], err));
    context->services->forget_model(context->server, request->params[0]);
    response->status = 204;
    return GS_OK;
}

/* ==== The active model ==== */

gs_status gs_api_model_active_get(const gs_api_context *context, const gs_request *request,
                                  gs_response *response, gs_error *err) {
    (void)request;
    gs_model_record model;
    GS_TRY(gs_store_model_get_active(context->store, &model, err));
    return respond_model(response, 200, &model, err);
}

gs_status gs_api_model_active_put(const gs_api_context *context, const gs_request *request,
                                  gs_response *response, gs_error *err) {
    gs_fields fields;
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    char id[GS_ID_SIZE] = "";
    const char *given = gs_fields_string(&fields, "id", GS_REQUIRED, GS_ID_SIZE - 1);
    if (given) snprintf(id, sizeof id, "%s", given);
    gs_status status = gs_fields_finish(&fields, err);
    gs_fields_deinit(&fields);
    if (status != GS_OK) return status;
    gs_model_record model;
    GS_TRY(gs_store_model_get(context->store, id, &model, err));
    gs_model_record_deinit(&model);
    GS_TRY(context->services->activate(context->server, id, err));
    GS_TRY(gs_store_model_get(context->store, id, &model, err));
    return respond_model(response, 200, &model, err);
}

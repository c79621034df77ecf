/* Alive, able to answer, what there is to ask, and numbers about it. */
#include <string.h>

#include "api/openapi_embed.h"
#include "api/resources.h"
#include "base/memory.h"

gs_status gs_api_healthz(const gs_api_context *context, const gs_request *request,
                         gs_response *response, gs_error *err) {
    (void)context;
    (void)request;
    return gs_response_set_json(
        response, 200, json_pack("{s:s, s:s}", "status", "ok", "version", GENSEG_VERSION), err);
}

gs_status gs_api_readyz(const gs_api_context *context, const gs_request *request,
                        gs_response *response, gs_error *err) {
    (void)request;
    GS_TRY(context->services->ready(context->server, err));
    gs_model_record model;
    gs_status status = gs_store_model_get_active(context->store, &model, err);
    if (status != GS_OK && status != GS_NOT_FOUND) return status;
    const gs_engine_choice *engine = context->services->engine(context->server);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:s?, s:s?}", "status", "ready", "backend", engine->backend,
                  "device", engine->device_name, "precision", gs_precision_name(engine->precision),
                  "remark", engine->remark[0] ? engine->remark : NULL, "active_model",
                  status == GS_OK ? model.id : NULL);
    if (status == GS_OK) gs_model_record_deinit(&model);
    return gs_response_set_json(response, 200, json, err);
}

gs_status gs_api_metrics(const gs_api_context *context, const gs_request *request,
                         gs_response *response, gs_error *err) {
    (void)request;
    char *text = context->services->metrics_text(context->server);
    return gs_response_set_body(response, 200, "text/plain; version=0.0.4; charset=utf-8", text,
                                text ? strlen(text) : 0, err);
}

gs_status gs_api_openapi_yaml(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    (void)context;
    (void)request;
    return gs_response_set_body(response, 200, "application/yaml",
                                gs_copy_bytes(gs_openapi_yaml, gs_openapi_yaml_size),
                                gs_openapi_yaml_size, err);
}

gs_status gs_api_openapi_json(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    (void)context;
    (void)request;
    return gs_response_set_body(response, 200, "application/json",
                                gs_copy_bytes(gs_openapi_json, gs_openapi_json_size),
                                gs_openapi_json_size, err);
}

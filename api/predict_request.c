#include "api/predict_request.h"

#include <stdio.h>

#include "api/model_register.h"

static gs_status find_model(const gs_api_context *context, const char *id, gs_model_record *out,
                            gs_response *response, gs_error *err) {
    gs_status status = id ? gs_store_model_get(context->store, id, out, err)
                          : gs_store_model_get_active(context->store, out, err);
    if (status != GS_NOT_FOUND) return status;
    if (!id) return gs_fail(err, GS_CONFLICT, "no model is active");
    return gs_response_add_error(response, err, "model", "there is no model '%.40s'", id);
}

/* A data set without slices fits every model. */
static gs_status check_size(const gs_model_record *model, const gs_dataset_record *dataset,
                            gs_response *response, gs_error *err) {
    gs_model_config config;
    GS_TRY(gs_model_record_config(model, &config, err));
    if ((!dataset->channels || dataset->channels == config.channels) &&
        (!dataset->height || dataset->height == config.height) &&
        (!dataset->width || dataset->width == config.columns))
        return GS_OK;
    return gs_response_add_error(response, err, "model",
                                 "%s takes %d x %d x %d (channels, height, width), the data set "
                                 "has %d x %d x %d",
                                 model->id, config.channels, config.height, config.columns,
                                 dataset->channels, dataset->height, dataset->width);
}

gs_status gs_predict_request_read(const gs_api_context *context, gs_fields *fields,
                                  json_t **json_out, char dataset_out[GS_DATASET_NAME_SIZE],
                                  gs_error *err) {
    static const char *const kinds[] = {"predict", NULL};
    gs_response *response = fields->response;
    (void)gs_fields_choice(fields, "kind", GS_REQUIRED, kinds);
    const char *name = gs_fields_string(fields, "dataset", GS_REQUIRED, GS_DATASET_NAME_SIZE - 1);
    const char *wished = gs_fields_string(fields, "model", GS_OPTIONAL, GS_ID_SIZE - 1);
    GS_TRY(gs_fields_finish(fields, err));
    gs_dataset_record dataset;
    gs_model_record model;
    gs_status status = gs_store_dataset_get(context->store, name, &dataset, err);
    if (status == GS_NOT_FOUND)
        return gs_response_add_error(response, err, "dataset", "there is no data set '%.64s'",
                                     name);
    if (status != GS_OK) return status;
    GS_TRY(find_model(context, wished, &model, response, err));
    status = check_size(&model, &dataset, response, err);
    json_t *json = NULL;
    if (status == GS_OK) {
        json = json_pack("{s:s, s:s, s:s}", "kind", kinds[0], "dataset", name, "model", model.id);
        if (!json) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the request");
    }
    gs_model_record_deinit(&model);
    if (status != GS_OK) return status;
    snprintf(dataset_out, GS_DATASET_NAME_SIZE, "%s", dataset.name);
    *json_out = json;
    return GS_OK;
}

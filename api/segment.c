/* POST /v1/segment */
#include <string.h>

#include "api/inference.h"
#include "api/resources.h"
#include "base/memory.h"
#include "engine/image/rle.h"

enum { AS_JSON, AS_PNG, AS_NPY };
static const char *const types[] = {"application/json", "image/png", "application/x-npy"};

/* Adds "dice" when the slice is annotated with a mask of the prediction's size. */
static gs_status add_dice(const gs_api_context *context, const char *slice_id,
                          const gs_mask *prediction, json_t *json, gs_error *err) {
    gs_annotation_record record;
    void *bytes;
    size_t size;
    gs_status status =
        gs_store_annotation_get(context->store, slice_id, NULL, &record, &bytes, &size, err);
    if (status == GS_NOT_FOUND) return GS_OK;
    if (status != GS_OK) return status;
    gs_mask annotation;
    status = gs_mask_decode_png(bytes, size, &context->limits.image, &annotation, err);
    gs_free(bytes);
    if (status != GS_OK) return status;
    if (annotation.height == prediction->height && annotation.width == prediction->width &&
        json_object_set_new(json, "dice", json_real(gs_mask_dice(prediction, &annotation))) != 0)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the answer");
    gs_mask_deinit(&annotation);
    return status;
}

static gs_status respond_json(const gs_api_context *context, const gs_subject *subject,
                              const gs_inference_result *result, double threshold,
                              const gs_mask *mask, gs_response *response, gs_error *err) {
    json_t *rle;
    GS_TRY(gs_rle_to_json(mask, &rle, err));
    json_t *json = json_pack("{s:s, s:i, s:i, s:f, s:I, s:o}", "model", result->model_id, "width",
                             result->width, "height", result->height, "threshold", threshold,
                             "area", (json_int_t)gs_mask_count(mask, GS_MASK_TARGET), "mask", rle);
    if (!json) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the answer");
    gs_status status = GS_OK;
    if (subject->slice_id) {
        if (json_object_set_new(json, "slice_id", json_string(subject->slice_id)) != 0)
            status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the answer");
        if (status == GS_OK) status = add_dice(context, subject->slice_id, mask, json, err);
    }
    if (status != GS_OK) {
        json_decref(json);
        return status;
    }
    return gs_response_set_json(response, 200, json, err);
}

static gs_status respond_mask(const gs_api_context *context, const gs_subject *subject,
                              const gs_inference_result *result, double threshold, int type,
                              gs_response *response, gs_error *err) {
    gs_mask mask;
    GS_TRY(gs_mask_init_above(result->maps[0], result->height, result->width, (float)threshold,
                              &mask, err));
    gs_status status;
    if (type == AS_PNG) {
        char *bytes;
        size_t size;
        status = gs_render_mask(&mask, result->model_id, &bytes, &size, err);
        if (status == GS_OK)
            status = gs_response_set_body(response, 200, "image/png", bytes, size, err);
    } else {
        status = respond_json(context, subject, result, threshold, &mask, response, err);
    }
    gs_mask_deinit(&mask);
    return status;
}

gs_status gs_api_segment(const gs_api_context *context, const gs_request *request,
                         gs_response *response, gs_error *err) {
    int type = gs_request_accepts(request, types, 3);
    if (type < 0)
        return gs_response_problem(response, 406, err, "answers are %s, %s or %s", types[AS_JSON],
                                   types[AS_PNG], types[AS_NPY]);
    gs_subject subject;
    GS_TRY(gs_subject_init(request, response, &subject, err));
    double threshold = gs_fields_number(subject.params, "threshold", GS_OPTIONAL, 0, 1, 0.5);
    gs_inference_result result = {0};
    gs_status status = gs_subject_load(context, request, &subject, err);
    if (status == GS_OK) {
        gs_inference inference = {.model_id = subject.model_id,
                                  .operation = GS_SEGMENT,
                                  .count = 1,
                                  .images = &subject.image,
                                  .pixels = &subject.pixels};
        status = context->services->infer(context->server, &inference, &result, err);
    }
    if (status == GS_OK) status = gs_response_set_header(response, err, "Vary", "Accept");
    if (status == GS_OK) status = gs_respond_generated(response, "segment", result.model_id, err);
    if (status == GS_OK && type == AS_NPY) {
        status = gs_respond_npy(response, result.maps[0], 1, result.height, result.width, err);
    } else if (status == GS_OK) {
        status = respond_mask(context, &subject, &result, threshold, type, response, err);
    }
    gs_inference_result_deinit(&result);
    gs_subject_deinit(&subject);
    return status;
}

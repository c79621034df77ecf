/* Masks in the bodies of requests and answers: PNG, or COCO RLE as JSON. */
#include <stdio.h>

#include "api/annotation.h"
#include "base/memory.h"
#include "engine/image/rle.h"

enum { AS_PNG, AS_JSON, FORMS };
static const char *const forms[FORMS] = {"image/png", "application/json"};

/* ==== Mask in ==== */

/* Marks the target of `other` as not annotated in `mask`. */
static gs_status merge_unknown(gs_mask *mask, const gs_mask *other, gs_error *err) {
    if (other->height != mask->height || other->width != mask->width)
        return gs_fail(err, GS_SHAPE_MISMATCH, "not_annotated is %d x %d, the mask %d x %d",
                       other->height, other->width, mask->height, mask->width);
    size_t count = (size_t)mask->height * (size_t)mask->width;
    for (size_t i = 0; i < count; i++) {
        if (other->values[i] != GS_MASK_TARGET) continue;
        if (mask->values[i] == GS_MASK_TARGET)
            return gs_fail(err, GS_UNUSABLE, "row %zu, column %zu is both target and not annotated",
                           i / (size_t)mask->width, i % (size_t)mask->width);
        mask->values[i] = GS_MASK_UNKNOWN;
    }
    return GS_OK;
}

/* size, counts and not_annotated are borrowed; the last may be NULL. */
static gs_status mask_of_runs(const gs_image_limits *limits, json_t *size, json_t *counts,
                              const json_t *not_annotated, gs_mask *out, gs_error *err) {
    gs_mask mask, other;
    json_t *runs = json_pack("{s:O, s:O}", "size", size, "counts", counts);
    if (!runs) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask");
    gs_status status = gs_rle_from_json(runs, limits, &mask, err);
    json_decref(runs);
    if (status) return status;
    if (not_annotated) {
        status = gs_rle_from_json(not_annotated, limits, &other, err);
        if (!status) {
            status = merge_unknown(&mask, &other, err);
            gs_mask_deinit(&other);
        }
    }
    if (status)
        gs_mask_deinit(&mask);
    else
        *out = mask;
    return status;
}

static gs_status mask_of_json(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_annotation_wish *wish, gs_mask *out,
                              gs_error *err) {
    gs_fields fields;
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    json_t *size = gs_fields_value(&fields, "size", GS_REQUIRED);
    json_t *counts = gs_fields_value(&fields, "counts", GS_REQUIRED);
    json_t *not_annotated = gs_fields_object(&fields, "not_annotated", GS_OPTIONAL);
    const char *origin = gs_fields_string(&fields, "began_with", GS_OPTIONAL, GS_ID_SIZE - 1);
    gs_status status = gs_fields_finish(&fields, err);
    if (!status && origin && !wish->began_with[0])
        status = gs_annotation_wish_set_origin(wish, origin, response, err);
    if (!status)
        status = mask_of_runs(&context->limits.image, size, counts, not_annotated, out, err);
    gs_fields_deinit(&fields);
    return status;
}

gs_status gs_annotation_of_body(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_annotation_wish *wish, gs_mask *out,
                                gs_error *err) {
    if (gs_request_has_type(request, forms[AS_JSON]))
        return mask_of_json(context, request, response, wish, out, err);
    if (!gs_request_has_type(request, forms[AS_PNG]))
        return gs_fail(err, GS_UNSUPPORTED, "a mask is %s or %s (COCO RLE)", forms[AS_PNG],
                       forms[AS_JSON]);
    if (!request->body) return gs_fail(err, GS_MALFORMED, "the mask has no bytes");
    return gs_mask_decode_png(request->body, request->body_size, &context->limits.image, out, err);
}

gs_status gs_annotation_encode(const gs_mask *mask, const char *began_with, char **bytes_out,
                               size_t *size_out, gs_error *err) {
    char origin[80];
    if (!began_with || !began_with[0]) return gs_mask_encode_png(mask, bytes_out, size_out, err);
    snprintf(origin, sizeof origin, "Began with the prediction of model %s.", began_with);
    const gs_png_text texts[] = {{"Software", "genseg"}, {"Description", origin}};
    return gs_mask_encode_marked_png(mask, texts, sizeof texts / sizeof *texts, bytes_out, size_out,
                                     err);
}

/* ==== Mask out ==== */

/* The mask as COCO RLE, which knows target and rest only; where a part is not annotated, that part
 * is a second one: "not_annotated". */
static gs_status mask_to_json(const gs_mask *mask, json_t **out, gs_error *err) {
    json_t *json, *part;
    gs_mask unknown;
    GS_TRY(gs_rle_to_json(mask, &json, err));
    if (!gs_mask_is_partial(mask)) {
        *out = json;
        return GS_OK;
    }
    gs_status status = gs_mask_init(mask->height, mask->width, NULL, &unknown, err);
    if (!status) {
        size_t count = (size_t)mask->height * (size_t)mask->width;
        for (size_t i = 0; i < count; i++)
            if (mask->values[i] == GS_MASK_UNKNOWN) unknown.values[i] = GS_MASK_TARGET;
        status = gs_rle_to_json(&unknown, &part, err);
        gs_mask_deinit(&unknown);
    }
    if (!status && json_object_set_new(json, "not_annotated", part) != 0)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask");
    if (status)
        json_decref(json);
    else
        *out = json;
    return status;
}

/* Frees png, also on failure. */
static gs_status respond_runs(gs_response *response, char *png, size_t size, const char *began_with,
                              gs_error *err) {
    gs_mask mask;
    json_t *json = NULL;
    gs_status status = gs_mask_decode_png(png, size, NULL, &mask, err);
    gs_free(png);
    if (status) return status;
    status = mask_to_json(&mask, &json, err);
    gs_mask_deinit(&mask);
    if (!status && began_with[0] &&
        json_object_set_new(json, "began_with", json_string(began_with)) != 0) {
        json_decref(json);
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask");
    }
    return status ? status : gs_response_set_json(response, 200, json, err);
}

gs_status gs_annotation_respond(const gs_api_context *context, const gs_request *request,
                                const char *annotation_id, gs_response *response, gs_error *err) {
    gs_annotation_record record;
    void *png = NULL;
    size_t size = 0;
    bool not_modified = false;
    int form = gs_request_accepts(request, forms, FORMS);
    if (form < 0)
        return gs_response_problem(response, 406, err, "a mask comes as %s or %s", forms[AS_PNG],
                                   forms[AS_JSON]);
    GS_TRY(gs_store_annotation_get(context->store, request->params[0], annotation_id, &record, &png,
                                   &size, err));
    char tag[GS_SHA256_SIZE + 8];
    snprintf(tag, sizeof tag, "%s%s", record.sha256, form == AS_JSON ? "-rle" : "");
    gs_status status = gs_response_set_header(response, err, "Vary", "Accept");
    if (!status) status = gs_response_set_etag(request, response, tag, &not_modified, err);
    if (status || not_modified) {
        gs_free(png);
        return status;
    }
    if (form == AS_JSON) return respond_runs(response, png, size, record.began_with, err);
    return gs_response_set_body(response, 200, forms[AS_PNG], png, size, err);
}

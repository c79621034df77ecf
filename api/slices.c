/* /v1/slices: images in and out. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/resources.h"
#include "api/slice_input.h"
#include "api/slice_json.h"
#include "base/memory.h"
#include "engine/image/decode.h"
#include "engine/image/npy.h"
#include "engine/image/png.h"

static const char *const labels[] = {"presence", "absence", "unknown", NULL};
static const char *const splits[] = {"train", "validation", "test", NULL};

const char *gs_image_type_find(const char *content_type) {
    if (!content_type) return NULL;
    size_t length = strcspn(content_type, "; \t");
    for (size_t i = 0; gs_image_type(i); i++) {
        const char *type = gs_image_type(i);
        if (strlen(type) == length && strncasecmp(type, content_type, length) == 0) return type;
    }
    return NULL;
}

static json_t *text_or_null(const char *text) {
    return text[0] ? json_string(text) : json_null();
}

static json_t *prediction_or_null(const gs_prediction *prediction) {
    if (!prediction->model[0]) return json_null();
    return json_pack(
        "{s:s, s:I, s:f, s:o, s:f}", "model", prediction->model, "area",
        (json_int_t)prediction->area, "uncertainty", prediction->uncertainty, "disagreement",
        isnan(prediction->disagreement) ? json_null() : json_real(prediction->disagreement),
        "score", prediction->score);
}

json_t *gs_slice_to_json(const gs_slice_record *slice) {
    const char *name = gs_slice_normalization(slice);
    json_t *normalization = name ? json_string(name) : json_null();
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:s, s:I, s:s, s:o, s:s, s:o, s:b, "
        "s:o, s:s}",
        "id", slice->id, "dataset", slice->dataset, "case", text_or_null(slice->case_name), "index",
        slice->index >= 0 ? json_integer(slice->index) : json_null(), "volume",
        text_or_null(slice->volume), "part", text_or_null(slice->part), "name",
        text_or_null(slice->name), "width", slice->width, "height", slice->height, "channels",
        slice->channels, "content_type", gs_image_type_find(slice->content_type), "content_size",
        (json_int_t)slice->content_size, "sha256", slice->sha256, "normalization", normalization,
        "label", slice->label, "split", text_or_null(slice->split), "annotated", slice->annotated,
        "prediction", prediction_or_null(&slice->prediction), "created_at", slice->created_at);
}

/* ==== POST ==== */

static const char values_type[] = "application/x-npy";

/* What is stored of a body: the bytes as they came, or, where several parts make one image, the
 * image as .npy. */
typedef struct stored_bytes {
    const char *type;
    const char *bytes;
    size_t size;
    char *owned; /* NULL: borrowed from the request */
} stored_bytes;

static gs_status encode_image(const gs_image *image, stored_bytes *out, gs_error *err) {
    const size_t shape[] = {(size_t)image->channels, (size_t)image->height, (size_t)image->width};
    GS_TRY(gs_npy_encode(GS_NPY_F32, image->pixels, shape, 3, &out->owned, &out->size, err));
    out->bytes = out->owned;
    out->type = values_type;
    return GS_OK;
}

/* `image` is what gs_request_image made of the body, whose type is therefore known to be fine. */
static gs_status stored_form(const gs_request *request, const gs_image *image, stored_bytes *out,
                             gs_error *err) {
    *out =
        (stored_bytes){.type = gs_image_type_find(gs_request_get_header(request, "Content-Type")),
                       .bytes = request->body,
                       .size = request->body_size};
    if (out->type) return GS_OK;
    gs_part parts[GS_MAX_PARTS];
    size_t count = 0;
    GS_TRY(gs_request_multipart(request, parts, &count, err));
    if (count > 1) return encode_image(image, out, err);
    out->type = gs_image_type_find(parts[0].content_type);
    out->bytes = parts[0].bytes;
    out->size = parts[0].size;
    return GS_OK;
}

static gs_status respond_slice(gs_response *response, int http_status, const gs_slice_record *slice,
                               gs_error *err) {
    return gs_response_set_json(response, http_status, gs_slice_to_json(slice), err);
}

/* Decodes the body before it is stored, so that nothing that can not be read gets in. */
static gs_status store_slice(const gs_api_context *context, const gs_request *request,
                             const char *dataset, gs_new_slice *slice, const gs_idempotency *key,
                             gs_slice_record *record, bool *created, gs_error *err) {
    gs_image image;
    stored_bytes stored;
    GS_TRY(gs_request_image(context, request, &image, err));
    gs_status status = stored_form(request, &image, &stored, err);
    if (!status) {
        slice->channels = image.channels;
        slice->height = image.height;
        slice->width = image.width;
        slice->content_type = stored.type;
        slice->content = stored.bytes;
        slice->content_size = stored.size;
        status = gs_store_slice_add(context->store, dataset, slice, 1, key, record, created, err);
        gs_free(stored.owned);
    }
    gs_image_deinit(&image);
    return status;
}

gs_status gs_api_slice_create(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    const char *dataset =
        gs_fields_string(&fields, "dataset", GS_REQUIRED, GS_DATASET_NAME_SIZE - 1);
    gs_new_slice slice = {
        .case_name = gs_fields_string(&fields, "case", GS_OPTIONAL, GS_CASE_SIZE - 1),
        .name = gs_fields_string(&fields, "name", GS_OPTIONAL, GS_SLICE_NAME_SIZE - 1),
        .index = gs_fields_integer(&fields, "index", GS_OPTIONAL, 0, INT32_MAX, -1)};
    int label = gs_fields_choice(&fields, "label", GS_OPTIONAL, labels);
    int split = gs_fields_choice(&fields, "split", GS_OPTIONAL, splits);
    GS_TRY(gs_fields_finish(&fields, err));
    if (label >= 0) slice.label = labels[label];
    if (split >= 0) slice.split = splits[split];
    gs_request_key storage;
    const gs_idempotency *key;
    gs_slice_record record;
    bool created = false;
    GS_TRY(gs_request_idempotency(request, &storage, &key, err));
    GS_TRY(store_slice(context, request, dataset, &slice, key, &record, &created, err));
    GS_TRY(gs_response_set_header(response, err, "Location", "/v1/slices/%s", record.id));
    return respond_slice(response, created ? 201 : 200, &record, err);
}

/* ==== GET and DELETE ==== */

static gs_status read_filter(const gs_request *request, gs_response *response,
                             gs_slice_filter *filter, gs_slice_sort *sort, gs_page *page,
                             gs_error *err) {
    static const char *const sorts[] = {"created", "-created", "name",   "-name", "area",
                                        "-area",   "score",    "-score", NULL};
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    *filter = (gs_slice_filter){
        .dataset = gs_fields_string(&fields, "dataset", GS_OPTIONAL, GS_DATASET_NAME_SIZE - 1),
        .case_name = gs_fields_string(&fields, "case", GS_OPTIONAL, GS_CASE_SIZE - 1),
        .volume = gs_fields_string(&fields, "volume", GS_OPTIONAL, GS_ID_SIZE - 1)};
    int label = gs_fields_choice(&fields, "label", GS_OPTIONAL, labels);
    int split = gs_fields_choice(&fields, "split", GS_OPTIONAL, splits);
    if (label >= 0) filter->label = labels[label];
    if (split >= 0) filter->split = splits[split];
    if (gs_fields_has(&fields, "annotated"))
        filter->annotated = gs_fields_boolean(&fields, "annotated", GS_OPTIONAL, false)
                                ? GS_ANNOTATED_YES
                                : GS_ANNOTATED_NO;
    int wished = gs_fields_choice(&fields, "sort", GS_OPTIONAL, sorts);
    *sort = (gs_slice_sort){0};
    if (wished >= 0) { /* the words go by order and direction */
        sort->order = (gs_slice_order)(wished / 2);
        sort->direction = wished % 2 ? GS_DESCENDING : GS_ASCENDING;
    }
    gs_fields_page(&fields, page);
    return gs_fields_finish(&fields, err);
}

gs_status gs_api_slice_list(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    gs_slice_filter filter;
    gs_slice_sort sort;
    gs_page page;
    gs_dataset_record dataset;
    gs_slice_list list;
    GS_TRY(read_filter(request, response, &filter, &sort, &page, err));
    if (filter.dataset) /* a misspelt name is told, not answered with nothing */
        GS_TRY(gs_store_dataset_get(context->store, filter.dataset, &dataset, err));
    GS_TRY(gs_store_slice_list(context->store, &filter, sort, &page, &list, err));
    int failed = 0;
    json_t *items = json_array();
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, gs_slice_to_json(&list.items[i]));
    gs_free(list.items);
    if (failed) {
        json_decref(items);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list");
    }
    return gs_response_set_list(response, items, list.next_cursor, err);
}

gs_status gs_api_slice_get(const gs_api_context *context, const gs_request *request,
                           gs_response *response, gs_error *err) {
    gs_slice_record slice;
    GS_TRY(gs_store_slice_get(context->store, request->params[0], &slice, err));
    return respond_slice(response, 200, &slice, err);
}

gs_status gs_api_slice_delete(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    GS_TRY(gs_store_slice_delete(context->store, request->params[0], err));
    response->status = 204;
    return GS_OK;
}

/* Whether .npy is asked for and is not what is stored. What else Accept may say, the stored bytes
 * are the answer, as if it were not there (RFC 9110, 12.5.1). */
static bool wants_values(const gs_request *request, const char *stored) {
    const char *const types[] = {stored, values_type};
    return strcmp(stored, values_type) != 0 && gs_request_accepts(request, types, 2) == 1;
}

static gs_status respond_values(const gs_slice_record *slice, const char *bytes, size_t size,
                                gs_response *response, gs_error *err) {
    gs_image image;
    stored_bytes npy = {0};
    GS_TRY(gs_image_decode(slice->content_type, bytes, size, NULL, &image, err));
    gs_status status = encode_image(&image, &npy, err);
    gs_image_deinit(&image);
    if (status != GS_OK) return status;
    return gs_response_set_body(response, 200, values_type, npy.owned, npy.size, err);
}

gs_status gs_api_slice_content(const gs_api_context *context, const gs_request *request,
                               gs_response *response, gs_error *err) {
    gs_slice_record slice;
    char tag[GS_SHA256_SIZE + 8];
    bool not_modified = false;
    void *bytes = NULL;
    size_t size = 0;
    GS_TRY(gs_store_slice_get(context->store, request->params[0], &slice, err));
    const char *stored = gs_image_type_find(slice.content_type);
    bool as_values = wants_values(request, stored);
    snprintf(tag, sizeof tag, "%s%s", slice.sha256, as_values ? "-npy" : "");
    GS_TRY(gs_response_set_header(response, err, "Vary", "Accept"));
    GS_TRY(gs_response_set_etag(request, response, tag, &not_modified, err));
    if (not_modified) return GS_OK;
    GS_TRY(gs_store_slice_content(context->store, slice.id, NULL, &bytes, &size, err));
    if (!as_values) return gs_response_set_body(response, 200, stored, bytes, size, err);
    gs_status status = respond_values(&slice, bytes, size, response, err);
    gs_free(bytes);
    return status;
}

/* Channel `channel` of the slice as 8-bit PNG, its smallest value black, its largest white. */
static gs_status render_channel(const gs_slice_record *slice, const char *bytes, size_t size,
                                int channel, char **png, size_t *png_size, gs_error *err) {
    gs_image image;
    /* The limits held when it was stored; lower ones of today do not make it unreadable. */
    GS_TRY(gs_image_decode(slice->content_type, bytes, size, NULL, &image, err));
    gs_png_options options = {.height = image.height, .width = image.width};
    const float *plane = gs_image_channel(&image, channel);
    gs_image_range(plane, gs_image_plane(&image), &options.low, &options.high);
    gs_status status = gs_png_encode_float(plane, &options, png, png_size, err);
    gs_image_deinit(&image);
    return status;
}

gs_status gs_api_slice_image(const gs_api_context *context, const gs_request *request,
                             gs_response *response, gs_error *err) {
    gs_slice_record slice;
    gs_fields fields;
    char tag[GS_SHA256_SIZE + 8];
    bool not_modified = false;
    void *bytes = NULL;
    char *png = NULL;
    size_t size = 0, png_size = 0;
    GS_TRY(gs_store_slice_get(context->store, request->params[0], &slice, err));
    gs_fields_of_query(request, response, &fields);
    int64_t channel = gs_fields_integer(&fields, "channel", GS_OPTIONAL, 0, slice.channels - 1, 0);
    GS_TRY(gs_fields_finish(&fields, err));
    snprintf(tag, sizeof tag, "%s-%d", slice.sha256, (int)channel);
    GS_TRY(gs_response_set_etag(request, response, tag, &not_modified, err));
    if (not_modified) return GS_OK;
    GS_TRY(gs_store_slice_content(context->store, slice.id, NULL, &bytes, &size, err));
    gs_status status = render_channel(&slice, bytes, size, (int)channel, &png, &png_size, err);
    gs_free(bytes);
    if (status) return status;
    return gs_response_set_body(response, 200, "image/png", png, png_size, err);
}

#include "api/inference.h"

#include <nettle/base64.h>
#include <stdio.h>
#include <string.h>

#include "api/slice_input.h"
#include "base/memory.h"
#include "engine/image/npy.h"
#include "engine/image/png.h"

/* ==== Subject ==== */

gs_status gs_subject_init(const gs_request *request, gs_response *response, gs_subject *out,
                          gs_error *err) {
    gs_subject subject = {0};
    gs_fields_of_query(request, response, &subject.query);
    bool json = gs_request_has_type(request, "application/json");
    if (json) GS_TRY(gs_fields_of_json(request, response, &subject.body, err));
    *out = subject;
    out->params = json ? &out->body : &out->query;
    if (json) out->slice_id = gs_fields_string(out->params, "slice_id", GS_REQUIRED, GS_ID_SIZE);
    out->model_id = gs_fields_string(out->params, "model", GS_OPTIONAL, GS_ID_SIZE);
    return GS_OK;
}

void gs_subject_deinit(gs_subject *subject) {
    gs_fields_deinit(&subject->body);
    gs_image_deinit(&subject->image);
}

static gs_status load_slice(const gs_api_context *context, gs_subject *subject, gs_error *err) {
    gs_slice_record record;
    void *bytes;
    size_t size;
    GS_TRY(gs_store_slice_content(context->store, subject->slice_id, &record, &bytes, &size, err));
    gs_status status = gs_slice_input_decode(&record, bytes, size, &context->limits.image,
                                             &subject->image, &subject->pixels, err);
    gs_free(bytes);
    return status;
}

gs_status gs_subject_load(const gs_api_context *context, const gs_request *request,
                          gs_subject *subject, gs_error *err) {
    if (subject->params == &subject->body) GS_TRY(gs_fields_finish(&subject->body, err));
    GS_TRY(gs_fields_finish(&subject->query, err));
    if (subject->slice_id) return load_slice(context, subject, err);
    return gs_request_image(context, request, &subject->image, err);
}

/* ==== Rendering ==== */

static void window_of(const gs_rendering *rendering, float *low, float *high) {
    gs_image_range(rendering->plane, (size_t)rendering->height * (size_t)rendering->width, low,
                   high);
}

/* What says of a PNG that a model made it. */
enum { MARK_TEXTS = 2 };
typedef struct png_mark {
    gs_png_text texts[MARK_TEXTS];
    char description[160];
} png_mark;

static void mark_png(png_mark *out, const char *what, const char *model_id) {
    snprintf(out->description, sizeof out->description,
             "Generated image (%s), not an acquired one. Model %s.", what, model_id);
    out->texts[0] = (gs_png_text){"Software", "genseg"};
    out->texts[1] = (gs_png_text){"Description", out->description};
}

gs_status gs_render_mask(const gs_mask *mask, const char *model_id, char **bytes_out,
                         size_t *size_out, gs_error *err) {
    png_mark mark;
    mark_png(&mark, "mask", model_id);
    return gs_mask_encode_marked_png(mask, mark.texts, MARK_TEXTS, bytes_out, size_out, err);
}

gs_status gs_render_png(const gs_rendering *rendering, char **bytes_out, size_t *size_out,
                        gs_error *err) {
    float low, high;
    window_of(rendering, &low, &high);
    png_mark mark;
    mark_png(&mark, rendering->what, rendering->model_id);
    gs_png_options options = {
        .height = rendering->height,
        .width = rendering->width,
        .low = low,
        .high = high > low ? high : low + 1, /* a constant plane is black */
        .texts = mark.texts,
        .text_count = MARK_TEXTS,
    };
    return gs_png_encode_float(rendering->plane, &options, bytes_out, size_out, err);
}

gs_status gs_render_json(const gs_rendering *rendering, json_t **out, gs_error *err) {
    char *png;
    size_t size;
    GS_TRY(gs_render_png(rendering, &png, &size, err));
    char *text = gs_alloc(BASE64_ENCODE_RAW_LENGTH(size) + 1, 1);
    if (text) base64_encode_raw(text, size, (const uint8_t *)png);
    gs_free(png);
    float low, high;
    window_of(rendering, &low, &high);
    json_t *json =
        text ? json_pack("{s:s, s:f, s:f}", "png", text, "min", (double)low, "max", (double)high)
             : NULL;
    gs_free(text);
    if (!json) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the %s", rendering->what);
    *out = json;
    return GS_OK;
}

gs_status gs_respond_generated(gs_response *response, const char *operation, const char *model_id,
                               gs_error *err) {
    return gs_response_set_header(response, err, "X-Generated", "operation=%s, model=%s", operation,
                                  model_id);
}

gs_status gs_respond_npy(gs_response *response, const float *values, int channels, int height,
                         int width, gs_error *err) {
    const size_t shape[] = {(size_t)channels, (size_t)height, (size_t)width};
    size_t skipped = channels == 1 ? 1 : 0;
    char *bytes;
    size_t size;
    GS_TRY(gs_npy_encode(GS_NPY_F32, values, shape + skipped, 3 - skipped, &bytes, &size, err));
    return gs_response_set_body(response, 200, "application/x-npy", bytes, size, err);
}

double gs_mask_dice(const gs_mask *prediction, const gs_mask *annotation) {
    size_t both = 0, sum = 0;
    size_t count = (size_t)annotation->height * (size_t)annotation->width;
    for (size_t i = 0; i < count; i++) {
        if (annotation->values[i] == GS_MASK_UNKNOWN) continue;
        size_t predicted = prediction->values[i] == GS_MASK_TARGET;
        size_t annotated = annotation->values[i] == GS_MASK_TARGET;
        both += predicted & annotated;
        sum += predicted + annotated;
    }
    return sum == 0 ? 1 : 2 * (double)both / (double)sum;
}

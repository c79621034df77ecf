/* POST /v1/sample: several lesions for one healthy image, each from its own seed, or on the way
 * from one seed's lesion to another's. */
#include "api/inference.h"
#include "api/resources.h"
#include "base/memory.h"
#include "engine/image/rle.h"

enum { SAMPLES_MAX = 16, SAMPLES_DEFAULT = 4, STEPS_DEFAULT = 8 };
enum { AUTOENCODED = 0, RESIDUAL = 1, TRANSLATED = 2 };

typedef struct sampling {
    gs_subject subject;
    size_t count;
    bool is_interpolation;
    gs_unique_code codes[SAMPLES_MAX];
    int channel;
    gs_inference_result inserted, segmented;
} sampling;

/* ==== What is asked for ==== */

/* Sample i is drawn by the seed + i. */
static void read_seeds(gs_fields *params, sampling *s) {
    s->count =
        (size_t)gs_fields_integer(params, "count", GS_OPTIONAL, 1, SAMPLES_MAX, SAMPLES_DEFAULT);
    uint64_t seed =
        (uint64_t)gs_fields_integer(params, "seed", GS_OPTIONAL, 0, GS_SEED_MAX - SAMPLES_MAX, 0);
    for (size_t i = 0; i < s->count; i++) s->codes[i] = (gs_unique_code){.seed = seed + i};
}

/* The first frame is at t = 0, the last at t = 1. */
static void read_way(gs_fields *fields, sampling *s) {
    uint64_t from = (uint64_t)gs_fields_integer(fields, "from", GS_REQUIRED, 0, GS_SEED_MAX, 0);
    uint64_t to = (uint64_t)gs_fields_integer(fields, "to", GS_REQUIRED, 0, GS_SEED_MAX, 0);
    s->count =
        (size_t)gs_fields_integer(fields, "steps", GS_OPTIONAL, 2, SAMPLES_MAX, STEPS_DEFAULT);
    s->is_interpolation = true;
    for (size_t i = 0; i < s->count; i++)
        s->codes[i] =
            (gs_unique_code){.seed = from, .toward = to, .t = (double)i / (double)(s->count - 1)};
}

static gs_status refuse_both(gs_fields *params, gs_response *response, gs_error *err) {
    static const char *const others[] = {"count", "seed"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        if (gs_fields_has(params, others[i]))
            return gs_response_add_error(response, err, others[i],
                                         "is not for an interpolation, which has from, to, steps");
    }
    return GS_OK;
}

/* In JSON one object, in a query three parameters. */
static gs_status read_codes(gs_fields *params, sampling *s, gs_response *response, gs_error *err) {
    if (params->request) {
        bool any = gs_fields_has(params, "from") | gs_fields_has(params, "to") |
                   gs_fields_has(params, "steps");
        if (any)
            read_way(params, s);
        else
            read_seeds(params, s);
        return any ? refuse_both(params, response, err) : GS_OK;
    }
    json_t *object = gs_fields_object(params, "interpolate", GS_OPTIONAL);
    if (!object) {
        read_seeds(params, s);
        return GS_OK;
    }
    gs_fields way = {.object = object, .within = "interpolate", .response = response};
    read_way(&way, s);
    GS_TRY(gs_fields_finish(&way, err));
    return refuse_both(params, response, err);
}

/* ==== The answer ==== */

/* null where the code is between those of two seeds. */
static json_t *seed_json(const gs_unique_code *code) {
    if (code->t > 0 && code->t < 1) return json_null();
    return json_integer((json_int_t)(code->t < 1 ? code->seed : code->toward));
}

static gs_status add_sample(const sampling *s, size_t i, json_t *samples, gs_error *err) {
    const gs_inference_result *r = &s->inserted;
    size_t plane = (size_t)r->height * (size_t)r->width;
    size_t offset = (i * (size_t)r->channels + (size_t)s->channel) * plane;
    gs_rendering rendering = {.plane = r->maps[TRANSLATED] + offset,
                              .height = r->height,
                              .width = r->width,
                              .what = "sample",
                              .model_id = r->model_id};
    json_t *image = NULL, *residual = NULL, *rle = NULL;
    gs_mask mask = {0};
    gs_status status = gs_render_json(&rendering, &image, err);
    rendering.plane = r->maps[RESIDUAL] + offset;
    rendering.what = "residual";
    if (status == GS_OK) status = gs_render_json(&rendering, &residual, err);
    if (status == GS_OK)
        status = gs_mask_init_above(s->segmented.maps[0] + i * plane, r->height, r->width, 0.5f,
                                    &mask, err);
    if (status == GS_OK) status = gs_rle_to_json(&mask, &rle, err);
    if (status == GS_OK &&
        json_array_append_new(
            samples, json_pack("{s:o, s:o*, s:O, s:O, s:I, s:O}", "seed", seed_json(&s->codes[i]),
                               "t", s->is_interpolation ? json_real(s->codes[i].t) : NULL, "image",
                               image, "residual", residual, "area",
                               (json_int_t)gs_mask_count(&mask, GS_MASK_TARGET), "mask", rle)) != 0)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the answer");
    json_decref(image);
    json_decref(residual);
    json_decref(rle);
    gs_mask_deinit(&mask);
    return status;
}

static gs_status respond(const sampling *s, gs_response *response, gs_error *err) {
    json_t *samples = json_array();
    for (size_t i = 0; i < s->count; i++) {
        gs_status status = add_sample(s, i, samples, err);
        if (status == GS_OK) continue;
        json_decref(samples);
        return status;
    }
    return gs_response_set_json(response, 200,
                                json_pack("{s:s, s:i, s:i, s:i, s:o}", "model",
                                          s->inserted.model_id, "width", s->inserted.width,
                                          "height", s->inserted.height, "channel", s->channel,
                                          "samples", samples),
                                err);
}

/* ==== The way there ==== */

static gs_status insert(const gs_api_context *context, sampling *s, gs_error *err) {
    gs_image images[SAMPLES_MAX];
    gs_pixels pixels[SAMPLES_MAX];
    for (size_t i = 0; i < s->count; i++) {
        images[i] = s->subject.image; /* borrowed copies */
        pixels[i] = s->subject.pixels;
    }
    gs_inference inference = {.model_id = s->subject.model_id,
                              .operation = GS_INSERT,
                              .count = s->count,
                              .images = images,
                              .pixels = pixels,
                              .codes = s->codes};
    return context->services->infer(context->server, &inference, &s->inserted, err);
}

/* The masks: what the same model sees in the images it made. */
static gs_status segment(const gs_api_context *context, sampling *s, gs_error *err) {
    gs_image images[SAMPLES_MAX];
    const gs_inference_result *r = &s->inserted;
    gs_pixels pixels[SAMPLES_MAX];
    size_t values = (size_t)r->channels * (size_t)r->height * (size_t)r->width;
    for (size_t i = 0; i < s->count; i++) {
        images[i] = (gs_image){.channels = r->channels,
                               .height = r->height,
                               .width = r->width,
                               .pixels = r->maps[TRANSLATED] + i * values};
        pixels[i] = GS_PIXELS_NORMALIZED;
    }
    gs_inference inference = {.model_id = r->model_id,
                              .operation = GS_SEGMENT,
                              .count = s->count,
                              .images = images,
                              .pixels = pixels,
                              .grouping = GS_EACH_ALONE};
    return context->services->infer(context->server, &inference, &s->segmented, err);
}

static gs_status run(const gs_api_context *context, const gs_request *request, sampling *s,
                     gs_response *response, gs_error *err) {
    GS_TRY(read_codes(s->subject.params, s, response, err));
    s->channel = (int)gs_fields_integer(&s->subject.query, "channel", GS_OPTIONAL, 0,
                                        GS_MAX_CHANNELS - 1, 0);
    GS_TRY(gs_subject_load(context, request, &s->subject, err));
    if (s->channel >= s->subject.image.channels)
        return gs_response_add_error(response, err, "channel",
                                     "the image has %d channels, "
                                     "counted from 0",
                                     s->subject.image.channels);
    GS_TRY(insert(context, s, err));
    GS_TRY(segment(context, s, err));
    GS_TRY(gs_respond_generated(response, "sample", s->inserted.model_id, err));
    return respond(s, response, err);
}

gs_status gs_api_sample(const gs_api_context *context, const gs_request *request,
                        gs_response *response, gs_error *err) {
    sampling s = {0};
    GS_TRY(gs_subject_init(request, response, &s.subject, err));
    gs_status status = run(context, request, &s, response, err);
    gs_inference_result_deinit(&s.inserted);
    gs_inference_result_deinit(&s.segmented);
    gs_subject_deinit(&s.subject);
    return status;
}

/* POST /v1/translate */
#include <string.h>

#include "api/inference.h"
#include "api/resources.h"
#include "base/memory.h"

static const char *const directions[] = {"presence_to_absence", "absence_to_presence", NULL};
enum { TO_ABSENCE, TO_PRESENCE };

/* The maps of a gs_inference_result by direction. */
static const char *const outputs[2][4] = {
    [TO_ABSENCE] = {"translated", "residual", "reconstruction", NULL},
    [TO_PRESENCE] = {"autoencoded", "residual", "translated", NULL},
};

typedef struct translation {
    gs_subject subject;
    int direction;
    uint64_t seed;
    int output; /* of outputs[direction]; -1 = all, as JSON */
    int channel;
    gs_inference_result result;
} translation;

static gs_rendering rendering_of(const translation *t, int output) {
    size_t plane = (size_t)t->result.height * (size_t)t->result.width;
    return (gs_rendering){
        .plane = t->result.maps[output] + (size_t)t->channel * plane,
        .height = t->result.height,
        .width = t->result.width,
        .what = outputs[t->direction][output],
        .model_id = t->result.model_id,
    };
}

static gs_status respond_all(const translation *t, gs_response *response, gs_error *err) {
    json_t *maps = json_object();
    for (int i = 0; i < 3; i++) {
        gs_rendering rendering = rendering_of(t, i);
        json_t *map = NULL;
        gs_status status = gs_render_json(&rendering, &map, err);
        if (status == GS_OK && json_object_set_new(maps, rendering.what, map) != 0)
            status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the answer");
        if (status != GS_OK) {
            json_decref(maps);
            return status;
        }
    }
    json_t *json = json_pack("{s:s, s:s, s:i, s:i, s:i, s:o}", "model", t->result.model_id,
                             "direction", directions[t->direction], "width", t->result.width,
                             "height", t->result.height, "channel", t->channel, "outputs", maps);
    if (json && t->direction == TO_PRESENCE)
        (void)json_object_set_new(json, "seed", json_integer((json_int_t)t->seed));
    return gs_response_set_json(response, 200, json, err);
}

static gs_status respond_one(const translation *t, const gs_request *request, gs_response *response,
                             gs_error *err) {
    static const char *const types[] = {"image/png", "application/x-npy"};
    int type = gs_request_accepts(request, types, 2);
    if (type < 0)
        return gs_response_problem(response, 406, err, "an output is %s or %s", types[0], types[1]);
    GS_TRY(gs_response_set_header(response, err, "Vary", "Accept"));
    if (type == 1)
        return gs_respond_npy(response, t->result.maps[t->output], t->result.channels,
                              t->result.height, t->result.width, err);
    gs_rendering rendering = rendering_of(t, t->output);
    char *bytes;
    size_t size;
    GS_TRY(gs_render_png(&rendering, &bytes, &size, err));
    float low, high;
    gs_image_range(rendering.plane, (size_t)rendering.height * (size_t)rendering.width, &low,
                   &high);
    gs_status status = gs_response_set_header(response, err, "X-Window", "min=%.9g, max=%.9g",
                                              (double)low, (double)high);
    if (status != GS_OK) {
        gs_free(bytes);
        return status;
    }
    return gs_response_set_body(response, 200, "image/png", bytes, size, err);
}

static gs_status run(const gs_api_context *context, const gs_request *request, translation *t,
                     gs_response *response, gs_error *err) {
    gs_subject *subject = &t->subject;
    t->direction = gs_fields_choice(subject->params, "direction", GS_REQUIRED, directions);
    t->seed = (uint64_t)gs_fields_integer(subject->params, "seed", GS_OPTIONAL, 0, GS_SEED_MAX, 0);
    t->output = gs_fields_choice(&subject->query, "output", GS_OPTIONAL,
                                 outputs[t->direction == TO_PRESENCE ? TO_PRESENCE : TO_ABSENCE]);
    t->channel =
        (int)gs_fields_integer(&subject->query, "channel", GS_OPTIONAL, 0, GS_MAX_CHANNELS - 1, 0);
    GS_TRY(gs_subject_load(context, request, subject, err));
    if (t->channel >= subject->image.channels)
        return gs_response_add_error(response, err, "channel",
                                     "the image has %d channels, "
                                     "counted from 0",
                                     subject->image.channels);
    gs_inference inference = {
        .model_id = subject->model_id,
        .operation = t->direction == TO_PRESENCE ? GS_INSERT : GS_REMOVE,
        .count = 1,
        .images = &subject->image,
        .pixels = &subject->pixels,
        .codes = &(gs_unique_code){.seed = t->seed},
    };
    GS_TRY(context->services->infer(context->server, &inference, &t->result, err));
    GS_TRY(gs_respond_generated(response, "translate", t->result.model_id, err));
    return t->output < 0 ? respond_all(t, response, err) : respond_one(t, request, response, err);
}

gs_status gs_api_translate(const gs_api_context *context, const gs_request *request,
                           gs_response *response, gs_error *err) {
    translation t = {0};
    GS_TRY(gs_subject_init(request, response, &t.subject, err));
    gs_status status = run(context, request, &t, response, err);
    gs_inference_result_deinit(&t.result);
    gs_subject_deinit(&t.subject);
    return status;
}

/* A test double of engine/session.h: real model configurations, arithmetic that a test can predict.
 *
 * A toy model file is JSON: {"toy": 1, "preset", "width", "channels", "height", "columns",
 * "normalization", "offset", "batch_error", "load_ms", "compute_ms"}. Per pixel of channel 0 (x):
 *   segment  probability = clamp(x + offset + batch_error * (images at once - 1))
 *   remove   healthy = x / 2 + offset, residual = x / 4, reconstruction = healthy + residual
 *   insert   autoencoded = x / 2 + offset, residual = seed % 97 / 97, translated = their sum;
 * between two seeds the residual is on the straight line Every call sleeps compute_ms, whatever its
 * batch, so that batching can be seen. */
#include "engine/session.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/image/normalize.h"

struct gs_model {
    atomic_int references;
    gs_model_config config;
    float offset, batch_error;
    int compute_ms;
};

struct gs_session {
    gs_model *model;
};

static void sleep_ms(int ms) {
    struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&pause, NULL);
}

static int integer_of(const json_t *json, const char *name) {
    return (int)json_integer_value(json_object_get(json, name));
}

static gs_status read_model(const char *path, const json_t *json, gs_model *model, gs_error *err) {
    if (integer_of(json, "toy") != 1)
        return gs_fail(err, GS_UNUSABLE, "%s is not a model of this architecture", path);
    const char *preset = json_string_value(json_object_get(json, "preset"));
    const char *normalization = json_string_value(json_object_get(json, "normalization"));
    GS_TRY(gs_model_config_make(preset ? preset : "",
                                json_number_value(json_object_get(json, "width")),
                                integer_of(json, "channels"), integer_of(json, "height"),
                                integer_of(json, "columns"), &model->config, err));
    if (normalization)
        GS_TRY(gs_normalization_parse(normalization, &model->config.normalization, err));
    model->offset = (float)json_number_value(json_object_get(json, "offset"));
    model->batch_error = (float)json_number_value(json_object_get(json, "batch_error"));
    model->compute_ms = integer_of(json, "compute_ms");
    sleep_ms(integer_of(json, "load_ms"));
    return GS_OK;
}

gs_status gs_model_load(const char *path, gs_model **out, gs_error *err) {
    char *bytes;
    size_t size;
    GS_TRY(gs_file_read(path, 1 << 20, &bytes, &size, err));
    json_t *json = json_loadb(bytes, size, 0, NULL);
    gs_free(bytes);
    if (!json) return gs_fail(err, GS_MALFORMED, "%s does not parse", path);
    gs_model *model = gs_alloc(1, sizeof *model);
    gs_status status = model ? read_model(path, json, model, err)
                             : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", path);
    json_decref(json);
    if (status != GS_OK) {
        gs_free(model);
        return status;
    }
    atomic_init(&model->references, 1);
    *out = model;
    return GS_OK;
}

gs_model *gs_model_retain(gs_model *model) {
    atomic_fetch_add(&model->references, 1);
    return model;
}

void gs_model_release(gs_model *model) {
    if (model && atomic_fetch_sub(&model->references, 1) == 1) gs_free(model);
}

bool gs_model_translates(const gs_model *model) {
    (void)model;
    return true;
}

bool gs_model_inserts(const gs_model *model) {
    return gs_model_translates(model);
}

const gs_model_config *gs_model_get_config(const gs_model *model) {
    return &model->config;
}

gs_status gs_session_open(gs_model *model, const gs_session_options *options, gs_session **out,
                          gs_error *err) {
    (void)options;
    gs_session *session = gs_alloc(1, sizeof *session);
    if (!session) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a session");
    session->model = gs_model_retain(model);
    *out = session;
    return GS_OK;
}

void gs_session_close(gs_session *session) {
    if (!session) return;
    gs_model_release(session->model);
    gs_free(session);
}

static size_t plane_of(const gs_session *session) {
    return (size_t)session->model->config.height * (size_t)session->model->config.columns;
}

static size_t values_of(const gs_session *session) {
    return plane_of(session) * (size_t)session->model->config.channels;
}

gs_status gs_session_segment(gs_session *session, size_t count, const float *images,
                             float *probabilities, gs_error *err) {
    (void)err;
    size_t plane = plane_of(session), values = values_of(session);
    float more = session->model->offset + session->model->batch_error * (float)(count - 1);
    for (size_t n = 0; n < count; n++) {
        for (size_t i = 0; i < plane; i++) {
            float p = images[n * values + i] + more;
            probabilities[n * plane + i] = p < 0 ? 0 : p > 1 ? 1 : p;
        }
    }
    sleep_ms(session->model->compute_ms);
    return GS_OK;
}

gs_status gs_session_remove(gs_session *session, size_t count, const float *images, float *healthy,
                            float *residual, float *reconstruction, gs_error *err) {
    (void)err;
    for (size_t i = 0; i < count * values_of(session); i++) {
        healthy[i] = images[i] / 2 + session->model->offset;
        residual[i] = images[i] / 4;
        reconstruction[i] = healthy[i] + residual[i];
    }
    sleep_ms(session->model->compute_ms);
    return GS_OK;
}

/* A residual of one value, which tells the code: where it is between what two seeds give. */
static float residual_of(const gs_unique_code *code) {
    double from = (double)(code->seed % 97) / 97, to = (double)(code->toward % 97) / 97;
    if (code->t <= 0) return (float)from;
    return (float)(code->t >= 1 ? to : (1 - code->t) * from + code->t * to);
}

gs_status gs_session_insert_codes(gs_session *session, size_t count, const float *images,
                                  const gs_unique_code *codes, float *autoencoded, float *residual,
                                  float *translated, gs_error *err) {
    (void)err;
    size_t values = values_of(session);
    for (size_t i = 0; i < count * values; i++) {
        autoencoded[i] = images[i] / 2 + session->model->offset;
        residual[i] = residual_of(&codes[i / values]);
        translated[i] = autoencoded[i] + residual[i];
    }
    sleep_ms(session->model->compute_ms);
    return GS_OK;
}

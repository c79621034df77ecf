/* gs_api_services: what handlers may ask of the server. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "engine/image/normalize.h"
#include "server/clock.h"
#include "server/log.h"
#include "server/server_internal.h"

enum {
    INFER_LOAD_MS = 20 * 1000,     /* how long an inference waits for its model */
    ACTIVATE_LOAD_MS = 120 * 1000, /* how long an activation does */
};

/* ==== Models ==== */

static gs_status acquire(gs_server *server, const char *id, int timeout_ms, gs_model_slot **out,
                         gs_error *err) {
    char *path = gs_store_model_weights_path(server->store, id);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for model %s", id);
    gs_status status = gs_model_cache_acquire(server->cache, id, path, timeout_ms, out, err);
    gs_free(path);
    return status;
}

/* The active model; after a start it becomes so here, as soon as it is loaded. */
static gs_status acquire_active(gs_server *server, int timeout_ms, gs_model_slot **out,
                                gs_error *err) {
    gs_status status = gs_model_cache_acquire_active(server->cache, out, err);
    if (status != GS_CONFLICT) return status;
    gs_model_record record;
    gs_error missing;
    status = gs_store_model_get_active(server->store, &record, &missing);
    if (status == GS_NOT_FOUND) return GS_CONFLICT; /* *err says so already */
    if (status != GS_OK) return gs_fail(err, status, "%s", missing.text);
    status = acquire(server, record.id, timeout_ms, out, err);
    gs_model_record_deinit(&record);
    if (status != GS_OK) return status;
    pthread_mutex_lock(&server->activation);
    gs_model_slot *other;
    gs_error none; /* an activation may have come first; then that one stays */
    if (gs_model_cache_acquire_active(server->cache, &other, &none) == GS_OK) {
        gs_model_slot_release(*out);
        *out = other;
    } else {
        gs_model_cache_set_active(server->cache, *out);
    }
    pthread_mutex_unlock(&server->activation);
    return GS_OK;
}

static gs_status acquire_named(gs_server *server, const char *id, gs_model_slot **out,
                               gs_error *err) {
    gs_model_record record;
    GS_TRY(gs_store_model_get(server->store, id, &record, err));
    gs_model_record_deinit(&record);
    return acquire(server, id, INFER_LOAD_MS, out, err);
}

static gs_status activate_locked(gs_server *server, const char *id, gs_error *err) {
    gs_model_slot *slot;
    GS_TRY(acquire(server, id, ACTIVATE_LOAD_MS, &slot, err));
    gs_status status = gs_store_model_set_active(server->store, id, err);
    if (status == GS_OK) {
        gs_model_cache_set_active(server->cache, slot);
        gs_log(GS_LOG_INFO, "model_activated", json_pack("{s:s}", "model", id));
    }
    gs_model_slot_release(slot);
    return status;
}

static gs_status activate(void *context, const char *id, gs_error *err) {
    gs_server *server = context;
    GS_TRY(gs__engine_check(server, err));
    pthread_mutex_lock(&server->activation);
    gs_status status = activate_locked(server, id, err);
    pthread_mutex_unlock(&server->activation);
    return gs__engine_note(server, status, err);
}

gs_status gs__activate_if_none(gs_server *server, const char *model_id, gs_error *err) {
    gs_model_record record;
    pthread_mutex_lock(&server->activation);
    gs_status status = gs_store_model_get_active(server->store, &record, err);
    if (status == GS_OK) gs_model_record_deinit(&record);
    if (status == GS_NOT_FOUND) status = activate_locked(server, model_id, err);
    pthread_mutex_unlock(&server->activation);
    return status;
}

void gs__preload_active(gs_server *server) {
    gs_model_slot *slot;
    gs_error err;
    gs_status status = acquire_active(server, 0, &slot, &err);
    if (status == GS_OK) gs_model_slot_release(slot);
    if (status != GS_OK && status != GS_BUSY && status != GS_CONFLICT)
        gs_log_text(GS_LOG_ERROR, "active_model_not_loaded", "%s", err.text);
}

static void forget_model(void *context, const char *id) {
    gs_server *server = context;
    gs_model_cache_forget(server->cache, id);
}

/* ==== Inference ==== */

static gs_status check_size(const gs_model_slot *slot, const gs_image *image, gs_error *err) {
    const gs_model_config *config = gs_model_slot_config(slot);
    if (image->channels == config->channels && image->height == config->height &&
        image->width == config->columns)
        return GS_OK;
    return gs_fail(err, GS_SHAPE_MISMATCH,
                   "model %s expects an image of %d channels, height %d and width %d; this one has "
                   "%d channels, height %d and width %d",
                   gs_model_slot_id(slot), config->channels, config->height, config->columns,
                   image->channels, image->height, image->width);
}

/* The images one after the other, as the model takes them. Caller frees *out. */
static gs_status gather(const gs_model_slot *slot, const gs_inference *inference, float **out,
                        gs_error *err) {
    for (size_t i = 0; i < inference->count; i++)
        GS_TRY(check_size(slot, &inference->images[i], err));
    size_t values = gs_image_values(&inference->images[0]);
    float *pixels = gs_alloc(inference->count * values, sizeof *pixels);
    if (!pixels)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu images", inference->count);
    for (size_t i = 0; i < inference->count; i++) {
        gs_image image = inference->images[i];
        memcpy(pixels + i * values, image.pixels, values * sizeof *pixels);
        image.pixels = pixels + i * values;
        gs_status status =
            inference->pixels && inference->pixels[i] == GS_PIXELS_NORMALIZED
                ? GS_OK
                : gs_normalize(&image, gs_model_slot_config(slot)->normalization, err);
        if (status == GS_OK) continue;
        gs_free(pixels);
        return status;
    }
    *out = pixels;
    return GS_OK;
}

static gs_status check_finite(const gs_model_slot *slot, const float *map, size_t count,
                              gs_error *err) {
    for (size_t i = 0; map && i < count; i++) {
        if (!isfinite(map[i]))
            return gs_fail(err, GS_NUMERIC,
                           "model %s gives values that are not finite for this image",
                           gs_model_slot_id(slot));
    }
    return GS_OK;
}

static gs_status run(gs_server *server, gs_model_slot *slot, const gs_inference *inference,
                     gs_inference_result *out, gs_error *err) {
    const gs_model_config *config = gs_model_slot_config(slot);
    gs_work work = {.slot = slot,
                    .operation = inference->operation,
                    .count = inference->count,
                    .codes = inference->codes,
                    .priority = inference->priority,
                    .grouping = inference->grouping};
    GS_TRY(gather(slot, inference, &work.images, err));
    gs_inference_result result = {
        .channels = config->channels, .height = config->height, .width = config->columns};
    snprintf(result.model_id, sizeof result.model_id, "%s", gs_model_slot_id(slot));
    GS_TRY(gs_executor_run(server->executor, &work, result.maps, err));
    size_t plane = (size_t)config->height * (size_t)config->columns;
    size_t values = inference->operation == GS_SEGMENT ? plane : plane * (size_t)config->channels;
    gs_status status = GS_OK;
    for (int i = 0; i < 3 && status == GS_OK; i++)
        status = check_finite(slot, result.maps[i], inference->count * values, err);
    if (status != GS_OK) {
        gs_inference_result_deinit(&result);
        return status;
    }
    *out = result;
    return GS_OK;
}

static gs_status infer_with_engine(gs_server *server, const gs_inference *inference,
                                   gs_inference_result *out, gs_error *err) {
    gs_model_slot *slot;
    GS_TRY(inference->model_id ? acquire_named(server, inference->model_id, &slot, err)
                               : acquire_active(server, INFER_LOAD_MS, &slot, err));
    gs_status status = run(server, slot, inference, out, err);
    gs_model_slot_release(slot);
    return status;
}

static gs_status infer(void *context, const gs_inference *inference, gs_inference_result *out,
                       gs_error *err) {
    gs_server *server = context;
    GS_TRY(gs__engine_check(server, err));
    return gs__engine_note(server, infer_with_engine(server, inference, out, err), err);
}

/* ==== Jobs ==== */

/* Whose job it is; the one of trainings when the store cannot say. */
static gs_supervisor *supervisor_of(gs_server *server, const char *job_id) {
    gs_job_record job;
    gs_error ignored;
    gs_supervisor *supervisor = server->supervisor;
    if (gs_store_job_get(server->store, job_id, &job, &ignored) != GS_OK) return supervisor;
    gs_supervisor *const supervisors[] = {[GS_QUEUE_TRAINING] = server->supervisor,
                                          [GS_QUEUE_VOLUMES] = server->volumes,
                                          [GS_QUEUE_PREDICTIONS] = server->predictions};
    supervisor = supervisors[gs_job_record_queue(&job)];
    gs_job_record_deinit(&job);
    return supervisor;
}

static void jobs_changed(void *context) {
    gs_server *server = context;
    gs_supervisor_jobs_changed(server->supervisor);
    gs_supervisor_jobs_changed(server->volumes);
    gs_supervisor_jobs_changed(server->predictions);
}

static gs_status stop_job(void *context, const char *job_id, gs_error *err) {
    gs_server *server = context;
    return gs_supervisor_stop_job(supervisor_of(server, job_id), job_id, err);
}

static gs_wait wait_for_event(void *context, const char *job_id, int64_t sequence, int timeout_ms) {
    gs_server *server = context;
    return gs_supervisor_wait_for_event(supervisor_of(server, job_id), job_id, sequence,
                                        timeout_ms);
}

/* ==== About the server ==== */

static char *metrics_text(void *context) {
    gs_server *server = context;
    gs_http *http = atomic_load(&server->http);
    gs_metrics_gauges gauges = {.queued_images = gs_executor_queued(server->executor),
                                .requests_in_flight = http ? gs_http_in_flight(http) : 0,
                                .backend = server->engine.backend};
    gs_error ignored; /* a store that cannot be read shows as zeros here and as 503 in /readyz */
    (void)!gs_store_job_count(server->store, gauges.jobs, &ignored);
    gs_model_record active;
    if (gs_store_model_get_active(server->store, &active, &ignored) == GS_OK) {
        memcpy(gauges.active_model, active.id, sizeof gauges.active_model);
        gs_model_record_deinit(&active);
    }
    return gs_metrics_text(server->metrics, &gauges);
}

static gs_status ready(void *context, gs_error *err) {
    gs_server *server = context;
    gs_error reason;
    gs_model_slot *slot;
    gs_status status = gs_store_check(server->store, &reason);
    if (status == GS_OK) status = gs__engine_check(server, &reason);
    if (status == GS_OK) {
        status = gs__engine_note(server, acquire_active(server, 0, &slot, &reason), &reason);
        if (status == GS_CONFLICT) return GS_OK; /* without a model all else can be answered */
        if (status == GS_OK) gs_model_slot_release(slot);
    }
    if (status == GS_OK) return GS_OK;
    return gs_fail(err, GS_BUSY, "not ready: %s", reason.text);
}

static const gs_engine_choice *engine(void *context) {
    const gs_server *server = context;
    return &server->engine;
}

static const gs_web_file *web_file(void *context, const char *path) {
    const gs_server *server = context;
    return gs_web_folder_find(server->web, path);
}

static unsigned note_failure(void *context, const char *address) {
    gs_server *server = context;
    char key[GS_RATE_KEY_SIZE];
    gs_rate_limit_key(address, key);
    return gs_rate_limit_take(server->failures, key, gs_clock_seconds());
}

const gs_api_services gs__services = {
    .note_failure = note_failure,
    .infer = infer,
    .activate = activate,
    .forget_model = forget_model,
    .jobs_changed = jobs_changed,
    .stop_job = stop_job,
    .wait_for_event = wait_for_event,
    .metrics_text = metrics_text,
    .ready = ready,
    .engine = engine,
    .web_file = web_file,
};

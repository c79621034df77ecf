/* Invariant: no model takes another one's place on its own, unless it was found to be no worse. */
#include "server/activation.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/model_register.h"
#include "base/memory.h"
#include "engine/train/evaluate.h"
#include "engine/train/sampler.h"
#include "engine/train/trainer.h"
#include "server/log.h"
#include "server/server_internal.h"

enum { RETRY_MS = 200, RETRIES = 600 /* while models load */ };

typedef struct decision {
    gs_server *server;
    const char *model_id, *policy; /* borrowed */
    char active_id[GS_ID_SIZE];    /* "" = none */
    double dice, active_dice;      /* NaN = not compared */
    size_t slices;                 /* compared on */
    bool activates;
    char reason[600];
} decision;

static void because(decision *d, bool activates, const char *format, ...) GS_PRINTF(3, 4);
static void because(decision *d, bool activates, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(d->reason, sizeof d->reason, format, args);
    va_end(args);
    d->activates = activates;
}

/* ==== Comparing ==== */

/* The training's data as it saw them, with its validation split. */
typedef struct validation {
    gs_dataset *dataset;
    gs_slice_lists lists;
} validation;

static void close_validation(validation *v) {
    gs_slice_lists_deinit(&v->lists);
    gs_dataset_close(v->dataset);
}

static gs_status open_validation(const decision *d, const gs_job_record *job, validation *v,
                                 gs_error *err) {
    char *folder = gs_format("%s/jobs/%s/dataset", gs_store_get_folder(d->server->store), job->id);
    if (!folder) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_dataset_open(folder, &v->dataset, err);
    gs_free(folder);
    if (status != GS_OK) return status;
    json_t *request = json_loads(job->request_json, 0, NULL);
    uint64_t seed = (uint64_t)json_integer_value(json_object_get(request, "seed"));
    json_decref(request);
    GS_TRY(gs_dataset_assign_splits(v->dataset, seed, GS_VALIDATION_FRACTION, 0, err));
    return gs_slice_lists_init(&v->lists, v->dataset, err);
}

typedef struct evaluated {
    gs_server *server;
    const char *model_id;
    const gs_dataset_info *info;
} evaluated;

static gs_status infer(const evaluated *e, const gs_inference *inference, gs_inference_result *out,
                       gs_error *err) {
    for (int tries = 0;; tries++) {
        gs_status status = gs__services.infer(e->server, inference, out, err);
        if (status != GS_BUSY || tries == RETRIES) return status;
        const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
        nanosleep(&pause, NULL);
    }
}

/* A gs_pixel_map. */
static gs_status segment(void *context, size_t count, const float *pixels, float *probabilities,
                         gs_error *err) {
    const evaluated *e = context;
    gs_image images[GS_EVALUATION_BATCH];
    gs_pixels forms[GS_EVALUATION_BATCH];
    for (size_t i = 0; i < count; i++) {
        images[i] = (gs_image){
            .channels = e->info->channels, .height = e->info->height, .width = e->info->width};
        images[i].pixels = (float *)pixels + i * gs_image_values(&images[i]);
        forms[i] = GS_PIXELS_NORMALIZED;
    }
    const gs_inference inference = {.model_id = e->model_id,
                                    .operation = GS_SEGMENT,
                                    .count = count,
                                    .images = images,
                                    .pixels = forms,
                                    .priority = GS_PRIORITY_BACKGROUND};
    gs_inference_result result;
    GS_TRY(infer(e, &inference, &result, err));
    memcpy(probabilities, result.maps[0],
           count * gs_image_plane(&images[0]) * sizeof *probabilities);
    gs_inference_result_deinit(&result);
    return GS_OK;
}

static gs_status find_dice(const decision *d, const validation *v, const char *model_id,
                           double *out, gs_error *err) {
    evaluated e = {d->server, model_id, gs_dataset_get_info(v->dataset)};
    const gs_annotated_rows rows = {v->dataset, v->lists.validation, v->lists.validation_count};
    return gs_evaluate_dice(&rows, segment, &e, out, err);
}

static bool takes(const gs_model_config *model, const gs_dataset_info *info) {
    return model->channels == info->channels && model->height == info->height &&
           model->columns == info->width && model->normalization == info->normalization;
}

static gs_status compare(decision *d, const gs_model_record *active, const validation *v,
                         gs_error *err) {
    gs_model_config config;
    GS_TRY(gs_model_record_config(active, &config, err));
    if (!takes(&config, gs_dataset_get_info(v->dataset))) {
        because(d, false, "the active model takes other images, so the two cannot be compared");
        return GS_OK;
    }
    if (v->lists.validation_count == 0) {
        because(d, false, "no validation slice has a mask to compare the two on");
        return GS_OK;
    }
    d->slices = v->lists.validation_count;
    GS_TRY(find_dice(d, v, d->model_id, &d->dice, err));
    GS_TRY(find_dice(d, v, active->id, &d->active_dice, err));
    bool better = d->dice >= d->active_dice;
    because(d, better, "a validation Dice of %.3f is %s than the active model's %.3f", d->dice,
            better ? "no worse" : "worse", d->active_dice);
    return GS_OK;
}

static gs_status judge(decision *d, const gs_job_record *job, gs_error *err) {
    gs_model_record active;
    if (strcmp(d->policy, "never") == 0) {
        because(d, false, "the job asked for no activation");
        return GS_OK;
    }
    gs_status status = gs_store_model_get_active(d->server->store, &active, err);
    if (status == GS_NOT_FOUND) {
        because(d, true, "no model was active");
        return GS_OK;
    }
    if (status != GS_OK) return status;
    memcpy(d->active_id, active.id, sizeof d->active_id);
    validation v = {0};
    if (strcmp(d->policy, "always") == 0) {
        because(d, true, "the job asked for it");
    } else if (strcmp(active.id, d->model_id) == 0) { /* an interrupted run decided before */
        because(d, true, "it is the active model");
    } else {
        status = open_validation(d, job, &v, err);
        if (status == GS_OK) status = compare(d, &active, &v, err);
        close_validation(&v);
    }
    gs_model_record_deinit(&active);
    return status;
}

/* ==== Keeping ==== */

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static void keep(const decision *d) {
    json_t *json =
        json_pack("{s:s, s:b, s:s, s:o, s:o, s:o, s:o}", "policy", d->policy, "activated",
                  d->activates, "reason", d->reason, "dice", number_or_null(d->dice),
                  "active_model", d->active_id[0] ? json_string(d->active_id) : json_null(),
                  "active_dice", number_or_null(d->active_dice), "slices",
                  d->slices ? json_integer((json_int_t)d->slices) : json_null());
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    gs_error err = {.text = "out of memory"};
    if (!text || gs_store_model_set_activation(d->server->store, d->model_id, text, &err) != GS_OK)
        gs_log_text(GS_LOG_ERROR, "activation_not_kept", "%s: %s", d->model_id, err.text);
    free(text);
    if (json) (void)json_object_set_new(json, "model", json_string(d->model_id));
    gs_log(GS_LOG_INFO, "activation_decided", json);
}

void gs__activation_decide(gs_server *server, const gs_job_record *job, const char *model_id) {
    json_t *request = json_loads(job->request_json, 0, NULL);
    const char *policy = json_string_value(json_object_get(request, "activate"));
    decision d = {.server = server,
                  .model_id = model_id,
                  .policy = policy ? policy : "if_better",
                  .dice = (double)NAN,
                  .active_dice = (double)NAN};
    gs_error err;
    if (judge(&d, job, &err) != GS_OK)
        because(&d, false, "the two could not be compared: %s", err.text);
    if (d.activates && gs__services.activate(server, model_id, &err) != GS_OK)
        because(&d, false, "it could not be activated: %s", err.text);
    keep(&d);
    json_decref(request);
}

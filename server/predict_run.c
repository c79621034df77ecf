/* Invariant: a batch is stored before the next one is computed, and the position only grows, so a
 * run ends whatever is added or deleted meanwhile. */
#include "server/predict_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/handler.h"
#include "api/slice_input.h"
#include "base/memory.h"
#include "server/clock.h"
#include "server/job_run.h"
#include "server/log.h"
#include "server/predict_measure.h"
#include "server/volume_run.h"
#include "store/slice.h"

enum { RETRY_MS = 200, PROGRESS_SECONDS = 1 /* between events */ };

typedef struct predict_run {
    const gs_job_run *run;
    const gs_volume_runner *runner;
    char model_id[GS_ID_SIZE];
    bool translates;           /* false once the model said that it does not */
    gs_prediction_gap *gaps;   /* [max_batch] */
    gs_new_prediction *values; /* [max_batch] */
    gs_image *images;          /* [max_batch]; the first `count` are owned */
    gs_pixels *pixels;         /* [max_batch] */
    size_t count;
    int64_t position;
    int64_t done, total; /* slices of the data set */
    double told_at;      /* gs_clock_seconds of the last event */
} predict_run;

static bool goes_on(const predict_run *r) {
    return r->run->wish(r->run->context) == GS_RUN_GO_ON;
}

static gs_status open_run(predict_run *r, gs_error *err) {
    json_t *request = json_loads(r->run->job->request_json, 0, NULL);
    const char *model = json_string_value(json_object_get(request, "model"));
    snprintf(r->model_id, sizeof r->model_id, "%s", model ? model : "");
    json_decref(request);
    size_t batch = (size_t)r->runner->max_batch;
    r->gaps = gs_alloc(batch, sizeof *r->gaps);
    r->values = gs_alloc(batch, sizeof *r->values);
    r->images = gs_alloc(batch, sizeof *r->images);
    r->pixels = gs_alloc(batch, sizeof *r->pixels);
    if (!r->gaps || !r->values || !r->images || !r->pixels)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a batch");
    return gs_store_prediction_count(r->run->store, r->run->job->dataset, r->model_id, &r->done,
                                     &r->total, err);
}

static void tell(predict_run *r, const char *name) {
    double fraction = r->total > 0 ? (double)r->done / (double)r->total : 1;
    if (fraction > 1) fraction = 1; /* slices were added meanwhile */
    json_t *json = json_pack("{s:s, s:I, s:f, s:I}", "event", name, "step", (json_int_t)r->done,
                             "fraction", fraction, "total", (json_int_t)r->total);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    gs_job_update update = {.progress = &fraction, .step = &r->done};
    int64_t sequence;
    gs_error err;
    if (text && gs_store_job_append(r->run->store, r->run->job->id, name, text, &update, &sequence,
                                    &err) == GS_OK)
        r->run->event(r->run->context, sequence);
    else
        gs_log_text(GS_LOG_ERROR, "job_event_lost", "%s: %s", r->run->job->id,
                    text ? err.text : "out of memory");
    free(text);
    r->told_at = gs_clock_seconds();
}

/* ==== One batch ==== */

static void drop_images(predict_run *r) {
    for (size_t i = 0; i < r->count; i++) gs_image_deinit(&r->images[i]);
    r->count = 0;
}

/* Adds the slice to the batch, unless it was deleted since it was found. */
static gs_status load_slice(predict_run *r, const char *id, gs_error *err) {
    gs_slice_record slice;
    void *bytes;
    size_t size;
    gs_error gone;
    gs_status status = gs_store_slice_content(r->run->store, id, &slice, &bytes, &size, &gone);
    if (status == GS_NOT_FOUND) return GS_OK;
    if (status != GS_OK) return gs_fail(err, status, "%s", gone.text);
    status = gs_slice_input_decode(&slice, bytes, size, NULL, &r->images[r->count],
                                   &r->pixels[r->count], err);
    gs_free(bytes);
    if (status == GS_OK) snprintf(r->values[r->count++].slice, GS_ID_SIZE, "%s", id);
    return status;
}

/* A model that is being loaded is waited for. */
static gs_status infer(const predict_run *r, gs_operation operation, gs_inference_result *out,
                       gs_error *err) {
    const gs_inference inference = {.model_id = r->model_id,
                                    .operation = operation,
                                    .count = r->count,
                                    .images = r->images,
                                    .pixels = r->pixels,
                                    .priority = GS_PRIORITY_BACKGROUND};
    for (;;) {
        gs_status status = r->runner->services->infer(r->runner->server, &inference, out, err);
        if (status != GS_BUSY || !goes_on(r)) return status;
        const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
        nanosleep(&pause, NULL);
    }
}

static void measure(predict_run *r, const gs_inference_result *found,
                    const gs_inference_result *removed) {
    size_t pixels = (size_t)found->height * (size_t)found->width;
    const float *residual = r->translates ? removed->maps[1] : NULL;
    for (size_t i = 0; i < r->count; i++)
        gs_predict_measure(found->maps[0] + i * pixels,
                           residual ? residual + i * pixels * (size_t)removed->channels : NULL,
                           removed->channels, pixels, &r->values[i]);
}

static gs_status compute_batch(predict_run *r, gs_error *err) {
    gs_inference_result found = {0}, removed = {0};
    GS_TRY(infer(r, GS_SEGMENT, &found, err));
    gs_status status = GS_OK;
    if (r->translates) {
        status = infer(r, GS_REMOVE, &removed, err);
        if (status == GS_UNUSABLE) { /* it only segments */
            r->translates = false;
            status = GS_OK;
        }
    }
    if (status == GS_OK) {
        measure(r, &found, &removed);
        status = gs_store_prediction_put(r->run->store, r->model_id, r->values, r->count, err);
    }
    gs_inference_result_deinit(&found);
    gs_inference_result_deinit(&removed);
    return status;
}

/* *found_out: 0 at the end. */
static gs_status run_batch(predict_run *r, size_t *found_out, gs_error *err) {
    GS_TRY(gs_store_prediction_gaps(r->run->store, r->run->job->dataset, r->model_id, r->position,
                                    (size_t)r->runner->max_batch, r->gaps, found_out, err));
    gs_status status = GS_OK;
    for (size_t i = 0; i < *found_out && status == GS_OK; i++) {
        r->position = r->gaps[i].position;
        status = load_slice(r, r->gaps[i].slice, err);
    }
    if (status == GS_OK && r->count > 0) status = compute_batch(r, err);
    if (status == GS_OK) r->done += (int64_t)r->count;
    drop_images(r);
    return status;
}

static gs_status run_all(predict_run *r, gs_error *err) {
    size_t found;
    GS_TRY(open_run(r, err));
    tell(r, "start");
    do {
        if (!goes_on(r))
            return gs_fail(err, GS_CANCELLED, "stopped after %lld slices", (long long)r->done);
        GS_TRY(run_batch(r, &found, err));
        if (gs_clock_seconds() - r->told_at >= PROGRESS_SECONDS) tell(r, "progress");
    } while (found > 0);
    tell(r, "done");
    return GS_OK;
}

void gs_predict_run_execute(const gs_job_run *run, gs_run_end *end_out) {
    predict_run r = {.run = run, .runner = run->options->runner, .translates = true};
    gs_error err = {0};
    gs_status status = run_all(&r, &err);
    *end_out = (gs_run_end){.state = GS_JOB_SUCCEEDED};
    snprintf(end_out->model, sizeof end_out->model, "%s", r.model_id);
    if (status != GS_OK) {
        gs_run_wish wish = run->wish(run->context);
        end_out->model[0] = '\0';
        end_out->state = wish == GS_RUN_CANCEL  ? GS_JOB_CANCELLED
                         : wish == GS_RUN_YIELD ? GS_JOB_QUEUED
                                                : GS_JOB_FAILED;
        if (end_out->state == GS_JOB_FAILED)
            snprintf(end_out->error, sizeof end_out->error, "%s", err.text);
    }
    gs_free(r.gaps);
    gs_free(r.values);
    gs_free(r.images);
    gs_free(r.pixels);
}

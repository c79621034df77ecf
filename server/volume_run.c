/* Owns the walk over a volume's slices: levels are gathered into batches, run, and given to the
 * writer, from the bottom up. Must not know what is written.
 *
 * Threads: while one batch waits for the engine on a thread of its own, this one writes the batch
 * before and cuts the next. A batch is touched by its thread between start_batch and join_batch. */
#include "server/volume_run_internal.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/model_register.h"
#include "api/volume_files.h"
#include "base/file.h"
#include "base/memory.h"
#include "server/clock.h"
#include "server/job_run.h"
#include "server/log.h"

enum {
    RETRY_MS = 200,
    PROGRESS_SECONDS = 1, /* between events */
};

/* One level of a batch: where its slices lie in it; -1: the slice is empty. */
typedef struct batch_level {
    int level, place[GS_VOLUME_SLICE_PARTS];
} batch_level;

typedef struct batch {
    struct volume_run *run;
    gs_image *images;    /* [capacity], pixels [C,H,W] owned */
    batch_level *levels; /* [capacity] */
    int count, level_count;
    pthread_t thread;
    bool is_running; /* the thread is to be joined */
    gs_inference_result result;
    gs_status status;
    gs_error error;
} batch;

typedef struct volume_run {
    const gs_job_run *run;
    const gs_volume_runner *runner;
    /* The request: */
    gs_operation operation;
    char model_id[GS_ID_SIZE];
    double threshold;
    gs_model_config config;
    /* The volume: */
    gs_volume_record volume;
    gs_volume_set files;
    gs_volume_cutter *cutter;
    gs__volume_writer writer;
    char *folder; /* of the results */
    batch batches[2];
    int capacity;  /* slices of a batch, and its levels */
    uint8_t *mask; /* of the volume's truth, which is not needed here */
    int64_t slices_done;
    double told_at; /* gs_clock_seconds of the last event */
} volume_run;

/* ==== Opening ==== */

static gs_status read_request(volume_run *r, gs_error *err) {
    json_t *request = json_loads(r->run->job->request_json, 0, NULL);
    const char *model = json_string_value(json_object_get(request, "model"));
    r->operation = strcmp(r->run->job->kind, "segment") == 0 ? GS_SEGMENT : GS_REMOVE;
    r->threshold = json_number_value(json_object_get(request, "threshold"));
    snprintf(r->model_id, sizeof r->model_id, "%s", model ? model : "");
    json_decref(request);
    return model ? GS_OK
                 : gs_fail(err, GS_UNUSABLE, "the stored request of the job names no model");
}

static gs_status open_model(volume_run *r, gs_error *err) {
    gs_model_record model;
    GS_TRY(gs_store_model_get(r->run->store, r->model_id, &model, err));
    gs_status status = gs_model_record_config(&model, &r->config, err);
    gs_model_record_deinit(&model);
    return status;
}

static gs_status open_volume(volume_run *r, gs_error *err) {
    gs_volume_preset preset;
    GS_TRY(gs_store_volume_get(r->run->store, r->run->job->volume, &r->volume, err));
    GS_TRY(gs_volume_set_open(r->run->store, &r->volume, &r->files, err));
    if (!gs_volume_preset_find(r->volume.preset, &preset))
        return gs_fail(err, GS_UNUSABLE, "the volume's preset '%s' is unknown", r->volume.preset);
    if (r->volume.channels != r->config.channels)
        return gs_fail(err, GS_SHAPE_MISMATCH, "model %s takes %d channels, the volume has %d",
                       r->model_id, r->config.channels, r->volume.channels);
    const gs_volume_form form = {.normalization = r->config.normalization,
                                 .height = r->config.height,
                                 .width = r->config.columns};
    return gs_volume_cutter_open(preset, &r->files.volume, &form, &r->cutter, err);
}

static gs_status open_writer(volume_run *r, gs_error *err) {
    char *volume = gs_store_volume_folder(r->run->store, r->volume.id);
    r->folder = volume ? gs_format("%s/%s", volume, r->run->job->id) : NULL;
    gs_free(volume);
    if (!r->folder) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_folder_remove(r->folder); /* of a run that was interrupted */
    GS_TRY(gs_folder_make(r->folder, err));
    r->writer = (gs__volume_writer){.cutter = r->cutter,
                                    .like = r->files.volume.channels[0],
                                    .folder = r->folder,
                                    .model_id = r->model_id,
                                    .operation = r->operation,
                                    .channels = r->config.channels,
                                    .threshold = r->threshold,
                                    .has_truth = r->volume.has_labels};
    return gs__volume_writer_open(&r->writer, err);
}

static gs_status open_batch(volume_run *r, batch *b, gs_error *err) {
    const gs_model_config *config = &r->config;
    b->run = r;
    b->images = gs_alloc((size_t)r->capacity, sizeof *b->images);
    b->levels = gs_alloc((size_t)r->capacity, sizeof *b->levels);
    if (!b->images || !b->levels) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a batch");
    for (int i = 0; i < r->capacity; i++)
        GS_TRY(gs_image_init(config->channels, config->height, config->columns, NULL, &b->images[i],
                             err));
    return GS_OK;
}

static gs_status open_batches(volume_run *r, gs_error *err) {
    int parts = gs_volume_cutter_parts(r->cutter);
    r->capacity = r->runner->max_batch > parts ? r->runner->max_batch : parts;
    r->mask = gs_alloc((size_t)r->config.height, (size_t)r->config.columns);
    if (!r->mask) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a batch");
    for (int i = 0; i < 2; i++) GS_TRY(open_batch(r, &r->batches[i], err));
    return GS_OK;
}

static void join_batch(batch *b) {
    if (b->is_running) pthread_join(b->thread, NULL);
    b->is_running = false;
}

static void close_all(volume_run *r) {
    for (int n = 0; n < 2; n++) {
        batch *b = &r->batches[n];
        join_batch(b);
        gs_inference_result_deinit(&b->result);
        for (int i = 0; b->images && i < r->capacity; i++) gs_image_deinit(&b->images[i]);
        gs_free(b->images);
        gs_free(b->levels);
    }
    gs_free(r->mask);
    gs__volume_writer_deinit(&r->writer);
    gs_volume_cutter_close(r->cutter);
    gs_volume_set_close(&r->files);
    gs_volume_record_deinit(&r->volume);
    gs_free(r->folder);
}

/* ==== Batches ==== */

static bool goes_on(const volume_run *r) {
    return r->run->wish(r->run->context) == GS_RUN_GO_ON;
}

/* A thread: runs the batch; a model that is being loaded is waited for. */
static void *compute_batch(void *argument) {
    batch *b = argument;
    const volume_run *r = b->run;
    const gs_inference inference = {.model_id = r->model_id,
                                    .operation = r->operation,
                                    .count = (size_t)b->count,
                                    .images = b->images,
                                    .priority = GS_PRIORITY_BACKGROUND};
    for (;;) {
        b->status =
            r->runner->services->infer(r->runner->server, &inference, &b->result, &b->error);
        if (b->status != GS_BUSY || !goes_on(r)) return NULL;
        const struct timespec pause = {.tv_nsec = RETRY_MS * 1000000};
        nanosleep(&pause, NULL);
    }
}

/* A batch of empty slices needs no engine. */
static gs_status start_batch(batch *b, gs_error *err) {
    b->status = GS_OK;
    if (b->count == 0) return GS_OK;
    errno = pthread_create(&b->thread, NULL, compute_batch, b);
    if (errno != 0) return gs_fail_errno(err, "cannot start a thread for a batch");
    b->is_running = true;
    return GS_OK;
}

static gs_status write_levels(volume_run *r, const batch *b, gs_error *err) {
    size_t pixels = (size_t)r->config.height * (size_t)r->config.columns;
    size_t values = r->operation == GS_SEGMENT ? pixels : pixels * (size_t)r->config.channels;
    for (int i = 0; i < b->level_count; i++) {
        const batch_level *at = &b->levels[i];
        const float *maps[GS_VOLUME_SLICE_PARTS][2] = {{NULL}};
        for (int part = 0; part < gs_volume_cutter_parts(r->cutter); part++)
            for (int k = 0; k < 2 && at->place[part] >= 0; k++)
                if (b->result.maps[k])
                    maps[part][k] = b->result.maps[k] + (size_t)at->place[part] * values;
        GS_TRY(gs__volume_writer_put(&r->writer, at->level, maps, pixels, err));
    }
    return GS_OK;
}

static void tell(volume_run *r, const char *name, double fraction, const double *dice) {
    json_t *json = json_pack("{s:s, s:I, s:f}", "event", name, "step", (json_int_t)r->slices_done,
                             "fraction", fraction);
    if (json && dice && isfinite(*dice)) (void)json_object_set_new(json, "dice", json_real(*dice));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    gs_job_update update = {.progress = &fraction,
                            .step = &r->slices_done,
                            .dice = dice && isfinite(*dice) ? dice : NULL};
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

/* Writes a batch that was joined, and empties it. */
static gs_status write_batch(volume_run *r, batch *b, gs_error *err) {
    if (b->level_count == 0) return GS_OK;
    GS_TRY(write_levels(r, b, err));
    gs_inference_result_deinit(&b->result);
    r->slices_done += b->count;
    int done = b->levels[b->level_count - 1].level + 1;
    b->count = b->level_count = 0;
    if (gs_clock_seconds() - r->told_at >= PROGRESS_SECONDS)
        tell(r, "progress", (double)done / gs_volume_cutter_levels(r->cutter), NULL);
    return GS_OK;
}

/* Adds a level's slices to the batch. */
static gs_status add_level(volume_run *r, batch *b, int level, gs_error *err) {
    batch_level *at = &b->levels[b->level_count];
    at->level = level;
    for (int part = 0; part < gs_volume_cutter_parts(r->cutter); part++) {
        gs_volume_slice slice;
        GS_TRY(gs_volume_cutter_cut(r->cutter, level, part, b->images[b->count].pixels, r->mask,
                                    &slice, err));
        at->place[part] = slice.is_empty ? -1 : b->count++;
    }
    b->level_count++;
    return GS_OK;
}

/* Waits for `before`, starts `next` (NULL: there is none), then writes `before`. */
static gs_status change_batches(volume_run *r, batch *before, batch *next, gs_error *err) {
    join_batch(before);
    if (before->status != GS_OK) return gs_fail(err, before->status, "%s", before->error.text);
    if (!goes_on(r))
        return gs_fail(err, GS_CANCELLED, "stopped after %lld slices", (long long)r->slices_done);
    if (next) GS_TRY(start_batch(next, err));
    return write_batch(r, before, err);
}

static gs_status run_levels(volume_run *r, gs_error *err) {
    int parts = gs_volume_cutter_parts(r->cutter), levels = gs_volume_cutter_levels(r->cutter);
    batch *next = &r->batches[0], *before = &r->batches[1];
    for (int level = 0; level < levels; level++) {
        GS_TRY(add_level(r, next, level, err));
        bool is_full = next->count + parts > r->capacity || next->level_count == r->capacity;
        if (!is_full && level + 1 < levels) continue;
        GS_TRY(change_batches(r, before, next, err));
        batch *written = before;
        before = next;
        next = written;
    }
    return change_batches(r, before, NULL, err);
}

/* The results' names, which the job's record is about to speak of. */
static gs_status sync_folders(const volume_run *r, gs_error *err) {
    char *volume = gs_store_volume_folder(r->run->store, r->volume.id);
    if (!volume) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_file_sync(r->folder, err);
    if (status == GS_OK) status = gs_file_sync(volume, err);
    gs_free(volume);
    return status;
}

static gs_status run_all(volume_run *r, gs_error *err) {
    GS_TRY(read_request(r, err));
    GS_TRY(open_model(r, err));
    GS_TRY(open_volume(r, err));
    GS_TRY(open_writer(r, err));
    GS_TRY(open_batches(r, err));
    tell(r, "start", 0, NULL);
    GS_TRY(run_levels(r, err));
    char *outputs;
    double dice;
    GS_TRY(gs__volume_writer_finish(&r->writer, &outputs, &dice, err));
    gs_status status = sync_folders(r, err);
    if (status == GS_OK)
        status = gs_store_job_set_outputs(r->run->store, r->run->job->id, outputs, err);
    gs_free(outputs);
    if (status == GS_OK) tell(r, "done", 1, &dice);
    return status;
}

/* ==== The end ==== */

void gs_volume_run_execute(const gs_job_run *run, gs_run_end *end_out) {
    volume_run r = {.run = run, .runner = run->options->runner};
    gs_error err = {0};
    gs_status status = run_all(&r, &err);
    if (status != GS_OK && r.folder) gs_folder_remove(r.folder);
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
    close_all(&r);
}

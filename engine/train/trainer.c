/* The training loop.
 *
 *   open data and model -> [resume: load checkpoint] -> step -> validate -> checkpoint -> … -> done
 *
 * Invariants: (1) everything a later step depends on is in the checkpoint: parameters, optimiser
 * state, the number of steps done, the best Dice, the seconds spent; batches and random codes are
 * functions of (seed, step); (2) model.safetensors always holds the best validated weights so far,
 * or with keep_last the last validated ones. */
#include "engine/train/trainer.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/image/mask.h"
#include "engine/train/augment.h"
#include "engine/train/evaluate.h"
#include "engine/train/sampler.h"
#include "engine/train/trainer_internal.h"

#include <math.h>
#include <string.h>
#include <time.h>

enum { MIN_VALIDATION_INTERVAL = 20 /* steps: small data sets have short epochs */ };
#define CODE_STREAM ((uint64_t)0x7531 << 32)
#define AUGMENTATION_STREAM ((uint64_t)0x6175 << 48)
#define PROGRESS_SECONDS 0.5

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double elapsed(const gs_trainer *t) {
    return t->seconds_before + now_seconds() - t->started;
}

static void notify(const gs_trainer *t, gs_training_event *event) {
    event->step = t->step;
    event->seconds = elapsed(t);
    event->epoch = (double)t->step / gs_sampler_epoch_steps(t->sampler);
    event->fraction = 0;
    if (t->total_steps) event->fraction = (double)t->step / (double)t->total_steps;
    if (t->options->max_seconds > 0)
        event->fraction = fmax(event->fraction, event->seconds / t->options->max_seconds);
    event->fraction = fmin(event->fraction, 1);
    t->observer->notify(t->observer->context, event);
}

/* ---- One step ---------------------------------------------------------------------------------
 */

/* Plans exist for 0, 1, 2, 4, … annotated images, the last for a whole batch; slot 0 is for none.
 */
static int plan_slot(const gs_trainer *t, int annotated, int *capacity) {
    int slot = 0;
    *capacity = 0;
    while (*capacity < annotated) {
        *capacity = *capacity ? 2 * *capacity : 1;
        slot++;
    }
    if (*capacity > t->options->batch_size) *capacity = t->options->batch_size;
    return slot;
}

static gs_status ensure_plan(gs_trainer *t, int slot, int capacity, gs_error *err) {
    if (t->plans[slot]) return GS_OK;
    gs_graph *graph = gs_graph_new(&t->network.set);
    if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
    gs_step_options options = {.method = t->options->method,
                               .kind = GS_STEP_UPDATE,
                               .pairs = t->options->batch_size,
                               .annotated = capacity,
                               .weights = t->options->weights};
    gs_step_build(graph, &t->network, &options, &t->steps[slot]);
    return gs_plan_new(graph, t->device, GS_PLAN_TRAINING, &t->plans[slot], err);
}

/* Varies image `slot` of the batch and, where it is annotated, its mask. */
static void augment(gs_trainer *t, int slot, bool is_annotated) {
    const gs_model_config *c = &t->network.config;
    gs_augment_target target = {.channels = c->channels,
                                .height = c->height,
                                .width = c->columns,
                                .image = t->batch + (size_t)slot * t->image,
                                .mask = is_annotated ? t->masks + (size_t)slot * t->pixels : NULL,
                                .room = t->room};
    gs_augment(&target, t->options->seed,
               AUGMENTATION_STREAM + t->step * 2 * GS_MAX_BATCH_SIZE + (uint64_t)slot);
}

static gs_status write_images(gs_trainer *t, gs_plan *plan, const gs_step *step, int annotated,
                              gs_error *err) {
    int n = t->options->batch_size, count = gs_tensor_shape(step->images).n;
    for (int i = 0; i < count; i++) {
        uint32_t row = i < n ? t->presence_rows[i] : t->absence_rows[i - n];
        GS_TRY(gs_dataset_read_normalized(t->dataset, row, t->batch + (size_t)i * t->image, err));
        if (i < annotated)
            memcpy(t->masks + (size_t)i * t->pixels, gs_dataset_mask(t->dataset, row), t->pixels);
        if (t->options->augment) augment(t, i, i < annotated);
    }
    gs_plan_write(plan, step->images, t->batch);
    return GS_OK;
}

/* Slots beyond the annotated images have weight 0 everywhere. */
static void write_masks(gs_trainer *t, gs_plan *plan, const gs_step *step, int annotated) {
    if (!step->target) return;
    int capacity = gs_tensor_shape(step->target).n;
    float *target = t->batch, *weight = t->batch + (size_t)capacity * t->pixels;
    memset(t->batch, 0, 2 * (size_t)capacity * t->pixels * sizeof *t->batch);
    for (int i = 0; i < annotated; i++) {
        const uint8_t *mask = t->masks + (size_t)i * t->pixels;
        for (size_t p = 0; p < t->pixels; p++) {
            target[(size_t)i * t->pixels + p] = mask[p] == GS_MASK_TARGET ? 1.0f : 0.0f;
            weight[(size_t)i * t->pixels + p] = mask[p] == GS_MASK_UNKNOWN ? 0.0f : 1.0f;
        }
    }
    gs_plan_write(plan, step->target, target);
    gs_plan_write(plan, step->annotated, weight);
}

static double read_scalar(const void *plan, const gs_tensor *loss) {
    return gs_plan_scalar(plan, loss);
}

static gs_status train_step(gs_trainer *t, gs_error *err) {
    int capacity;
    int annotated =
        gs_sampler_batch(t->sampler, t->dataset, t->step, t->presence_rows, t->absence_rows);
    int slot = plan_slot(t, annotated, &capacity);
    GS_TRY(ensure_plan(t, slot, capacity, err));
    const gs_step *step = &t->steps[slot];
    gs_plan *plan = t->plans[slot];
    GS_TRY(write_images(t, plan, step, annotated, err));
    if (step->unique) {
        gs_random_normal(t->options->seed, CODE_STREAM + t->step, t->batch,
                         gs__shape_size(gs_tensor_shape(step->unique)));
        gs_plan_write(plan, step->unique, t->batch);
    }
    write_masks(t, plan, step, annotated);
    GS_TRY(gs_plan_run(plan, t->parameters, err));
    double losses[GS_TERM_COUNT];
    gs_step_losses(step, read_scalar, plan, losses);
    t->step++;
    for (gs_term k = 0; k < GS_TERM_COUNT; k++) {
        if (!isfinite(losses[k]))
            return gs_fail(err, GS_NUMERIC, "the %s loss is not finite after step %llu",
                           gs_term_name(k), (unsigned long long)t->step);
        t->loss_sums[k] += losses[k];
    }
    /* A batch without masks says nothing about the segmentation loss. */
    t->loss_steps++;
    t->segmented_steps += annotated > 0;
    return GS_OK;
}

static void report_progress(gs_trainer *t) {
    gs_training_event event = {.kind = GS_EVENT_PROGRESS};
    for (gs_term k = 0; k < GS_TERM_COUNT; k++) {
        double count = k == GS_TERM_SEG ? t->segmented_steps : t->loss_steps;
        event.losses[k] = count > 0 ? t->loss_sums[k] / count : 0;
        t->loss_sums[k] = 0;
    }
    t->loss_steps = t->segmented_steps = 0;
    t->reported = now_seconds();
    notify(t, &event);
}

/* ---- Validation -------------------------------------------------------------------------------
 */

static gs_status segment(void *context, size_t count, const float *images, float *probabilities,
                         gs_error *err) {
    gs_trainer *t = context;
    if (!t->evaluation) {
        gs_graph *graph = gs_graph_new(&t->network.set);
        if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
        gs_inference_build(graph, &t->network, GS_INFER_SEGMENT, GS_EVALUATION_BATCH,
                           &t->evaluation_io);
        GS_TRY(gs_plan_new(graph, t->device, GS_PLAN_INFERENCE, &t->evaluation, err));
    }
    /* A short batch is filled up with what the buffers hold: those results are not read. */
    memcpy(t->evaluation_images, images, count * t->image * sizeof *images);
    gs_plan_write(t->evaluation, t->evaluation_io.images, t->evaluation_images);
    GS_TRY(gs_plan_run(t->evaluation, t->parameters, err));
    gs_plan_read(t->evaluation, t->evaluation_io.probability, t->evaluation_output);
    memcpy(probabilities, t->evaluation_output, count * t->pixels * sizeof *probabilities);
    return GS_OK;
}

static gs_status validate(gs_trainer *t, gs_error *err) {
    gs_training_event event = {.kind = GS_EVENT_VALIDATION, .dice = (double)NAN};
    if (t->lists.validation_count > 0) {
        gs_parameters_changed(t->parameters); /* plans do not count their own updates */
        gs_annotated_rows rows = {t->dataset, t->lists.validation, t->lists.validation_count};
        GS_TRY(gs_evaluate_dice(&rows, segment, t, &event.dice, err));
    }
    event.is_best = isnan(event.dice) || event.dice > t->best_dice;
    if (event.is_best) t->best_dice = isnan(event.dice) ? -1 : event.dice;
    if (event.is_best || t->options->keep_last) GS_TRY(gs__trainer_save_model(t, event.dice, err));
    t->validated = t->step;
    notify(t, &event);
    return GS_OK;
}

/* ---- The loop ---------------------------------------------------------------------------------
 */

static gs_status checkpoint(gs_trainer *t, gs_error *err) {
    GS_TRY(gs__trainer_save_checkpoint(t, elapsed(t), err));
    gs_training_event event = {.kind = GS_EVENT_CHECKPOINT};
    notify(t, &event);
    return GS_OK;
}

static bool is_finished(const gs_trainer *t) {
    if (t->total_steps && t->step >= t->total_steps) return true;
    return t->options->max_seconds > 0 && elapsed(t) >= t->options->max_seconds;
}

static gs_status loop(gs_trainer *t, gs_error *err) {
    const gs_trainer_options *o = t->options;
    uint64_t epoch = (uint64_t)ceil(gs_sampler_epoch_steps(t->sampler));
    uint64_t usual = epoch > MIN_VALIDATION_INTERVAL ? epoch : MIN_VALIDATION_INTERVAL;
    uint64_t validate_every = o->validate_every ? o->validate_every : usual;
    uint64_t checkpoint_every = o->checkpoint_every ? o->checkpoint_every : usual;
    t->reported = now_seconds();
    while (!is_finished(t)) {
        if (atomic_load(t->observer->stop)) {
            GS_TRY(checkpoint(t, err));
            return gs_fail(err, GS_CANCELLED, "stopped at step %llu; --resume goes on",
                           (unsigned long long)t->step);
        }
        GS_TRY(train_step(t, err));
        if (now_seconds() - t->reported >= PROGRESS_SECONDS) report_progress(t);
        if (t->step % validate_every == 0) GS_TRY(validate(t, err));
        if (t->step % checkpoint_every == 0) GS_TRY(checkpoint(t, err));
    }
    if (t->loss_steps > 0) report_progress(t);
    bool is_saved = t->validated == t->step && t->step > 0;
    if (!is_saved || o->keep_last) GS_TRY(validate(t, err));
    GS_TRY(checkpoint(t, err));
    gs_training_event done = {.kind = GS_EVENT_DONE,
                              .dice = t->best_dice >= 0 ? t->best_dice : (double)NAN};
    notify(t, &done);
    return GS_OK;
}

static void report_start(gs_trainer *t, int64_t resumed_from) {
    gs_training_event event = {.kind = GS_EVENT_START,
                               .config = &t->network.config,
                               .presence = t->lists.presence_count,
                               .absence = t->lists.absence_count,
                               .annotated = t->lists.annotated_count,
                               .validation = t->lists.validation_count,
                               .total_steps = t->total_steps,
                               .resumed_from = resumed_from};
    for (int p = 0; p < t->network.set.count; p++)
        if (t->network.set.items[p].trained) event.parameters += t->network.set.items[p].size;
    notify(t, &event);
}

gs_status gs_trainer_run(const gs_trainer_options *options, const gs_training_observer *observer,
                         gs_error *err) {
    gs_trainer t = {.options = options, .observer = observer, .best_dice = -1};
    bool resumed = false;
    gs_status status = gs__trainer_open(&t, &resumed, err);
    t.started = now_seconds();
    if (status == GS_OK) {
        report_start(&t, resumed ? (int64_t)t.step : -1);
        status = loop(&t, err);
    }
    gs__trainer_close(&t);
    return status;
}

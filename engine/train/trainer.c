/* The training loop.
 *
 *   open data and model -> [resume: load checkpoint] -> step -> validate -> checkpoint -> … -> done
 *                                                        ^----- go back (trainer_guard.c) --'
 *
 * Invariants: (1) everything a later step depends on is in the checkpoint: parameters, optimiser
 * state and gs_training_state; batches, random codes and dropout are functions of (seed, step);
 * (2) model.safetensors always holds the best validated weights so far, or with keep_last the last
 * validated ones; (3) a checkpoint holds finite numbers only. */
#include "engine/train/trainer.h"

#include "base/memory.h"
#include "engine/train/trainer_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MIN_VALIDATION_INTERVAL = 20 /* steps: small data sets have short epochs */ };
#define PROGRESS_SECONDS 0.5

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double elapsed(const gs_trainer *t) {
    return t->seconds_before + now_seconds() - t->started;
}

/* Fills in what all events have. */
static void notify(const gs_trainer *t, gs_training_event *event) {
    if (event->kind != GS_EVENT_RECOVERY) event->step = t->state.step;
    event->seconds = elapsed(t);
    event->epoch = (double)event->step / gs_sampler_epoch_steps(t->sampler);
    event->fraction = 0;
    if (t->total_steps) event->fraction = (double)event->step / (double)t->total_steps;
    if (t->options->max_seconds > 0)
        event->fraction = fmax(event->fraction, event->seconds / t->options->max_seconds);
    event->fraction = fmin(event->fraction, 1);
    t->observer->notify(t->observer->context, event);
}

static void reset_losses(gs_trainer *t) {
    memset(t->loss_sums, 0, sizeof t->loss_sums);
    t->loss_steps = t->segmented_steps = 0;
}

static void report_progress(gs_trainer *t) {
    gs_training_event event = {.kind = GS_EVENT_PROGRESS};
    for (gs_term k = 0; k < GS_TERM_COUNT; k++) {
        double count = k == GS_TERM_SEG ? t->segmented_steps : t->loss_steps;
        event.losses[k] = count > 0 ? t->loss_sums[k] / count : 0;
    }
    reset_losses(t);
    double now = now_seconds(), waited = gs_loader_waited(t->loader);
    if (now > t->reported) event.loader_wait = fmin((waited - t->waited) / (now - t->reported), 1);
    t->waited = waited;
    t->reported = now;
    notify(t, &event);
}

/* ---- Validation and checkpoints ---------------------------------------------------------------
 */

static gs_status check_finite(gs_trainer *t, gs_error *err) {
    GS_TRY(gs_device_fetch(t->device, t->parameters, err));
    if (gs__trainer_is_finite(t)) return GS_OK;
    return gs_fail(err, GS_NUMERIC, "weights are not finite after step %llu",
                   (unsigned long long)t->state.step);
}

/* Validates, saves the model if it is to be these weights, and judges; *reason_out is NULL unless
 * training must go back. */
static gs_status validate(gs_trainer *t, const char **reason_out, gs_error *err) {
    gs_validation found;
    GS_TRY(check_finite(t, err));
    GS_TRY(gs__trainer_validate(t, &found, err));
    t->latest = found;
    gs_training_event event = {.kind = GS_EVENT_VALIDATION,
                               .dice = found.dice,
                               .area = found.area,
                               .diversity = found.diversity,
                               .sample_diversity = found.sample_diversity};
    event.is_best = isnan(found.dice) || found.dice > t->state.best_dice;
    *reason_out = t->options->unguarded ? NULL : gs__trainer_judge(t, &found);
    if (event.is_best) t->state.best_dice = isnan(found.dice) ? -1 : found.dice;
    t->state.since_best = event.is_best ? 0 : t->state.since_best + 1;
    if (event.is_best || t->options->keep_last) GS_TRY(gs__trainer_save_model(t, found.dice, err));
    gs_error ignored; /* training does not end for the want of a picture */
    (void)!gs__trainer_show(t, &ignored);
    t->validated = t->state.step;
    notify(t, &event);
    return GS_OK;
}

static gs_status checkpoint(gs_trainer *t, gs_error *err) {
    GS_TRY(check_finite(t, err));
    GS_TRY(gs__trainer_save_checkpoint(t, elapsed(t), err));
    t->has_checkpoint = true;
    gs_training_event event = {.kind = GS_EVENT_CHECKPOINT};
    notify(t, &event);
    return GS_OK;
}

/* ---- The loop ---------------------------------------------------------------------------------
 */

/* Validations and checkpoints are usually an epoch apart. What looks like a collapse must last for
 * some of these, however often it is looked at. */
static void set_intervals(gs_trainer *t) {
    const gs_trainer_options *o = t->options;
    uint64_t epoch = (uint64_t)ceil(gs_sampler_epoch_steps(t->sampler));
    uint64_t usual = epoch > MIN_VALIDATION_INTERVAL ? epoch : MIN_VALIDATION_INTERVAL;
    t->validate_every = o->validate_every ? o->validate_every : usual;
    t->checkpoint_every = o->checkpoint_every ? o->checkpoint_every : usual;
    double lasting = ceil((double)usual * GS_SUSPICIOUS_INTERVALS / (double)t->validate_every);
    t->suspicions = (int)fmax(lasting, GS_SUSPICIOUS_INTERVALS);
}

static bool is_stopped_early(const gs_trainer *t) {
    return t->options->patience > 0 && t->state.since_best >= t->options->patience;
}

static bool is_finished(const gs_trainer *t) {
    if (t->total_steps && t->state.step >= t->total_steps) return true;
    if (is_stopped_early(t)) return true;
    return t->options->max_seconds > 0 && elapsed(t) >= t->options->max_seconds;
}

/* A step and what is due after it. NUMERIC: it went wrong. */
static gs_status advance(gs_trainer *t, gs_error *err) {
    GS_TRY(gs__trainer_step(t, err));
    bool validates = t->state.step % t->validate_every == 0, is_good = false;
    bool reports = now_seconds() - t->reported >= PROGRESS_SECONDS;
    bool saves = t->state.step % t->checkpoint_every == 0;
    if (reports || validates || saves) GS_TRY(gs__trainer_settle(t, err));
    if (reports) report_progress(t);
    if (validates) {
        const char *reason;
        GS_TRY(validate(t, &reason, err));
        if (reason) return gs_fail(err, GS_NUMERIC, "%s", reason);
        is_good = !t->options->unguarded && t->state.suspicious == 0;
    }
    if (is_good || saves) GS_TRY(checkpoint(t, err));
    if (is_good) gs__trainer_mark_good(t);
    return GS_OK;
}

/* Goes back after advance() failed, and writes where it now stands: a run that is killed here goes
 * on from there too. */
static gs_status recover(gs_trainer *t, gs_error *err) {
    gs_error reason = *err;
    gs_training_event event;
    GS_TRY(gs__trainer_recover(t, reason.text, &event, err));
    reset_losses(t);
    notify(t, &event);
    return checkpoint(t, err);
}

static void warn(gs_trainer *t, const char *format, ...) GS_PRINTF(2, 3);
static void warn(gs_trainer *t, const char *format, ...) {
    char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    gs_training_event event = {.kind = GS_EVENT_WARNING, .reason = text};
    notify(t, &event);
}

/* What is no fault of a training that still learns is one of a training that is over. */
static void warn_of_masks(gs_trainer *t) {
    if (!t->latest.has_no_masks) return;
    warn(t, "the masks of all validation images are %s at the end; the best Dice was %.3f",
         t->latest.area > 0.5 ? "full" : "empty", fmax(t->state.best_dice, 0));
}

static gs_status finish(gs_trainer *t, gs_error *err) {
    const char *reason;
    GS_TRY(gs__trainer_settle(t, err));
    if (t->loss_steps > 0) report_progress(t);
    bool is_saved = t->validated == t->state.step && t->state.step > 0;
    if (!is_saved || t->options->keep_last) GS_TRY(validate(t, &reason, err));
    GS_TRY(checkpoint(t, err));
    warn_of_masks(t);
    gs_training_event done = {.kind = GS_EVENT_DONE,
                              .dice = t->state.best_dice >= 0 ? t->state.best_dice : (double)NAN,
                              .stopped_early = is_stopped_early(t)};
    done.loader_wait = gs_loader_waited(t->loader) / fmax(now_seconds() - t->started, 1e-9);
    done.loader_wait = fmin(done.loader_wait, 1);
    notify(t, &done);
    return GS_OK;
}

static gs_status stop(gs_trainer *t, gs_error *err) {
    GS_TRY(gs__trainer_settle(t, err));
    GS_TRY(checkpoint(t, err));
    return gs_fail(err, GS_CANCELLED, "stopped at step %llu; --resume goes on",
                   (unsigned long long)t->state.step);
}

static gs_status loop(gs_trainer *t, gs_error *err) {
    set_intervals(t);
    t->reported = now_seconds();
    for (;;) {
        gs_status status;
        if (is_finished(t)) {
            status = finish(t, err);
            if (status != GS_NUMERIC) return status;
        } else if (atomic_load(t->observer->stop)) {
            status = stop(t, err);
        } else {
            status = advance(t, err);
        }
        if (status == GS_NUMERIC) status = recover(t, err);
        if (status != GS_OK) return status;
    }
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
    gs_error own;
    if (!err) err = &own; /* reasons are read from it */
    gs_trainer t = {.options = options, .observer = observer, .lock_fd = -1};
    bool resumed = false;
    gs_status status = gs__trainer_open(&t, &resumed, err);
    t.started = now_seconds();
    if (status == GS_OK) {
        report_start(&t, resumed ? (int64_t)t.state.step : -1);
        if (t.lists.validation_count == 0)
            warn(&t, "no slice of the validation split has a mask: the model is that of the last "
                     "step, and its Dice unknown");
        status = loop(&t, err);
    }
    gs__trainer_close(&t);
    return status;
}

/* The loop over an experiment's runs.
 *
 *   check the data -> lock the folder -> check what it is of
 *   -> for each run: [finished before] or train, evaluate -> report after each
 *
 * Must not know how anything is trained or drawn. */
#include "engine/experiment/experiment.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/experiment/report.h"
#include "engine/train/model_evaluation.h"
#include "engine/train/training_data.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define LOCK_FILE "lock"

/* ---- Small things -----------------------------------------------------------------------------
 */

char *gs__experiment_path(const gs_experiment_state *s, const char *name) {
    return gs_format("%s/%s", s->options->out, name);
}

gs_status gs__write_text(const gs_experiment_state *s, const char *name, char *text,
                         gs_error *err) {
    char *path = gs__experiment_path(s, name);
    gs_status status;
    if (path && text) {
        const gs_file_piece piece = {text, strlen(text)};
        status = gs_file_replace(path, &piece, 1, err);
    } else {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", name);
    }
    gs_free(path);
    free(text);
    return status;
}

void gs__note(const gs_experiment_state *s, const char *format, ...) {
    char text[600];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    s->observer->note(s->observer->context, text);
}

double gs__now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double runs_done(const gs_experiment_state *s, double fraction) {
    double done = fraction;
    for (size_t i = 0; i < s->run_count; i++) done += s->runs[i].result != NULL;
    return done;
}

void gs__progress_begin(gs_experiment_state *s, double fraction, double now) {
    if (s->done_before >= 0) return;
    s->done_before = runs_done(s, fraction);
    s->began = s->told = now;
}

void gs__progress_text(const gs_experiment_state *s, double fraction, double now,
                       char text[GS_PROGRESS_TEXT]) {
    const double least = 0.02; /* of a run: less says little of the rest */
    double all = (double)s->run_count, done = runs_done(s, fraction);
    double here = s->done_before < 0 ? 0 : done - s->done_before;
    int used = snprintf(text, GS_PROGRESS_TEXT, "%.0f %% of all", 100 * done / all);
    if (here < least) return;
    double minutes = ceil((now - s->began) / here * (all - done) / 60);
    snprintf(text + used, (size_t)(GS_PROGRESS_TEXT - used), ", about %.0f h %.0f min left",
             floor(minutes / 60), fmod(minutes, 60));
}

/* ---- The folder -------------------------------------------------------------------------------
 */

static gs_status lock_folder(gs_experiment_state *s, gs_error *err) {
    char *path = gs__experiment_path(s, LOCK_FILE);
    gs_status status = GS_OK;
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the experiment");
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (s->lock_fd < 0)
        status = gs_fail_errno(err, "cannot open %s", path);
    else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK
                     ? gs_fail(err, GS_CONFLICT, "another process runs an experiment in %s",
                               s->options->out)
                     : gs_fail_errno(err, "cannot lock %s", path);
    gs_free(path);
    return status;
}

/* A run's training, and that there is something to choose its checkpoint by. */
static gs_status check_training(const gs_experiment_state *s, size_t method, size_t seed,
                                gs_error *err) {
    const gs_experiment *e = s->experiment;
    const gs_trial run = {.method = method, .seed = seed, .fraction = gs__smallest_fraction(e)};
    const gs_trainer_options options = gs__trial_options(s, &run);
    size_t validation = 0;
    GS_TRY(gs_trainer_check(&options, &validation, err));
    if (validation > 0) return GS_OK;
    return gs_fail(err, GS_UNUSABLE,
                   "%s: no slice of the validation split has a mask: there is nothing to choose "
                   "checkpoints by",
                   e->dataset);
}

/* What would fail after hours is found now, before anything is written. Seeds decide over splits
 * and masks alike for all methods. */
static gs_status open_data(gs_experiment_state *s, gs_error *err) {
    const gs_experiment *e = s->experiment;
    uint32_t *rows = NULL;
    size_t count;
    gs_engine_choice choice;
    GS_TRY(gs_engine_choose(&s->options->engine, &choice, err));
    GS_TRY(gs_training_data_open(e->dataset, &s->dataset, err));
    gs_status status = gs_split_rows(s->dataset, GS_SPLIT_TEST, &rows, &count, err);
    gs_free(rows);
    if (status != GS_OK) return gs_training_data_refuse(e->dataset, status, err);
    for (size_t method = 0; method < e->method_count; method++)
        GS_TRY(check_training(s, method, 0, err));
    for (size_t seed = 1; seed < e->seed_count; seed++) GS_TRY(check_training(s, 0, seed, err));
    return GS_OK;
}

/* ---- Runs -------------------------------------------------------------------------------------
 */

static gs_status name_run(const gs_experiment_state *s, gs_trial *run, gs_error *err) {
    const gs_experiment *e = s->experiment;
    char fraction[GS_EXPERIMENT_FRACTION_TEXT];
    gs__fraction_text(e->fractions[run->fraction], fraction);
    run->name = gs_format("%s-f%s-s%llu", e->methods[run->method].name, fraction,
                          (unsigned long long)e->seeds[run->seed]);
    run->folder = run->name ? gs_format("%s/runs/%s", s->options->out, run->name) : NULL;
    if (!run->folder) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the runs");
    GS_TRY(gs_folder_make(run->folder, err));
    return gs__trial_find_result(run, err);
}

static gs_status list_runs(gs_experiment_state *s, gs_error *err) {
    const gs_experiment *e = s->experiment;
    s->runs = gs_alloc(e->method_count * e->fraction_count * e->seed_count, sizeof *s->runs);
    if (!s->runs) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the runs");
    for (size_t seed = 0; seed < e->seed_count; seed++)
        for (size_t fraction = 0; fraction < e->fraction_count; fraction++)
            for (size_t method = 0; method < e->method_count; method++) {
                gs_trial *run = &s->runs[s->run_count++];
                *run = (gs_trial){.method = method, .fraction = fraction, .seed = seed};
                GS_TRY(name_run(s, run, err));
            }
    return GS_OK;
}

static gs_status finish_runs(gs_experiment_state *s, gs_error *err) {
    for (size_t i = 0; i < s->run_count; i++) {
        gs_trial *run = &s->runs[i];
        if (run->result) continue;
        if (atomic_load(s->observer->stop))
            return gs_fail(err, GS_CANCELLED, "stopped before run %zu of %zu", i + 1, s->run_count);
        char text[GS_PROGRESS_TEXT];
        gs__progress_text(s, 0, gs__now_seconds(), text);
        gs__note(s, "run %zu of %zu: %s; %s", i + 1, s->run_count, run->name, text);
        GS_TRY(gs__trial_finish(s, run, err));
        GS_TRY(gs__write_report(s, err));
    }
    return GS_OK;
}

static gs_status run_all(gs_experiment_state *s, gs_error *err) {
    GS_TRY(open_data(s, err));
    GS_TRY(gs_folder_make(s->options->out, err));
    GS_TRY(lock_folder(s, err));
    GS_TRY(gs__experiment_claim(s, err));
    GS_TRY(list_runs(s, err));
    GS_TRY(gs__write_report(s, err)); /* of what was finished before, should it have been killed */
    return finish_runs(s, err);
}

gs_status gs_experiment_run(const gs_experiment *experiment, const gs_experiment_options *options,
                            const gs_experiment_observer *observer, size_t *failed_out,
                            gs_error *err) {
    gs_error own;
    if (!err) err = &own; /* reasons are read from it */
    gs_experiment_state s = {.experiment = experiment,
                             .options = options,
                             .observer = observer,
                             .lock_fd = -1,
                             .done_before = -1};
    size_t failed = 0;
    gs_status status = run_all(&s, err);
    for (size_t i = 0; i < s.run_count; i++) {
        failed += gs__trial_has_failed(&s.runs[i]);
        gs_free(s.runs[i].name), gs_free(s.runs[i].folder);
        json_decref(s.runs[i].result);
    }
    gs_free(s.runs);
    gs_dataset_close(s.dataset);
    if (s.lock_fd >= 0) close(s.lock_fd);
    if (status == GS_OK) *failed_out = failed;
    return status;
}

/* Owns one run: training with its history, evaluation, and the result that says it is finished.
 *
 *   [history, checkpoints] -> model.safetensors -> cases.csv -> result.json
 *
 * Invariant: where result.json is, everything else is whole. */
#include "engine/experiment/experiment_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/model/safetensors.h"
#include "engine/model/weights.h"
#include "engine/train/history.h"
#include "engine/train/model_evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Training ---------------------------------------------------------------------------------
 */

/* What is seen of a training. */
typedef struct witness {
    gs_experiment_state *state;
    const gs_trial *run;
    const gs_trainer_options *options;
    FILE *history;
    size_t annotated;
    uint64_t steps;
    double seconds;
    bool stopped_early;
} witness;

/* A line a minute of a long run. */
static void tell_progress(const witness *w, const gs_training_event *event) {
    enum { EVERY_SECONDS = 60 };
    char text[GS_PROGRESS_TEXT];
    double now = gs__now_seconds();
    if (now - w->state->told < EVERY_SECONDS) return;
    w->state->told = now;
    gs__progress_text(w->state, event->fraction, now, text);
    gs__note(w->state, "%s: step %llu; %s", w->run->name, (unsigned long long)event->step, text);
}

static void watch(void *context, const gs_training_event *event) {
    witness *w = context;
    if (event->kind == GS_EVENT_START) w->history = gs_history_open(w->options);
    json_t *line = gs_history_line(w->options, event);
    if (w->history) gs_history_write(w->history, line);
    json_decref(line);
    w->steps = event->step;
    w->seconds = event->seconds;
    if (event->kind == GS_EVENT_START)
        gs__progress_begin(w->state, event->fraction, gs__now_seconds());
    if (event->kind == GS_EVENT_PROGRESS) tell_progress(w, event);
    if (event->kind == GS_EVENT_START) w->annotated = event->annotated;
    if (event->kind == GS_EVENT_START && event->resumed_from >= 0)
        gs__note(w->state, "%s: goes on from step %lld", w->run->name,
                 (long long)event->resumed_from);
    if (event->kind == GS_EVENT_VALIDATION && isfinite(event->dice))
        gs__note(w->state, "%s: step %llu, validation Dice %.4f%s", w->run->name,
                 (unsigned long long)event->step, event->dice, event->is_best ? ", best" : "");
    if (event->kind == GS_EVENT_RECOVERY)
        gs__note(w->state, "%s: step %llu went wrong (%s), back to %llu", w->run->name,
                 (unsigned long long)event->step, event->reason,
                 (unsigned long long)event->back_to);
    if (event->kind == GS_EVENT_WARNING) gs__note(w->state, "%s: %s", w->run->name, event->reason);
    if (event->kind == GS_EVENT_DONE) w->stopped_early = event->stopped_early;
}

static gs_status train(witness *w, gs_error *err) {
    const gs_training_observer observer = {watch, w, w->state->observer->stop};
    gs_status status = gs_trainer_run(w->options, &observer, err);
    if (w->history) fclose(w->history);
    w->history = NULL;
    return status;
}

gs_trainer_options gs__trial_options(const gs_experiment_state *s, const gs_trial *run) {
    const gs_experiment *e = s->experiment;
    gs_trainer_options o = e->methods[run->method].options;
    o.dataset = e->dataset;
    o.out = run->folder;
    o.resume = true;
    o.annotated_fraction = e->fractions[run->fraction];
    o.seed = e->seeds[run->seed];
    o.engine = s->options->engine;
    o.threads = s->options->threads;
    o.loader_threads = s->options->loader_threads;
    return o;
}

/* ---- Evaluation -------------------------------------------------------------------------------
 */

/* The Dice for which the model was chosen, and the step it is of: {"dice", "step"}. */
static json_t *validation_json(const char *model, gs_error *err) {
    gs_safetensors *file;
    if (gs_safetensors_open(model, 0, &file, err) != GS_OK) return NULL;
    const char *text = gs_safetensors_metadata(file, GS_METRICS_KEY);
    json_t *metrics = text ? json_loads(text, 0, NULL) : NULL;
    json_t *json = json_pack("{s:O?, s:O?}", "dice", json_object_get(metrics, "validation_dice"),
                             "step", json_object_get(metrics, "step"));
    if (!json) (void)gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the metrics of %s", model);
    json_decref(metrics);
    gs_safetensors_close(file);
    return json;
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *evaluation_json(const gs_model_evaluation *e) {
    const gs_localization *r = &e->residual;
    json_t *residual =
        e->translates ? json_pack("{s:o, s:o, s:o}", "inside", number_or_null(r->inside), "outside",
                                  number_or_null(r->outside), "auc", number_or_null(r->auc))
                      : json_null();
    return json_pack("{s:I, s:I, s:f, s:o, s:o}", "slices", (json_int_t)e->slices, "cases",
                     (json_int_t)e->case_count, "dice", e->dice, "mean_case_dice",
                     number_or_null(e->mean_case_dice), "residual", residual);
}

/* A field of CSV (RFC 4180), with a space for what would end the line. */
static void print_field(FILE *file, const char *text) {
    bool is_quoted = strpbrk(text, ",\"") != NULL;
    if (is_quoted) fputc('"', file);
    for (const char *at = text; *at; at++) {
        if (*at == '"') fputc('"', file);
        fputc(*at == '\r' || *at == '\n' ? ' ' : *at, file);
    }
    if (is_quoted) fputc('"', file);
}

static gs_status write_cases(const gs_experiment_state *s, const gs_trial *run,
                             const gs_model_evaluation *e, gs_error *err) {
    char *text = NULL, *name = gs_format("runs/%s/%s", run->name, GS_CASES_FILE);
    size_t size;
    FILE *file = name ? open_memstream(&text, &size) : NULL;
    if (!file) {
        gs_free(name);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu cases", e->case_count);
    }
    fprintf(file, "%s\n", GS_CASES_COLUMNS);
    for (size_t i = 0; i < e->case_count; i++) {
        const gs_case_result *c = &e->cases[i];
        print_field(file, c->name);
        fprintf(file, ",%zu,%.6f,%.0f,%.0f\n", c->slices, gs_overlap_dice(&c->overlap),
                c->overlap.predicted, c->overlap.target);
    }
    gs_status status = gs__write_text(s, name, gs_text_finish(file, &text), err);
    gs_free(name);
    return status;
}

static gs_status evaluate(const gs_experiment_state *s, const gs_trial *run, json_t **test_out,
                          json_t **validation_out, gs_error *err) {
    const gs_session_options session = {.engine = s->options->engine,
                                        .threads = s->options->threads};
    gs_model *model = NULL;
    gs_model_evaluation found = {0};
    char *path = gs_format("%s/model.safetensors", run->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    gs_status status = gs_model_load(path, &model, err);
    if (status == GS_OK)
        status = gs_model_evaluate(model, &session, s->dataset, GS_SPLIT_TEST, s->observer->stop,
                                   &found, err);
    if (status == GS_OK) status = write_cases(s, run, &found, err);
    json_t *validation = status == GS_OK ? validation_json(path, err) : NULL;
    if (status == GS_OK && !validation) status = err->status;
    if (status == GS_OK) *test_out = evaluation_json(&found), *validation_out = validation;
    gs_model_evaluation_deinit(&found);
    gs_model_release(model);
    gs_free(path);
    return status;
}

/* ---- Result -----------------------------------------------------------------------------------
 */

static json_t *identity_json(const gs_experiment_state *s, const gs_trial *run, const witness *w) {
    const gs_experiment *e = s->experiment;
    return json_pack("{s:s, s:f, s:I, s:I, s:I}", "method", e->methods[run->method].name,
                     "fraction", e->fractions[run->fraction], "seed",
                     (json_int_t)e->seeds[run->seed], "annotated_slices", (json_int_t)w->annotated,
                     "steps", (json_int_t)w->steps);
}

/* Takes the members. */
static gs_status write_result(const gs_experiment_state *s, gs_trial *run, json_t *identity,
                              json_t *members, gs_error *err) {
    char *name = gs_format("runs/%s/%s", run->name, GS_RESULT_FILE);
    gs_status status = GS_OK;
    if (!name || !identity || !members || json_object_update(identity, members) != 0)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the result of %s", run->name);
    if (status == GS_OK)
        status = gs__write_text(s, name, json_dumps(identity, JSON_INDENT(2)), err);
    if (status == GS_OK) run->result = json_incref(identity);
    json_decref(identity), json_decref(members);
    gs_free(name);
    return status;
}

gs_status gs__trial_finish(gs_experiment_state *s, gs_trial *run, gs_error *err) {
    const gs_trainer_options options = gs__trial_options(s, run);
    witness w = {.state = s, .run = run, .options = &options};
    gs_status status = train(&w, err);
    if (status == GS_NUMERIC) { /* the data set's pixels were checked: it is the training */
        gs__note(s, "%s: failed: %s", run->name, err->text);
        return write_result(
            s, run, identity_json(s, run, &w),
            json_pack("{s:s, s:{s:f}}", "failure", err->text, "seconds", "training", w.seconds),
            err);
    }
    if (status != GS_OK) return status;
    json_t *test = NULL, *validation = NULL;
    double began = gs__now_seconds();
    GS_TRY(evaluate(s, run, &test, &validation, err));
    json_t *members = json_pack("{s:b, s:o, s:o, s:{s:f, s:f}}", "stopped_early", w.stopped_early,
                                "validation", validation, "test", test, "seconds", "training",
                                w.seconds, "evaluation", gs__now_seconds() - began);
    GS_TRY(write_result(s, run, identity_json(s, run, &w), members, err));
    gs__note(s, "%s: test Dice %.4f", run->name, gs__trial_number(run, "test.dice"));
    return GS_OK;
}

gs_status gs__trial_find_result(gs_trial *run, gs_error *err) {
    enum { RESULT_MIB = 1 };
    char *path = gs_format("%s/%s", run->folder, GS_RESULT_FILE), *bytes = NULL;
    size_t size;
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", run->name);
    gs_status status = gs_file_read(path, RESULT_MIB << 20, &bytes, &size, err);
    if (status == GS_OK) {
        run->result = json_loadb(bytes, size, 0, NULL);
        if (!json_is_object(run->result))
            status = gs_fail(err, GS_UNUSABLE, "%s is not a result", path);
    } else if (status == GS_NOT_FOUND) {
        status = GS_OK;
    }
    gs_free(bytes), gs_free(path);
    return status;
}

bool gs__trial_has_failed(const gs_trial *run) {
    return json_object_get(run->result, "failure") != NULL;
}

double gs__trial_number(const gs_trial *run, const char *path) {
    const json_t *at = run->result;
    for (size_t length; *path; path += length + (path[length] == '.')) {
        char name[40];
        length = strcspn(path, ".");
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        at = json_object_get(at, name);
    }
    return json_is_number(at) ? json_number_value(at) : (double)NAN;
}

/* `genseg train`: one training run, reported as JSON lines (docs/training-process.md). */
#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/train/trainer.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_RESUMABLE = 75 /* EX_TEMPFAIL */ };

static atomic_bool stop_requested;

static void request_stop(int signal_number) {
    (void)signal_number;
    atomic_store(&stop_requested, true);
}

typedef struct reporter {
    const gs_trainer_options *options;
    FILE *history;
    uint64_t step; /* of the last event */
} reporter;

/* Writes one line to standard output and to the history. Takes ownership of the object. */
static void print_line(reporter *r, json_t *json) {
    char *text =
        json ? json_dumps(json, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9)) : NULL;
    if (text) {
        printf("%s\n", text);
        fflush(stdout);
        if (r->history) {
            fprintf(r->history, "%s\n", text);
            fflush(r->history);
        }
    }
    free(text);
    json_decref(json);
}

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *start_json(const reporter *r, const gs_training_event *e) {
    const gs_model_config *c = e->config;
    return json_pack(
        "{s:s, s:I, s:s, s:s, s:f, s:i, s:i, s:i, s:o, s:I, s:i, s:o, s:{s:I, s:I, s:I, s:I}, s:o}",
        "event", "start", "step", (json_int_t)e->step, "method",
        gs_method_get(r->options->objective.method)->name, "preset", c->preset, "width", c->width,
        "channels", c->channels, "height", c->height, "columns", c->columns, "architecture",
        gs_architecture_to_json(&c->architecture), "parameters", (json_int_t)e->parameters,
        "batch_size", r->options->batch_size, "total_steps",
        e->total_steps ? json_integer((json_int_t)e->total_steps) : json_null(), "slices",
        "presence", (json_int_t)e->presence, "absence", (json_int_t)e->absence, "annotated",
        (json_int_t)e->annotated, "validation", (json_int_t)e->validation, "resumed_from",
        e->resumed_from >= 0 ? json_integer((json_int_t)e->resumed_from) : json_null());
}

static json_t *progress_json(const reporter *r, const gs_training_event *e) {
    json_t *losses = json_object();
    for (gs_term k = 0; losses && k < GS_TERM_COUNT; k++)
        if (gs_objective_has_term(&r->options->objective, k))
            json_object_set_new(losses, gs_term_name(k), number_or_null(e->losses[k]));
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:o}", "event", "progress", "step",
                     (json_int_t)e->step, "epoch", e->epoch, "fraction", e->fraction, "seconds",
                     e->seconds, "losses", losses);
}

static void report(void *context, const gs_training_event *e) {
    reporter *r = context;
    json_int_t step = (json_int_t)e->step;
    r->step = e->step;
    switch (e->kind) {
    case GS_EVENT_START:
        print_line(r, start_json(r, e));
        return;
    case GS_EVENT_PROGRESS:
        print_line(r, progress_json(r, e));
        return;
    case GS_EVENT_VALIDATION:
        print_line(r, json_pack("{s:s, s:I, s:f, s:o, s:b, s:o, s:o}", "event", "validation",
                                "step", step, "epoch", e->epoch, "dice", number_or_null(e->dice),
                                "best", e->is_best, "area", number_or_null(e->area), "diversity",
                                number_or_null(e->diversity)));
        return;
    case GS_EVENT_CHECKPOINT:
        print_line(r, json_pack("{s:s, s:I}", "event", "checkpoint", "step", step));
        return;
    case GS_EVENT_RECOVERY:
        print_line(r, json_pack("{s:s, s:I, s:s, s:I, s:i, s:f}", "event", "recovery", "step", step,
                                "reason", e->reason, "back_to", (json_int_t)e->back_to,
                                "recoveries", e->recoveries, "learning_rate", e->learning_rate));
        return;
    case GS_EVENT_DONE:
        print_line(r, json_pack("{s:s, s:I, s:o, s:f, s:b}", "event", "done", "step", step, "dice",
                                number_or_null(e->dice), "seconds", e->seconds, "stopped_early",
                                e->stopped_early));
        return;
    }
}

/* Options by name, as they are given; "" = not given. */
typedef struct names {
    const char *method, *weights, *translation, *teacher;
    double dropout; /* below 0 = not given */
    uint64_t max_steps;
} names;

static gs_status read_arguments(int argc, char **argv, gs_trainer_options *o, names *n,
                                gs_error *err) {
    gs_architecture_wish *wish = &o->architecture;
    const gs_option options[] = {
        {"--dataset", GS_OPTION_TEXT, &o->dataset, "dataset directory (docs/dataset-format.md)"},
        {"--out", GS_OPTION_TEXT, &o->out, "folder for model, checkpoint and history"},
        {"--resume", GS_OPTION_FLAG, &o->resume,
         "go on from the checkpoint in --out, if there is one"},
        {"--init", GS_OPTION_TEXT, &o->init, "model to start from (random)"},
        {"--method", GS_OPTION_TEXT, &n->method,
         "genseg, genseg_separate_decoder, segmentation_only, autoencoder or mean_teacher "
         "(genseg)"},
        {"--preset", GS_OPTION_TEXT, &o->preset,
         "brain liver synthetic128 synthetic48 tiny (brain)"},
        {"--width", GS_OPTION_NUMBER, &o->width, "multiplier of all channel counts (0.25)"},
        {"--batch-size", GS_OPTION_INT, &o->batch_size,
         "presence and absence images per step, each (20)"},
        {"--epochs", GS_OPTION_NUMBER, &o->epochs, "stop after so many epochs"},
        {"--max-steps", GS_OPTION_UINT64, &n->max_steps, "stop after so many steps"},
        {"--max-seconds", GS_OPTION_NUMBER, &o->max_seconds, "stop after so much training time"},
        {"--patience", GS_OPTION_INT, &o->patience,
         "stop after so many validations without a better Dice (never)"},
        {"--learning-rate", GS_OPTION_NUMBER, &o->learning_rate, "of both optimisers (0.001)"},
        {"--weights", GS_OPTION_TEXT, &n->weights,
         "loss weights (adv=3,rec=50,lat=1,cyc=50,seg=0.01,con=0.01)"},
        {"--translation", GS_OPTION_TEXT, &n->translation,
         "both, presence_to_absence or none: directions that genseg learns (both)"},
        {"--encoder-norm", GS_OPTION_TEXT, &wish->encoder_norm,
         "instance, layer, batch or none (instance)"},
        {"--decoder-norm", GS_OPTION_TEXT, &wish->decoder_norm,
         "layer, instance, batch or none (layer)"},
        {"--skips", GS_OPTION_TEXT, &wish->skips,
         "long skips: compressed, sum, concatenated or none (compressed)"},
        {"--teacher", GS_OPTION_TEXT, &n->teacher,
         "mean_teacher with norm, dropout or both (norm)"},
        {"--dropout", GS_OPTION_NUMBER, &n->dropout,
         "mean_teacher: part of the channels dropped (0.5 where --teacher has dropout)"},
        {"--average-decay", GS_OPTION_NUMBER, &o->objective.average_decay,
         "the model is this moving average of the weights (0: none; mean_teacher: 0.99)"},
        {"--mutual-information", GS_OPTION_FLAG, &o->objective.estimates_information,
         "also estimate that of the common and the unique code"},
        {"--augment", GS_OPTION_FLAG, &o->augment,
         "vary the images: flips, rotation, zoom, warp, intensity"},
        {"--min-annotated", GS_OPTION_INT, &o->min_annotated,
         "annotated images per batch at least (0)"},
        {"--keep-last", GS_OPTION_FLAG, &o->keep_last,
         "the model is the last weights, not those of the best Dice"},
        {"--unguarded", GS_OPTION_FLAG, &o->unguarded,
         "do not go back to a checkpoint when training goes wrong"},
        {"--seed", GS_OPTION_UINT64, &o->seed, "of weights, batches and codes (1)"},
        {"--threads", GS_OPTION_INT, &o->threads, "threads (all processors)"},
        {"--precision", GS_OPTION_PRECISION, &o->precision, "auto, fp32 or bf16 (auto)"},
        {"--loader-threads", GS_OPTION_INT, &o->loader_threads,
         "further threads that make batches ready (1)"},
        {"--backend", GS_OPTION_TEXT, &o->backend, "cpu or reference (cpu)"},
        {"--validate-every", GS_OPTION_UINT64, &o->validate_every, "steps (about an epoch)"},
        {"--checkpoint-every", GS_OPTION_UINT64, &o->checkpoint_every, "steps (about an epoch)"},
    };
    return gs_options_parse(argc, argv, "train --dataset DIR --out DIR [options]", options,
                            sizeof options / sizeof *options, err);
}

static gs_status read_objective(const names *n, gs_trainer_options *o, gs_error *err) {
    gs_objective *objective = &o->objective;
    gs_architecture checked = gs_architecture_default();
    if (gs_training_method_parse(n->method, &objective->method, err) != GS_OK)
        return GS_INVALID_ARGUMENT;
    GS_TRY(gs_loss_weights_parse(n->weights, &objective->weights, err));
    if (n->translation[0])
        GS_TRY(gs_translation_parse(n->translation, &objective->translation, err));
    if (n->teacher[0]) {
        gs_teacher teacher;
        GS_TRY(gs_teacher_parse(n->teacher, &teacher, err));
        GS_TRY(gs_teacher_apply(teacher, objective, &o->architecture, err));
    }
    if (n->dropout >= 0) objective->dropout = n->dropout;
    GS_TRY(gs_architecture_wish_apply(&o->architecture, &checked, err));
    checked.separate_decoder = gs_method_get(objective->method)->separate_decoder;
    return gs_objective_check(objective, &checked, err);
}

static gs_status parse(int argc, char **argv, gs_trainer_options *o, gs_error *err) {
    names n = {.method = "genseg", .weights = "", .translation = "", .teacher = "", .dropout = -1};
    GS_TRY(read_arguments(argc, argv, o, &n, err));
    o->max_steps = n.max_steps;
    if (!o->dataset || !o->out)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--dataset and --out are needed");
    if (!(o->learning_rate > 0) || o->epochs < 0 || o->max_seconds < 0 || o->min_annotated < 0 ||
        o->patience < 0)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "--learning-rate must be positive, --epochs, --max-seconds, "
                       "--min-annotated and --patience not negative");
    return read_objective(&n, o, err);
}

static FILE *open_history(const gs_trainer_options *o) {
    gs_error ignored; /* the trainer reports a folder that cannot be made */
    char *path = gs_format("%s/history.jsonl", o->out);
    FILE *file = NULL;
    if (path && gs_folder_make(o->out, &ignored) == GS_OK)
        file = fopen(path, o->resume ? "a" : "w");
    gs_free(path);
    return file;
}

int gs_cli_train(int argc, char **argv) {
    gs_trainer_options o = {.preset = "brain",
                            .width = 0.25,
                            .batch_size = 20,
                            .learning_rate = 1e-3,
                            .seed = 1,
                            .precision = GS_PRECISION_AUTO};
    gs_error err;
    gs_status status = parse(argc, argv, &o, &err);
    if (status != GS_OK) {
        err.status = status == GS_CANCELLED ? GS_CANCELLED : GS_INVALID_ARGUMENT;
        return gs_cli_fail("train", &err);
    }
    gs_cli_tell_precision(o.backend, o.precision);
    struct sigaction action = {.sa_handler = request_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away does not end the training */
    reporter r = {.options = &o, .history = open_history(&o)};
    gs_training_observer observer = {report, &r, &stop_requested};
    status = gs_trainer_run(&o, &observer, &err);
    if (status != GS_OK && status != GS_CANCELLED) {
        print_line(&r,
                   json_pack("{s:s, s:I, s:s, s:s}", "event", "error", "step", (json_int_t)r.step,
                             "status", gs_status_name(status), "detail", err.text));
        fprintf(stderr, "genseg train: %s\n", err.text);
    }
    if (r.history) fclose(r.history);
    return status == GS_OK ? 0 : status == GS_CANCELLED ? EXIT_RESUMABLE : 1;
}

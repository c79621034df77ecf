/* `genseg train`: one training run, reported as JSON lines (docs/training-process.md). */
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/train/history.h"
#include "engine/train/options.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

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

/* Takes ownership of the object. */
static void print_line(const reporter *r, json_t *line) {
    gs_history_write(stdout, line);
    if (r->history) gs_history_write(r->history, line);
    json_decref(line);
}

static void report(void *context, const gs_training_event *event) {
    reporter *r = context;
    r->step = event->step;
    /* Not before: a training that is refused must not touch another's history. */
    if (event->kind == GS_EVENT_START) r->history = gs_history_open(r->options);
    print_line(r, gs_history_line(r->options, event));
}

static gs_status read_arguments(int argc, char **argv, gs_training_wish *n, const char **weights,
                                gs_error *err) {
    gs_trainer_options *o = &n->options;
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
        {"--max-steps", GS_OPTION_UINT64, &o->max_steps, "stop after so many steps"},
        {"--max-seconds", GS_OPTION_NUMBER, &o->max_seconds, "stop after so much training time"},
        {"--patience", GS_OPTION_INT, &o->patience,
         "stop after so many validations without a better Dice (never)"},
        {"--learning-rate", GS_OPTION_NUMBER, &o->learning_rate, "(0.001)"},
        {"--discriminator-rate", GS_OPTION_NUMBER, &o->discriminator_rate,
         "learning rate of the discriminators, as a multiple of that (1)"},
        {"--weights", GS_OPTION_TEXT, weights,
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
        {"--annotated", GS_OPTION_NUMBER, &o->annotated_fraction,
         "part of the annotated training cases that keep their masks, above 0 (1)"},
        {"--min-annotated", GS_OPTION_INT, &o->min_annotated,
         "annotated images per batch at least (0)"},
        {"--pretraining-steps", GS_OPTION_UINT64, &o->pretraining_steps,
         "first steps, which learn from weak labels alone, without masks (0)"},
        {"--keep-last", GS_OPTION_FLAG, &o->keep_last,
         "the model is the last weights, not those of the best Dice"},
        {"--panel", GS_OPTION_INT, &o->panel,
         "show so many validation slices at each validation, in OUT/panel (0; at most 8)"},
        {"--unguarded", GS_OPTION_FLAG, &o->unguarded,
         "do not go back to a checkpoint when training goes wrong"},
        {"--seed", GS_OPTION_UINT64, &o->seed, "of weights, batches and codes (1)"},
        {"--threads", GS_OPTION_INT, &o->threads, "threads (all processors)"},
        {"--precision", GS_OPTION_PRECISION, &o->engine.precision,
         "auto, fp32, tf32 or bf16 (auto)"},
        {"--loader-threads", GS_OPTION_INT, &o->loader_threads,
         "further threads that make batches ready (one for each 8 processors, 1 to 4)"},
        {"--backend", GS_OPTION_TEXT, &o->engine.backend,
         "auto, cpu, cuda or reference (auto: cuda where it can be used)"},
        {"--device", GS_OPTION_INT, &o->engine.device, "which of the visible CUDA devices (0)"},
        {"--nondeterministic", GS_OPTION_FLAG, &o->nondeterministic,
         "on cuda: faster, but no two runs give the same bits"},
        {"--validate-every", GS_OPTION_UINT64, &o->validate_every, "steps (about an epoch)"},
        {"--checkpoint-every", GS_OPTION_UINT64, &o->checkpoint_every, "steps (about an epoch)"},
    };
    return gs_options_parse(argc, argv, "train --dataset DIR --out DIR [options]", options,
                            sizeof options / sizeof *options, err);
}

static gs_status parse(int argc, char **argv, gs_trainer_options *o, gs_error *err) {
    gs_training_wish wish = gs_training_wish_default();
    const char *weights = "";
    wish.options.annotated_fraction = 1;
    wish.options.engine.backend = "auto";
    GS_TRY(read_arguments(argc, argv, &wish, &weights, err));
    GS_TRY(gs_loss_weights_parse(weights, &wish.options.objective.weights, err));
    if (!wish.options.dataset || !wish.options.out)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--dataset and --out are needed");
    if (!(wish.options.annotated_fraction > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "--annotated must be above 0");
    return gs_training_wish_resolve(&wish, o, err);
}

int gs_cli_train(int argc, char **argv) {
    gs_trainer_options o;
    gs_error err;
    gs_status status = parse(argc, argv, &o, &err);
    if (status != GS_OK) {
        err.status = status == GS_CANCELLED ? GS_CANCELLED : GS_INVALID_ARGUMENT;
        return gs_cli_refuse("train", &err);
    }
    gs_cli_tell_engine(&o.engine);
    struct sigaction action = {.sa_handler = request_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away does not end the training */
    reporter r = {.options = &o};
    gs_training_observer observer = {report, &r, &stop_requested};
    status = gs_trainer_run(&o, &observer, &err);
    if (status != GS_OK && status != GS_CANCELLED) {
        print_line(&r,
                   json_pack("{s:s, s:I, s:s, s:s}", "event", "error", "step", (json_int_t)r.step,
                             "status", gs_status_name(status), "detail", err.text));
        fprintf(stderr, "genseg train: %s\n", err.text);
    }
    if (r.history) fclose(r.history);
    if (status == GS_CANCELLED) return EXIT_RESUMABLE;
    return status == GS_NUMERIC ? EXIT_FAILURE : gs_cli_exit_status(status);
}

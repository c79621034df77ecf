/* Experiments: methods compared on one task, at several fractions of masks, over several seeds,
 * with one budget (docs/experiments.md). A file says what is compared; running it trains and
 * evaluates each method x fraction x seed in a folder of its own, and writes tables, curves,
 * pictures and a page.
 *
 * Everything that was finished is found again: running the same file in the same folder goes on
 * where it was stopped or killed. */
#ifndef GS_ENGINE_EXPERIMENT_EXPERIMENT_H
#define GS_ENGINE_EXPERIMENT_EXPERIMENT_H

#include "engine/train/trainer.h"

#include <jansson.h>

enum {
    GS_EXPERIMENT_METHODS = 16,
    GS_EXPERIMENT_FRACTIONS = 16,
    GS_EXPERIMENT_SEEDS = 64,
    GS_EXPERIMENT_NAME = 40,         /* bytes of a method's name, which names folders */
    GS_EXPERIMENT_FILE_KIB = 256,    /* of the file */
    GS_EXPERIMENT_FRACTION_TEXT = 24 /* of a printed fraction, with its zero */
};

typedef struct gs_experiment_method {
    const char *name;
    /* All but what a run is of: dataset, out, seed, annotated_fraction; and the machine's: engine,
     * threads, loader_threads. */
    gs_trainer_options options;
} gs_experiment_method;

/* What the file says. Text is borrowed from `json`. */
typedef struct gs_experiment {
    char *text;    /* the file as it is, for people */
    json_t *json;  /* the same, parsed */
    char *dataset; /* folder */
    const char *name, *preset;
    double width;
    uint64_t max_steps; /* the budget of each run: one of these two is not 0 */
    double max_seconds;
    size_t method_count, fraction_count, seed_count;
    gs_experiment_method methods[GS_EXPERIMENT_METHODS];
    double fractions[GS_EXPERIMENT_FRACTIONS]; /* in (0, 1], of the annotated training cases */
    uint64_t seeds[GS_EXPERIMENT_SEEDS];
} gs_experiment;

/* Reads and checks a file. INVALID_ARGUMENT or MALFORMED name the member that is wrong: unknown,
 * missing, of another type, out of range, or given twice. Caller deinits. */
GS_MUST_CHECK gs_status gs_experiment_load(const char *path, gs_experiment *out, gs_error *err);
void gs_experiment_deinit(gs_experiment *experiment); /* zeroed is allowed */

typedef struct gs_experiment_options {
    const char *out;     /* folder */
    const char *command; /* the command line, for the page */
    gs_engine_wish engine;
    int threads, loader_threads;
} gs_experiment_options;

typedef struct gs_experiment_observer {
    void (*note)(void *context, const char *text); /* one line of what happens */
    void *context;
    const atomic_bool *stop; /* set by anyone: it stops at a checkpoint */
} gs_experiment_observer;

/* *failed_out: runs whose training went wrong for good, which the tables say; they are not tried
 * again. CANCELLED after `stop`. INVALID_ARGUMENT names what differs when the folder is that of
 * another experiment: only methods, fractions and seeds may be added. CONFLICT while another
 * process runs in the folder. UNUSABLE for data without annotated slices in the test or validation
 * split, or that cannot train; then nothing was written. Else as training and files fail. */
GS_MUST_CHECK gs_status gs_experiment_run(const gs_experiment *experiment,
                                          const gs_experiment_options *options,
                                          const gs_experiment_observer *observer,
                                          size_t *failed_out, gs_error *err);

#endif

/* The insides of experiments: experiment_file.c reads the file, experiment_change.c compares it
 * with what a folder is of, experiment_run.c makes one run, experiment.c all of them; the rest
 * writes what came out. */
#ifndef GS_ENGINE_EXPERIMENT_EXPERIMENT_INTERNAL_H
#define GS_ENGINE_EXPERIMENT_EXPERIMENT_INTERNAL_H

#include "engine/data/dataset.h"
#include "engine/experiment/experiment.h"

/* One training and its evaluation: a run, to users. */
typedef struct gs_trial {
    size_t method, fraction, seed; /* in the experiment's lists */
    char *name;                    /* "genseg-f0.1-s1"; owned */
    char *folder;                  /* owned */
    json_t *result;                /* NULL until it is finished; owned */
} gs_trial;

/* An experiment under way. */
typedef struct gs_experiment_state {
    const gs_experiment *experiment;
    const gs_experiment_options *options;
    const gs_experiment_observer *observer;
    gs_dataset *dataset;
    int lock_fd;
    gs_trial *runs; /* by seed, then fraction, then method: what compares comes together */
    size_t run_count;
    double done_before; /* in runs, when this process began; < 0 before that */
    double began, told; /* when that was, and when progress was last told */
} gs_experiment_state;

/* ---- experiment_file.c ---- */

void gs__fraction_text(double fraction, char text[GS_EXPERIMENT_FRACTION_TEXT]);

/* ---- experiment_change.c ---- */

/* INVALID_ARGUMENT says what differs from what the folder is of; else it is now of this. */
GS_MUST_CHECK gs_status gs__experiment_claim(const gs_experiment_state *state, gs_error *err);

/* ---- experiment_run.c ---- */

#define GS_RESULT_FILE "result.json"
#define GS_CASES_FILE "cases.csv"
#define GS_CASES_COLUMNS "case,slices,dice,predicted_pixels,target_pixels"

/* What the run is trained with. Text is borrowed from both. */
gs_trainer_options gs__trial_options(const gs_experiment_state *state, const gs_trial *run);

/* Reads the result where the run is finished. UNUSABLE for a result that is none. */
GS_MUST_CHECK gs_status gs__trial_find_result(gs_trial *run, gs_error *err);

/* Trains, evaluates and writes the result, last of all. */
GS_MUST_CHECK gs_status gs__trial_finish(gs_experiment_state *state, gs_trial *run, gs_error *err);

/* Whether training went wrong for good. */
bool gs__trial_has_failed(const gs_trial *run);

/* A number of the result by its path ("test.dice"); NaN where there is none. */
double gs__trial_number(const gs_trial *run, const char *path);

/* ---- small things ---- */

/* "OUT/name"; caller frees. NULL when out of memory. */
char *gs__experiment_path(const gs_experiment_state *state, const char *name);

/* Writes the text whole or not at all; takes it (NULL = out of memory), from malloc. */
GS_MUST_CHECK gs_status gs__write_text(const gs_experiment_state *state, const char *name,
                                       char *text, gs_error *err);

/* From now on time is counted: a run is under way, or goes on, with `fraction` of it done. */
void gs__progress_begin(gs_experiment_state *state, double fraction, double now);

/* "21 % of all, about 3 h 20 min left" by what this process has done so far, with `fraction` of the
 * run under way; without the latter where that is not known yet. */
enum { GS_PROGRESS_TEXT = 80 };
void gs__progress_text(const gs_experiment_state *state, double fraction, double now,
                       char text[GS_PROGRESS_TEXT]);

/* Seconds of a clock that only runs on. */
double gs__now_seconds(void);

void gs__note(const gs_experiment_state *state, const char *format, ...) GS_PRINTF(2, 3);

#endif

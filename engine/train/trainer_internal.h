/* The trainer's insides: trainer.c runs it, trainer_open.c and trainer_files.c open, save and load
 * it, trainer_step.c makes its steps, trainer_validation.c and trainer_guard.c watch them. */
#ifndef GS_ENGINE_TRAIN_TRAINER_INTERNAL_H
#define GS_ENGINE_TRAIN_TRAINER_INTERNAL_H

#include "engine/graph/plan.h"
#include "engine/model/inference.h"
#include "engine/model/safetensors.h"
#include "engine/train/loader.h"
#include "engine/train/trainer.h"

#include <jansson.h>

enum { GS_PLAN_SLOTS = 10 /* 0, 1, 2, 4, … 256 annotated images */ };

/* What a checkpoint holds beside the parameters and their optimiser. */
typedef struct gs_training_state {
    uint64_t step;         /* steps done */
    double best_dice;      /* -1 = none yet */
    double best_diversity; /* of translations; 0 = none yet */
    double best_sample_diversity;
    int since_best; /* validations in a row without a better Dice */
    int suspicious; /* … whose masks or translations have collapsed */
    int recoveries;
} gs_training_state;

/* One validation's plan of an operation on GS_EVALUATION_BATCH images. */
typedef struct gs_validation_plan {
    gs_plan *plan;
    gs_inference io;
} gs_validation_plan;

typedef struct gs_validation {
    double dice, area;       /* NaN where nothing can be validated */
    double diversity;        /* NaN where nothing is translated */
    double sample_diversity; /* NaN where nothing is sampled */
    bool has_no_masks;       /* all are empty, or full, and should not be */
} gs_validation;

/* A step that was started and whose losses have not been looked at. */
typedef struct gs_pending_step {
    int slot; /* of its plan */
    uint64_t run, step;
    bool is_segmented;
} gs_pending_step;

typedef struct gs_trainer {
    const gs_trainer_options *options;
    const gs_training_observer *observer;
    gs_dataset *dataset;
    gs_slice_lists lists;
    gs_sampler *sampler;
    gs_loader *loader;
    gs_network network;
    gs_device *device;
    gs_parameters *parameters;
    gs_plan *plans[GS_PLAN_SLOTS];
    gs_step steps[GS_PLAN_SLOTS];
    gs_pending_step pending[GS_PLAN_RUNS_AHEAD];
    int pending_count;
    float *factors; /* of one dropout */
    size_t factors_size;
    gs_validation_plan segments, removes, inserts;
    size_t image, pixels; /* floats of an image, of one channel */
    float *evaluation_images, *evaluation_output;
    gs_training_state state;
    uint64_t total_steps, validated;
    gs_validation latest;                      /* of this process; zero before the first */
    uint64_t validate_every, checkpoint_every; /* steps */
    int suspicions;                            /* validations in a row that make a collapse */
    bool has_checkpoint, has_good; /* files that this training wrote and can go back to */
    int lock_fd;                   /* of the folder; -1 = not taken */
    bool made_folder;              /* and nothing is in it yet */
    double seconds_before, started, reported;
    double waited; /* seconds for batches, when last reported */
    double loss_sums[GS_TERM_COUNT];
    int loss_steps, segmented_steps; /* since the last progress event */
} gs_trainer;

/* ---- trainer_open.c ---- */

/* Opens data, model and device and, where asked for and possible, the checkpoint. Closed by
 * gs__trainer_close, also after a failure. */
GS_MUST_CHECK gs_status gs__trainer_open(gs_trainer *trainer, bool *resumed_out, gs_error *err);
void gs__trainer_close(gs_trainer *trainer);

/* The parameters and state that training begins with. */
GS_MUST_CHECK gs_status gs__trainer_begin(gs_trainer *trainer, gs_error *err);

/* ---- trainer_files.c ---- */

#define GS_CHECKPOINT_FILE "checkpoint.safetensors"
#define GS_GOOD_FILE "good.safetensors" /* the checkpoint of the last good validation */

/* "OUT/name"; caller frees. NULL when out of memory. */
char *gs__trainer_path(const gs_trainer *trainer, const char *name);

/* `dice`: of these weights; NaN where nothing can be validated. */
GS_MUST_CHECK gs_status gs__trainer_save_model(const gs_trainer *trainer, double dice,
                                               gs_error *err);
GS_MUST_CHECK gs_status gs__trainer_save_checkpoint(const gs_trainer *trainer, double seconds,
                                                    gs_error *err);

/* Reads parameters, optimiser and state of a checkpoint that must be of a training with the same
 * options, and the seconds it took. */
GS_MUST_CHECK gs_status gs__trainer_load_checkpoint(gs_trainer *trainer, const gs_safetensors *file,
                                                    const char *origin, double *seconds_out,
                                                    gs_error *err);

/* ---- trainer_step.c ---- */

/* One step. NUMERIC when a loss is not finite, which on a device that computes by itself is seen
 * some steps later: `step` of the state is then that of the loss. */
GS_MUST_CHECK gs_status gs__trainer_step(gs_trainer *trainer, gs_error *err);
/* Waits for all steps and looks at their losses: before anything that depends on them. */
GS_MUST_CHECK gs_status gs__trainer_settle(gs_trainer *trainer, gs_error *err);

/* ---- trainer_validation.c ---- */

GS_MUST_CHECK gs_status gs__trainer_validate(gs_trainer *trainer, gs_validation *out,
                                             gs_error *err);

/* Probabilities [count,H,W] of normalised images [count,C,H,W] by the weights as they are now;
 * count is at most GS_EVALUATION_BATCH. */
GS_MUST_CHECK gs_status gs__trainer_segment(gs_trainer *trainer, size_t count, const float *images,
                                            float *probabilities, gs_error *err);
/* Their healthy translations into evaluation_output [count,C,H,W]; for methods that translate. */
GS_MUST_CHECK gs_status gs__trainer_remove(gs_trainer *trainer, size_t count, const float *images,
                                           gs_error *err);

/* Residuals [GS_EVALUATION_BATCH,C,H,W] that random codes, the same ones at each validation, put
 * into evaluation_images: into evaluation_output. For methods that sample. */
GS_MUST_CHECK gs_status gs__trainer_insert(gs_trainer *trainer, gs_error *err);

/* ---- trainer_diversity.c ---- */

/* The images' variance [count,size] after translation as a part of that before; NaN where they do
 * not differ before. */
double gs__diversity(const float *before, const float *after, size_t count, size_t size);

/* Σ|a - b| / Σ(|a| + |b|) over pairs of residuals [count,size] of two codes in one image, which lie
 * one after the other: 0 alike, 1 without a common pixel. 0 also where there is no residual. */
double gs__sample_diversity(const float *residuals, size_t count, size_t size);

/* Up to `most` of the rows, spread evenly over their cases and within these; returns how many. 0
 * when out of memory: nothing depends on it. */
size_t gs__spread_over_cases(const gs_dataset *dataset, const uint32_t *rows, size_t count,
                             size_t most, uint32_t *out);

/* Fills in both diversities where the method has them. */
GS_MUST_CHECK gs_status gs__trainer_find_diversity(gs_trainer *trainer, gs_validation *out,
                                                   gs_error *err);

/* ---- trainer_panel.c ---- */

/* Writes the sheet of this step, if options ask for a panel and there is something to show. After a
 * validation: its plans are used. */
GS_MUST_CHECK gs_status gs__trainer_show(gs_trainer *trainer, gs_error *err);

/* ---- trainer_guard.c ---- */

enum {
    GS_SUSPICIOUS_INTERVALS = 3 /* of the usual interval between validations, and validations */
};

/* What is wrong with a training, by its latest validation and those before; NULL = nothing that it
 * may not recover from by itself. Counts the validation. */
const char *gs__trainer_judge(gs_trainer *trainer, const gs_validation *validation);

/* Marks the checkpoint just written as good. */
void gs__trainer_mark_good(gs_trainer *trainer);

/* Whether weights and optimiser could go into a checkpoint. */
bool gs__trainer_is_finite(const gs_trainer *trainer);

/* Goes back to the last good state at a lower learning rate; *event_out then says so. NUMERIC with
 * the reason when that was done often enough, or is not wanted. */
GS_MUST_CHECK gs_status gs__trainer_recover(gs_trainer *trainer, const char *reason,
                                            gs_training_event *event_out, gs_error *err);

/* Sets the learning rate for the number of recoveries. */
void gs__trainer_set_rate(gs_trainer *trainer);

#endif

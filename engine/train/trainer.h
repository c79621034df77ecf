/* Training: batches in, checkpoints and the best model out. What it prints is up to the observer.
 *
 * A training that goes wrong - a loss or weight that is not finite, masks that become empty or
 * full, translations that become alike - goes back to its last good checkpoint and on at a quarter
 * of its learning rate, at most GS_MAX_RECOVERIES times.
 *
 * A run is bit-reproducible for the same options, data, backend and number of threads, also across
 * an interruption: gs_trainer_run with `resume` goes on from the last checkpoint. */
#ifndef GS_ENGINE_TRAIN_TRAINER_H
#define GS_ENGINE_TRAIN_TRAINER_H

#include "engine/backend/choice.h"
#include "engine/model/objective.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct gs_trainer_options {
    const char *dataset, *out; /* folders */
    const char *init;          /* weights to start from; NULL = random */
    bool resume;               /* go on from out/checkpoint.safetensors */
    gs_objective objective;
    gs_architecture_wish
        architecture;   /* where nothing is wished for, as `init` has it, or default */
    const char *preset; /* of a new model; ignored with `init` */
    double width;
    int batch_size; /* presence (and as many absence) images per step */
    double epochs;  /* the first bound reached ends training; 0 = not bounded by it */
    uint64_t max_steps;
    double max_seconds; /* of training, over all resumed runs */
    double learning_rate;
    double discriminator_rate; /* the discriminators' learning rate as a multiple of that */
    bool augment;              /* vary the training images (engine/train/augment.h) */
    /* Of the training cases with masks, the part that keeps them, chosen by the seed alone (see
     * gs_dataset_keep_annotations); 0 = 1 = all. */
    double annotated_fraction;
    int min_annotated; /* annotated images per batch at least, where there are any */
    /* The first steps that use no masks: what a method learns from weak labels alone. Dice is not
     * looked at before they are over. 0 for methods that learn from masks only. */
    uint64_t pretraining_steps;
    int patience;   /* validations in a row without a better Dice that end training; 0 = never */
    bool keep_last; /* model.safetensors: the last validated weights, not the best */
    int panel;      /* validation slices that out/panel/ shows at each validation; 0 = none */
    bool unguarded; /* a training that goes wrong is not taken back: it fails, or goes on */
    uint64_t seed;
    gs_engine_wish engine;
    int threads;
    bool nondeterministic; /* on cuda: faster, and no two runs are the same (gs_device_options) */
    int loader_threads;    /* that make batches ready; 0 = one for each 8 processors, 1 to 4 */
    uint64_t validate_every, checkpoint_every; /* steps; 0 = about once an epoch */
} gs_trainer_options;

enum { GS_MAX_RECOVERIES = 2 };

/* The folder of `panel`, in `out`: panel.json ({rows, slices, height, width}) and a sheet for each
 * step, STEP.png, with a column for each slice and its rows one below the other. */
#define GS_PANEL_FOLDER "panel"

/* Of the cases that have no split: what gs_dataset_assign_splits is asked for, with the training's
 * seed. */
#define GS_VALIDATION_FRACTION 0.15

typedef enum gs_event_kind {
    GS_EVENT_START,
    GS_EVENT_PROGRESS,
    GS_EVENT_VALIDATION,
    GS_EVENT_CHECKPOINT,
    GS_EVENT_RECOVERY,
    GS_EVENT_WARNING,
    GS_EVENT_DONE,
} gs_event_kind;

typedef struct gs_training_event {
    gs_event_kind kind;
    uint64_t step; /* steps done */
    /* start */
    const gs_model_config *config;
    size_t parameters, presence, absence, annotated, validation;
    uint64_t total_steps; /* 0 = bounded by time */
    int64_t resumed_from; /* -1 = not resumed */
    /* progress, validation, done */
    double epoch, fraction, seconds;
    double losses[GS_TERM_COUNT]; /* means since the last such event */
    double dice;                  /* NaN where nothing can be validated */
    double area;      /* validation: part of all annotated pixels in the masks; NaN as dice */
    double diversity; /* validation: how much images without their target differ from each other, as
                         a part of how much the images do; NaN where nothing is translated */
    double sample_diversity; /* validation: how much targets that two random codes put into one
                                image differ, 0 to 1; NaN where nothing is sampled */
    double loader_wait; /* progress: part of the time since the last such event that steps waited
                           for their batches; done: of the whole time of this process */
    bool is_best;
    bool stopped_early; /* done: by `patience` */
    const char *reason; /* recovery, warning; valid while the observer is notified */
    /* recovery: `step` is where it went wrong */
    uint64_t back_to;
    int recoveries; /* so far */
    double learning_rate;
} gs_training_event;

typedef struct gs_training_observer {
    void (*notify)(void *context, const gs_training_event *event);
    void *context;
    const atomic_bool *stop; /* set by anyone: training stops at a checkpoint */
} gs_training_observer;

/* CANCELLED after `stop` (the checkpoint is written), NUMERIC when training went wrong once too
 * often, INVALID_ARGUMENT for options that do not go together, UNUSABLE for data that cannot train
 * the method, CONFLICT while another run has the folder; else as files and backends fail. Until the
 * start event nothing is written: a training that is refused leaves everything as it was. */
GS_MUST_CHECK gs_status gs_trainer_run(const gs_trainer_options *options,
                                       const gs_training_observer *observer, gs_error *err);

/* What gs_trainer_run of a new model would refuse of options and data, without reading pixels or
 * touching the folder. *validation_out: annotated slices of the validation split. */
GS_MUST_CHECK gs_status gs_trainer_check(const gs_trainer_options *options, size_t *validation_out,
                                         gs_error *err);

#endif

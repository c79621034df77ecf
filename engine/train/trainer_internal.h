/* The trainer's insides: trainer.c runs it, trainer_files.c opens, saves and loads it. */
#ifndef GS_ENGINE_TRAIN_TRAINER_INTERNAL_H
#define GS_ENGINE_TRAIN_TRAINER_INTERNAL_H

#include "engine/graph/plan.h"
#include "engine/model/inference.h"
#include "engine/train/sampler.h"
#include "engine/train/trainer.h"

enum { GS_MAX_BATCH_SIZE = 256, GS_PLAN_SLOTS = 10 /* 0, 1, 2, 4, … 256 annotated images */ };

typedef struct gs_trainer {
    const gs_trainer_options *options;
    const gs_training_observer *observer;
    gs_dataset *dataset;
    gs_slice_lists lists;
    gs_sampler *sampler;
    gs_network network;
    gs_device *device;
    gs_parameters *parameters;
    gs_plan *plans[GS_PLAN_SLOTS];
    gs_step steps[GS_PLAN_SLOTS];
    gs_plan *evaluation;
    gs_inference evaluation_io;
    size_t image, pixels; /* floats of an image, of one channel */
    float *batch;         /* what is being written to a plan */
    float *room;          /* one image, for augmentation */
    uint8_t *masks;       /* [batch_size,H,W] of the annotated images, augmented with them */
    float *evaluation_images, *evaluation_output;
    uint32_t presence_rows[GS_MAX_BATCH_SIZE], absence_rows[GS_MAX_BATCH_SIZE];
    uint64_t step, total_steps, validated;
    double best_dice; /* -1 = none yet */
    double seconds_before, started, reported;
    double loss_sums[GS_TERM_COUNT];
    int loss_steps, segmented_steps; /* since the last progress event */
} gs_trainer;

/* Opens data, model and device and, where asked for and possible, the checkpoint. Closed by
 * gs__trainer_close, also after a failure. */
GS_MUST_CHECK gs_status gs__trainer_open(gs_trainer *trainer, bool *resumed_out, gs_error *err);
void gs__trainer_close(gs_trainer *trainer);

/* `dice`: of these weights; NaN where nothing can be validated. */
GS_MUST_CHECK gs_status gs__trainer_save_model(const gs_trainer *trainer, double dice,
                                               gs_error *err);
GS_MUST_CHECK gs_status gs__trainer_save_checkpoint(const gs_trainer *trainer, double seconds,
                                                    gs_error *err);

#endif

/* Which slices make up each training batch. A batch is a function of (seed, step) alone, so
 * training goes on after an interruption exactly where it was.
 *
 * Presence slices are shown in a new random order every epoch, each once; absence slices are drawn
 * to match, in random orders of their own. Threads: one at a time. */
#ifndef GS_ENGINE_TRAIN_SAMPLER_H
#define GS_ENGINE_TRAIN_SAMPLER_H

#include "engine/data/dataset.h"
#include "engine/model/objective.h"

#include <stdint.h>

/* Rows of the dataset by use. Only the training and validation splits. */
typedef struct gs_slice_lists {
    uint32_t *presence, *absence, *annotated, *validation;
    size_t presence_count, absence_count;
    size_t annotated_count;  /* training presence slices with a mask */
    size_t validation_count; /* validation slices with a mask */
} gs_slice_lists;

GS_MUST_CHECK gs_status gs_slice_lists_init(gs_slice_lists *lists, const gs_dataset *dataset,
                                            gs_error *err);
void gs_slice_lists_deinit(gs_slice_lists *lists);

/* UNUSABLE says which of presence slices, absence slices and masks a method lacks. */
GS_MUST_CHECK gs_status gs_slice_lists_check(const gs_slice_lists *lists, gs_training_method method,
                                             gs_error *err);

typedef struct gs_sampler gs_sampler;

/* The lists are borrowed. `pairs`: presence slices per batch. `min_annotated`: where the order
 * gives fewer annotated slices than this, others of the batch are replaced by annotated ones. */
GS_MUST_CHECK gs_status gs_sampler_new(const gs_slice_lists *lists, gs_training_method method,
                                       int pairs, int min_annotated, uint64_t seed,
                                       gs_sampler **out, gs_error *err);
void gs_sampler_free(gs_sampler *sampler); /* NULL is allowed */

/* From now on no slice of the first `steps` batches counts as annotated, and none is put there for
 * its mask. For methods that use slices without masks. */
void gs_sampler_pretrain(gs_sampler *sampler, uint64_t steps);

/* From now on absence slices are drawn, with replacement, to follow the presence slices' axial
 * positions (engine/train/histogram.h). Nothing changes for methods without absence slices. */
GS_MUST_CHECK gs_status gs_sampler_match_positions(gs_sampler *sampler, const gs_dataset *dataset,
                                                   gs_error *err);

/* Slices of the step-th batch (from 0): presence[pairs], the annotated ones first, and
 * absence[pairs] (untouched by methods without). Returns how many are annotated. */
int gs_sampler_batch(gs_sampler *sampler, const gs_dataset *dataset, uint64_t step,
                     uint32_t *presence, uint32_t *absence);

/* Steps of one epoch, as a real number: presence slices / pairs. */
double gs_sampler_epoch_steps(const gs_sampler *sampler);

#endif

/* Reading slices as a model takes them, and the global Dice of a set of annotated slices. */
#ifndef GS_ENGINE_TRAIN_EVALUATE_H
#define GS_ENGINE_TRAIN_EVALUATE_H

#include "engine/data/dataset.h"

#include <stddef.h>
#include <stdint.h>

/* Copies slice i, normalised, to pixels[C,H,W]. NUMERIC names a slice with a pixel that is not
 * finite. */
GS_MUST_CHECK gs_status gs_dataset_read_normalized(const gs_dataset *dataset, uint32_t i,
                                                   float *pixels, gs_error *err);

/* Segments count images [count,C,H,W] to probabilities [count,H,W]. */
typedef gs_status gs_segmenter(void *context, size_t count, const float *images,
                               float *probabilities, gs_error *err);

enum { GS_EVALUATION_BATCH = 8 };

/* 2 Σ s y / (Σ s + Σ y) over all annotated pixels of all `rows` together, s = probability >= 0.5;
 * 1 where both are empty. The rows must have masks. Batches hold GS_EVALUATION_BATCH slices at most. */
GS_MUST_CHECK gs_status gs_evaluate_dice(const gs_dataset *dataset, const uint32_t *rows,
                                         size_t count, gs_segmenter *segment, void *context,
                                         double *dice_out, gs_error *err);

#endif

/* Reading slices as a model takes them, and what a model's answers are worth on annotated slices.
 */
#ifndef GS_ENGINE_TRAIN_EVALUATE_H
#define GS_ENGINE_TRAIN_EVALUATE_H

#include "engine/data/dataset.h"

#include <stddef.h>
#include <stdint.h>

/* Copies slice i, normalised, to pixels[C,H,W]. NUMERIC names a slice with a pixel that is not
 * finite. */
GS_MUST_CHECK gs_status gs_dataset_read_normalized(const gs_dataset *dataset, uint32_t i,
                                                   float *pixels, gs_error *err);

/* Rows of a dataset that have masks; all borrowed. */
typedef struct gs_annotated_rows {
    const gs_dataset *dataset;
    const uint32_t *rows;
    size_t count;
} gs_annotated_rows;

/* Turns count images [count,C,H,W] into one value per pixel, [count,H,W]; count is at most
 * GS_EVALUATION_BATCH. */
typedef gs_status gs_pixel_map(void *context, size_t count, const float *images, float *values,
                               gs_error *err);

enum { GS_EVALUATION_BATCH = 8 };

/* Pixels counted over all annotated pixels of all rows together. */
typedef struct gs_overlap {
    double both, predicted, target, pixels;
} gs_overlap;

/* s = probability >= 0.5; `segment` gives probabilities. */
GS_MUST_CHECK gs_status gs_evaluate_overlap(const gs_annotated_rows *rows, gs_pixel_map *segment,
                                            void *context, gs_overlap *out, gs_error *err);

/* The same for each row apart: each_out[rows->count]. */
GS_MUST_CHECK gs_status gs_evaluate_each(const gs_annotated_rows *rows, gs_pixel_map *segment,
                                         void *context, gs_overlap *each_out, gs_error *err);

/* 2 Σ s y / (Σ s + Σ y); 1 where both are empty. */
double gs_overlap_dice(const gs_overlap *overlap);

/* 2 Σ s y / (Σ s + Σ y) over all annotated pixels of all rows together, s = probability >= 0.5; 1
 * where both are empty. `segment` gives probabilities. */
GS_MUST_CHECK gs_status gs_evaluate_dice(const gs_annotated_rows *rows, gs_pixel_map *segment,
                                         void *context, double *dice_out, gs_error *err);

/* How well the size of a change tells where the masks are. NaN where there is no such pixel. */
typedef struct gs_localization {
    double inside, outside; /* mean change inside and outside the masks */
    double auc; /* probability that a pixel inside changed more than one outside; ties count half */
} gs_localization;

/* Over all annotated pixels of all rows together. `change` gives values of at least 0; the AUC
 * tells apart values below 1 that differ by 1/4096. */
GS_MUST_CHECK gs_status gs_evaluate_localization(const gs_annotated_rows *rows,
                                                 gs_pixel_map *change, void *context,
                                                 gs_localization *out, gs_error *err);

#endif

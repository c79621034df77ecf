/* What translations are worth, where the truth is known: simulated patients have the same images
 * without their lesions. */
#ifndef GS_ENGINE_TRAIN_EVALUATE_TRANSLATION_H
#define GS_ENGINE_TRAIN_EVALUATE_TRANSLATION_H

#include "engine/train/evaluate.h"

/* Turns images [count,C,H,W] into healthy ones. count is at most GS_EVALUATION_BATCH, here and
 * below. */
typedef gs_status gs_remover(void *context, size_t count, const float *images, float *healthy,
                             gs_error *err);

typedef struct gs_removal {
    double approach; /* 1 - Σ|h - t| / Σ|x - t| inside the masks: 1 is the truth, 0 the input */
    double outside;  /* mean |h - x| outside them, as a part of mean |x - t| inside */
} gs_removal;

/* x input, h translation, t truth: the same row of `truth`, a dataset of the same slices. Outside
 * is what is annotated, no target and not background, where all channels of x are at the least
 * value they have in the image. Sums over channels, pixels and rows. NaN where masks hold nothing.
 * UNUSABLE when the datasets differ in more than pixels. */
GS_MUST_CHECK gs_status gs_evaluate_removal(const gs_annotated_rows *rows, const gs_dataset *truth,
                                            gs_remover *remove, void *context, gs_removal *out,
                                            gs_error *err);

/* Puts a target into images, one code per seed. residual, translated: [count,C,H,W]. */
typedef gs_status gs_inserter(void *context, size_t count, const float *images,
                              const uint64_t *seeds, float *residual, float *translated,
                              gs_error *err);

typedef struct gs_insertion {
    double dice; /* mean over the samples: segmentation of the sampled image against the residual's
                    support, where its mean size over channels is at least half of its largest */
    double diversity; /* mean over images of Σ|a - b| / Σ(|a| + |b|) of the residuals a, b of two
                         seeds: 0 alike, 1 without a common pixel */
} gs_insertion;

enum { GS_INSERTION_SEEDS = 2 };
#define GS_LEAST_RESIDUAL 0.05

/* Residuals below GS_LEAST_RESIDUAL everywhere have no support: their Dice is 0. `rows` are of any
 * label; masks are not read. NaN without rows. */
GS_MUST_CHECK gs_status gs_evaluate_insertion(const gs_annotated_rows *rows, gs_inserter *insert,
                                              gs_pixel_map *segment, void *context,
                                              gs_insertion *out, gs_error *err);

#endif

/* What a model is worth on one split of a dataset: its masks, case by case, and where its
 * translations change images. */
#ifndef GS_ENGINE_TRAIN_MODEL_EVALUATION_H
#define GS_ENGINE_TRAIN_MODEL_EVALUATION_H

#include "engine/session.h"
#include "engine/train/evaluate.h"

#include <stdatomic.h>

/* The annotated slices of one case together. */
typedef struct gs_case_result {
    const char *name; /* borrowed from the dataset */
    size_t slices;
    gs_overlap overlap;
} gs_case_result;

typedef struct gs_model_evaluation {
    size_t slices;         /* annotated ones of the split */
    double dice;           /* over all pixels of all slices together */
    double mean_case_dice; /* over the cases that have a target; NaN where none has */
    gs_case_result *cases; /* [case_count], in the order of the dataset; owned */
    size_t case_count;
    bool translates;          /* the next is there */
    gs_localization residual; /* of the change that makes an image healthy, mean over channels */
} gs_model_evaluation;

/* The annotated slices of one split; caller frees *rows_out. UNUSABLE when there is none. */
GS_MUST_CHECK gs_status gs_split_rows(const gs_dataset *dataset, gs_split split,
                                      uint32_t **rows_out, size_t *count_out, gs_error *err);

/* SHAPE_MISMATCH for a model of other images, UNUSABLE when no slice of the split is annotated,
 * CANCELLED soon after *stop (may be NULL) is set. Caller deinits. */
GS_MUST_CHECK gs_status gs_model_evaluate(gs_model *model, const gs_session_options *options,
                                          const gs_dataset *dataset, gs_split split,
                                          const atomic_bool *stop, gs_model_evaluation *out,
                                          gs_error *err);
void gs_model_evaluation_deinit(gs_model_evaluation *evaluation); /* zeroed is allowed */

#endif

/* What a model's translations are worth on one split of a dataset. */
#ifndef GS_ENGINE_TRAIN_MODEL_TRANSLATION_H
#define GS_ENGINE_TRAIN_MODEL_TRANSLATION_H

#include "engine/session.h"
#include "engine/train/evaluate_translation.h"

typedef struct gs_model_translation {
    bool has_removal; /* of annotated slices: there was a truth */
    gs_removal removal;
    bool has_insertion; /* into absence slices: there were some, and the model inserts */
    gs_insertion insertion;
} gs_model_translation;

/* truth: the same slices without their targets; NULL: removal is not evaluated. A model that does
 * not translate has neither. Fails as gs_model_evaluate and gs_evaluate_removal. */
GS_MUST_CHECK gs_status gs_model_evaluate_translation(gs_model *model,
                                                      const gs_session_options *options,
                                                      const gs_dataset *dataset,
                                                      const gs_dataset *truth, gs_split split,
                                                      gs_model_translation *out, gs_error *err);

#endif

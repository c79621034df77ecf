/* Training options as people give them, by the names of POST /v1/jobs: one reading of names, one
 * set of checks for `genseg train` and for experiments. */
#ifndef GS_ENGINE_TRAIN_OPTIONS_H
#define GS_ENGINE_TRAIN_OPTIONS_H

#include "engine/train/trainer.h"

#include <jansson.h>

typedef struct gs_training_wish {
    gs_trainer_options options;                 /* what needs no reading; the weights among it */
    const char *method, *translation, *teacher; /* names; NULL = not given */
    double dropout;                             /* below 0 = not given */
} gs_training_wish;

/* Nothing wished for: every option as `genseg train` has it without being told. */
gs_training_wish gs_training_wish_default(void);

/* Sets one option from JSON; text is borrowed from the value. INVALID_ARGUMENT names the option:
 * unknown, of another type, or out of its range. What a training is of and for how long - data,
 * preset, width, seed, bounds - are no options here. */
GS_MUST_CHECK gs_status gs_training_wish_set(gs_training_wish *wish, const char *name,
                                             const json_t *value, gs_error *err);

/* What the wish means. INVALID_ARGUMENT for a name that there is not, a number out of range, and
 * what does not go together. */
GS_MUST_CHECK gs_status gs_training_wish_resolve(const gs_training_wish *wish,
                                                 gs_trainer_options *out, gs_error *err);

#endif

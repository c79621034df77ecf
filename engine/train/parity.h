/* Compares the engine with a dump of the reference program. */
#ifndef GS_ENGINE_TRAIN_PARITY_H
#define GS_ENGINE_TRAIN_PARITY_H

#include "engine/backend/choice.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct gs_parity_options {
    const char *weights, *dump; /* paths of weights.safetensors and case.safetensors */
    const char *preset;
    double width;
    gs_engine_wish engine;
    int threads; /* 0 = all */
} gs_parity_options;

/* Runs the case and compares every out.*, loss.*, grad_gen.* and grad_disc.* and, where the dump
 * has them, the losses of its training steps. Writes a table to `report`: per group the number of
 * tensors and the worst relative error, and the first tensor that diverges.
 *
 * A tensor d agrees with the reference r if ‖d - r‖₂ ≤ 1e-3·‖r‖₂ + 1e-6·M·√n and
 * max|d - r| ≤ 5e-3·max|r| + 1e-5·M, with M the largest magnitude of its group and n its size; a
 * loss within 1e-4 relative; a loss of a training step within 1e-3 relative or 1e-4 absolute. NaN
 * never agrees. In bfloat16 only outputs are judged: the root mean square of d - r is at most 2e-2·max|r|,
 * and max|d - r| ≤ 0.15·max|r|, in TF32 an eighth of both; the rest is reported and must be finite. *passed_out is false when anything disagrees or nothing was compared. */
GS_MUST_CHECK gs_status gs_parity_run(const gs_parity_options *options, FILE *report,
                                      bool *passed_out, gs_error *err);

#endif

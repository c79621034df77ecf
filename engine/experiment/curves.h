/* The history of a run, as far as it is drawn. */
#ifndef GS_ENGINE_EXPERIMENT_CURVES_H
#define GS_ENGINE_EXPERIMENT_CURVES_H

#include "engine/model/method.h"

#include <stdint.h>

typedef struct gs_dice_point {
    uint64_t step;
    double dice; /* NaN where nothing could be validated */
} gs_dice_point;

typedef struct gs_loss_point {
    uint64_t step;
    double losses[GS_TERM_COUNT]; /* NaN where the objective lacks the term */
} gs_loss_point;

typedef struct gs_curves {
    gs_dice_point *dice; /* steps rise; owned */
    gs_loss_point *losses;
    size_t dice_count, loss_count, dice_room, loss_room;
} gs_curves;

/* Reads history.jsonl. What a training that was taken back, or killed and resumed, did over is
 * there once, as it was done last. Lines that do not parse are skipped: a process that was killed
 * may have left half of one. Caller deinits. */
GS_MUST_CHECK gs_status gs_curves_read(const char *path, gs_curves *out, gs_error *err);
void gs_curves_deinit(gs_curves *curves); /* zeroed is allowed */

#endif

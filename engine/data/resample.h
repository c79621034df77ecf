/* Planes onto another grid of pixels, along the axes. Thread-safe.
 *
 * Where pixels get larger, each is the mean over its area; where they get smaller, a line between
 * the two nearest. Along an axis of equal pixels that are shifted by whole ones, values are copied.
 */
#ifndef GS_ENGINE_DATA_RESAMPLE_H
#define GS_ENGINE_DATA_RESAMPLE_H

#include "base/status.h"

#include <stddef.h>

/* For every new position along one axis: which old ones, and how much of each. */
typedef struct gs_axis_map {
    int count, taps; /* new positions; the most old ones of a position */
    int *first;      /* [count] */
    float *weights; /* [count, taps]; their sum is 1 but where a part lies outside: that counts 0 */
    int *only; /* [count]: the one old position that is copied, -1: none; NULL: some are mixed */
} gs_axis_map;

/* New position i covers [start + i*step, start + (i+1)*step) of the old axis, in old pixels, whose
 * first begins at 0; a negative step runs backwards. TOO_LARGE for more than 2^20 weights.
 * Caller deinits. */
GS_MUST_CHECK gs_status gs_axis_map_init(int old_count, double start, double step, int count,
                                         gs_axis_map *out, gs_error *err);
void gs_axis_map_deinit(gs_axis_map *map); /* a zeroed map is allowed */

/* from: [old rows, row_stride], to: [rows->count, columns->count]. */
void gs_resample(const float *from, ptrdiff_t row_stride, const gs_axis_map *rows,
                 const gs_axis_map *columns, float *to);

#endif

/* The second step of sums per channel: columns of partial sums, in double precision. Defines the
 * kernel for the one file that includes it. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_COLUMN_SUMS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_COLUMN_SUMS_H

#include "engine/backend/cuda/kernels/channels.h"

/* Sums of each column of matrices [segments][rows][columns] of doubles, as double or float
 * [segments][columns]. */
typedef struct gs_column_sums {
    gs_cut cut; /* one chunk */
    const double *values;
    double *doubles; /* one of these two, the other NULL */
    float *floats;
} gs_column_sums;

static inline gs_column_sums gs__column_sums(const double *values, size_t segments, size_t rows,
                                             size_t columns) {
    return gs_column_sums{gs__cut(segments, rows, columns, rows), values, NULL, NULL};
}

GS_KERNEL gs__column_sums_kernel(gs_column_sums j) {
    GS_SHARED(double, sums, BLOCK);
    gs_chunk chunk = gs__chunk(j.cut);
    GS_PHASE () {
        if (!gs__has_column(j.cut, chunk)) continue;
        const double *values = j.values + chunk.segment * j.cut.rows * j.cut.columns;
        double total = 0;
        for (size_t r = (size_t)gs__lane(j.cut); r < j.cut.rows; r += (size_t)j.cut.lanes)
            total += values[r * j.cut.columns + gs__column(j.cut, chunk)];
        sums[gs__thread()] = total;
    }
    gs__add_lanes(j.cut, sums);
    GS_PHASE () {
        if (gs__lane(j.cut) != 0 || !gs__has_column(j.cut, chunk)) continue;
        size_t at = chunk.segment * j.cut.columns + gs__column(j.cut, chunk);
        if (j.doubles)
            j.doubles[at] = sums[gs__thread()];
        else
            j.floats[at] = (float)sums[gs__thread()];
    }
}

#endif

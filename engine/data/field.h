/* Smooth random fields: uniform cubic B-splines over a lattice of seeded normal coefficients.
 *
 * Positions are millimetres. Threads: a field carries scratch memory and belongs to one thread. */
#ifndef GS_ENGINE_DATA_FIELD_H
#define GS_ENGINE_DATA_FIELD_H

#include "base/status.h"

#include <stdint.h>

enum { GS_FIELD_MAX_SIDE = 512 }; /* coefficients along one axis */

typedef struct gs_field gs_field;

typedef struct gs_field_options {
    double low_mm[3],
        high_mm[3];        /* the box the field covers; positions outside are clamped to it */
    double spacing_mm;     /* between coefficients: half the shortest visible wavelength */
    int components;        /* values per position */
    double deviation;      /* standard deviation of each value, averaged over positions */
    uint64_t seed, stream; /* as in base/random.h */
} gs_field_options;

/* TOO_LARGE when a side needs more than GS_FIELD_MAX_SIDE coefficients. Caller frees with
 * gs_field_free. */
GS_MUST_CHECK gs_status gs_field_new(const gs_field_options *options, gs_field **out,
                                     gs_error *err);
void gs_field_free(gs_field *field); /* NULL is allowed */

/* values: [components, count], at start_mm, start_mm + (step_mm, 0, 0), … */
void gs_field_row(gs_field *field, const double start_mm[3], double step_mm, int count,
                  float *values);

#endif

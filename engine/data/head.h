/* How the brain of one simulated case differs from the one healthy brain (engine/data/anatomy.h). A
 * voxel at p shows the anatomy at q = V(A p + d(p)): A is a random affine map near the identity, d
 * a smooth random displacement, V widens or narrows the ventricles. Positions are millimetres from
 * the middle of the case's box. Threads: a head belongs to one thread. */
#ifndef GS_ENGINE_DATA_HEAD_H
#define GS_ENGINE_DATA_HEAD_H

#include "base/random.h"
#include "engine/data/field.h"

typedef struct gs_head {
    double affine[3][3], shift_mm[3];
    double widening; /* of the ventricles; 0 = as in the anatomy */
    gs_field *coarse, *fine;
    float *values; /* [6, count]: displacements of a row; owned */
    int count;
} gs_head;

/* Draws from *rng and from (seed, coarse_stream), (seed, fine_stream). `row`: the most positions of
 * a row. Caller deinits. */
GS_MUST_CHECK gs_status gs_head_init(const double size_mm[3], gs_rng *rng, uint64_t coarse_stream,
                                     uint64_t fine_stream, int row, gs_head *out, gs_error *err);
void gs_head_deinit(gs_head *head); /* a zeroed head is allowed */

/* Prepares the positions start_mm + (i*step_mm, 0, 0). */
void gs_head_set_row(gs_head *head, const double start_mm[3], double step_mm);

/* Where in the anatomy the i-th position of the row, p, lies. */
void gs_head_to_anatomy(const gs_head *head, int i, const double p[3], double q[3]);

/* A box of that size around 0 for a field of one case. */
gs_field_options gs_field_options_for_box(const double size_mm[3], int components,
                                          double spacing_mm, double deviation, uint64_t seed,
                                          uint64_t stream);

#endif

/* What lits.c and lits_cut.c share: one loaded case. */
#ifndef GS_ENGINE_DATA_LITS_INTERNAL_H
#define GS_ENGINE_DATA_LITS_INTERNAL_H

#include "engine/data/import_internal.h"
#include "engine/data/volume.h"

enum { GS__LITS_SIDE = 256, GS__LITS_LIVER = 1, GS__LITS_LESION = 2 };

typedef struct gs__lits_case {
    gs_volume volume, seg;  /* on one grid */
    double mean, deviation; /* of the liver, lesions included */
} gs__lits_case;

/* Appends the usable slices to *out, from the bottom up. */
GS_MUST_CHECK gs_status gs__lits_cut(const gs__lits_case *c, int min_width,
                                     const gs_dataset_info *info, gs__cut *out, gs_error *err);

/* The largest extent, in pixels along rows or columns, of the connected parts (8 neighbours) of
 * labels[height, width] that equal `label`; 0: none. `stack` has room for height * width. */
int gs__widest_part(const float *labels, int height, int width, float label, uint8_t *seen,
                    int *stack);

#endif

/* What brats.c and brats_cut.c share: one loaded case. */
#ifndef GS_ENGINE_DATA_BRATS_INTERNAL_H
#define GS_ENGINE_DATA_BRATS_INTERNAL_H

#include "engine/data/import_internal.h"
#include "engine/data/volume.h"

enum { GS__BRATS_SEQUENCES = 4, GS__BRATS_FILES = 5, GS__BRATS_FRAME_MM = 240 };

typedef struct gs__brats_case {
    gs_volume sequence[GS__BRATS_SEQUENCES]; /* FLAIR, T1, T1CE, T2 */
    gs_volume seg;
    float *brain; /* 1 where some sequence is not 0, else 0; owned */
    double mean[GS__BRATS_SEQUENCES], deviation[GS__BRATS_SEQUENCES]; /* of the brain */
} gs__brats_case;

/* Appends the usable half-slices to *out, from the bottom up. */
GS_MUST_CHECK gs_status gs__brats_cut(const gs__brats_case *c, int pixel_mm,
                                      const gs_dataset_info *info, gs__cut *out, gs_error *err);

#endif

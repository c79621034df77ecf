/* What brats.c and brats_cut.c share: one loaded case. */
#ifndef GS_ENGINE_DATA_BRATS_INTERNAL_H
#define GS_ENGINE_DATA_BRATS_INTERNAL_H

#include "engine/data/brain_cut.h"
#include "engine/data/import_internal.h"
#include "engine/data/volume.h"

enum { GS__BRATS_SEQUENCES = 4, GS__BRATS_FILES = 5 };

typedef struct gs__brats_case {
    gs_volume sequence[GS__BRATS_SEQUENCES]; /* FLAIR, T1, T1CE, T2 */
    gs_volume seg;
    float *brain; /* 1 where some sequence is not 0, else 0; owned */
    gs__measures measures;
} gs__brats_case;

/* Appends the usable half-slices to *out, from the bottom up. levels: of the case's sequences. */
GS_MUST_CHECK gs_status gs__brats_cut(const gs__brats_case *c, const gs__levels *levels,
                                      int pixel_mm, const gs_dataset_info *info, gs__cut *out,
                                      gs_error *err);

#endif

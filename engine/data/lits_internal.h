/* What lits.c and lits_cut.c share: one loaded case. */
#ifndef GS_ENGINE_DATA_LITS_INTERNAL_H
#define GS_ENGINE_DATA_LITS_INTERNAL_H

#include "engine/data/import_internal.h"
#include "engine/data/liver_cut.h"
#include "engine/data/volume.h"

typedef struct gs__lits_case {
    gs_volume volume, seg; /* on one grid */
    gs__measures measures; /* of the liver, lesions included */
} gs__lits_case;

/* Appends the usable slices to *out, from the bottom up. levels: of the case's volumes. */
GS_MUST_CHECK gs_status gs__lits_cut(const gs__lits_case *c, const gs__levels *levels,
                                     int min_width, const gs_dataset_info *info, gs__cut *out,
                                     gs_error *err);

#endif

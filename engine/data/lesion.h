/* One simulated lesion's place and shape: an irregular soft-edged blob that pushes the tissue
 * around it outwards. Lesions are made for demonstration and resemble none in particular.
 *
 * Positions are millimetres in the anatomy's frame. Threads: immutable once drawn. */
#ifndef GS_ENGINE_DATA_LESION_H
#define GS_ENGINE_DATA_LESION_H

#include "base/random.h"
#include "engine/data/anatomy.h"

#include <stdbool.h>

typedef struct gs_lesion {
    double center_mm[3];
    double radius_mm;     /* of a ball of about the same volume */
    double to_ball[3][3]; /* turns an offset into that of a ball */
    double irregularity;  /* of the surface, as a part of the radius */
    double softness_mm;   /* over which the edge goes from tissue to lesion */
    double push,
        reach_mm; /* displacement at the surface as a part of the radius; how far it carries */
} gs_lesion;

typedef struct gs_lesion_range {
    double height_mm;               /* of the centre, above or below the axial middle */
    double smallest_mm, largest_mm; /* radius */
} gs_lesion_range;

/* Draws a lesion inside the brain, clear of the midline and of large spaces of fluid. UNUSABLE when
 * the anatomy has no such place. */
GS_MUST_CHECK gs_status gs_lesion_draw(const gs_anatomy *anatomy, const gs_lesion_range *range,
                                       gs_rng *rng, gs_lesion *out, gs_error *err);

/* Draws only the shape of a lesion at out->center_mm of out->radius_mm; the rest of
 * *out is replaced. */
void gs_lesion_draw_shape(gs_rng *rng, gs_lesion *out);

/* Millimetres below the lesion's surface, negative outside. `shape` is a smooth random field of
 * standard deviation 1. */
double gs_lesion_depth_mm(const gs_lesion *lesion, const double position_mm[3], float shape);

/* Moves *position_mm to where the tissue that is now there was before the lesion grew. `yielding`
 * in [0,1]: how far the tissue can move; 0 at the brain's surface, so that its outline stays. */
void gs_lesion_unpush(const gs_lesion *lesion, double yielding, double position_mm[3]);

/* Part of the lesion in [0,1] at a depth. */
float gs_lesion_alpha(const gs_lesion *lesion, double depth_mm);

#endif

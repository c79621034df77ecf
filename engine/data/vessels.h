/* Blood vessels of a simulated liver: trees of tapering tubes that fork at random. */
#ifndef GS_ENGINE_DATA_VESSELS_H
#define GS_ENGINE_DATA_VESSELS_H

#include "base/random.h"
#include "engine/data/volume.h"

/* Where a tree begins, in millimetres from the middle of the volume. */
typedef struct gs_vessel_root {
    double position_mm[3], direction[3]; /* of length 1 */
    double radius_mm, length_mm;         /* of the first tube */
} gs_vessel_root;

/* Draws a tree into *out: a voxel gets the part of it that is vessel, in [0,1], when that is more
 * than it has. Positions as those of gs_volume, its middle being 0. */
void gs_vessels_grow(const gs_vessel_root *root, gs_rng *rng, gs_volume *out);

#endif

/* Shared by volume.c and volume_file.c: a NIfTI file's axes as ours. */
#ifndef GS_ENGINE_DATA_VOLUME_GRID_H
#define GS_ENGINE_DATA_VOLUME_GRID_H

#include "engine/data/volume.h"
#include "engine/image/nifti_orientation.h"

/* Beyond these a header is taken to be wrong. */
#define GS__VOLUME_MIN_SPACING_MM 0.05
#define GS__VOLUME_MAX_SPACING_MM 50.0

/* Sides, spacing, origin and directions of *out by those of the file's axes; checks none of them.
 * The orientation is complete. `spacings` (pixdim) do not count beside an sform: its columns are
 * steps of one voxel, so that spacing and place cannot contradict each other. */
void gs__volume_grid(const gs__nifti_orientation *orientation, const int sides[3],
                     const float spacings[3], int units, gs_volume *out);

/* Where voxel (x, y, z) of ours lies among the file's: first + x*step[0] + y*step[1] + z*step[2].
 */
typedef struct gs__voxel_order {
    ptrdiff_t first, step[3];
} gs__voxel_order;

gs__voxel_order gs__volume_order(const gs__nifti_orientation *orientation, const int sides[3]);

#endif

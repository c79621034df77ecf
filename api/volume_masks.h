/* The masks of a volume's slices as one NIfTI volume with its geometry: docs/volumes.md. */
#ifndef GS_API_VOLUME_MASKS_H
#define GS_API_VOLUME_MASKS_H

#include "store/annotation.h"
#include "store/volume.h"

/* Voxels of the volume: 0 background, 1 target, and this where nobody has said. */
enum { GS_VOXEL_NOT_ANNOTATED = 255 };

typedef struct gs_volume_masks gs_volume_masks;

/* Begins the .nii.gz `path` for a stored volume, whose files are read. UNUSABLE when the preset
 * does not say where slices lie in these files, which can be only of volumes that were imported; IO
 * when they are damaged; DISK_FULL. Caller closes; `path` is there when it was finished. */
GS_MUST_CHECK gs_status gs_volume_masks_open(gs_store *store, const gs_volume_record *volume,
                                             const char *path, gs_volume_masks **out,
                                             gs_error *err);

/* The mask of one slice: from the lowest level up. */
GS_MUST_CHECK gs_status gs_volume_masks_put(gs_volume_masks *masks, const gs_volume_mask *mask,
                                            gs_error *err);
GS_MUST_CHECK gs_status gs_volume_masks_finish(gs_volume_masks *masks, gs_error *err);
void gs_volume_masks_close(gs_volume_masks *masks); /* NULL is allowed */

#endif

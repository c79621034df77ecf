/* Three-dimensional images: read from NIfTI into one orientation, blurred, with spacing, written.
 * Threads: a volume that is not being changed may be read by any number; loading and saving may run
 * in any number of threads at once. */
#ifndef GS_ENGINE_DATA_VOLUME_H
#define GS_ENGINE_DATA_VOLUME_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { GS_VOLUME_MAX_SIDE = 1024 };
#define GS_VOLUME_MAX_VOXELS ((size_t)1 << 28)

/* voxels: [side[2], side[1], side[0]]. Index 0 runs to the patient's right, 1 to the front, 2 to
 * the top (RAS+), whatever the file's own order was. */
typedef struct gs_volume {
    int side[3];
    double spacing_mm[3];
    double origin_mm[3]; /* where the header puts our voxel (0, 0, 0); 0 without an orientation */
    double direction[3][3]; /* of axis k, as the header has it: a unit vector, along the patient's
                               axis k unless the image is oblique */
    float *voxels;          /* owned */
} gs_volume;

/* Reads a .nii or .nii.gz (or .hdr/.img) of one 3-D image; orientation, spacing, data type and
 * intensity scaling come from its header: the spacing from the sform where there is one, whatever
 * pixdim says. An oblique image is taken along the nearest axes.
 * UNSUPPORTED for complex or RGB voxels, or for more than one volume; MALFORMED when the file does
 * not parse, is truncated or fails its gzip checksum; NUMERIC for voxels that are not finite.
 * Caller deinits. */
GS_MUST_CHECK gs_status gs_volume_load(const char *path, gs_volume *out, gs_error *err);

/* By its header alone: how many voxels gs_volume_load would read, and the bytes of one as stored.
 * False where it would refuse the file before it had memory for them. */
bool gs_volume_peek(const char *path, size_t *voxels_out, size_t *item_out);

/* Zeroed voxels. Caller deinits. */
GS_MUST_CHECK gs_status gs_volume_init(const int side[3], const double spacing_mm[3],
                                       gs_volume *out, gs_error *err);
void gs_volume_deinit(gs_volume *volume); /* a zeroed volume is allowed */

/* SHAPE_MISMATCH, naming both files and the numbers, unless `b` has a's sides, a's spacing within
 * 1 %, a's origin within half a voxel, and axes whose ends lie within a quarter of a's smallest
 * spacing of a's for their directions alone: a quaternion's rounding may turn an image by 0.0006.
 */
GS_MUST_CHECK gs_status gs_volume_check_grid(const gs_volume *a, const char *a_path,
                                             const gs_volume *b, const char *b_path, gs_error *err);

size_t gs_volume_voxels(const gs_volume *volume);

/* Gaussian blur in place, cut off at three standard deviations; outside counts as zero. Uses
 * OpenMP; the result does not depend on the number of threads. */
GS_MUST_CHECK gs_status gs_volume_blur(gs_volume *volume, double sigma_mm, gs_error *err);

/* How voxels are kept in a file. */
typedef enum gs_voxel_type { GS_VOXEL_UINT8, GS_VOXEL_INT16 } gs_voxel_type;

/* Writes a .nii.gz whose axes run to the patient's left, back and top (LPS+), as the files of BraTS
 * do: the bytes depend on the arguments alone. Values are rounded and cut to the type's range;
 * voxels as gs_volume's. The name must end in .nii.gz. Fails as base/file.h; leaves no file then.
 */
GS_MUST_CHECK gs_status gs_volume_save(const gs_volume *volume, gs_voxel_type type,
                                       const char *path, gs_error *err);

#endif

/* Owns the writing of NIfTI-1 files. libnifti's writer returns nothing when the disk is full, so
 * the header is laid out here and zlib writes. Must not know what is in the image. */
#include "engine/data/volume.h"

#include "base/memory.h"

#include <errno.h>
#include <math.h>
#include <nifti/nifti1.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { HEADER_SIZE = 348, VOXELS_FROM = 352 };

/* Both forms say the same: columns to the left, rows to the back, slices to the top. A half turn
 * about z is the quaternion (0, 0, 0, 1). */
static nifti_1_header make_header(const gs_volume *volume, gs_voxel_type type) {
    const int *side = volume->side;
    float dx = (float)volume->spacing_mm[0], dy = (float)volume->spacing_mm[1],
          dz = (float)volume->spacing_mm[2];
    float x = (float)(volume->origin_mm[0] + (side[0] - 1) * volume->spacing_mm[0]),
          y = (float)(volume->origin_mm[1] + (side[1] - 1) * volume->spacing_mm[1]),
          z = (float)volume->origin_mm[2];
    return (nifti_1_header){
        .sizeof_hdr = HEADER_SIZE,
        .dim = {3, (short)side[0], (short)side[1], (short)side[2], 1, 1, 1, 1},
        .datatype = type == GS_VOXEL_UINT8 ? DT_UINT8 : DT_INT16,
        .bitpix = type == GS_VOXEL_UINT8 ? 8 : 16,
        .pixdim = {1, dx, dy, dz, 1, 1, 1, 1},
        .vox_offset = VOXELS_FROM,
        .scl_slope = 1,
        .xyzt_units = NIFTI_UNITS_MM,
        .qform_code = NIFTI_XFORM_SCANNER_ANAT,
        .sform_code = NIFTI_XFORM_SCANNER_ANAT,
        .quatern_d = 1,
        .qoffset_x = x,
        .qoffset_y = y,
        .qoffset_z = z,
        .srow_x = {-dx, 0, 0, x},
        .srow_y = {0, -dy, 0, y},
        .srow_z = {0, 0, dz, z},
        .magic = "n+1",
    };
}

static gs_status write_all(gzFile file, const void *bytes, size_t size, const char *path,
                           gs_error *err) {
    errno = 0;
    if (gzfwrite(bytes, 1, size, file) == size) return GS_OK;
    return gs_fail_errno(err, "cannot write %s", path);
}

/* One row of ours, from its end: x runs to the right, the file's columns to the left. */
static void pack_row(const float *from, int count, gs_voxel_type type, uint8_t *to) {
    float low = type == GS_VOXEL_UINT8 ? 0 : INT16_MIN,
          high = type == GS_VOXEL_UINT8 ? UINT8_MAX : INT16_MAX;
    for (int i = 0; i < count; i++) {
        float value = roundf(fminf(fmaxf(from[count - 1 - i], low), high));
        if (type == GS_VOXEL_UINT8) {
            to[i] = (uint8_t)value;
        } else {
            int16_t whole = (int16_t)value;
            memcpy(to + 2 * i, &whole, sizeof whole);
        }
    }
}

static gs_status write_voxels(gzFile file, const gs_volume *volume, gs_voxel_type type,
                              const char *path, gs_error *err) {
    const int *side = volume->side;
    size_t row_size = (size_t)side[0] * (type == GS_VOXEL_UINT8 ? 1 : 2);
    uint8_t *row = gs_alloc(row_size, 1);
    if (!row) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a row of %d voxels", side[0]);
    gs_status status = GS_OK;
    for (int z = 0; z < side[2] && status == GS_OK; z++)
        for (int y = side[1] - 1; y >= 0 && status == GS_OK; y--) {
            pack_row(volume->voxels + ((ptrdiff_t)z * side[1] + y) * side[0], side[0], type, row);
            status = write_all(file, row, row_size, path, err);
        }
    gs_free(row);
    return status;
}

gs_status gs_volume_save(const gs_volume *volume, gs_voxel_type type, const char *path,
                         gs_error *err) {
    const char extension[VOXELS_FROM - HEADER_SIZE] = {0};
    nifti_1_header header = make_header(volume, type);
    errno = 0;
    gzFile file = gzopen(path, "wbe1"); /* level 1: noise does not get smaller by more work */
    if (!file) return gs_fail_errno(err, "cannot make %s", path);
    gs_status status = write_all(file, &header, sizeof header, path, err);
    if (status == GS_OK) status = write_all(file, extension, sizeof extension, path, err);
    if (status == GS_OK) status = write_voxels(file, volume, type, path, err);
    errno = 0;
    if (gzclose(file) != Z_OK && status == GS_OK)
        status = gs_fail_errno(err, "cannot write %s", path);
    if (status != GS_OK) unlink(path);
    return status;
}

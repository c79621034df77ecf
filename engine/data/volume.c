/* Owns the only use of libnifti's file functions, and reorientation. Must not know what is in the
 * image. Threads: libnifti's one global setting, how much it prints, is set once. */
#include "engine/data/volume.h"

#include "base/memory.h"
#include "engine/data/volume_grid.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

size_t gs_volume_voxels(const gs_volume *volume) {
    return (size_t)volume->side[0] * (size_t)volume->side[1] * (size_t)volume->side[2];
}

gs_status gs_volume_init(const int side[3], const double spacing_mm[3], gs_volume *out,
                         gs_error *err) {
    gs_volume volume = {0};
    size_t count = 1;
    for (int axis = 0; axis < 3; axis++) {
        if (side[axis] < 1 || side[axis] > GS_VOLUME_MAX_SIDE)
            return gs_fail(err, GS_TOO_LARGE, "a volume with a side of %d, allowed are 1 to %d",
                           side[axis], GS_VOLUME_MAX_SIDE);
        if (!(spacing_mm[axis] >= GS__VOLUME_MIN_SPACING_MM &&
              spacing_mm[axis] <= GS__VOLUME_MAX_SPACING_MM))
            return gs_fail(err, GS_UNSUPPORTED, "a voxel spacing of %g mm, allowed are %g to %g",
                           spacing_mm[axis], GS__VOLUME_MIN_SPACING_MM, GS__VOLUME_MAX_SPACING_MM);
        volume.side[axis] = side[axis];
        volume.spacing_mm[axis] = spacing_mm[axis];
        volume.direction[axis][axis] = 1;
        count *= (size_t)side[axis]; /* at most 2^30 */
    }
    if (count > GS_VOLUME_MAX_VOXELS)
        return gs_fail(err, GS_TOO_LARGE, "a volume of %zu voxels, the limit is %zu", count,
                       GS_VOLUME_MAX_VOXELS);
    volume.voxels = gs_alloc(count, sizeof(float));
    if (!volume.voxels)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume of %zu voxels", count);
    *out = volume;
    return GS_OK;
}

void gs_volume_deinit(gs_volume *volume) {
    gs_free(volume->voxels);
    volume->voxels = NULL;
}

/* ---- reading ---- */

static bool type_is_supported(int datatype) {
    switch (datatype) {
    case DT_UINT8:
    case DT_INT8:
    case DT_INT16:
    case DT_UINT16:
    case DT_INT32:
    case DT_UINT32:
    case DT_INT64:
    case DT_UINT64:
    case DT_FLOAT32:
    case DT_FLOAT64:
        return true;
    default:
        return false;
    }
}

/* Only for the types of type_is_supported; libnifti has swapped the bytes. */
static double read_voxel(const void *data, int datatype, size_t i) {
    switch (datatype) {
    case DT_UINT8:
        return ((const uint8_t *)data)[i];
    case DT_INT8:
        return ((const int8_t *)data)[i];
    case DT_INT16:
        return ((const int16_t *)data)[i];
    case DT_UINT16:
        return ((const uint16_t *)data)[i];
    case DT_INT32:
        return ((const int32_t *)data)[i];
    case DT_UINT32:
        return ((const uint32_t *)data)[i];
    case DT_INT64:
        return (double)((const int64_t *)data)[i];
    case DT_UINT64:
        return (double)((const uint64_t *)data)[i];
    case DT_FLOAT32:
        return (double)((const float *)data)[i];
    default:
        return ((const double *)data)[i];
    }
}

/* Reads to the end, where zlib compares the checksum of a compressed file; a plain one is fine. */
static bool rest_is_sound(gzFile file) {
    char bytes[4096];
    int read = sizeof bytes, why = Z_OK;
    while (read == sizeof bytes) read = gzread(file, bytes, sizeof bytes);
    gzerror(file, &why);
    return read >= 0 && (why == Z_OK || why == Z_STREAM_END);
}

/* libnifti's own reader fills up a truncated file with zeros, and says so only on standard error.
 */
static gs_status read_data(nifti_image *nim, const char *path, gs_error *err) {
    size_t size, item = (size_t)nim->nbyper;
    if (!gs_mul_size((size_t)nim->nvox, item, &size) || nim->iname_offset < 0)
        return gs_fail(err, GS_MALFORMED, "%s: the header's sizes make no sense", path);
    nim->data = malloc(size); /* nifti_image_free frees it */
    if (!nim->data)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu bytes of voxels", size);
    gzFile file = gzopen(nim->iname, "rbe"); /* reads plain files as well */
    if (!file) return gs_fail_errno(err, "cannot open %s", nim->iname);
    size_t done = 0;
    bool is_whole = true;
    if (gzseek(file, nim->iname_offset, SEEK_SET) >= 0) done = gzfread(nim->data, 1, size, file);
    if (done == size) is_whole = rest_is_sound(file);
    gzclose_r(file);
    if (done != size)
        return gs_fail(err, GS_MALFORMED, "%s ends after %zu of %zu bytes of voxels", path, done,
                       size);
    if (!is_whole)
        return gs_fail(err, GS_MALFORMED, "%s: the gzip stream is cut off or its checksum is wrong",
                       path);
    if (nim->swapsize > 1 && nim->byteorder != nifti_short_order())
        nifti_swap_Nbytes(nim->nvox, nim->swapsize, nim->data);
    return GS_OK;
}

static gs_status copy_voxels(const nifti_image *nim, const gs__nifti_orientation *o,
                             gs_volume *volume, const char *path, gs_error *err) {
    const int sides[3] = {nim->nx, nim->ny, nim->nz};
    const gs__voxel_order order = gs__volume_order(o, sides);
    double slope = (double)nim->scl_slope, intercept = (double)nim->scl_inter;
    if (slope == 0 || !isfinite(slope) || !isfinite(intercept)) slope = 1, intercept = 0;
    const int *side = volume->side;
    float *to = volume->voxels;
    for (int z = 0; z < side[2]; z++)
        for (int y = 0; y < side[1]; y++)
            for (int x = 0; x < side[0]; x++) {
                ptrdiff_t from =
                    order.first + x * order.step[0] + y * order.step[1] + z * order.step[2];
                double value =
                    slope * read_voxel(nim->data, nim->datatype, (size_t)from) + intercept;
                if (!(fabs(value) <= 3e38))
                    return gs_fail(err, GS_NUMERIC, "%s: voxel %td is not a finite number", path,
                                   from);
                *to++ = (float)value;
            }
    return GS_OK;
}

static gs_status check_header(const nifti_image *nim, const char *path, gs_error *err) {
    if (nim->nx < 1 || nim->ny < 1 || nim->nz < 1 || nim->ndim < 3 ||
        nim->nvox != (size_t)nim->nx * (size_t)nim->ny * (size_t)nim->nz)
        return gs_fail(err, GS_UNSUPPORTED, "%s is not one 3-D image (%d dimensions, %d x %d x %d)",
                       path, nim->ndim, nim->nx, nim->ny, nim->nz);
    if (!type_is_supported(nim->datatype))
        return gs_fail(err, GS_UNSUPPORTED, "%s: voxels of NIfTI type %s", path,
                       nifti_datatype_string(nim->datatype));
    return GS_OK;
}

/* Else libnifti would print its complaints. */
static void silence_libnifti(void) {
    nifti_set_debug_level(0);
}

/* Without voxels. NULL: no NIfTI, or out of memory. */
static nifti_image *read_header(const char *path) {
    static pthread_once_t silenced = PTHREAD_ONCE_INIT;
    pthread_once(&silenced, silence_libnifti);
    return nifti_image_read(path, 0);
}

bool gs_volume_peek(const char *path, size_t *voxels_out, size_t *item_out) {
    gs_error ignored;
    nifti_image *nim = read_header(path);
    bool is_taken = nim && check_header(nim, path, &ignored) == GS_OK &&
                    (size_t)nim->nvox <= GS_VOLUME_MAX_VOXELS;
    if (is_taken) {
        *voxels_out = (size_t)nim->nvox;
        *item_out = (size_t)nim->nbyper;
    }
    nifti_image_free(nim);
    return is_taken;
}

gs_status gs_volume_load(const char *path, gs_volume *out, gs_error *err) {
    nifti_image *nim = read_header(path);
    if (!nim) return gs_fail(err, GS_MALFORMED, "%s cannot be read as NIfTI", path);
    gs_volume volume = {0};
    gs__nifti_orientation o = gs__nifti_orientation_of_image(nim);
    gs_status status = check_header(nim, path, err);
    if (status == GS_OK && !gs__nifti_orientation_is_complete(&o))
        status = gs_fail(err, GS_MALFORMED, "%s: the header's orientation is degenerate", path);
    if (status != GS_OK) goto done;
    const int sides[3] = {nim->nx, nim->ny, nim->nz};
    const float spacings[3] = {nim->dx, nim->dy, nim->dz};
    gs_volume grid;
    gs__volume_grid(&o, sides, spacings, nim->xyz_units, &grid);
    status = gs_volume_init(grid.side, grid.spacing_mm, &volume, err);
    if (status != GS_OK) goto done;
    memcpy(volume.origin_mm, grid.origin_mm, sizeof volume.origin_mm);
    memcpy(volume.direction, grid.direction, sizeof volume.direction);
    status = read_data(nim, path, err);
    if (status == GS_OK) status = copy_voxels(nim, &o, &volume, path, err);
done:
    nifti_image_free(nim);
    if (status == GS_OK)
        *out = volume;
    else
        gs_volume_deinit(&volume);
    return status;
}

/* How far the end of b's axis k lies from that of a's, both of a's length from one place. */
static double drift_mm(const gs_volume *a, const gs_volume *b, int k) {
    double square = 0;
    for (int row = 0; row < 3; row++) square += pow(a->direction[k][row] - b->direction[k][row], 2);
    return (a->side[k] - 1) * a->spacing_mm[k] * sqrt(square);
}

static gs_status check_directions(const gs_volume *a, const char *a_path, const gs_volume *b,
                                  const char *b_path, gs_error *err) {
    double smallest_mm = fmin(a->spacing_mm[0], fmin(a->spacing_mm[1], a->spacing_mm[2]));
    for (int k = 0; k < 3; k++)
        if (!(drift_mm(a, b, k) <= 0.25 * smallest_mm))
            return gs_fail(err, GS_SHAPE_MISMATCH,
                           "%s has another grid than %s: it is turned against it; from one corner "
                           "its axis %d ends %.3g mm away from the other's",
                           b_path, a_path, k + 1, drift_mm(a, b, k));
    return GS_OK;
}

gs_status gs_volume_check_grid(const gs_volume *a, const char *a_path, const gs_volume *b,
                               const char *b_path, gs_error *err) {
    bool same = true;
    for (int k = 0; k < 3; k++)
        same = same && a->side[k] == b->side[k] &&
               fabs(a->spacing_mm[k] - b->spacing_mm[k]) <= 0.01 * a->spacing_mm[k] &&
               fabs(a->origin_mm[k] - b->origin_mm[k]) <= 0.5 * a->spacing_mm[k];
    if (same) return check_directions(a, a_path, b, b_path, err);
    return gs_fail(err, GS_SHAPE_MISMATCH,
                   "%s has another grid than %s: %d x %d x %d voxels of %.3g x %.3g x %.3g mm from "
                   "(%.1f, %.1f, %.1f), not %d x %d x %d of %.3g x %.3g x %.3g from (%.1f, %.1f, "
                   "%.1f)",
                   b_path, a_path, b->side[0], b->side[1], b->side[2], b->spacing_mm[0],
                   b->spacing_mm[1], b->spacing_mm[2], b->origin_mm[0], b->origin_mm[1],
                   b->origin_mm[2], a->side[0], a->side[1], a->side[2], a->spacing_mm[0],
                   a->spacing_mm[1], a->spacing_mm[2], a->origin_mm[0], a->origin_mm[1],
                   a->origin_mm[2]);
}

/* Owns the only use of libnifti's file functions, and reorientation. Must not know what is in the
 * image. */
#include "engine/data/volume.h"

#include "base/memory.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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
        if (!(spacing_mm[axis] >= 0.05 && spacing_mm[axis] <= 50.0))
            return gs_fail(err, GS_UNSUPPORTED, "a voxel spacing of %g mm, allowed are 0.05 to 50",
                           spacing_mm[axis]);
        volume.side[axis] = side[axis];
        volume.spacing_mm[axis] = spacing_mm[axis];
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

/* Where the file's axes go: its axis axis[k] becomes our axis k, backwards where flip[k]. */
typedef struct orientation {
    int axis[3];
    bool flip[3];
} orientation;

/* A file without either form (ANALYZE) is taken as stored: x to the right, y to the front, z up. */
static orientation read_orientation(const nifti_image *nim) {
    orientation result = {.axis = {0, 1, 2}};
    int code[3] = {NIFTI_L2R, NIFTI_P2A, NIFTI_I2S};
    if (nim->sform_code > 0)
        nifti_mat44_to_orientation(nim->sto_xyz, &code[0], &code[1], &code[2]);
    else if (nim->qform_code > 0)
        nifti_mat44_to_orientation(nim->qto_xyz, &code[0], &code[1], &code[2]);
    for (int from = 0; from < 3; from++) {
        int to = code[from] == NIFTI_L2R || code[from] == NIFTI_R2L   ? 0
                 : code[from] == NIFTI_P2A || code[from] == NIFTI_A2P ? 1
                                                                      : 2;
        result.axis[to] = from;
        result.flip[to] =
            code[from] == NIFTI_R2L || code[from] == NIFTI_A2P || code[from] == NIFTI_S2I;
    }
    return result;
}

static bool orientation_is_complete(const orientation *o) {
    return o->axis[0] != o->axis[1] && o->axis[0] != o->axis[2] && o->axis[1] != o->axis[2];
}

static bool type_is_supported(int datatype) {
    switch (datatype) {
    case DT_UINT8:
    case DT_INT8:
    case DT_INT16:
    case DT_UINT16:
    case DT_INT32:
    case DT_UINT32:
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
    case DT_FLOAT32:
        return (double)((const float *)data)[i];
    default:
        return ((const double *)data)[i];
    }
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
    znzFile file = znzopen(nim->iname, "rb", nifti_is_gzfile(nim->iname));
    if (znz_isnull(file)) return gs_fail_errno(err, "cannot open %s", nim->iname);
    size_t done = 0;
    if (znzseek(file, nim->iname_offset, SEEK_SET) >= 0) done = znzread(nim->data, 1, size, file);
    znzclose(file);
    if (done != size)
        return gs_fail(err, GS_MALFORMED, "%s ends after %zu of %zu bytes of voxels", path, done,
                       size);
    if (nim->swapsize > 1 && nim->byteorder != nifti_short_order())
        nifti_swap_Nbytes(nim->nvox, nim->swapsize, nim->data);
    return GS_OK;
}

static gs_status copy_voxels(const nifti_image *nim, const orientation *o, gs_volume *volume,
                             const char *path, gs_error *err) {
    const ptrdiff_t file_stride[3] = {1, nim->nx, (ptrdiff_t)nim->nx * nim->ny};
    double slope = (double)nim->scl_slope, intercept = (double)nim->scl_inter;
    if (slope == 0 || !isfinite(slope) || !isfinite(intercept)) slope = 1, intercept = 0;
    const int *side = volume->side;
    float *to = volume->voxels;
    for (int z = 0; z < side[2]; z++)
        for (int y = 0; y < side[1]; y++)
            for (int x = 0; x < side[0]; x++) {
                const int at[3] = {x, y, z};
                ptrdiff_t from = 0;
                for (int k = 0; k < 3; k++)
                    from += file_stride[o->axis[k]] * (o->flip[k] ? side[k] - 1 - at[k] : at[k]);
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

gs_status gs_volume_load(const char *path, gs_volume *out, gs_error *err) {
    nifti_set_debug_level(0); /* libnifti would print its complaints */
    nifti_image *nim = nifti_image_read(path, 0);
    if (!nim) return gs_fail(err, GS_MALFORMED, "%s cannot be read as NIfTI", path);
    gs_volume volume = {0};
    orientation o = read_orientation(nim);
    gs_status status = check_header(nim, path, err);
    if (status == GS_OK && !orientation_is_complete(&o))
        status = gs_fail(err, GS_MALFORMED, "%s: the header's orientation is degenerate", path);
    if (status != GS_OK) goto done;
    const int sides[3] = {nim->nx, nim->ny, nim->nz};
    const float spacings[3] = {nim->dx, nim->dy, nim->dz};
    int side[3];
    double spacing_mm[3];
    double unit_mm = nim->xyz_units == NIFTI_UNITS_METER    ? 1000.0
                     : nim->xyz_units == NIFTI_UNITS_MICRON ? 0.001
                                                            : 1.0;
    for (int k = 0; k < 3; k++) {
        side[k] = sides[o.axis[k]];
        spacing_mm[k] = unit_mm * fabs((double)spacings[o.axis[k]]);
    }
    status = gs_volume_init(side, spacing_mm, &volume, err);
    if (status != GS_OK) goto done;
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

/* ---- blurring ---- */

enum { MAX_RADIUS = 128 };

static int blur_weights(double sigma, float weights[MAX_RADIUS + 1]) {
    int radius = (int)ceil(3 * sigma);
    if (radius > MAX_RADIUS) radius = MAX_RADIUS;
    double sum = 1;
    for (int i = 1; i <= radius; i++) sum += 2 * exp(-0.5 * i * i / (sigma * sigma));
    for (int i = 0; i <= radius; i++)
        weights[i] = (float)(exp(-0.5 * i * i / (sigma * sigma)) / sum);
    return radius;
}

/* Adds weight * (the plane or line `offset` away) to `to`, as far as there is one. */
static void add_shifted(float *to, const float *from, float weight, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) to[i] += weight * from[i];
}

/* A pass along axis 1 or 2 treats `run` neighbouring voxels at once; along axis 0, run is 1. */
static void blur_line(const float *from, float *to, int length, ptrdiff_t run, const float *weights,
                      int radius) {
    memset(to, 0, (size_t)length * (size_t)run * sizeof *to);
    for (int i = -radius; i <= radius; i++) {
        int kept = length - abs(i);
        if (kept <= 0) continue;
        ptrdiff_t to_start = i < 0 ? -i : 0, from_start = i > 0 ? i : 0;
        add_shifted(to + to_start * run, from + from_start * run, weights[abs(i)],
                    (ptrdiff_t)kept * run);
    }
}

gs_status gs_volume_blur(gs_volume *volume, double sigma_mm, gs_error *err) {
    gs_volume other;
    GS_TRY(gs_volume_init(volume->side, volume->spacing_mm, &other, err));
    ptrdiff_t run = 1;
    for (int axis = 0; axis < 3; axis++) {
        double sigma = sigma_mm / volume->spacing_mm[axis];
        int length = volume->side[axis];
        ptrdiff_t stretch = length * run;
        ptrdiff_t stretches = (ptrdiff_t)gs_volume_voxels(volume) / stretch;
        if (sigma > 0.05) {
            float weights[MAX_RADIUS + 1];
            int radius = blur_weights(sigma, weights);
#pragma omp parallel for schedule(static)
            for (ptrdiff_t i = 0; i < stretches; i++)
                blur_line(volume->voxels + i * stretch, other.voxels + i * stretch, length, run,
                          weights, radius);
            float *kept = volume->voxels;
            volume->voxels = other.voxels;
            other.voxels = kept;
        }
        run = stretch;
    }
    gs_volume_deinit(&other);
    return GS_OK;
}

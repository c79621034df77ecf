/* Owns one slice of NIfTI-1: what dimensions it may have, its pixels, and which way up they are.
 *
 * Invariant: no more bytes are inflated or read than vox_offset and the dimensions account for, and
 * both are checked against their limits before. */
#include "engine/image/nifti_slice.h"

#include "base/memory.h"
#include "engine/image/nifti_orientation.h"
#include "engine/image/nifti_stream.h"

#include <float.h>
#include <math.h>

/* dim: number of dimensions, then nx, ny, nz, nt, …; those beyond the number are not set. */
static gs_status check_dimensions(const nifti_1_header *header, const gs_image_limits *limits,
                                  gs_image *shape_out, gs_error *err) {
    const short *dim = header->dim;
    if (dim[0] < 2 || dim[0] > 7)
        return gs_fail(err, GS_UNSUPPORTED, "a NIfTI file of %d dimensions; a slice has 2 to 4",
                       dim[0]);
    for (int i = 3; i <= dim[0]; i++)
        if (i != 4 && dim[i] != 1)
            return gs_fail(err, GS_UNSUPPORTED,
                           "dimension %d of the NIfTI file is %d; send one slice: nx, ny, 1 and, "
                           "for several channels, nt",
                           i, dim[i]);
    const int channels = dim[0] >= 4 ? dim[4] : 1;
    GS_TRY(gs_image_check_size(channels, dim[2], dim[1], limits, err));
    *shape_out = (gs_image){.channels = channels, .height = dim[2], .width = dim[1]};
    return GS_OK;
}

/* Reads the voxels row by row: the file's order is that of gs_image. */
static gs_status read_voxels(gs__nifti_source *source, const gs__nifti_reader *reader,
                             gs_image *image, gs_error *err) {
    const size_t size = gs__nifti_voxel_size(reader->datatype), width = (size_t)image->width;
    const size_t rows = (size_t)image->channels * (size_t)image->height;
    uint8_t *row = gs_alloc(width, size);
    if (!row) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a row of %zu voxels", width);
    gs_status status = GS_OK;
    for (size_t y = 0; y < rows && status == GS_OK; y++) {
        status = gs__nifti_source_read(source, row, width * size, "row of voxels", err);
        for (size_t x = 0; x < width && status == GS_OK; x++) {
            const double value =
                reader->slope * gs__nifti_read_voxel(reader, row + x * size) + reader->intercept;
            if (!(fabs(value) <= (double)FLT_MAX))
                status = gs_fail(err, GS_NUMERIC,
                                 "the voxel at channel %zu, row %zu, column %zu is not a finite "
                                 "float32",
                                 y / (size_t)image->height, y % (size_t)image->height, x);
            else
                image->pixels[y * width + x] = (float)value;
        }
    }
    gs_free(row);
    return status;
}

/* ---- orientation ---- */

/* Where a pixel of the turned image lies in the file: `step` values apart along an axis, from
 * `start`. */
typedef struct turned_axis {
    int count;
    ptrdiff_t start, step;
} turned_axis;

/* A picture runs against the patient's axes: from the right to the left, from the front to the
 * back, from the top down. */
static turned_axis turn_axis(const gs__nifti_orientation *o, int patient_axis,
                             const gs_image *stored) {
    const bool is_row = o->axis[patient_axis] == 1;
    const int count = is_row ? stored->height : stored->width;
    const ptrdiff_t step = is_row ? stored->width : 1;
    if (o->flip[patient_axis]) return (turned_axis){count, 0, step};
    return (turned_axis){count, (count - 1) * step, -step};
}

static void turn_pixels(const gs_image *stored, const turned_axis *rows, const turned_axis *columns,
                        gs_image *turned) {
    for (int c = 0; c < stored->channels; c++) {
        const float *from = stored->pixels + (size_t)c * gs_image_plane(stored);
        float *to = gs_image_channel(turned, c);
        for (int y = 0; y < rows->count; y++)
            for (int x = 0; x < columns->count; x++)
                *to++ = from[rows->start + y * rows->step + columns->start + x * columns->step];
    }
}

/* In place. The rows of an axial slice run along the axis to the front, those of a sagittal or
 * coronal one along the axis to the top. */
static gs_status turn(const nifti_1_header *header, const gs_image_limits *limits, gs_image *image,
                      gs_error *err) {
    const gs__nifti_orientation o = gs__nifti_orientation_of_header(header);
    if (!o.is_known) return GS_OK;
    if (!gs__nifti_orientation_is_complete(&o))
        return gs_fail(err, GS_MALFORMED, "the NIfTI header's orientation is degenerate");
    int in_plane[2], count = 0; /* the patient's axes that the slice shows */
    for (int k = 0; k < 3; k++)
        if (o.axis[k] != 2) in_plane[count++] = k;
    const turned_axis columns = turn_axis(&o, in_plane[0], image);
    const turned_axis rows = turn_axis(&o, in_plane[1], image);
    gs_image turned;
    GS_TRY(gs_image_init(image->channels, rows.count, columns.count, limits, &turned, err));
    turn_pixels(image, &rows, &columns, &turned);
    gs_image_deinit(image);
    *image = turned;
    return GS_OK;
}

static gs_status decode_source(gs__nifti_source *source, const gs_image_limits *limits,
                               bool is_turned, gs_image *out, gs_error *err) {
    nifti_1_header header;
    gs_image image = {0};
    bool swapped;
    GS_TRY(gs__nifti_source_read(source, &header, sizeof header, "header", err));
    GS_TRY(gs__nifti_order_header(&header, &swapped, err));
    GS_TRY(check_dimensions(&header, limits, &image, err));
    GS_TRY(gs__nifti_check_storage(&header, err));
    const gs__nifti_reader reader = gs__nifti_reader_of(&header, swapped);
    GS_TRY(gs__nifti_source_skip(source, (size_t)header.vox_offset - sizeof header, err));
    GS_TRY(gs_image_init(image.channels, image.height, image.width, limits, &image, err));
    gs_status status = read_voxels(source, &reader, &image, err);
    if (status == GS_OK) status = gs__nifti_source_finish(source, err);
    if (status == GS_OK && is_turned) status = turn(&header, limits, &image, err);
    if (status != GS_OK) {
        gs_image_deinit(&image);
        return status;
    }
    *out = image;
    return GS_OK;
}

static gs_status decode(const char *bytes, size_t size, const gs_image_limits *limits,
                        bool is_turned, gs_image *out, gs_error *err) {
    gs__nifti_source source;
    GS_TRY(gs__nifti_source_open(&source, bytes, size, err));
    gs_status status = decode_source(&source, limits, is_turned, out, err);
    gs__nifti_source_close(&source);
    return status;
}

gs_status gs_nifti_slice_decode(const char *bytes, size_t size, const gs_image_limits *limits,
                                gs_image *out, gs_error *err) {
    return decode(bytes, size, limits, true, out, err);
}

gs_status gs_nifti_slice_decode_stored(const char *bytes, size_t size,
                                       const gs_image_limits *limits, gs_image *out,
                                       gs_error *err) {
    return decode(bytes, size, limits, false, out, err);
}

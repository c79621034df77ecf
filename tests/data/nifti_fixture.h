/* NIfTI files of every type and orientation, made from a function of the place. */
#ifndef TESTS_DATA_NIFTI_FIXTURE_H
#define TESTS_DATA_NIFTI_FIXTURE_H

#include "tests/data/fixture.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <zlib.h>

/* The value at voxel (x, y, z) of a volume whose axes run to the right, the front and the top. */
typedef double voxel_function(const void *context, int x, int y, int z);

enum { PERMUTATIONS = 6, ORIENTATIONS = 48 };

typedef struct nifti_form {
    int side[3]; /* to the right, the front and the top */
    double spacing_mm[3], origin_mm[3];
    short datatype;
    int orientation; /* 0 … 47: 0 is the order above */
    enum { SFORM, QFORM, NO_FORM } form;
    float slope, intercept; /* slope 0: none */
    bool is_swapped;        /* the byte order that is not this machine's */
} nifti_form;

static const short all_types[] = {DT_UINT8,  DT_INT8,  DT_INT16,  DT_UINT16,  DT_INT32,
                                  DT_UINT32, DT_INT64, DT_UINT64, DT_FLOAT32, DT_FLOAT64};
enum { TYPES = sizeof all_types / sizeof *all_types };

static inline int size_of_type(short type) {
    int bytes, swap;
    nifti_datatype_sizes(type, &bytes, &swap);
    return bytes;
}

static inline void put_voxel(void *to, short type, double value) {
    switch (type) {
    case DT_UINT8:
        *(uint8_t *)to = (uint8_t)value;
        break;
    case DT_INT8:
        *(int8_t *)to = (int8_t)value;
        break;
    case DT_INT16:
        *(int16_t *)to = (int16_t)value;
        break;
    case DT_UINT16:
        *(uint16_t *)to = (uint16_t)value;
        break;
    case DT_INT32:
        *(int32_t *)to = (int32_t)value;
        break;
    case DT_UINT32:
        *(uint32_t *)to = (uint32_t)value;
        break;
    case DT_INT64:
        *(int64_t *)to = (int64_t)value;
        break;
    case DT_UINT64:
        *(uint64_t *)to = (uint64_t)value;
        break;
    case DT_FLOAT32:
        *(float *)to = (float)value;
        break;
    default:
        *(double *)to = value;
        break;
    }
}

/* The file's axis k is our axis axis[k], backwards where flip[k]. */
typedef struct file_axes {
    int axis[3];
    bool flip[3];
} file_axes;

static inline file_axes axes_of(int orientation) {
    static const int orders[PERMUTATIONS][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                                {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    file_axes axes;
    for (int k = 0; k < 3; k++) {
        axes.axis[k] = orders[orientation / 8][k];
        axes.flip[k] = orientation % 8 >> k & 1;
    }
    return axes;
}

static inline mat44 matrix_of(const nifti_form *form, const file_axes *axes) {
    mat44 m = {{{0}}};
    for (int row = 0; row < 3; row++) m.m[row][3] = (float)form->origin_mm[row];
    for (int k = 0; k < 3; k++) {
        int to = axes->axis[k];
        m.m[to][k] = (float)(axes->flip[k] ? -form->spacing_mm[to] : form->spacing_mm[to]);
        if (axes->flip[k]) m.m[to][3] += (float)((form->side[to] - 1) * form->spacing_mm[to]);
    }
    m.m[3][3] = 1;
    return m;
}

static inline nifti_1_header header_of(const nifti_form *form) {
    file_axes axes = axes_of(form->orientation);
    mat44 m = matrix_of(form, &axes);
    nifti_1_header header = {.sizeof_hdr = 348,
                             .dim = {3, 1, 1, 1, 1, 1, 1, 1},
                             .datatype = form->datatype,
                             .bitpix = (short)(8 * size_of_type(form->datatype)),
                             .pixdim = {1, 1, 1, 1, 1, 1, 1, 1},
                             .vox_offset = 352,
                             .scl_slope = form->slope,
                             .scl_inter = form->intercept,
                             .xyzt_units = NIFTI_UNITS_MM,
                             .magic = "n+1"};
    for (int k = 0; k < 3; k++) {
        header.dim[k + 1] = (short)form->side[axes.axis[k]];
        header.pixdim[k + 1] = (float)form->spacing_mm[axes.axis[k]];
    }
    if (form->form == SFORM) {
        header.sform_code = NIFTI_XFORM_SCANNER_ANAT;
        memcpy(header.srow_x, m.m[0], sizeof header.srow_x);
        memcpy(header.srow_y, m.m[1], sizeof header.srow_y);
        memcpy(header.srow_z, m.m[2], sizeof header.srow_z);
    } else if (form->form == QFORM) {
        float dx, dy, dz;
        header.qform_code = NIFTI_XFORM_SCANNER_ANAT;
        nifti_mat44_to_quatern(m, &header.quatern_b, &header.quatern_c, &header.quatern_d,
                               &header.qoffset_x, &header.qoffset_y, &header.qoffset_z, &dx, &dy,
                               &dz, &header.pixdim[0]);
    }
    return header;
}

/* Caller frees with free. The stored value is (value - intercept) / slope. */
static inline char *voxels_of(const nifti_form *form, voxel_function *value, const void *context,
                              size_t *size) {
    file_axes axes = axes_of(form->orientation);
    int item = size_of_type(form->datatype), side[3];
    for (int k = 0; k < 3; k++) side[k] = form->side[axes.axis[k]];
    *size = (size_t)side[0] * (size_t)side[1] * (size_t)side[2] * (size_t)item;
    char *bytes = malloc(*size), *to = bytes;
    double slope = form->slope != 0 ? (double)form->slope : 1;
    double intercept = form->slope != 0 ? (double)form->intercept : 0;
    for (int k = 0; k < side[2]; k++)
        for (int j = 0; j < side[1]; j++)
            for (int i = 0; i < side[0]; i++, to += item) {
                const int at[3] = {i, j, k};
                int p[3];
                for (int a = 0; a < 3; a++)
                    p[axes.axis[a]] = axes.flip[a] ? side[a] - 1 - at[a] : at[a];
                put_voxel(to, form->datatype,
                          (value(context, p[0], p[1], p[2]) - intercept) / slope);
            }
    return bytes;
}

/* Every orientation with every type; across them, each way to say the orientation, each byte order,
 * with and without scaling. `file` makes the files of one case differ. */
enum { WAYS = ORIENTATIONS * TYPES };

static inline nifti_form way_to_store(const nifti_form *plain, int way, int file) {
    int orientation = (way / TYPES + 5 * file) % ORIENTATIONS, type = (way + file) % TYPES;
    nifti_form form = *plain;
    form.orientation = orientation;
    form.datatype = all_types[type];
    form.form = (orientation + type) % 2 ? QFORM : SFORM;
    if (orientation == 0 && type % 3 == 0) form.form = NO_FORM; /* the plain order is assumed */
    form.is_swapped = (orientation / 2 + type) % 2;
    if ((orientation / 4 + type) % 2) form.slope = 0.5f, form.intercept = -3;
    return form;
}

/* The form's voxels after a header that may differ from its own. A name that ends in .gz is
 * compressed. */
static inline void put_nifti_as(const char *folder, const char *name, const nifti_form *form,
                                const nifti_1_header *header, voxel_function *value,
                                const void *context) {
    size_t size;
    char *voxels = voxels_of(form, value, context, &size);
    const char extension[4] = {0};
    char path[512];
    put_path(path, sizeof path, folder, name);
    const char *mode = strstr(name, ".gz") ? "wb1" : "wbT"; /* T: not compressed */
    gzFile file = gzopen(path, mode);
    assert_non_null(file);
    nifti_1_header stored = *header;
    if (form->is_swapped) {
        int item = size_of_type(form->datatype);
        swap_nifti_header(&stored, 1);
        if (item > 1) nifti_swap_Nbytes(size / (size_t)item, item, voxels);
    }
    assert_int_equal(gzfwrite(&stored, 1, sizeof stored, file), sizeof stored);
    assert_int_equal(gzfwrite(extension, 1, 4, file), 4);
    assert_int_equal(gzfwrite(voxels, 1, size, file), size);
    assert_int_equal(gzclose(file), Z_OK);
    free(voxels);
}

static inline void put_nifti(const char *folder, const char *name, const nifti_form *form,
                             voxel_function *value, const void *context) {
    nifti_1_header header = header_of(form);
    put_nifti_as(folder, name, form, &header, value, context);
}

/* Leaves the first `kept` of 100 parts of a file. */
static inline void cut_file(const char *path, int kept) {
    size_t size;
    char *bytes;
    assert_ok(gs_file_read(path, 1 << 28, &bytes, &size, &error));
    assert_int_equal(truncate(path, (off_t)(size * (size_t)kept / 100)), 0);
    gs_free(bytes);
}

#endif

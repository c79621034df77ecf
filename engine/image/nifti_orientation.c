#include "engine/image/nifti_orientation.h"

#include <math.h>
#include <string.h>

static bool is_finite(const mat44 *m) {
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 4; column++)
            if (!isfinite(m->m[row][column])) return false;
    return true;
}

/* The patient's axis that a code runs along, or -1. */
static int axis_of_code(int code, bool *flip_out) {
    *flip_out = code == NIFTI_R2L || code == NIFTI_A2P || code == NIFTI_S2I;
    switch (code) {
    case NIFTI_L2R:
    case NIFTI_R2L:
        return 0;
    case NIFTI_P2A:
    case NIFTI_A2P:
        return 1;
    case NIFTI_I2S:
    case NIFTI_S2I:
        return 2;
    default:
        return -1;
    }
}

/* libnifti leaves the codes of a matrix that leads nowhere as they are. */
static gs__nifti_orientation orientation_of(const mat44 *to_mm, bool is_sform) {
    if (!to_mm) return (gs__nifti_orientation){.axis = {0, 1, 2}};
    gs__nifti_orientation result = {
        .axis = {-1, -1, -1}, .is_known = true, .is_sform = is_sform, .to_mm = *to_mm};
    int code[3] = {0};
    if (is_finite(to_mm)) nifti_mat44_to_orientation(*to_mm, &code[0], &code[1], &code[2]);
    for (int from = 0; from < 3; from++) {
        bool flip;
        int to = axis_of_code(code[from], &flip);
        if (to < 0) continue;
        result.axis[to] = from;
        result.flip[to] = flip;
    }
    return result;
}

gs__nifti_orientation gs__nifti_orientation_of_image(const nifti_image *image) {
    return orientation_of(image->sform_code > 0   ? &image->sto_xyz
                          : image->qform_code > 0 ? &image->qto_xyz
                                                  : NULL,
                          image->sform_code > 0);
}

gs__nifti_orientation gs__nifti_orientation_of_header(const nifti_1_header *header) {
    mat44 m = {{{0}}};
    if (header->sform_code > 0) {
        memcpy(m.m[0], header->srow_x, sizeof header->srow_x);
        memcpy(m.m[1], header->srow_y, sizeof header->srow_y);
        memcpy(m.m[2], header->srow_z, sizeof header->srow_z);
        m.m[3][3] = 1;
        return orientation_of(&m, true);
    }
    if (header->qform_code <= 0) return orientation_of(NULL, false);
    const float *step = header->pixdim;
    m = nifti_quatern_to_mat44(header->quatern_b, header->quatern_c, header->quatern_d,
                               header->qoffset_x, header->qoffset_y, header->qoffset_z,
                               fabsf(step[1]), fabsf(step[2]), fabsf(step[3]),
                               step[0] < 0 ? -1.0f : 1.0f);
    return orientation_of(&m, false);
}

bool gs__nifti_orientation_is_complete(const gs__nifti_orientation *o) {
    return o->axis[0] >= 0 && o->axis[1] >= 0 && o->axis[2] >= 0;
}

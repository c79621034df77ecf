#include "engine/data/volume_grid.h"

#include <math.h>

/* The place of the file's voxel that becomes our first one. */
static void find_origin(const gs__nifti_orientation *o, const int sides[3], double unit_mm,
                        gs_volume *volume) {
    double at[3] = {0};
    for (int k = 0; k < 3; k++)
        if (o->flip[k]) at[o->axis[k]] = sides[o->axis[k]] - 1;
    for (int row = 0; row < 3; row++) {
        const float *m = o->to_mm.m[row];
        double place = (double)m[3];
        for (int k = 0; k < 3; k++) place += (double)m[k] * at[k];
        volume->origin_mm[row] = unit_mm * place;
    }
}

/* A complete orientation has no column of zeros. */
static void find_axis(const gs__nifti_orientation *o, int k, double unit_mm, gs_volume *volume) {
    double step[3];
    for (int row = 0; row < 3; row++) step[row] = (double)o->to_mm.m[row][o->axis[k]];
    double length = sqrt(step[0] * step[0] + step[1] * step[1] + step[2] * step[2]);
    for (int row = 0; row < 3; row++)
        volume->direction[k][row] = (o->flip[k] ? -step[row] : step[row]) / length;
    if (o->is_sform) volume->spacing_mm[k] = unit_mm * length;
}

void gs__volume_grid(const gs__nifti_orientation *o, const int sides[3], const float spacings[3],
                     int units, gs_volume *out) {
    double unit_mm = units == NIFTI_UNITS_METER    ? 1000.0
                     : units == NIFTI_UNITS_MICRON ? 0.001
                                                   : 1.0;
    *out = (gs_volume){0};
    for (int k = 0; k < 3; k++) {
        out->side[k] = sides[o->axis[k]];
        out->spacing_mm[k] = unit_mm * fabs((double)spacings[o->axis[k]]);
        out->direction[k][k] = 1;
        if (o->is_known) find_axis(o, k, unit_mm, out);
    }
    if (o->is_known) find_origin(o, sides, unit_mm, out);
}

gs__voxel_order gs__volume_order(const gs__nifti_orientation *o, const int sides[3]) {
    const ptrdiff_t stride[3] = {1, sides[0], (ptrdiff_t)sides[0] * sides[1]};
    gs__voxel_order order = {0};
    for (int k = 0; k < 3; k++) {
        ptrdiff_t step = stride[o->axis[k]];
        order.step[k] = o->flip[k] ? -step : step;
        if (o->flip[k]) order.first += (sides[o->axis[k]] - 1) * step;
    }
    return order;
}

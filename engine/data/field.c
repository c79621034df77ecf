/* Owns the lattice and its evaluation along rows of x. Must not know what a field is used for.
 * A row collapses the lattice over z and y once, so that a value costs four products per component.
 */
#include "engine/data/field.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>

struct gs_field {
    double low_mm[3], spacing_mm;
    int side[3], components;
    float *coefficients; /* [components, z, y, x] */
    float *row;          /* [components, x]: the lattice collapsed over z and y */
};

/* The mean over one cell of the sum of squared cubic B-spline weights is 151/315, per axis. */
static const double mean_square_weight = 151.0 / 315.0;

gs_status gs_field_new(const gs_field_options *options, gs_field **out, gs_error *err) {
    gs_field *field = gs_alloc(1, sizeof *field);
    if (!field) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a random field");
    size_t count = (size_t)options->components;
    field->spacing_mm = options->spacing_mm;
    field->components = options->components;
    for (int axis = 0; axis < 3; axis++) {
        double cells =
            floor((options->high_mm[axis] - options->low_mm[axis]) / options->spacing_mm);
        if (!(cells >= 0 && cells + 4 <= GS_FIELD_MAX_SIDE)) {
            gs_field_free(field);
            return gs_fail(err, GS_TOO_LARGE,
                           "a field of %.0f cells along one axis, the limit is %d", cells,
                           GS_FIELD_MAX_SIDE - 4);
        }
        field->low_mm[axis] = options->low_mm[axis];
        field->side[axis] = (int)cells + 4;
        count *= (size_t)field->side[axis];
    }
    field->coefficients = gs_alloc(count, sizeof(float));
    field->row = gs_alloc((size_t)field->side[0] * (size_t)field->components, sizeof(float));
    if (!field->coefficients || !field->row) {
        gs_field_free(field);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a field of %zu coefficients", count);
    }
    gs_random_normal(options->seed, options->stream, field->coefficients, count);
    float scale = (float)(options->deviation / pow(mean_square_weight, 1.5));
    for (size_t i = 0; i < count; i++) field->coefficients[i] *= scale;
    *out = field;
    return GS_OK;
}

void gs_field_free(gs_field *field) {
    if (!field) return;
    gs_free(field->coefficients);
    gs_free(field->row);
    gs_free(field);
}

/* The first of the four coefficients around a position, and their weights. */
static int spline_weights(const gs_field *field, int axis, double position_mm, float weights[4]) {
    double t = (position_mm - field->low_mm[axis]) / field->spacing_mm;
    int last = field->side[axis] - 4;
    t = fmin(fmax(t, 0.0), last + 1.0);
    int cell = (int)t;
    if (cell > last) cell = last;
    float u = (float)(t - cell), v = 1.0f - u;
    weights[0] = v * v * v / 6.0f;
    weights[1] = (4.0f + u * u * (3.0f * u - 6.0f)) / 6.0f;
    weights[2] = (4.0f + v * v * (3.0f * v - 6.0f)) / 6.0f;
    weights[3] = u * u * u / 6.0f;
    return cell;
}

static void collapse(gs_field *field, double y_mm, double z_mm) {
    float wy[4], wz[4];
    int y0 = spline_weights(field, 1, y_mm, wy), z0 = spline_weights(field, 2, z_mm, wz);
    int nx = field->side[0];
    for (int c = 0; c < field->components; c++) {
        float *row = field->row + (ptrdiff_t)c * nx;
        for (int x = 0; x < nx; x++) row[x] = 0.0f;
        for (int tap = 0; tap < 16; tap++) {
            ptrdiff_t plane = ((ptrdiff_t)c * field->side[2] + z0 + tap / 4) * field->side[1];
            const float *line = field->coefficients + (plane + y0 + tap % 4) * nx;
            float weight = wz[tap / 4] * wy[tap % 4];
            for (int x = 0; x < nx; x++) row[x] += weight * line[x];
        }
    }
}

void gs_field_row(gs_field *field, const double start_mm[3], double step_mm, int count,
                  float *values) {
    collapse(field, start_mm[1], start_mm[2]);
    for (int i = 0; i < count; i++) {
        float w[4];
        int x0 = spline_weights(field, 0, start_mm[0] + step_mm * i, w);
        for (int c = 0; c < field->components; c++) {
            const float *at = field->row + (ptrdiff_t)c * field->side[0] + x0;
            values[(ptrdiff_t)c * count + i] =
                w[0] * at[0] + w[1] * at[1] + w[2] * at[2] + w[3] * at[3];
        }
    }
}

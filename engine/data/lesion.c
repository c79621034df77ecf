/* Owns a lesion's geometry. Must not know frames, slices or files. */
#include "engine/data/lesion.h"

#include <math.h>
#include <string.h>

enum { PLACE_ATTEMPTS = 20000 };

static double between(gs_rng *rng, double low, double high) {
    return low + (high - low) * gs_rng_uniform(rng);
}

/* A rotation about a random axis, from a random unit quaternion, times a stretch that keeps the
 * volume. */
static void draw_to_ball(gs_rng *rng, double to_ball[3][3]) {
    double q[4], length = 0, stretch[3], product = 1;
    for (int i = 0; i < 4; i++) {
        q[i] = gs_rng_normal(rng);
        length += q[i] * q[i];
    }
    for (int i = 0; i < 4; i++) q[i] /= sqrt(length) + 1e-12;
    for (int i = 0; i < 3; i++) {
        stretch[i] = exp(0.2 * gs_rng_normal(rng));
        product *= stretch[i];
    }
    double w = q[0], x = q[1], y = q[2], z = q[3];
    const double turn[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)},
                               {2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)},
                               {2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)}};
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            to_ball[row][column] = turn[row][column] * stretch[row] / cbrt(product);
}

static bool place_is_fit(const gs_anatomy *anatomy, const double center_mm[3], double radius_mm) {
    if (fabs(center_mm[0]) < fmax(9.0, 0.8 * radius_mm)) return false;
    gs_tissue middle = gs_anatomy_sample(anatomy, center_mm);
    if (middle.brain < 0.9f || middle.intensity < 0.65f || middle.fluid > 0.2f) return false;
    for (int side = 0; side < 6; side++) {
        double around[3];
        memcpy(around, center_mm, sizeof around);
        around[side / 2] += (side % 2 ? 0.8 : -0.8) * radius_mm;
        gs_tissue tissue = gs_anatomy_sample(anatomy, around);
        if (tissue.brain < 0.5f || tissue.fluid > 0.8f) return false;
    }
    return true;
}

void gs_lesion_draw_shape(gs_rng *rng, gs_lesion *out) {
    enum { LOOK_NUMBERS = 10 };
    draw_to_ball(rng, out->to_ball);
    out->irregularity = between(rng, 0.10, 0.22);
    out->softness_mm = between(rng, 1.5, 3.5);
    out->push = between(rng, 0.15, 0.45);
    out->reach_mm = 5 + between(rng, 0.5, 1.0) * out->radius_mm;
    /* A look of its own was drawn here once; a seed's patients are to stay what they are. */
    rng->counter += LOOK_NUMBERS;
}

gs_status gs_lesion_draw(const gs_anatomy *anatomy, const gs_lesion_range *range, gs_rng *rng,
                         gs_lesion *out, gs_error *err) {
    const double *extent_mm = gs_anatomy_get_extent_mm(anatomy);
    gs_lesion lesion = {0};
    double size = gs_rng_uniform(rng);
    lesion.radius_mm = range->smallest_mm + (range->largest_mm - range->smallest_mm) * size;
    bool placed = false;
    for (int attempt = 0; attempt < PLACE_ATTEMPTS && !placed; attempt++) {
        lesion.center_mm[0] = between(rng, -extent_mm[0], extent_mm[0]);
        lesion.center_mm[1] = between(rng, -extent_mm[1], extent_mm[1]);
        lesion.center_mm[2] = between(rng, -range->height_mm, range->height_mm);
        placed = place_is_fit(anatomy, lesion.center_mm, lesion.radius_mm);
    }
    if (!placed)
        return gs_fail(err, GS_UNUSABLE, "no place for a lesion of %.1f mm in the anatomy",
                       lesion.radius_mm);
    gs_lesion_draw_shape(rng, &lesion);
    *out = lesion;
    return GS_OK;
}

/* Distance from the centre in the ball's metric. */
static double ball_distance(const gs_lesion *lesion, const double position_mm[3]) {
    double square = 0;
    for (int row = 0; row < 3; row++) {
        double sum = 0;
        for (int k = 0; k < 3; k++)
            sum += lesion->to_ball[row][k] * (position_mm[k] - lesion->center_mm[k]);
        square += sum * sum;
    }
    return sqrt(square);
}

double gs_lesion_depth_mm(const gs_lesion *lesion, const double position_mm[3], float shape) {
    return lesion->radius_mm * (1 + lesion->irregularity * (double)shape) -
           ball_distance(lesion, position_mm);
}

void gs_lesion_unpush(const gs_lesion *lesion, double yielding, double position_mm[3]) {
    double distance = ball_distance(lesion, position_mm);
    double beyond = distance - lesion->radius_mm;
    if (beyond > 5 * lesion->reach_mm) return;
    /* As a part of the offset; continuous at the surface, and 1 - part > 0 keeps the order of
     * tissue. */
    double part =
        beyond <= 0 ? lesion->push
                    : lesion->push * lesion->radius_mm / distance * exp(-beyond / lesion->reach_mm);
    for (int k = 0; k < 3; k++)
        position_mm[k] -= yielding * part * (position_mm[k] - lesion->center_mm[k]);
}

float gs_lesion_alpha(const gs_lesion *lesion, double depth_mm) {
    double t = fmin(fmax(depth_mm / lesion->softness_mm + 0.5, 0.0), 1.0);
    return (float)(t * t * (3 - 2 * t));
}

/* Owns the growth of the trees and the rasterisation of tubes. Must not know organs. */
#include "engine/data/vessels.h"

#include <math.h>
#include <string.h>

enum { GENERATIONS = 7 };
static const double thinnest_mm = 0.5;

typedef struct tube {
    double from[3], to[3]; /* mm */
    double radius_from, radius_to;
} tube;

/* Millimetres from the tube's surface to p: positive inside. */
static double depth_mm(const tube *t, const double p[3]) {
    double along = 0, length = 0, distance = 0;
    for (int k = 0; k < 3; k++) {
        along += (p[k] - t->from[k]) * (t->to[k] - t->from[k]);
        length += pow(t->to[k] - t->from[k], 2);
    }
    double part = fmin(fmax(along / fmax(length, 1e-9), 0.0), 1.0);
    for (int k = 0; k < 3; k++)
        distance += pow(p[k] - t->from[k] - part * (t->to[k] - t->from[k]), 2);
    return t->radius_from + part * (t->radius_to - t->radius_from) - sqrt(distance);
}

/* The voxels along axis k that the tube can touch. */
static void find_range(const tube *t, const gs_volume *out, int k, int range[2]) {
    double step = out->spacing_mm[k], middle = 0.5 * out->side[k] - 0.5;
    double reach = fmax(t->radius_from, t->radius_to) + step;
    range[0] = (int)fmax(ceil((fmin(t->from[k], t->to[k]) - reach) / step + middle), 0);
    range[1] =
        (int)fmin(floor((fmax(t->from[k], t->to[k]) + reach) / step + middle), out->side[k] - 1);
}

static void draw_tube(const tube *t, gs_volume *out) {
    int range[3][2];
    for (int k = 0; k < 3; k++) find_range(t, out, k, range[k]);
    double softness = out->spacing_mm[0];
    for (int z = range[2][0]; z <= range[2][1]; z++)
        for (int y = range[1][0]; y <= range[1][1]; y++)
            for (int x = range[0][0]; x <= range[0][1]; x++) {
                const int at[3] = {x, y, z};
                double p[3];
                for (int k = 0; k < 3; k++)
                    p[k] = (at[k] + 0.5 - 0.5 * out->side[k]) * out->spacing_mm[k];
                float alpha = (float)fmin(fmax(depth_mm(t, p) / softness + 0.5, 0.0), 1.0);
                float *voxel = out->voxels + ((ptrdiff_t)z * out->side[1] + y) * out->side[0] + x;
                *voxel = fmaxf(*voxel, alpha);
            }
}

static void normalize(double v[3]) {
    double length = sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]) + 1e-12;
    for (int k = 0; k < 3; k++) v[k] /= length;
}

/* A branch and, bent a little, its further course; then its forks. */
static void grow(gs_vessel_root branch, int generation, gs_rng *rng, gs_volume *out) {
    if (generation == GENERATIONS || branch.radius_mm < thinnest_mm) return;
    double radius = branch.radius_mm;
    for (int piece = 0; piece < 2; piece++) {
        tube t = {.radius_from = radius, .radius_to = radius * 0.9};
        for (int k = 0; k < 3; k++) {
            t.from[k] = branch.position_mm[k];
            branch.direction[k] += 0.16 * gs_rng_normal(rng);
        }
        normalize(branch.direction);
        for (int k = 0; k < 3; k++)
            t.to[k] = branch.position_mm[k] += 0.5 * branch.length_mm * branch.direction[k];
        draw_tube(&t, out);
        radius = t.radius_to;
    }
    for (int fork = 0; fork < 2; fork++) {
        gs_vessel_root next = branch;
        next.radius_mm = radius * (0.62 + 0.25 * gs_rng_uniform(rng));
        next.length_mm = branch.length_mm * (0.72 + 0.2 * gs_rng_uniform(rng));
        for (int k = 0; k < 3; k++) next.direction[k] += 0.42 * gs_rng_normal(rng);
        normalize(next.direction);
        grow(next, generation + 1, rng, out);
    }
}

void gs_vessels_grow(const gs_vessel_root *root, gs_rng *rng, gs_volume *out) {
    grow(*root, 0, rng, out);
}

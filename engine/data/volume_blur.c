/* Owns the Gaussian blur of a volume. */
#include "engine/data/volume.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

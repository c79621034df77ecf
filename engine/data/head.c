/* Owns the deformation of one case. Must not know voxels, lesions or files. */
#include "engine/data/head.h"

#include "base/memory.h"

#include <math.h>
#include <stddef.h>

/* Of the ventricles' middle in the anatomy, and how far their widening carries. */
static const double ventricles_mm[3] = {0, 6, 10}, ventricles_reach_mm = 22;

gs_field_options gs_field_options_for_box(const double size_mm[3], int components,
                                          double spacing_mm, double deviation, uint64_t seed,
                                          uint64_t stream) {
    gs_field_options options = {.spacing_mm = spacing_mm,
                                .components = components,
                                .deviation = deviation,
                                .seed = seed,
                                .stream = stream};
    for (int k = 0; k < 3; k++) {
        options.low_mm[k] = -0.5 * size_mm[k];
        options.high_mm[k] = 0.5 * size_mm[k];
    }
    return options;
}

static void draw(gs_rng *rng, gs_head *head) {
    for (int row = 0; row < 3; row++)
        for (int column = 0; column < 3; column++)
            head->affine[row][column] =
                row == column ? 1 + 0.04 * gs_rng_normal(rng) : 0.025 * gs_rng_normal(rng);
    for (int k = 0; k < 3; k++) head->shift_mm[k] = (k == 0 ? 0.7 : 2.0) * gs_rng_normal(rng);
    head->widening = -0.12 + 0.45 * gs_rng_uniform(rng);
}

gs_status gs_head_init(const double size_mm[3], gs_rng *rng, uint64_t coarse_stream,
                       uint64_t fine_stream, int row, gs_head *out, gs_error *err) {
    gs_head head = {.count = row};
    draw(rng, &head);
    gs_field_options coarse =
        gs_field_options_for_box(size_mm, 3, 48.0, 3.5, rng->seed, coarse_stream);
    gs_field_options fine = gs_field_options_for_box(size_mm, 3, 22.0, 1.3, rng->seed, fine_stream);
    gs_status status = gs_field_new(&coarse, &head.coarse, err);
    if (status == GS_OK) status = gs_field_new(&fine, &head.fine, err);
    if (status == GS_OK) {
        head.values = gs_alloc(6 * (size_t)row, sizeof *head.values);
        if (!head.values) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %d voxels", row);
    }
    if (status == GS_OK)
        *out = head;
    else
        gs_head_deinit(&head);
    return status;
}

void gs_head_deinit(gs_head *head) {
    gs_field_free(head->coarse);
    gs_field_free(head->fine);
    gs_free(head->values);
    *head = (gs_head){0};
}

void gs_head_set_row(gs_head *head, const double start_mm[3], double step_mm) {
    gs_field_row(head->coarse, start_mm, step_mm, head->count, head->values);
    gs_field_row(head->fine, start_mm, step_mm, head->count, head->values + 3 * head->count);
}

void gs_head_to_anatomy(const gs_head *head, int i, const double p[3], double q[3]) {
    for (int k = 0; k < 3; k++) {
        q[k] = head->shift_mm[k] + (double)head->values[k * head->count + i] +
               (double)head->values[(3 + k) * head->count + i];
        for (int j = 0; j < 3; j++) q[k] += head->affine[k][j] * p[j];
    }
    double square = 0;
    for (int k = 0; k < 3; k++) square += pow(q[k] - ventricles_mm[k], 2);
    double part = head->widening * exp(-0.5 * square / pow(ventricles_reach_mm, 2));
    for (int k = 0; k < 3; k++) q[k] -= part * (q[k] - ventricles_mm[k]);
}

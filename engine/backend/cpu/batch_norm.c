/* Batch norm's statistics and their part of the gradient; the normalising itself is prepare.c's.
 * Channels are summed in double precision in fixed pieces of a map, added in order, so that the
 * result does not depend on the number of threads. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>
#include <string.h>

#define NORM_EPSILON 1e-5
enum { PIECE = 4096 /* pixels */ };

static size_t pixels_of(gs_shape s) {
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

static size_t pieces_of(gs_shape s) {
    return (pixels_of(s) + PIECE - 1) / PIECE;
}

/* Scratch: doubles [pieces][C]. */
gs_status gs__cpu_batch_statistics_scratch(void *state, const gs_node *node, void **handle_out,
                                           size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    gs_shape s = node->in[0]->shape;
    *scratch_bytes_out = pieces_of(s) * (size_t)s.c * sizeof(double);
    return GS_OK;
}

/* Sums per channel over a piece: of x (mean == NULL), or of (x - mean)². */
static void sum_piece(const float *x, size_t pixels, size_t channels, const float *mean,
                      double *sums) {
    memset(sums, 0, channels * sizeof *sums);
    for (size_t p = 0; p < pixels; p++, x += channels)
        for (size_t c = 0; c < channels; c++) {
            double value = (double)x[c];
            if (mean) value = (value - (double)mean[c]) * (value - (double)mean[c]);
            sums[c] += value;
        }
}

/* Leaves the means over all pixels in the first piece's sums. */
static const double *channel_means(const float *x, gs_shape s, const float *mean, double *partial) {
    size_t pixels = pixels_of(s), pieces = pieces_of(s), channels = (size_t)s.c;
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < pieces; k++) {
        size_t left = pixels - k * PIECE;
        sum_piece(x + k * PIECE * channels, left < PIECE ? left : PIECE, channels, mean,
                  partial + k * channels);
    }
    for (size_t k = 1; k < pieces; k++)
        for (size_t c = 0; c < channels; c++) partial[c] += partial[k * channels + c];
    for (size_t c = 0; c < channels; c++) partial[c] /= (double)pixels;
    return partial;
}

/* Makes every sample's statistics those of the first. */
static void repeat_for_samples(float *out, int samples, size_t count) {
    for (int n = 1; n < samples; n++) memcpy(out + (size_t)n * count, out, count * sizeof *out);
}

gs_status gs__cpu_batch_statistics(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    const float *x = gs_run_pointer(run, node->in[0]);
    float *out = gs_run_pointer(run, node->out[0]);
    const double *means = channel_means(x, s, NULL, run->scratch);
    for (int c = 0; c < s.c; c++) out[c] = (float)means[c];
    means = channel_means(x, s, out, run->scratch);
    for (int c = 0; c < s.c; c++) out[s.c + c] = (float)(1 / sqrt(means[c] + NORM_EPSILON));
    repeat_for_samples(out, s.n, 2 * (size_t)s.c);
    return GS_OK;
}

gs_status gs__cpu_running_statistics(const gs_run *run, const gs_node *node, void *handle,
                                     gs_error *err) {
    (void)handle, (void)err;
    const float *mean = gs_run_pointer(run, node->in[0]);
    const float *variance = gs_run_pointer(run, node->in[1]);
    float *out = gs_run_pointer(run, node->out[0]);
    int channels = node->in[0]->shape.c;
    for (int c = 0; c < channels; c++) {
        out[c] = mean[c];
        out[channels + c] = (float)(1 / sqrt((double)variance[c] + NORM_EPSILON));
    }
    repeat_for_samples(out, node->out[0]->shape.n, 2 * (size_t)channels);
    return GS_OK;
}

gs_status gs__cpu_update_statistics(const gs_run *run, const gs_node *node, void *handle,
                                    gs_error *err) {
    (void)handle, (void)err;
    float *mean = gs_run_pointer(run, node->in[0]), *variance = gs_run_pointer(run, node->in[1]);
    const float *statistics = gs_run_pointer(run, node->in[2]);
    double count = node->as.update_statistics.values;
    int channels = node->in[0]->shape.c;
    for (int c = 0; c < channels; c++) {
        double inverse = (double)statistics[channels + c];
        /* Rounding may leave a little below nothing of a variance far below epsilon. */
        double of_batch = fmax(1 / (inverse * inverse) - NORM_EPSILON, 0);
        if (!isfinite(inverse)) of_batch = (double)NAN; /* fmax would hide it */
        if (count > 1) of_batch *= count / (count - 1);
        mean[c] = (float)(0.9 * (double)mean[c] + 0.1 * (double)statistics[c]);
        variance[c] = (float)(0.9 * (double)variance[c] + 0.1 * of_batch);
    }
    return GS_OK;
}

/* dx = x·f + g per channel, f = -γ·inverse²·dγ/M, g = -γ·inverse/M · (dβ - mean·inverse·dγ). */
static void combine_piece(const float *restrict x, const double *restrict f, size_t pixels,
                          size_t channels, float *restrict dx) {
    const double *restrict g = f + channels;
    for (size_t p = 0; p < pixels; p++, x += channels, dx += channels)
        for (size_t c = 0; c < channels; c++) dx[c] = (float)((double)x[c] * f[c] + g[c]);
}

/* Scratch: doubles [2][C]. */
gs_status gs__cpu_batch_norm_gradient_scratch(void *state, const gs_node *node, void **handle_out,
                                              size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = 2 * (size_t)node->in[0]->shape.c * sizeof(double);
    return GS_OK;
}

gs_status gs__cpu_batch_norm_gradient(const gs_run *run, const gs_node *node, void *handle,
                                      gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    size_t pixels = pixels_of(s), pieces = pieces_of(s), channels = (size_t)s.c;
    const float *x = gs_run_pointer(run, node->in[0]), *mean = gs_run_pointer(run, node->in[1]);
    const float *gamma = gs_run_pointer(run, node->in[2]);
    const float *dgamma = gs_run_pointer(run, node->in[3]);
    const float *dbeta = gs_run_pointer(run, node->in[4]);
    float *dx = gs_run_pointer(run, node->out[0]);
    double *factors = run->scratch;
    for (size_t c = 0; c < channels; c++) {
        double inverse = (double)mean[channels + c];
        double scale = -(double)gamma[c] * inverse / (double)pixels;
        factors[c] = scale * inverse * (double)dgamma[c];
        factors[channels + c] =
            scale * ((double)dbeta[c] - (double)mean[c] * inverse * (double)dgamma[c]);
    }
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < pieces; k++) {
        size_t at = k * PIECE * channels, left = pixels - k * PIECE;
        combine_piece(x + at, factors, left < PIECE ? left : PIECE, channels, dx + at);
    }
    return GS_OK;
}

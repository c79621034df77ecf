/* Scaling of channels, and the logarithm of a mean of exponentials. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>

static void scale_pixels(const float *restrict x, const float *restrict factors, size_t pixels,
                         size_t channels, float *restrict y) {
    for (size_t p = 0; p < pixels; p++, x += channels, y += channels)
        for (size_t c = 0; c < channels; c++) y[c] = x[c] * factors[c];
}

gs_status gs__cpu_scale_channels(const gs_run *run, const gs_node *node, void *handle,
                                 gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    const float *x = gs_run_pointer(run, node->in[0]);
    const float *factors = gs_run_pointer(run, node->in[1]);
    float *y = gs_run_pointer(run, node->out[0]);
    size_t channels = (size_t)s.c, row = (size_t)s.w * channels;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < s.n * s.h; i++)
        scale_pixels(x + (size_t)i * row, factors + (size_t)(i / s.h) * channels, (size_t)s.w,
                     channels, y + (size_t)i * row);
    return GS_OK;
}

/* One score per pixel of a code: few enough for one thread. Returns Σ exp(t - *largest). */
static double sum_exponentials(const float *t, size_t count, double *largest) {
    double sum = 0;
    *largest = (double)t[0];
    for (size_t i = 1; i < count; i++)
        if ((double)t[i] > *largest) *largest = (double)t[i];
    for (size_t i = 0; i < count; i++) sum += exp((double)t[i] - *largest);
    return sum;
}

gs_status gs__cpu_loss_log_mean_exp(const gs_run *run, const gs_node *node, void *handle,
                                    gs_error *err) {
    (void)handle, (void)err;
    size_t count = gs__shape_size(node->in[0]->shape);
    double largest, sum = sum_exponentials(gs_run_pointer(run, node->in[0]), count, &largest);
    *(float *)gs_run_pointer(run, node->out[0]) = (float)(largest + log(sum / (double)count));
    return GS_OK;
}

/* d/dt = exp(t) / Σ exp(t) */
gs_status gs__cpu_loss_log_mean_exp_gradient(const gs_run *run, const gs_node *node, void *handle,
                                             gs_error *err) {
    (void)handle, (void)err;
    const float *t = gs_run_pointer(run, node->in[0]);
    float *out = gs_run_pointer(run, node->out[0]);
    size_t count = gs__shape_size(node->in[0]->shape);
    double largest, sum = sum_exponentials(t, count, &largest);
    double scale = (double)node->as.loss.coefficient / sum;
    for (size_t i = 0; i < count; i++) out[i] = (float)(scale * exp((double)t[i] - largest));
    return GS_OK;
}

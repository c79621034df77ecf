/* Scaling of channels, and the logarithm of a mean of exponentials. */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>

gs_status gs__reference_scale_channels(const gs_run *run, const gs_node *node, void *handle,
                                       gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    const double *x = gs_run_pointer(run, node->in[0]);
    const double *factors = gs_run_pointer(run, node->in[1]);
    double *y = gs_run_pointer(run, node->out[0]);
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int h = 0; h < s.h; h++)
                for (int w = 0; w < s.w; w++) {
                    size_t at = gs__map_at(s, n, c, h, w);
                    y[at] = x[at] * factors[(size_t)n * (size_t)s.c + (size_t)c];
                }
    return GS_OK;
}

/* The largest value, so that no exponential overflows, and Σ exp(t - largest). */
typedef struct exponentials {
    double largest, sum, count;
} exponentials;

static exponentials exponentials_of(const gs_run *run, const gs_node *node) {
    const double *t = gs_run_pointer(run, node->in[0]);
    size_t count = gs__shape_size(node->in[0]->shape);
    exponentials e = {t[0], 0, (double)count};
    for (size_t i = 1; i < count; i++)
        if (t[i] > e.largest) e.largest = t[i];
    for (size_t i = 0; i < count; i++) e.sum += exp(t[i] - e.largest);
    return e;
}

gs_status gs__reference_loss_log_mean_exp(const gs_run *run, const gs_node *node, void *handle,
                                          gs_error *err) {
    (void)handle, (void)err;
    exponentials e = exponentials_of(run, node);
    *(double *)gs_run_pointer(run, node->out[0]) = e.largest + log(e.sum / e.count);
    return GS_OK;
}

/* d/dt = exp(t) / Σ exp(t) */
gs_status gs__reference_loss_log_mean_exp_gradient(const gs_run *run, const gs_node *node,
                                                   void *handle, gs_error *err) {
    (void)handle, (void)err;
    exponentials e = exponentials_of(run, node);
    const double *t = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]), c = (double)node->as.loss.coefficient;
    for (size_t i = 0; i < gs__shape_size(node->in[0]->shape); i++)
        out[i] = c * exp(t[i] - e.largest) / e.sum;
    return GS_OK;
}

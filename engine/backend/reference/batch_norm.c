/* Batch norm's statistics and their part of the gradient; the normalising itself is prepare.c's. */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>

/* Mean over N, H and W of channel c: of x (about == NULL), or of (x - *about)². */
static double mean_of_channel(const double *x, gs_shape s, int c, const double *about) {
    double total = 0;
    for (int n = 0; n < s.n; n++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                double value = x[gs__map_at(s, n, c, h, w)];
                total += about ? (value - *about) * (value - *about) : value;
            }
    return total / ((double)s.n * (double)s.h * (double)s.w);
}

/* Sets the mean and the inverse deviation of channel c for every sample. */
static void set_statistics(double *out, int samples, int channels, int c, double mean,
                           double variance) {
    for (int n = 0; n < samples; n++) {
        double *of_sample = out + (size_t)n * 2 * (size_t)channels;
        of_sample[c] = mean;
        of_sample[channels + c] = 1 / sqrt(variance + GS_NORM_EPSILON);
    }
}

gs_status gs__reference_batch_statistics(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    const double *x = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (int c = 0; c < s.c; c++) {
        double mean = mean_of_channel(x, s, c, NULL);
        set_statistics(out, s.n, s.c, c, mean, mean_of_channel(x, s, c, &mean));
    }
    return GS_OK;
}

gs_status gs__reference_running_statistics(const gs_run *run, const gs_node *node, void *handle,
                                           gs_error *err) {
    (void)handle, (void)err;
    const double *mean = gs_run_pointer(run, node->in[0]);
    const double *variance = gs_run_pointer(run, node->in[1]);
    int channels = node->in[0]->shape.c;
    for (int c = 0; c < channels; c++)
        set_statistics(gs_run_pointer(run, node->out[0]), node->out[0]->shape.n, channels, c,
                       mean[c], variance[c]);
    return GS_OK;
}

gs_status gs__reference_update_statistics(const gs_run *run, const gs_node *node, void *handle,
                                          gs_error *err) {
    (void)handle, (void)err;
    double *mean = gs_run_pointer(run, node->in[0]), *variance = gs_run_pointer(run, node->in[1]);
    const double *statistics = gs_run_pointer(run, node->in[2]);
    double count = node->as.update_statistics.values;
    int channels = node->in[0]->shape.c;
    for (int c = 0; c < channels; c++) {
        double inverse = statistics[channels + c];
        double of_batch = 1 / (inverse * inverse) - GS_NORM_EPSILON;
        if (count > 1) of_batch *= count / (count - 1);
        mean[c] = 0.9 * mean[c] + 0.1 * statistics[c];
        variance[c] = 0.9 * variance[c] + 0.1 * of_batch;
    }
    return GS_OK;
}

/* dx = -γ·inverse/M · (dβ + x̂ dγ) */
gs_status gs__reference_batch_norm_gradient(const gs_run *run, const gs_node *node, void *handle,
                                            gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    const double *x = gs_run_pointer(run, node->in[0]);
    const double *statistics = gs_run_pointer(run, node->in[1]);
    const double *gamma = gs_run_pointer(run, node->in[2]);
    const double *dgamma = gs_run_pointer(run, node->in[3]);
    const double *dbeta = gs_run_pointer(run, node->in[4]);
    double *dx = gs_run_pointer(run, node->out[0]);
    double count = (double)s.n * (double)s.h * (double)s.w;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int h = 0; h < s.h; h++)
                for (int w = 0; w < s.w; w++) {
                    size_t at = gs__map_at(s, n, c, h, w);
                    double inverse = statistics[s.c + c];
                    double standard = (x[at] - statistics[c]) * inverse;
                    dx[at] = -gamma[c] * inverse / count * (dbeta[c] + standard * dgamma[c]);
                }
    return GS_OK;
}

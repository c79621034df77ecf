/* Batch norm's running statistics and its part of the gradient; the normalising itself is
 * prepare.cu's, the statistics of a batch are statistics.cu's. */
#include "engine/backend/cuda/kernels/map.h"

typedef struct running_job {
    const float *mean, *variance;
    float *out; /* [samples][2·channels] */
    gs_divider channels;
    size_t count; /* samples · channels */
} running_job;

GS_KERNEL running_kernel(running_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t c = i, n = gs__split(&c, j.channels), channels = j.channels.divisor;
        float *of_sample = j.out + n * 2 * channels;
        of_sample[c] = j.mean[c];
        of_sample[channels + c] = (float)(1 / sqrt((double)j.variance[c] + GS_NORM_EPSILON));
    }
}

gs_cuda_status gs__cuda_running_statistics(gs_cuda_stream stream, const float *mean,
                                           const float *variance, gs_shape out_shape, float *out) {
    int channels = out_shape.c / 2;
    running_job job = {mean, variance, out, gs__divider(channels),
                       (size_t)out_shape.n * (size_t)channels};
    return GS_LAUNCH(stream, running_kernel, gs__element_blocks(job.count), job);
}

GS_KERNEL update_statistics_kernel(gs_cuda_update_statistics j) {
    GS_ELEMENTS (c, (size_t)j.channels) {
        float inverse = j.statistics[(size_t)j.channels + c];
        double variance = 1 / ((double)inverse * (double)inverse) - GS_NORM_EPSILON;
        /* Rounding may leave a little below nothing of a variance far below epsilon. */
        if (variance < 0) variance = 0;
        if (!isfinite(inverse)) variance = (double)inverse - (double)inverse; /* NaN */
        if (j.values > 1) variance *= j.values / (j.values - 1);
        j.mean[c] = (float)(0.9 * (double)j.mean[c] + 0.1 * (double)j.statistics[c]);
        j.variance[c] = (float)(0.9 * (double)j.variance[c] + 0.1 * variance);
    }
}

gs_cuda_status gs__cuda_update_statistics(gs_cuda_stream stream,
                                          const gs_cuda_update_statistics *p) {
    gs_cuda_update_statistics job = *p;
    return GS_LAUNCH(stream, update_statistics_kernel, gs__element_blocks((size_t)job.channels),
                     job);
}

typedef struct gradient_job {
    gs_cuda_batch_norm_gradient p;
    gs_cuda_out to;
    gs_divider channels;
    float values; /* per channel */
    size_t count;
} gradient_job;

GS_DEVICE float gs__value(const gradient_job &j, size_t i) {
    size_t c = i;
    gs__split(&c, j.channels);
    float mean = j.p.statistics[c], inverse = j.p.statistics[j.channels.divisor + c];
    float standard = (gs__load(j.p.x, i) - mean) * inverse;
    float scale = -j.p.gamma[c] * inverse / j.values;
    return scale * (j.p.dbeta[c] + standard * j.p.dgamma[c]);
}

gs_cuda_status gs__cuda_batch_norm_gradient(gs_cuda_stream stream,
                                            const gs_cuda_batch_norm_gradient *p) {
    return gs__launch_map(stream,
                          gradient_job{*p, p->dx, gs__divider(p->shape.c),
                                       (float)gs__pixels_of(p->shape), gs__size_of(p->shape)});
}

/* Scaling of channels: dropout. */
#include "engine/backend/cuda/kernels/device.h"

typedef struct scale_job {
    gs_cuda_in x;
    gs_cuda_out y;
    const float *factors; /* [N,C] */
    gs_divider channels, sample;
    size_t count;
} scale_job;

GS_KERNEL scale_kernel(scale_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t n = gs__divide(i, j.sample), c = i;
        gs__split(&c, j.channels);
        gs__store(j.y, i, gs__load(j.x, i) * j.factors[n * j.channels.divisor + c]);
    }
}

gs_cuda_status gs__cuda_scale_channels(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                       const float *factors, gs_cuda_out y) {
    scale_job job = {x,
                     y,
                     factors,
                     gs__divider(shape.c),
                     gs__divider(shape.c * shape.h * shape.w),
                     gs__size_of(shape)};
    return GS_LAUNCH(stream, scale_kernel, gs__element_blocks(job.count), job);
}

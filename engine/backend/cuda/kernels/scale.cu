/* Scaling of channels: dropout. */
#include "engine/backend/cuda/kernels/map.h"

typedef struct scale_job {
    gs_cuda_in x;
    gs_cuda_out to;
    const float *factors; /* [N,C] */
    gs_extent extent;
    size_t count;
} scale_job;

GS_DEVICE float gs__value(const scale_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    return gs__load(j.x, i) * j.factors[(size_t)at.n * j.extent.c.divisor + (size_t)at.c];
}

gs_cuda_status gs__cuda_scale_channels(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                       const float *factors, gs_cuda_out y) {
    return gs__launch_map(stream, scale_job{x, y, factors, gs__extent(shape), gs__size_of(shape)});
}

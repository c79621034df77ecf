/* Around convolutions: other element types, weights in another order, biases. */
#include "engine/backend/cuda/kernels/device.h"

typedef struct cast_job {
    gs_cuda_in from;
    gs_cuda_out to;
    size_t count;
} cast_job;

GS_KERNEL cast_kernel(cast_job j) {
    GS_ELEMENTS (i, j.count) gs__store(j.to, i, gs__load(j.from, i));
}

gs_cuda_status gs__cuda_cast(gs_cuda_stream stream, gs_cuda_in from, gs_cuda_out to, size_t count) {
    cast_job job = {from, to, count};
    return GS_LAUNCH(stream, cast_kernel, gs__element_blocks(count), job);
}

/* ---- Weights: [O,C,K·K] and [O,K·K,C] ------------------------------------------------------- */

typedef struct pack_job {
    gs_cuda_in from;
    gs_cuda_out to;
    gs_divider inner, middle; /* of what is written: [O, middle, inner] */
    size_t count;
} pack_job;

/* to[o,m,i] = from[o,i,m]. */
GS_KERNEL transpose_kernel(pack_job j) {
    GS_ELEMENTS (at, j.count) {
        size_t i = at, m = gs__split(&i, j.inner), o = gs__split(&m, j.middle);
        size_t inner = j.inner.divisor, middle = j.middle.divisor;
        gs__store(j.to, at, gs__load(j.from, (o * inner + i) * middle + m));
    }
}

gs_cuda_status gs__cuda_pack_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                    gs_cuda_out packed) {
    pack_job job = {{weight, GS_CUDA_FLOAT},
                    packed,
                    gs__divider(shape.c),
                    gs__divider(shape.h * shape.w),
                    gs__size_of(shape)};
    return GS_LAUNCH(stream, transpose_kernel, gs__element_blocks(job.count), job);
}

gs_cuda_status gs__cuda_unpack_weight(gs_cuda_stream stream, gs_cuda_in packed, gs_shape shape,
                                      float *weight) {
    pack_job job = {packed,
                    {weight, GS_CUDA_FLOAT},
                    gs__divider(shape.h * shape.w),
                    gs__divider(shape.c),
                    gs__size_of(shape)};
    return GS_LAUNCH(stream, transpose_kernel, gs__element_blocks(job.count), job);
}

/* ---- Bias ----------------------------------------------------------------------------------- */

typedef struct bias_job {
    gs_cuda_out y;
    const float *bias;
    gs_divider channels;
    size_t count;
} bias_job;

GS_KERNEL add_bias_kernel(bias_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t c = i;
        gs__split(&c, j.channels);
        gs__store(j.y, i, gs__load(gs_cuda_in{j.y.values, j.y.type}, i) + j.bias[c]);
    }
}

gs_cuda_status gs__cuda_add_bias(gs_cuda_stream stream, gs_cuda_out y, gs_shape shape,
                                 const float *bias) {
    bias_job job = {y, bias, gs__divider(shape.c), gs__size_of(shape)};
    return GS_LAUNCH(stream, add_bias_kernel, gs__element_blocks(job.count), job);
}

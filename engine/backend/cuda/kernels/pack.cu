/* Around convolutions: other element types, weights in another order, biases. */
#include "engine/backend/cuda/kernels/map.h"

typedef struct cast_job {
    gs_cuda_in from;
    gs_cuda_out to;
    size_t count;
} cast_job;

GS_DEVICE float gs__value(const cast_job &j, size_t i) {
    return gs__load(j.from, i);
}

gs_cuda_status gs__cuda_cast(gs_cuda_stream stream, gs_cuda_in from, gs_cuda_out to, size_t count) {
    return gs__launch_map(stream, cast_job{from, to, count});
}

/* ---- Weights: [O,C,K·K] and [O,K·K,C] ------------------------------------------------------- */

typedef struct transpose_job {
    gs_cuda_in from;
    gs_cuda_out to;
    gs_divider inner, middle; /* of what is written: [O, middle, inner] */
    size_t count;
} transpose_job;

/* to[o,m,i] = from[o,i,m]. */
GS_DEVICE float gs__value(const transpose_job &j, size_t at) {
    size_t i = at, m = gs__split(&i, j.inner), o = gs__split(&m, j.middle);
    return gs__load(j.from, (o * j.inner.divisor + i) * j.middle.divisor + m);
}

gs_cuda_status gs__cuda_pack_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                    gs_cuda_out packed) {
    return gs__launch_map(stream, transpose_job{{weight, GS_CUDA_FLOAT},
                                                packed,
                                                gs__divider(shape.c),
                                                gs__divider(shape.h * shape.w),
                                                gs__size_of(shape)});
}

gs_cuda_status gs__cuda_unpack_weight(gs_cuda_stream stream, gs_cuda_in packed, gs_shape shape,
                                      float *weight) {
    return gs__launch_map(stream, transpose_job{packed,
                                                {weight, GS_CUDA_FLOAT},
                                                gs__divider(shape.h * shape.w),
                                                gs__divider(shape.c),
                                                gs__size_of(shape)});
}

/* ---- Bias ----------------------------------------------------------------------------------- */

typedef struct bias_job {
    gs_cuda_out to;
    const float *bias;
    gs_divider channels;
    size_t count;
} bias_job;

GS_DEVICE float gs__value(const bias_job &j, size_t i) {
    size_t c = i;
    gs__split(&c, j.channels);
    return gs__load(gs_cuda_in{j.to.values, j.to.type}, i) + j.bias[c];
}

gs_cuda_status gs__cuda_add_bias(gs_cuda_stream stream, gs_cuda_out y, gs_shape shape,
                                 const float *bias) {
    return gs__launch_map(stream, bias_job{y, bias, gs__divider(shape.c), gs__size_of(shape)});
}

/* What prepare and its gradient compute of one value of x:
 * x̂ = (x - mean)·inverse, z = γ x̂ + β; no norm: z = x. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_NORMALIZE_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_NORMALIZE_H

#include "engine/backend/cuda/kernels/device.h"

/* Of one channel of one sample. */
typedef struct gs_channel_norm {
    float mean, inverse, gamma, beta;
} gs_channel_norm;

GS_DEVICE gs_channel_norm gs__channel_norm(const gs_cuda_normalizer &k, int channels, int n,
                                           int c) {
    gs_channel_norm norm = {0, 1, 1, 0};
    if (k.norm == GS_NORM_NONE) return norm;
    int groups = k.norm == GS_NORM_LAYER ? 1 : channels, group = groups == 1 ? 0 : c;
    const float *of_sample = k.statistics + (size_t)n * 2 * (size_t)groups;
    norm.mean = of_sample[group];
    norm.inverse = of_sample[groups + group];
    if (k.gamma) norm.gamma = k.gamma[c];
    if (k.beta) norm.beta = k.beta[c];
    return norm;
}

GS_DEVICE float gs__standardize(const gs_channel_norm &norm, float x) {
    return (x - norm.mean) * norm.inverse;
}

GS_DEVICE float gs__normalize(const gs_channel_norm &norm, float x) {
    return gs__standardize(norm, x) * norm.gamma + norm.beta;
}

#endif

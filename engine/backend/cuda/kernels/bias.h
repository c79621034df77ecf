/* Sums per channel that pixel shuffle's gradient shares with convolutions. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_BIAS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_BIAS_H

#include "engine/backend/cuda/kernels/kernels.h"

/* As gs__cuda_bias_gradient, of the first channels only: out [channels]. Scratch as for all. */
gs_cuda_status gs__first_channels_gradient(gs_cuda_stream stream, gs_cuda_in gradient,
                                           gs_shape shape, int channels, float *out, void *scratch);

#endif

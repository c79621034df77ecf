/* Kernels that are wrong, to see that running them in another order shows it; and numbers out of
 * headers that only C++ can include. */
#ifndef TESTS_ENGINE_CUDA_RACING_H
#define TESTS_ENGINE_CUDA_RACING_H

#include "engine/backend/cuda/kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* out[i] is what thread i finds its neighbour to have written to shared memory in the same phase,
 * and in the next. */
gs_cuda_status launch_without_barrier(float *out);
gs_cuda_status launch_with_barrier(float *out);
/* out[b] = out[b - 1] + 1, a block each, out[0] = 1. */
gs_cuda_status launch_dependent_blocks(float *out, size_t blocks);

/* i / d as kernels divide. */
size_t divided(size_t i, int d);

#ifdef __cplusplus
}
#endif

#endif

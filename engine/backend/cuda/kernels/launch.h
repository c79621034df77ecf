/* What a kernel is written with, so that nvcc compiles it for GPUs and any C++ compiler for the
 * host (host_launch.h), where the tests run it.
 *
 * A kernel takes one structure. All blocks have BLOCK threads, in one dimension. What threads do
 * between two barriers is a phase:
 *
 *     GS_KERNEL sums(job j) {
 *         GS_SHARED(double, sums, BLOCK);     // of the block
 *         GS_LOCAL(float, mine, 4);           // of a thread, from phase to phase
 *         GS_PHASE() { … gs__thread() … }       // ends with a barrier
 *         GS_PHASE() { … }
 *     }
 *
 * Outside phases stands only what is the same for all threads of a block. Variables of a phase end
 * with it; `continue` ends it for its thread. GS_ELEMENTS(i, count) instead of phases: each of the
 * elements 0 … count - 1 is some thread's, without a barrier. No atomics, no shuffles: sums are
 * trees in shared memory, so their order is fixed. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_LAUNCH_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_LAUNCH_H

#include "engine/backend/cuda/kernels/kernels.h"

enum { BLOCK = 256 };

#ifdef __CUDACC__

#include <cuda_runtime.h>

#define GS_DEVICE static __device__ __forceinline__
#define GS_KERNEL static __global__ void __launch_bounds__(BLOCK)
#define GS_SHARED(type, name, count) __shared__ type name[count]
#define GS_LOCAL(type, name, count) type name[count]
#define GS_PHASE() for (bool gs_first = true; gs_first; gs_first = false, __syncthreads())
#define GS_ELEMENTS(i, count)                                                                      \
    for (size_t i = gs__block() * BLOCK + (size_t)gs__thread(); i < (count);                       \
         i += gs__blocks() * BLOCK)

GS_DEVICE int gs__thread(void) {
    return (int)threadIdx.x;
}
GS_DEVICE size_t gs__block(void) {
    return blockIdx.x;
}
GS_DEVICE size_t gs__blocks(void) {
    return gridDim.x;
}

template <class Job, void (*kernel)(Job)>
static gs_cuda_status gs__launch(gs_cuda_stream stream, size_t blocks, const Job &job) {
    kernel<<<(unsigned)blocks, BLOCK, 0, stream>>>(job);
    return (gs_cuda_status)cudaGetLastError();
}
#define GS_LAUNCH_NAMED(name, kernel, stream, blocks, job)                                         \
    gs__launch<decltype(job), kernel>(stream, blocks, job)

#else
#include "engine/backend/cuda/kernels/host_launch.h"
#endif

/* Puts a kernel into the stream; nothing for no blocks. `job` is a variable. A gs_cuda_status. */
#define GS_LAUNCH(stream, kernel, blocks, job)                                                     \
    ((blocks) == 0 ? 0 : GS_LAUNCH_NAMED(#kernel, kernel, stream, blocks, job))

#define GS_CUDA_TRY(call)                                                                          \
    do {                                                                                           \
        gs_cuda_status gs_status_ = (call);                                                        \
        if (gs_status_ != 0) return gs_status_;                                                    \
    } while (0)

/* ⌈a / b⌉ */
static inline size_t gs__pieces(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* Blocks for GS_ELEMENTS: a thread for each element, within reason. */
static inline size_t gs__element_blocks(size_t count) {
    const size_t most = 1 << 14;
    size_t blocks = gs__pieces(count, BLOCK);
    return blocks < most ? blocks : most;
}

#endif

/* What functions that launch kernels take and return: see kernels.h. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_TYPES_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_TYPES_H

#include "engine/graph/graph.h"

#include <stddef.h>
#include <stdint.h>

typedef struct CUstream_st *gs_cuda_stream; /* a cudaStream_t */
typedef int gs_cuda_status;                 /* a cudaError_t */

typedef enum gs_cuda_type {
    GS_CUDA_FLOAT,
    GS_CUDA_BFLOAT16 /* read as float; rounded to nearest, ties to even, when written */
} gs_cuda_type;

/* A map that is read, and one that is written. Optional ones are absent where `values` is NULL. */
typedef struct gs_cuda_in {
    const void *values;
    gs_cuda_type type;
} gs_cuda_in;
typedef struct gs_cuda_out {
    void *values;
    gs_cuda_type type;
} gs_cuda_out;

#endif

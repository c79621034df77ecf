/* Failures of the CUDA runtime and of cuDNN as gs_status: every call of either is checked by one of
 * these. */
#ifndef GS_ENGINE_BACKEND_CUDA_STATUS_H
#define GS_ENGINE_BACKEND_CUDA_STATUS_H

#include "base/status.h"

#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

/* "what: CUDA's text". OUT_OF_MEMORY for memory, DEVICE_LOST for what no later call of the process
 * recovers from, else BACKEND. OK for success. */
gs_status gs__cuda_check(cudaError_t error, const char *what, gs_error *err);
/* The same of cuDNN, with the text of its latest message. */
gs_status gs__cudnn_check(cudnnStatus_t status, const char *what, gs_error *err);

#define TRY_CUDA(call, what) GS_TRY(gs__cuda_check((call), (what), err))
#define TRY_CUDNN(call, what) GS_TRY(gs__cudnn_check((call), (what), err))

#endif

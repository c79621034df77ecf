#include "engine/backend/cuda/status.h"

#include <stdbool.h>
#include <string.h>

/* After these the context is gone: every later call fails with the same. */
static bool is_lost(cudaError_t error) {
    switch (error) {
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorHardwareStackError:
    case cudaErrorIllegalInstruction:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorLaunchFailure:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContained:
    case cudaErrorDevicesUnavailable:
    case cudaErrorUnknown:
        return true;
    default:
        return false;
    }
}

gs_status gs__cuda_check(cudaError_t error, const char *what, gs_error *err) {
    if (error == cudaSuccess) return GS_OK;
    gs_status status = GS_BACKEND;
    if (error == cudaErrorMemoryAllocation) status = GS_OUT_OF_MEMORY;
    if (is_lost(error)) status = GS_DEVICE_LOST;
    (void)cudaGetLastError(); /* else the next launch would be blamed for it */
    return gs_fail(err, status, "%s: CUDA error %d, %s", what, (int)error,
                   cudaGetErrorString(error));
}

/* What cuDNN found out about the device it may have learned from CUDA, which knows more. */
static gs_status device_status(void) {
    return is_lost(cudaPeekAtLastError()) ? GS_DEVICE_LOST : GS_BACKEND;
}

gs_status gs__cudnn_check(cudnnStatus_t status, const char *what, gs_error *err) {
    if (status == CUDNN_STATUS_SUCCESS) return GS_OK;
    char message[200] = "";
    cudnnGetLastErrorString(message, sizeof message);
    message[strcspn(message, "\n")] = '\0';
    gs_status as = device_status();
    if (status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
        status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED)
        as = GS_OUT_OF_MEMORY;
    return gs_fail(err, as, "%s: cuDNN status %d, %s%s%s", what, (int)status,
                   cudnnGetErrorString(status), message[0] ? ": " : "", message);
}

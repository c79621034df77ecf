/* Devices and errors. */
#include "double_internal.h"

#include <stdio.h>
#include <string.h>

cudaError_t cudaGetDeviceCount(int *out) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInitializationError);
    if (error == cudaSuccess && double_now.devices == 0) error = double_error(cudaErrorNoDevice);
    if (error == cudaSuccess) *out = double_now.devices;
    double_unlock();
    return error;
}

cudaError_t cudaSetDevice(int device) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidDevice);
    if (error == cudaSuccess && (device < 0 || device >= double_now.devices))
        error = double_error(cudaErrorInvalidDevice);
    double_unlock();
    return error;
}

cudaError_t cudaDeviceGetAttribute(int *out, enum cudaDeviceAttr attribute, int device) {
    (void)device;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess && double_now.capability == 0)
        error = double_error(cudaErrorInvalidValue);
    if (error == cudaSuccess)
        *out = attribute == cudaDevAttrComputeCapabilityMajor ? double_now.capability / 10
                                                              : double_now.capability % 10;
    double_unlock();
    return error;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *out, int device) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess) {
        memset(out, 0, sizeof *out);
        snprintf(out->name, sizeof out->name, "Test double %d", device);
    }
    double_unlock();
    return error;
}

const char *cudaGetErrorString(cudaError_t error) {
    switch (error) {
    case cudaErrorMemoryAllocation:
        return "out of memory";
    case cudaErrorIllegalAddress:
        return "an illegal memory access was encountered";
    case cudaErrorNoDevice:
        return "no CUDA-capable device is detected";
    default:
        return "an error of the test double";
    }
}

cudaError_t cudaGetLastError(void) {
    double_lock();
    cudaError_t error = double_now.lost != cudaSuccess ? double_now.lost : double_now.last;
    double_now.last = cudaSuccess;
    double_unlock();
    return error;
}

cudaError_t cudaPeekAtLastError(void) {
    double_lock();
    cudaError_t error = double_now.lost != cudaSuccess ? double_now.lost : double_now.last;
    double_unlock();
    return error;
}

/* Which device computes and what it can do; opening and closing it. */
#include "engine/backend/cuda/cuda_internal.h"

#include "base/memory.h"

#include <stdio.h>

enum { OLDEST = 75, TENSOR_CORES_FOR_FLOAT = 80 /* and for bfloat16 */ };

/* ---- Probing --------------------------------------------------------------------------------- */

/* What a machine says without a device or without a driver for it. */
static bool has_no_device(cudaError_t error) {
    return error == cudaErrorNoDevice || error == cudaErrorInsufficientDriver ||
           error == cudaErrorInitializationError || error == cudaErrorSystemDriverMismatch ||
           error == cudaErrorStubLibrary || error == cudaErrorSystemNotReady ||
           error == cudaErrorUnknown;
}

/* UNSUPPORTED where there is no device to use: then another backend may be. */
static gs_status check_device(int device, gs_error *err) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
    if (has_no_device(error)) {
        (void)cudaGetLastError();
        return gs_fail(err, GS_UNSUPPORTED, "no CUDA device can be used: %s",
                       cudaGetErrorString(error));
    }
    TRY_CUDA(error, "counting devices");
    if (count == 0) return gs_fail(err, GS_UNSUPPORTED, "there is no CUDA device");
    if (device >= 0 && device < count) return GS_OK;
    return gs_fail(err, GS_INVALID_ARGUMENT, "device %d is not among the %d visible CUDA devices",
                   device, count);
}

/* 10 · major + minor. Not being told is a failure: guessing would compute in another precision. */
static gs_status read_capability(int device, int *out, gs_error *err) {
    int major = 0, minor = 0;
    TRY_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
             "reading the device's compute capability");
    TRY_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
             "reading the device's compute capability");
    *out = 10 * major + minor;
    return GS_OK;
}

static gs_precision precision_for(int capability, gs_precision wanted) {
    if (capability < TENSOR_CORES_FOR_FLOAT) return GS_PRECISION_FP32;
    return wanted == GS_PRECISION_AUTO ? GS_PRECISION_BF16 : wanted;
}

gs_status gs__cuda_probe(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err) {
    int capability = 0;
    struct cudaDeviceProp properties;
    GS_TRY(check_device(wish->device, err));
    GS_TRY(read_capability(wish->device, &capability, err));
    TRY_CUDA(cudaGetDeviceProperties(&properties, wish->device), "reading the device's name");
    if (capability < OLDEST)
        return gs_fail(err, GS_UNSUPPORTED,
                       "%.80s has compute capability %d.%d: at least %d.%d is needed",
                       properties.name, capability / 10, capability % 10, OLDEST / 10, OLDEST % 10);
    out->device = wish->device;
    out->precision = precision_for(capability, wish->precision);
    snprintf(out->device_name, sizeof out->device_name, "%.56s (compute capability %d.%d)",
             properties.name, capability / 10, capability % 10);
    if (wish->precision != GS_PRECISION_AUTO && out->precision != wish->precision)
        snprintf(out->remark, sizeof out->remark, "not %s: %.80s has no tensor cores for it",
                 gs_precision_name(wish->precision), properties.name);
    return GS_OK;
}

/* ---- Opening --------------------------------------------------------------------------------- */

gs_status gs__cuda_enter(const gs_cuda_state *state, gs_error *err) {
    TRY_CUDA(cudaSetDevice(state->device), "choosing the device");
    return GS_OK;
}

static gs_status state_build(gs_cuda_state *state, gs_error *err) {
    GS_TRY(gs__cuda_enter(state, err));
    TRY_CUDA(cudaStreamCreateWithFlags(&state->stream, cudaStreamNonBlocking), "making a stream");
    TRY_CUDNN(cudnnCreate(&state->cudnn), "opening cuDNN");
    TRY_CUDNN(cudnnSetStream(state->cudnn, state->stream), "giving cuDNN the stream");
    return GS_OK;
}

gs_status gs__cuda_open(const gs_backend_options *options, void **state_out, gs_error *err) {
    gs_cuda_state *state = gs_alloc(1, sizeof *state);
    if (!state) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the cuda backend");
    state->device = options->device;
    state->precision = options->precision;
    state->nondeterministic = options->nondeterministic;
    gs_status status = state_build(state, err);
    if (status != GS_OK) {
        gs__cuda_close(state);
        return status;
    }
    *state_out = state;
    return GS_OK;
}

/* What goes wrong here goes wrong while everything is being given up anyway. */
void gs__cuda_close(void *opaque) {
    gs_cuda_state *state = opaque;
    gs_error ignored;
    (void)!gs__cuda_enter(state, &ignored);
    if (state->stream) (void)cudaStreamSynchronize(state->stream);
    while (state->convs) {
        gs_cuda_cached_conv *first = state->convs;
        state->convs = first->next;
        gs__cudnn_conv_free(first->conv);
        gs_free(first);
    }
    if (state->cudnn) (void)cudnnDestroy(state->cudnn);
    if (state->stream) (void)cudaStreamDestroy(state->stream);
    (void)cudaGetLastError();
    gs_free(state);
}

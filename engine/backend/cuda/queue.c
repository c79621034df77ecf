/* The device's memory, and the stream as the engine's queue. */
#include "engine/backend/cuda/cuda_internal.h"

#define ENTER                                                                                      \
    const gs_cuda_state *state = opaque;                                                           \
    GS_TRY(gs__cuda_enter(state, err))

/* For what cannot fail: everything is being given up. */
#define ENTER_QUIETLY                                                                              \
    gs_error ignored;                                                                              \
    (void)!gs__cuda_enter(opaque, &ignored)

/* ---- Memory ---------------------------------------------------------------------------------- */

static gs_status allocate(void *opaque, size_t bytes, void **out, gs_error *err) {
    ENTER;
    void *memory = NULL;
    TRY_CUDA(cudaMalloc(&memory, bytes), "getting memory of the device");
    *out = memory;
    return GS_OK;
}

static void release(void *opaque, void *memory) {
    ENTER_QUIETLY;
    if (memory) (void)cudaFree(memory);
}

static gs_status measure(void *opaque, size_t *free_out, size_t *total_out, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaMemGetInfo(free_out, total_out), "measuring the device's memory");
    return GS_OK;
}

static gs_status allocate_host(void *opaque, size_t bytes, void **out, gs_error *err) {
    ENTER;
    void *memory = NULL;
    TRY_CUDA(cudaHostAlloc(&memory, bytes ? bytes : 1, cudaHostAllocDefault),
             "getting page-locked memory");
    *out = memory;
    return GS_OK;
}

static void release_host(void *opaque, void *memory) {
    ENTER_QUIETLY;
    (void)cudaFreeHost(memory);
}

/* ---- Copying --------------------------------------------------------------------------------- */

static gs_status copy_in(void *opaque, void *to, const void *from, size_t bytes, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, state->stream),
             "copying to the device");
    return GS_OK;
}

static gs_status copy_out(void *opaque, void *to, const void *from, size_t bytes, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, state->stream),
             "copying from the device");
    return GS_OK;
}

static gs_status fill(void *opaque, void *to, int byte, size_t bytes, gs_error *err) {
    ENTER;
    if (bytes == 0) return GS_OK;
    TRY_CUDA(cudaMemsetAsync(to, byte, bytes, state->stream), "filling memory of the device");
    return GS_OK;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static gs_status wait(void *opaque, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaStreamSynchronize(state->stream), "computing on the device");
    return GS_OK;
}

static gs_status mark(void *opaque, void **of, gs_error *err) {
    ENTER;
    cudaEvent_t event = *of;
    if (!event) {
        TRY_CUDA(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
        *of = event;
    }
    TRY_CUDA(cudaEventRecord(event, state->stream), "recording an event");
    return GS_OK;
}

static gs_status wait_mark(void *opaque, void *of, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaEventSynchronize(of), "computing on the device");
    return GS_OK;
}

static void free_mark(void *opaque, void *of) {
    ENTER_QUIETLY;
    (void)cudaEventDestroy(of);
}

/* ---- Recording ------------------------------------------------------------------------------- */

/* What other threads do with other streams meanwhile is none of this recording's business. */
static gs_status record(void *opaque, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaStreamBeginCapture(state->stream, cudaStreamCaptureModeThreadLocal),
             "beginning to record a plan");
    return GS_OK;
}

static gs_status end_recording(void *opaque, gs_status so_far, void **out, gs_error *err) {
    const gs_cuda_state *state = opaque;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t executable = NULL;
    cudaError_t error = cudaStreamEndCapture(state->stream, &graph);
    if (so_far != GS_OK) { /* *err says why */
        if (graph) (void)cudaGraphDestroy(graph);
        (void)cudaGetLastError();
        return so_far;
    }
    TRY_CUDA(error, "recording a plan");
    error = cudaGraphInstantiate(&executable, graph, 0);
    (void)cudaGraphDestroy(graph);
    TRY_CUDA(error, "making a recorded plan executable");
    *out = executable;
    return GS_OK;
}

static gs_status replay(void *opaque, void *recording, gs_error *err) {
    ENTER;
    TRY_CUDA(cudaGraphLaunch(recording, state->stream), "starting a recorded plan");
    return GS_OK;
}

static void free_recording(void *opaque, void *recording) {
    ENTER_QUIETLY;
    (void)cudaGraphExecDestroy(recording);
}

const gs_backend_queue gs__cuda_queue = {
    .allocate = allocate,
    .release = release,
    .measure = measure,
    .allocate_host = allocate_host,
    .release_host = release_host,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .fill = fill,
    .wait = wait,
    .mark = mark,
    .wait_mark = wait_mark,
    .free_mark = free_mark,
    .record = record,
    .end_recording = end_recording,
    .replay = replay,
    .free_recording = free_recording,
};

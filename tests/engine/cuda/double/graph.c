/* Graphs: captured, made executable, launched. */
#include "stream_internal.h"

#include <stdlib.h>

void double_destroy_graph(cudaGraph_t graph) {
    double_clear(&graph->units);
    free(graph);
    double_now.alive.graphs--;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode) {
    (void)mode;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess && (!double_is_stream(stream) || stream->capture))
        error = cudaErrorIllegalState;
    if (error == cudaSuccess && (stream->capture = calloc(1, sizeof *stream->capture))) {
        stream->is_invalid = false;
        double_now.alive.graphs++;
    }
    double_error(error);
    double_unlock();
    return error;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *out) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorStreamCaptureInvalidated);
    if (error == cudaSuccess && !stream->capture) error = cudaErrorIllegalState;
    if (error == cudaSuccess && stream->is_invalid) error = cudaErrorStreamCaptureInvalidated;
    if (error == cudaSuccess) {
        *out = stream->capture;
        double_now.activity.captured++;
    } else if (stream->capture) {
        double_destroy_graph(stream->capture);
        *out = NULL;
    }
    stream->capture = NULL;
    double_error(error);
    double_unlock();
    return error;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *out, cudaGraph_t graph,
                                 unsigned long long flags) {
    (void)flags;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorMemoryAllocation);
    cudaGraphExec_t e = error == cudaSuccess ? calloc(1, sizeof *e) : NULL;
    if (e) {
        e->references = 1;
        for (size_t i = 0; i < graph->units.count; i++)
            if (!double_append(&e->units, graph->units.items[i])) abort();
        double_now.alive.executables++;
        *out = e;
    }
    double_unlock();
    return error;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    double_lock();
    double_destroy_graph(graph);
    double_unlock();
    return cudaSuccess;
}

static void drop_executable(void *data) {
    cudaGraphExec_t e = data;
    if (--e->references > 0) return;
    double_clear(&e->units);
    free(e);
    double_now.alive.executables--;
}

static uint64_t graphs_ahead;

static cudaError_t run_graph(void *data) {
    cudaGraphExec_t e = data;
    graphs_ahead--;
    for (size_t i = 0; i < e->units.count; i++) {
        cudaError_t error = double_run(e->units.items[i]);
        if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess) {
        executable->references++;
        double_now.activity.replays++;
        if (++graphs_ahead > double_now.activity.largest_ahead)
            double_now.activity.largest_ahead = graphs_ahead;
        error = double_enqueue(stream, (double_work){run_graph, drop_executable, executable});
    }
    double_unlock();
    return error;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
    double_lock();
    drop_executable(executable);
    double_unlock();
    return cudaSuccess;
}

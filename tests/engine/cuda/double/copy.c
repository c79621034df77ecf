/* Copies and fills. */
#include "stream_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct copy {
    void *to;
    const void *from;
    size_t bytes;
    int byte; /* of a fill, where from is NULL */
    char staged[];
} copy;

static cudaError_t run_copy(void *data) {
    copy *c = data;
    if (c->from)
        memcpy(c->to, c->from, c->bytes);
    else
        memset(c->to, c->byte, c->bytes);
    return cudaSuccess;
}

static cudaError_t queue_copy(void *to, const void *from, size_t bytes, cudaStream_t stream,
                              bool stages) {
    copy *c = malloc(sizeof *c + (stages ? bytes : 0));
    if (!c) return double_error(cudaErrorMemoryAllocation);
    *c = (copy){.to = to, .from = from, .bytes = bytes};
    if (stages) c->from = memcpy(c->staged, from, bytes);
    return double_enqueue(stream, (double_work){run_copy, free, c});
}

/* As CUDA's: page-locked memory is copied when its turn comes, other memory is read at once, or
 * written before this returns. */
cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream) {
    bool is_in = kind == cudaMemcpyHostToDevice;
    const void *there = is_in ? to : from, *here = is_in ? from : to;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    bool is_right = (is_in || kind == cudaMemcpyDeviceToHost) && double_is_device(there, bytes) &&
                    !double_touches_device(here, bytes);
    if (error == cudaSuccess && !is_right) error = double_error(cudaErrorInvalidValue);
    bool is_locked = double_is_page_locked(here, bytes);
    if (error == cudaSuccess) error = queue_copy(to, from, bytes, stream, is_in && !is_locked);
    if (error == cudaSuccess && !is_in && !is_locked)
        error = double_error(double_drain_stream(stream));
    double_unlock();
    return error;
}

cudaError_t cudaMemsetAsync(void *to, int byte, size_t bytes, cudaStream_t stream) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    copy *c = NULL;
    if (error == cudaSuccess && (!double_is_device(to, bytes) || !(c = malloc(sizeof *c))))
        error = double_error(cudaErrorInvalidValue);
    if (error == cudaSuccess) {
        *c = (copy){.to = to, .bytes = bytes, .byte = byte};
        error = double_enqueue(stream, (double_work){run_copy, free, c});
    }
    double_unlock();
    return error;
}

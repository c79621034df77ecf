/* Streams and events, and the kernels that are launched into them. */
#include "stream_internal.h"

#include "engine/backend/cuda/kernels/host_launch.h"

#include <stdlib.h>
#include <string.h>

static cudaStream_t streams;

/* ---- Lists ----------------------------------------------------------------------------------- */

bool double_append(list *l, unit *u) {
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        unit **grown = realloc(l->items, room * sizeof(unit *));
        if (!grown) return false;
        l->items = grown;
        l->room = room;
    }
    l->items[l->count++] = u;
    u->references++;
    return true;
}

static void drop(unit *u) {
    if (--u->references > 0) return;
    if (u->work.release) u->work.release(u->work.data);
    free(u);
}

void double_clear(list *l) {
    for (size_t i = l->done; i < l->count; i++) drop(l->items[i]);
    free(l->items);
    *l = (list){0};
}

bool double_is_stream(cudaStream_t stream) {
    for (cudaStream_t s = streams; s; s = s->next)
        if (s == stream) return true;
    return false;
}

/* ---- Doing the work -------------------------------------------------------------------------- */

cudaError_t double_run(unit *u) {
    if (double_now.lost != cudaSuccess) return double_now.lost;
    cudaError_t error = u->work.run(u->work.data);
    if (error != cudaSuccess) double_now.lost = error;
    return error;
}

cudaError_t double_drain_stream(cudaStream_t stream) {
    cudaError_t error = cudaSuccess;
    list *l = &stream->waiting;
    if (l->done < l->count) double_open_memory();
    while (l->done < l->count) {
        unit *u = l->items[l->done++];
        cudaError_t of_unit = double_run(u);
        if (error == cudaSuccess) error = of_unit;
        drop(u);
    }
    if (l->count > 0) double_close_memory();
    l->count = l->done = 0;
    return error;
}

cudaError_t double_drain(void) {
    cudaError_t error = cudaSuccess;
    for (cudaStream_t s = streams; s; s = s->next) {
        cudaError_t of_stream = double_drain_stream(s);
        if (error == cudaSuccess) error = of_stream;
    }
    return error;
}

cudaError_t double_enqueue(cudaStream_t stream, double_work work) {
    unit *u = malloc(sizeof *u);
    if (!u) {
        if (work.release) work.release(work.data);
        return double_error(cudaErrorMemoryAllocation);
    }
    *u = (unit){.work = work, .references = 1};
    bool kept = double_is_stream(stream) &&
                double_append(stream->capture ? &stream->capture->units : &stream->waiting, u);
    drop(u);
    return kept ? cudaSuccess : double_error(cudaErrorInvalidResourceHandle);
}

/* ---- Kernels --------------------------------------------------------------------------------- */

static cudaError_t run_kernel(void *data) {
    double_now.activity.kernels++;
    if (double_now.fail_kernel > 0 && --double_now.fail_kernel == 0) return cudaErrorIllegalAddress;
    gs__cuda_host_run(data);
    return cudaSuccess;
}

/* The launch and, behind it, its job. */
static gs_cuda_status launch(gs_cuda_stream stream, const gs_host_launch *of) {
    enum { ALIGNMENT = 16 };
    size_t head = (sizeof *of + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    double_lock();
    cudaError_t error = double_call(of->kernel, cudaErrorInvalidConfiguration);
    gs_host_launch *copy = error == cudaSuccess ? malloc(head + of->job_bytes) : NULL;
    if (copy) {
        *copy = *of;
        copy->job = (char *)copy + head;
        memcpy((char *)copy + head, of->job, of->job_bytes);
        error = double_enqueue(stream, (double_work){run_kernel, free, copy});
    }
    double_unlock();
    return (gs_cuda_status)error;
}

__attribute__((constructor)) static void take_launches(void) {
    gs__cuda_host_set_launcher(launch);
}

/* ---- Streams --------------------------------------------------------------------------------- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *out, unsigned flags) {
    (void)flags;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorMemoryAllocation);
    cudaStream_t s = error == cudaSuccess ? calloc(1, sizeof *s) : NULL;
    if (s) {
        s->next = streams;
        streams = s;
        double_now.alive.streams++;
        *out = s;
    }
    double_unlock();
    return error;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    double_lock();
    cudaError_t error = double_is_stream(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) {
        (void)double_drain_stream(stream);
        double_clear(&stream->waiting);
        if (stream->capture) double_destroy_graph(stream->capture);
        cudaStream_t *at = &streams;
        while (*at != stream) at = &(*at)->next;
        *at = stream->next;
        free(stream);
        double_now.alive.streams--;
    }
    double_unlock();
    return error;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess && !double_is_stream(stream)) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess && stream->capture) {
        stream->is_invalid = true;
        error = cudaErrorStreamCaptureUnsupported;
    }
    if (error == cudaSuccess) error = double_drain_stream(stream);
    double_now.activity.waits++;
    double_error(error);
    double_unlock();
    return error;
}

/* ---- Events: the whole stream is done, which may be more than was asked for -------------------
 */

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *out, unsigned flags) {
    (void)flags;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorMemoryAllocation);
    cudaEvent_t e = error == cudaSuccess ? calloc(1, sizeof *e) : NULL;
    if (e) {
        double_now.alive.events++;
        *out = e;
    }
    double_unlock();
    return error;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess && !double_is_stream(stream)) error = cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) {
        event->stream = stream;
        event->place = stream->waiting.count;
    }
    double_error(error);
    double_unlock();
    return error;
}

/* Does what was queued before the event, and nothing after it. */
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    cudaStream_t stream = event->stream;
    if (error == cudaSuccess && stream && double_is_stream(stream)) {
        list *l = &stream->waiting;
        bool works = l->done < event->place && l->done < l->count;
        if (works) double_open_memory();
        while (l->done < event->place && l->done < l->count) {
            unit *u = l->items[l->done++];
            cudaError_t of_unit = double_run(u);
            if (error == cudaSuccess) error = of_unit;
            drop(u);
        }
        if (works) double_close_memory();
    }
    double_error(error);
    double_unlock();
    return error;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
    double_lock();
    free(event);
    double_now.alive.events--;
    double_unlock();
    return cudaSuccess;
}

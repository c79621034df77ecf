/* Streams, events and graphs. A stream is a list of work that waits; waiting for it does it. While
 * a stream is captured its work goes to the graph's list instead. */
#include "double_internal.h"

#include "engine/backend/cuda/kernels/host_launch.h"

#include <stdlib.h>
#include <string.h>

/* A unit of work in as many lists as it has references. */
typedef struct unit {
    double_work work;
    int references;
} unit;

typedef struct list {
    unit **items;
    size_t count, room, done;
} list;

struct CUgraph_st {
    list units;
};
struct CUgraphExec_st {
    list units;
    int references; /* the caller's and those of launches that wait */
};

struct CUstream_st {
    list waiting;
    cudaGraph_t capture;
    bool is_invalid; /* the capture */
    uint64_t graphs_waiting;
    struct CUstream_st *next;
};

struct CUevent_st {
    cudaStream_t stream;
    uint64_t place; /* units that the stream had been given when it was recorded */
};

static cudaStream_t streams;

/* ---- Lists ----------------------------------------------------------------------------------- */

static bool append(list *l, unit *u) {
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

static void clear(list *l) {
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

static cudaError_t run(unit *u) {
    if (double_now.lost != cudaSuccess) return double_now.lost;
    cudaError_t error = u->work.run(u->work.data);
    if (error != cudaSuccess) double_now.lost = error;
    return error;
}

static cudaError_t drain(cudaStream_t stream) {
    cudaError_t error = cudaSuccess;
    list *l = &stream->waiting;
    if (l->done < l->count) double_open_memory();
    while (l->done < l->count) {
        unit *u = l->items[l->done++];
        cudaError_t of_unit = run(u);
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
        cudaError_t of_stream = drain(s);
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
                append(stream->capture ? &stream->capture->units : &stream->waiting, u);
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

/* ---- Copies ---------------------------------------------------------------------------------- */

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
    if (error == cudaSuccess && !is_in && !is_locked) error = double_error(drain(stream));
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

static cudaError_t destroy_graph(cudaGraph_t graph) {
    clear(&graph->units);
    free(graph);
    double_now.alive.graphs--;
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
    double_lock();
    cudaError_t error = double_is_stream(stream) ? cudaSuccess : cudaErrorInvalidResourceHandle;
    if (error == cudaSuccess) {
        (void)drain(stream);
        clear(&stream->waiting);
        if (stream->capture) (void)destroy_graph(stream->capture);
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
    if (error == cudaSuccess) error = drain(stream);
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
            cudaError_t of_unit = run(u);
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

/* ---- Graphs ---------------------------------------------------------------------------------- */

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
        (void)destroy_graph(stream->capture);
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
            if (!append(&e->units, graph->units.items[i])) abort();
        double_now.alive.executables++;
        *out = e;
    }
    double_unlock();
    return error;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
    double_lock();
    cudaError_t error = destroy_graph(graph);
    double_unlock();
    return error;
}

static void drop_executable(void *data) {
    cudaGraphExec_t e = data;
    if (--e->references > 0) return;
    clear(&e->units);
    free(e);
    double_now.alive.executables--;
}

static uint64_t graphs_ahead;

static cudaError_t run_graph(void *data) {
    cudaGraphExec_t e = data;
    graphs_ahead--;
    for (size_t i = 0; i < e->units.count; i++) {
        cudaError_t error = run(e->units.items[i]);
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

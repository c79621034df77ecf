/* Shared by stream.c (streams, kernels, events), copy.c and graph.c.
 *
 * A stream is a list of work that waits; waiting for it does it. While a stream is captured its
 * work goes to the graph's list instead. */
#ifndef TESTS_ENGINE_CUDA_DOUBLE_STREAM_INTERNAL_H
#define TESTS_ENGINE_CUDA_DOUBLE_STREAM_INTERNAL_H

#include "double_internal.h"

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

/* Adds a reference. False without memory. */
bool double_append(list *l, unit *u);
/* Drops what was not done yet, and the list. */
void double_clear(list *l);
/* Does one unit; a failure is that of the device from then on. */
cudaError_t double_run(unit *u);
/* Does all work of a stream. */
cudaError_t double_drain_stream(cudaStream_t stream);
void double_destroy_graph(cudaGraph_t graph);

#endif

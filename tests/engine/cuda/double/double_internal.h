/* Shared by the double's files: state.c (settings, failures, counts), memory.c, stream.c, copy.c,
 * graph.c, runtime.c
 * (devices), cudnn_descriptors.c, cudnn_checks.c, cudnn_run.c.
 *
 * One lock for all: double_lock is held in every function of the runtime. */
#ifndef TESTS_ENGINE_CUDA_DOUBLE_INTERNAL_H
#define TESTS_ENGINE_CUDA_DOUBLE_INTERNAL_H

#include "double.h"

#include <cuda_runtime_api.h>
#include <cudnn_graph.h>

#include <stdbool.h>

typedef struct double_state {
    double_counts alive;
    double_activity activity;
    uint64_t fail_call, fail_kernel; /* 0 = off */
    const char *failed;
    size_t memory, used;
    int capability, devices, unsupported_channels;
    cudaError_t lost; /* cudaSuccess, or what every call returns */
    cudaError_t last;
} double_state;
extern double_state double_now;

void double_lock(void);
void double_unlock(void);

/* At the start of a function that can fail, locked: what it has to return, if not cudaSuccess. */
cudaError_t double_call(const char *name, cudaError_t failure);
/* Remembers an error for cudaGetLastError, and returns it. */
cudaError_t double_error(cudaError_t error);

/* ---- memory.c ---- */

/* Whether all bytes lie in one allocation of the device (of page-locked host memory). */
bool double_is_device(const void *at, size_t bytes);
bool double_is_page_locked(const void *at, size_t bytes);
/* Whether any does. */
bool double_touches_device(const void *at, size_t bytes);
/* Opens the device's memory to this process, and closes it. */
void double_open_memory(void);
void double_close_memory(void);

/* ---- stream.c ---- */

/* Work: done in order, once or more often. `data` is freed with the last reference. */
typedef struct double_work {
    cudaError_t (*run)(void *data);
    void (*release)(void *data);
    void *data;
} double_work;
/* Takes the work, also on failure. Locked. */
cudaError_t double_enqueue(cudaStream_t stream, double_work work);
bool double_is_stream(cudaStream_t stream);
/* Does all work of all streams. Locked. */
cudaError_t double_drain(void);

/* ---- cudnn_*.c ---- */

enum { DOUBLE_X, DOUBLE_WEIGHT, DOUBLE_Y, DOUBLE_TENSORS };

/* A convolution as its descriptors say. */
typedef struct double_problem {
    int direction; /* 0 forward, 1 gradient of x, 2 gradient of the weight */
    int64_t n, c, h, w, o, k, oh, ow, stride;
    cudnnDataType_t type[DOUBLE_TENSORS];
    int64_t alignment[DOUBLE_TENSORS], id[DOUBLE_TENSORS];
} double_problem;

/* What engines there are, what they do to numbers, and what they need. */
typedef enum double_engine {
    DOUBLE_TENSOR_CORES,     /* of float: rounds factors as TF32 does */
    DOUBLE_NONDETERMINISTIC, /* gives other last bits each time */
    DOUBLE_HALF,             /* rounds float to half */
    DOUBLE_NOT_SUPPORTED,    /* a plan of it cannot be made */
    DOUBLE_HUNGRY,           /* needs 2 GiB of workspace */
    DOUBLE_PLAIN,
    DOUBLE_ENGINES
} double_engine;
int64_t double_engine_workspace(double_engine engine, const double_problem *problem);
int double_engine_notes(double_engine engine,
                        cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT]);

enum { DOUBLE_ATTRIBUTES = 16, DOUBLE_VALUES = 8 };

typedef struct double_attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    union {
        int64_t number;
        float real;
        void *pointer;
        int32_t choice; /* of the enumerations */
    } values[DOUBLE_VALUES];
} double_attribute;

typedef struct double_descriptor {
    cudnnBackendDescriptorType_t type;
    bool is_final;
    double_attribute attributes[DOUBLE_ATTRIBUTES];
    int count;
    /* Of what was finalised from others: */
    double_problem problem;
    double_engine engine;
    double_engine proposals[DOUBLE_ENGINES];
    int proposal_count;
    struct double_descriptor *next;
} double_descriptor;

/* NULL where there is no such descriptor, or of another type, or not finalised. */
double_descriptor *double_final(void *descriptor, cudnnBackendDescriptorType_t type);
/* NULL where it was not set. */
const double_attribute *double_get(const double_descriptor *d, cudnnBackendAttributeName_t name);
/* What finalising it returns. */
cudnnStatus_t double_check(double_descriptor *d);

/* A finished plan and its data, queued. */
cudnnStatus_t double_convolve(cudaStream_t stream, const double_descriptor *plan,
                              const void *const data[DOUBLE_TENSORS], void *workspace);

#endif

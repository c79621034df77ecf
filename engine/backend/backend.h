/* A backend: one table of kernels that executes the nodes of a plan. Chosen once, at run time.
 *
 * Memory: activations channels-last, dense: element (n,c,h,w) of [N,C,H,W] at ((n·H + h)·W + w)·C +
 * c. Weights and their gradients as PyTorch stores them, [O,C,K,K]. Vectors [1,C,1,1] are the same
 * in both. Element type: double for `reference`, float for `cpu`, which may choose bfloat16 for
 * maps that only convolutions read (gs_tensor.is_bfloat16).
 *
 * Threads: a backend's state and everything made from it belong to one thread at a time; kernels
 * use as many OpenMP threads as the state was opened with. Same thread count, same bits. */
#ifndef GS_ENGINE_BACKEND_BACKEND_H
#define GS_ENGINE_BACKEND_BACKEND_H

#include "engine/backend/precision.h"
#include "engine/graph/graph_internal.h"

typedef struct gs_backend gs_backend;

/* Bytes that a tensor's values take, a view's as much as any other's. */
size_t gs__tensor_bytes(const gs_backend *backend, const gs_tensor *tensor);

/* What a kernel may touch while a plan runs. */
typedef struct gs_run {
    char *arena;               /* planned tensors */
    gs_parameters *parameters; /* values, gradients, optimiser state */
    void *scratch; /* as many bytes as the kernel's prepare asked for; 64-byte aligned */
    void *state;   /* the backend's */
    int threads;
} gs_run;

/* The memory of a tensor. NULL for NULL. */
void *gs_run_pointer(const gs_run *run, const gs_tensor *tensor);

/* How a kernel wants its weight laid out: input 0 of a convolution's data gradient, else input 1.
 */
typedef struct gs_packing {
    size_t bytes;        /* that it takes; 0: as it is */
    const void *layout;  /* borrowed from the handle; two layouts are the same … */
    size_t layout_bytes; /* … where these bytes are */
} gs_packing;

typedef struct gs_kernel {
    /* Optional: compiles the node once. *handle_out reaches run and release; *scratch_bytes_out is
     * memory that run needs and that nobody else uses meanwhile. Both start as NULL and 0. */
    gs_status (*prepare)(void *state, const gs_node *node, void **handle_out,
                         size_t *scratch_bytes_out, gs_error *err);
    gs_status (*run)(const gs_run *run, const gs_node *node, void *handle, gs_error *err);
    void (*release)(void *handle); /* optional */
    /* Optional, of convolutions and border terms: the planner then has the weight packed by a node
     * of its own (GS_OP_PACK_WEIGHT), whose output takes the weight's place among the inputs. */
    gs_packing (*packing)(const void *handle);
} gs_kernel;

struct gs_backend {
    const char *name;
    size_t element_size; /* bytes: 4 or 8 */
    /* FP32 or BF16 for what is wanted. Optional: always FP32. */
    gs_precision (*resolve_precision)(gs_precision wanted);
    /* `precision` is resolved. */
    gs_status (*open)(int threads, gs_precision precision, void **state_out, gs_error *err);
    /* Optional: sets is_bfloat16 of the graph's tensors, before they are placed. */
    void (*choose_types)(const void *state, gs_graph *graph);
    void (*close)(void *state);
    gs_kernel kernels[GS_OP_COUNT];
};

extern const gs_backend gs_backend_reference, gs_backend_cpu;

/* "cpu", "reference" or NULL (= "cpu"); NOT_FOUND names what there is. */
GS_MUST_CHECK gs_status gs_backend_find(const char *name, const gs_backend **out, gs_error *err);

#endif

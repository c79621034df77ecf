/* A backend: one table of kernels that executes the nodes of a plan. Chosen once, at run time.
 *
 * Memory: activations channels-last, dense: element (n,c,h,w) of [N,C,H,W] at ((n·H + h)·W + w)·C +
 * c. Weights and their gradients as PyTorch stores them, [O,C,K,K]. Vectors [1,C,1,1] are the same
 * in both. Element type: double for `reference`, float for `cpu`, which may choose bfloat16 for
 * maps that only convolutions read (gs_tensor.is_bfloat16); float for `cuda`, which is a library
 * of its own that is loaded when it is asked for (plugin.h).
 *
 * Threads: a backend's state and everything made from it belong to one thread at a time; kernels
 * use as many OpenMP threads as the state was opened with. Same thread count, same bits. */
#ifndef GS_ENGINE_BACKEND_BACKEND_H
#define GS_ENGINE_BACKEND_BACKEND_H

#include "engine/backend/choice.h"
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
    const void *table;     /* the kernel's numbers (gs_kernel.table) on the device, or NULL */
    const void *optimizer; /* a gs_optimizer on the device, or NULL */
} gs_run;

/* The numbers of gs_parameters that updates read, as a device reads them. */
typedef struct gs_optimizer {
    double rates[2]; /* learning_rate, and that times discriminator_rate */
    double weight_decay, beta1, beta2, epsilon;
} gs_optimizer;

/* The memory of a tensor. NULL for NULL. */
void *gs_run_pointer(const gs_run *run, const gs_tensor *tensor);

/* How a kernel wants its weight laid out: input 0 of a convolution's data gradient, else input 1.
 */
typedef struct gs_packing {
    size_t bytes;        /* that it takes; 0: as it is */
    const void *layout;  /* borrowed from the handle; two layouts are the same … */
    size_t layout_bytes; /* … where these bytes are */
} gs_packing;

/* Numbers that a kernel reads besides tensors, made when its node was compiled. */
typedef struct gs_table {
    const void *data; /* borrowed from the handle */
    size_t bytes;
} gs_table;

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
    /* Optional, of backends with a queue: what gs_run.table has to point to. */
    gs_table (*table)(const void *handle);
} gs_kernel;

/* Of a backend that computes on a device with memory of its own: that memory, and the queue into
 * which its kernels put work. Calls return before the work is done, which is done in order; host
 * memory that is copied from or to must stay until it is. `state` is the backend's. A failure of
 * the work is reported by any later call. */
typedef struct gs_backend_queue {
    gs_status (*allocate)(void *state, size_t bytes, void **out, gs_error *err);
    void (*release)(void *state, void *memory);
    gs_status (*measure)(void *state, size_t *free_out, size_t *total_out, gs_error *err);
    /* Host memory that the device copies from and to by itself. */
    gs_status (*allocate_host)(void *state, size_t bytes, void **out, gs_error *err);
    void (*release_host)(void *state, void *memory);
    gs_status (*copy_in)(void *state, void *to, const void *from, size_t bytes, gs_error *err);
    gs_status (*copy_out)(void *state, void *to, const void *from, size_t bytes, gs_error *err);
    gs_status (*fill)(void *state, void *to, int byte, size_t bytes, gs_error *err);
    gs_status (*wait)(void *state, gs_error *err); /* for all that was queued */
    /* A place in the queue. *mark is made where it is NULL, else moved here. */
    gs_status (*mark)(void *state, void **mark, gs_error *err);
    gs_status (*wait_mark)(void *state, void *mark, gs_error *err);
    void (*free_mark)(void *state, void *mark);
    /* Between these two, kernels are recorded instead of queued; `so_far` other than OK throws the
     * recording away and is returned. */
    gs_status (*record)(void *state, gs_error *err);
    gs_status (*end_recording)(void *state, gs_status so_far, void **out, gs_error *err);
    gs_status (*replay)(void *state, void *recording, gs_error *err);
    void (*free_recording)(void *state, void *recording);
} gs_backend_queue;

typedef struct gs_backend_options {
    int threads, device;
    gs_precision precision; /* as resolved by `probe` */
    /* Kernels may be faster and give other last bits in every run. */
    bool nondeterministic;
} gs_backend_options;

struct gs_backend {
    const char *name;
    size_t element_size; /* bytes: 4 or 8 */
    /* What a wish for this backend becomes. Optional: the processor, in FP32. */
    gs_status (*probe)(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err);
    gs_status (*open)(const gs_backend_options *options, void **state_out, gs_error *err);
    /* Optional: sets is_bfloat16 of the graph's tensors, before they are placed. */
    void (*choose_types)(const void *state, gs_graph *graph);
    void (*close)(void *state);
    const gs_backend_queue *queue; /* NULL: kernels compute before they return, in host memory */
    gs_kernel kernels[GS_OP_COUNT];
};

extern const gs_backend gs_backend_reference, gs_backend_cpu;

/* "cpu", "cuda", "reference" or NULL (= "cpu"); NOT_FOUND names what there is, UNSUPPORTED says
 * why cuda cannot be loaded. */
GS_MUST_CHECK gs_status gs_backend_find(const char *name, const gs_backend **out, gs_error *err);

#endif

/* Shared by the files of the cuda backend: cuda.c (the table), device.c (which device, opening it),
 * queue.c (its memory and stream), conv.c (convolutions), types.c (which maps are bfloat16), and
 * map_nodes.c, prepare_nodes.c, loss_nodes.c, weight_nodes.c, which hand nodes to the kernels. */
#ifndef GS_ENGINE_BACKEND_CUDA_INTERNAL_H
#define GS_ENGINE_BACKEND_CUDA_INTERNAL_H

#include "engine/backend/backend.h"
#include "engine/backend/cuda/cudnn_conv.h"
#include "engine/backend/cuda/kernels/kernels.h"
#include "engine/backend/cuda/status.h"

/* A convolution that was compiled, for all nodes of the same key. */
typedef struct gs_cuda_cached_conv {
    gs_cudnn_key key;
    gs_cudnn_conv *conv;
    struct gs_cuda_cached_conv *next;
} gs_cuda_cached_conv;

typedef struct gs_cuda_state {
    int device;
    cudaStream_t stream;
    cudnnHandle_t cudnn;
    cudnnBackendDescriptor_t properties; /* of a device that is not there: tests compile for it */
    gs_precision precision;
    bool nondeterministic;
    gs_cuda_cached_conv *convs;
} gs_cuda_state;

/* Makes the state's device that of the calling thread. */
GS_MUST_CHECK gs_status gs__cuda_enter(const gs_cuda_state *state, gs_error *err);

gs_status gs__cuda_probe(const gs_engine_wish *wish, gs_engine_choice *out, gs_error *err);
gs_status gs__cuda_open(const gs_backend_options *options, void **state_out, gs_error *err);
void gs__cuda_close(void *state);
extern const gs_backend_queue gs__cuda_queue;

void gs__cuda_choose_types(const void *state, gs_graph *graph);

/* ---- For the files of nodes ---- */

static inline gs_cuda_in gs__cuda_in(const gs_run *run, const gs_tensor *t) {
    return (gs_cuda_in){gs_run_pointer(run, t),
                        t && t->is_bfloat16 ? GS_CUDA_BFLOAT16 : GS_CUDA_FLOAT};
}

static inline gs_cuda_out gs__cuda_out(const gs_run *run, const gs_tensor *t) {
    return (gs_cuda_out){gs_run_pointer(run, t),
                         t && t->is_bfloat16 ? GS_CUDA_BFLOAT16 : GS_CUDA_FLOAT};
}

static inline gs_cuda_stream gs__cuda_stream(const gs_run *run) {
    return ((const gs_cuda_state *)run->state)->stream;
}

/* What a launch returned. */
static inline gs_status gs__cuda_launched(gs_cuda_status status, const gs_node *node,
                                          gs_error *err) {
    return gs__cuda_check((cudaError_t)status, gs_op_name(node->op), err);
}

#define GS_CUDA_KERNEL(name)                                                                       \
    gs_status gs__cuda_run_##name(const gs_run *run, const gs_node *node, void *handle,            \
                                  gs_error *err)
#define GS_CUDA_PREPARE(name)                                                                      \
    gs_status gs__cuda_prepare_##name(void *state, const gs_node *node, void **handle_out,         \
                                      size_t *scratch_bytes_out, gs_error *err)

/* One run for each operation but the three convolutions, which share theirs. */
#define X(name, lower) GS_CUDA_KERNEL(lower);
GS_OP_MAP(X)
#undef X
GS_CUDA_KERNEL(pack_weight);

/* conv.c */
GS_CUDA_PREPARE(convolution);
gs_packing gs__cuda_conv_packing(const void *handle);
void gs__cuda_conv_release(void *handle);
/* Scratch; and handles that hold tables. */
GS_CUDA_PREPARE(statistics);
GS_CUDA_PREPARE(axes);
GS_CUDA_PREPARE(axes_and_scratch);
GS_CUDA_PREPARE(pixel_shuffle_gradient);
GS_CUDA_PREPARE(border_gradient);
GS_CUDA_PREPARE(spectral);
GS_CUDA_PREPARE(effective_weight_gradient);
GS_CUDA_PREPARE(loss);
GS_CUDA_PREPARE(amsgrad);
gs_table gs__cuda_axes_table(const void *handle);
gs_table gs__cuda_amsgrad_table(const void *handle);
void gs__cuda_free_handle(void *handle);

#endif

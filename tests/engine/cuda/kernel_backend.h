/* A backend for tests: the cuda backend's kernels as they run on the host, one after another, and
 * convolutions by plain loops. With the address sanitizer, a kernel that touches anything but its
 * node's tensors and the scratch that it asked for is caught. */
#ifndef TESTS_ENGINE_CUDA_KERNEL_BACKEND_H
#define TESTS_ENGINE_CUDA_KERNEL_BACKEND_H

#include "engine/backend/cuda/kernels/kernels.h"
#include "engine/graph/plan_internal.h"

typedef enum kernel_types {
    TYPES_FLOAT,
    TYPES_PREPARED, /* prepared maps that only convolutions and border terms read are bfloat16 */
    TYPES_ALL,      /* all maps that may be are */
} kernel_types;

/* What plans made from now on have. */
extern kernel_types kernel_backend_types;

/* Makes a device of it; gs_device_close closes it. Fails the running test. */
gs_device *kernel_device_open(void);

/* ---- For its files -------------------------------------------------------------------------- */

/* Launches what a node is. */
typedef gs_cuda_status kernel_launch(const gs_run *run, const gs_node *node);
typedef size_t kernel_scratch(const gs_node *node);

/* An operation, and which inputs and outputs are maps that may be bfloat16, as bits. */
typedef struct kernel_row {
    kernel_launch *launch;
    kernel_scratch *scratch; /* NULL: none */
    unsigned in_maps, out_maps;
} kernel_row;

const kernel_row *kernel_row_of(gs_op op);
/* Parts of the table; NULL for other operations. */
typedef const kernel_row *kernel_rows(gs_op op);
kernel_rows map_rows, loss_rows, weight_rows, conv_rows;

gs_cuda_in map_in(const gs_run *run, const gs_tensor *tensor);
gs_cuda_out map_out(const gs_run *run, const gs_tensor *tensor);

/* How convolutions want their weight (kernel_conv.c). */
gs_status kernel_conv_prepare(void *state, const gs_node *node, void **handle_out,
                              size_t *scratch_bytes_out, gs_error *err);
gs_packing kernel_conv_packing(const void *handle);
void kernel_conv_release(void *handle);

#endif

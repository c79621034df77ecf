#include "kernel_backend.h"

#include "base/memory.h"
#include "trial.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(from, bytes) ((void)(from), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(from, bytes) ((void)(from), (void)(bytes))
#endif

kernel_types kernel_backend_types;

const kernel_row *kernel_row_of(gs_op op) {
    kernel_rows *const parts[] = {map_rows, loss_rows, weight_rows, conv_rows};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const kernel_row *row = parts[i](op);
        if (row) return row;
    }
    fail_msg("no kernel is launched for %s", gs_op_name(op));
    return NULL;
}

/* ---- Types ---------------------------------------------------------------------------------- */

static bool reads_prepared(gs_op op) {
    return op == GS_OP_PREPARE || op == GS_OP_CONV || op == GS_OP_CONV_GRADIENT_WEIGHT ||
           op == GS_OP_BORDER || op == GS_OP_BORDER_GRADIENT;
}

/* Whether the node lets the tensor be bfloat16. */
static bool permits(const gs_node *node, const gs_tensor *tensor) {
    const kernel_row *row = kernel_row_of(node->op);
    bool is_typed = kernel_backend_types == TYPES_ALL || reads_prepared(node->op);
    for (int i = 0; i < node->in_count; i++)
        if (node->in[i] == tensor && !(is_typed && row->in_maps >> i & 1)) return false;
    for (int i = 0; i < node->out_count; i++)
        if (node->out[i] == tensor && !(is_typed && row->out_maps >> i & 1)) return false;
    return true;
}

static bool may_be_bfloat16(const gs_graph *graph, const gs_tensor *tensor) {
    if (tensor->storage != GS_IN_ARENA || tensor->base || tensor->kept || tensor->producer < 0)
        return false;
    bool is_prepared = graph->nodes[tensor->producer]->op == GS_OP_PREPARE;
    if (kernel_backend_types == TYPES_PREPARED && !is_prepared) return false;
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->base == tensor) return false;
    for (int i = 0; i < graph->node_count; i++)
        if (!permits(graph->nodes[i], tensor)) return false;
    return true;
}

static void choose_types(const void *state, gs_graph *graph) {
    (void)state;
    for (int i = 0; kernel_backend_types != TYPES_FLOAT && i < graph->tensor_count; i++)
        graph->tensors[i]->is_bfloat16 = may_be_bfloat16(graph, graph->tensors[i]);
}

static gs_cuda_type type_of(const gs_tensor *tensor) {
    return tensor && tensor->is_bfloat16 ? GS_CUDA_BFLOAT16 : GS_CUDA_FLOAT;
}

gs_cuda_in map_in(const gs_run *run, const gs_tensor *tensor) {
    return (gs_cuda_in){gs_run_pointer(run, tensor), type_of(tensor)};
}

gs_cuda_out map_out(const gs_run *run, const gs_tensor *tensor) {
    return (gs_cuda_out){gs_run_pointer(run, tensor), type_of(tensor)};
}

/* ---- Running -------------------------------------------------------------------------------- */

static size_t scratch_of(const gs_node *node) {
    kernel_scratch *scratch = kernel_row_of(node->op)->scratch;
    return scratch ? scratch(node) : 0;
}

static gs_status prepare(void *state, const gs_node *node, void **handle_out,
                         size_t *scratch_bytes_out, gs_error *err) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = scratch_of(node);
    return GS_OK;
}

static void permit_tensor(const gs_run *run, const gs_tensor *tensor) {
    if (!tensor) return;
    size_t value = tensor->is_bfloat16 ? sizeof(uint16_t) : sizeof(float);
    size_t bytes = tensor->packed ? tensor->packed : gs__shape_size(tensor->shape) * value;
    ASAN_UNPOISON_MEMORY_REGION(gs_run_pointer(run, tensor), bytes);
}

/* The state is the device. */
static void permit_only(const gs_run *run, const gs_node *node) {
    const gs_device *device = run->state;
    ASAN_POISON_MEMORY_REGION(device->arena, device->arena_bytes);
    ASAN_POISON_MEMORY_REGION(device->scratch, device->scratch_bytes);
    ASAN_UNPOISON_MEMORY_REGION(device->scratch, scratch_of(node));
    for (int i = 0; i < node->in_count; i++) permit_tensor(run, node->in[i]);
    for (int i = 0; i < node->out_count; i++) permit_tensor(run, node->out[i]);
}

static void permit_all(const gs_run *run) {
    const gs_device *device = run->state;
    ASAN_UNPOISON_MEMORY_REGION(device->arena, device->arena_bytes);
    ASAN_UNPOISON_MEMORY_REGION(device->scratch, device->scratch_bytes);
}

static gs_status run_node(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle;
    permit_only(run, node);
    gs_cuda_status status = kernel_row_of(node->op)->launch(run, node);
    permit_all(run);
    if (status == 0) return GS_OK;
    return gs_fail(err, GS_BACKEND, "%s failed with %d", gs_op_name(node->op), status);
}

/* ---- Table ---------------------------------------------------------------------------------- */

#define CONVOLUTION                                                                                \
    { kernel_conv_prepare, run_node, kernel_conv_release, kernel_conv_packing, NULL }

static gs_backend backend = {
    .name = "cuda kernels on the host",
    .element_size = sizeof(float),
    .choose_types = choose_types,
};

static void fill_table(void) {
    const gs_kernel convolution = CONVOLUTION, plain = {.prepare = prepare, .run = run_node};
    for (int op = 0; op < GS_OP_COUNT; op++) backend.kernels[op] = plain;
    backend.kernels[GS_OP_CONV] = backend.kernels[GS_OP_CONV_GRADIENT_DATA] = convolution;
}

gs_device *kernel_device_open(void) {
    fill_table();
    gs_device *device = gs_alloc(1, sizeof *device);
    assert_non_null(device);
    device->backend = &backend;
    device->state = device;
    device->threads = 1;
    return device;
}

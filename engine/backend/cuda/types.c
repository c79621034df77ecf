/* Which maps are bfloat16, where convolutions compute in it: those that a convolution puts out, as
 * cuDNN gives them so, and those that only convolutions read, which would round them anyway. What
 * else reads or writes such a map reads and writes both types; losses, statistics and weights are
 * float. Views begin where a float would, so what is viewed is float. */
#include "engine/backend/cuda/cuda_internal.h"

static bool is_convolution(gs_op op) {
    return op == GS_OP_CONV || op == GS_OP_CONV_GRADIENT_DATA || op == GS_OP_CONV_GRADIENT_WEIGHT;
}

/* Whether the input is a map that the convolution rounds. */
static bool rounds(const gs_node *node, int input) {
    return (node->op == GS_OP_CONV && input == 0) ||
           (node->op == GS_OP_CONV_GRADIENT_DATA && input == 1) ||
           (node->op == GS_OP_CONV_GRADIENT_WEIGHT && input <= 1);
}

/* Whether it may be of either type. */
static bool may_read(const gs_node *node, int input) {
    switch (node->op) {
    case GS_OP_NORM_STATISTICS:
    case GS_OP_BATCH_STATISTICS:
    case GS_OP_PREPARE:
    case GS_OP_BATCH_NORM_GRADIENT:
    case GS_OP_SCALE_CHANNELS:
    case GS_OP_BORDER:
        return input == 0;
    case GS_OP_PREPARE_GRADIENT:
    case GS_OP_BORDER_GRADIENT:
        return input <= 1;
    case GS_OP_PIXEL_SHUFFLE:
        return input != 1; /* the bias */
    case GS_OP_PIXEL_SHUFFLE_GRADIENT:
        return input == 0;
    case GS_OP_ADD:
    case GS_OP_CONCAT_CHANNELS:
    case GS_OP_SLICE_CHANNELS:
    case GS_OP_CONCAT_BATCH:
    case GS_OP_TANH:
    case GS_OP_TANH_GRADIENT:
    case GS_OP_SIGMOID:
    case GS_OP_SIGMOID_GRADIENT:
    case GS_OP_AVERAGE_POOL:
    case GS_OP_AVERAGE_POOL_GRADIENT:
        return true;
    default:
        return rounds(node, input);
    }
}

/* Whether its first output may be bfloat16 for convolutions that alone read it. */
static bool may_write(const gs_node *node) {
    switch (node->op) {
    case GS_OP_PREPARE:
    case GS_OP_PREPARE_GRADIENT:
    case GS_OP_BATCH_NORM_GRADIENT:
    case GS_OP_PIXEL_SHUFFLE_GRADIENT:
    case GS_OP_AVERAGE_POOL_GRADIENT:
    case GS_OP_TANH_GRADIENT:
    case GS_OP_SIGMOID_GRADIENT:
        return true;
    default:
        return false;
    }
}

/* BORDER and its gradient read what a convolution reads, so they do not count as other readers. */
static bool goes_along(const gs_node *node, int input) {
    return (node->op == GS_OP_BORDER && input == 0) ||
           (node->op == GS_OP_BORDER_GRADIENT && input == 1);
}

static void allow(gs_graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        const gs_node *node = graph->nodes[i];
        gs_tensor *out = node->out[0];
        bool makes_map = node->op == GS_OP_CONV || node->op == GS_OP_CONV_GRADIENT_DATA;
        if (out && (makes_map || may_write(node)))
            out->is_bfloat16 = !out->kept && out->storage == GS_IN_ARENA;
    }
}

static void forbid(gs_graph *graph) {
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i]->in_count; k++) {
            gs_tensor *x = graph->nodes[i]->in[k];
            if (!x || !x->is_bfloat16) continue;
            bool is_rounded = is_convolution(graph->nodes[x->producer]->op);
            bool is_fine = is_rounded
                               ? may_read(graph->nodes[i], k)
                               : rounds(graph->nodes[i], k) || goes_along(graph->nodes[i], k);
            if (!is_fine) x->is_bfloat16 = false;
        }
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->base) graph->tensors[i]->base->is_bfloat16 = false;
}

void gs__cuda_choose_types(const void *opaque, gs_graph *graph) {
    const gs_cuda_state *state = opaque;
    if (state->precision != GS_PRECISION_BF16) return;
    allow(graph);
    forbid(graph);
}

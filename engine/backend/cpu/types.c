/* Which maps are bfloat16: prepared inputs of convolutions, which nothing else reads but the border
 * terms. They are what convolutions read most often, and rounding them is what the multiplication
 * would do anyway. Outputs of convolutions stay float: statistics and sums are made of them. */
#include "engine/backend/cpu/cpu_internal.h"

static bool may_read(const gs_node *node, int input) {
    switch (node->op) {
    case GS_OP_CONV:
        return input == 0 &&
               gs__cpu_direct_conv_is_possible(node->in[1]->shape, node->as.conv.stride);
    case GS_OP_CONV_GRADIENT_WEIGHT:
    case GS_OP_BORDER:
        return input == 0;
    case GS_OP_BORDER_GRADIENT:
        return input == 1;
    default:
        return false;
    }
}

static void allow_prepared(gs_graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        gs_tensor *y = graph->nodes[i]->out[0];
        if (graph->nodes[i]->op == GS_OP_PREPARE && y) y->is_bfloat16 = !y->kept;
    }
}

static void forbid_other_readers(gs_graph *graph) {
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i]->in_count; k++) {
            gs_tensor *x = graph->nodes[i]->in[k];
            if (x && !may_read(graph->nodes[i], k)) x->is_bfloat16 = false;
        }
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->base) graph->tensors[i]->base->is_bfloat16 = false;
}

void gs__cpu_choose_types(const void *opaque, gs_graph *graph) {
    const gs_cpu_state *state = opaque;
    if (state->bf16 == GS_BF16_NONE) return;
    allow_prepared(graph);
    forbid_other_readers(graph);
}

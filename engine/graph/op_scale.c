/* Scaling of whole channels: dropout, whose factors are 0 or 1/(1 - rate). */
#include "engine/graph/graph_internal.h"

static gs_tensor *append(gs_graph *graph, gs_tensor *x, gs_tensor *factors) {
    gs_node *node = gs__node_new(graph, GS_OP_SCALE_CHANNELS, 2, (gs_tensor *[]){x, factors});
    return gs__node_output(graph, node, 0, x->shape);
}

gs_tensor *gs_graph_scale_channels(gs_graph *graph, gs_tensor *x, gs_tensor *factors) {
    if (!x || !factors || graph->error.status != GS_OK) return NULL;
    if (!gs__same_shape(factors->shape, (gs_shape){x->shape.n, x->shape.c, 1, 1}))
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH,
                              "factors [%d,%d,%d,%d] of a map [%d,%d,%d,%d]", factors->shape.n,
                              factors->shape.c, factors->shape.h, factors->shape.w, x->shape.n,
                              x->shape.c, x->shape.h, x->shape.w);
    return append(graph, x, factors);
}

void gs__scale_channels_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                             float coefficient) {
    (void)coefficient;
    if (!gs__needs_gradient(backward, node->in[0])) return;
    gs_tensor *added = append(gs__backward_graph(backward), gradient, node->in[1]);
    gs__contribute(backward, node->in[0], added, 0, 0);
}

/* Convolution and the spectral norm of its weight: shapes and gradients. */
#include "engine/graph/graph_internal.h"

gs_tensor *gs_graph_effective_weight(gs_graph *graph, int weight, int u) {
    gs_tensor *value = gs_graph_parameter(graph, weight);
    if (u < 0 || !value) return value;
    if (graph->effective[weight]) return graph->effective[weight];
    gs_tensor *state = gs_graph_parameter(graph, u);
    if (!state) return NULL;
    if (state->shape.c != value->shape.n)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "%s has %d elements, its weight %d outputs",
                              state->name, state->shape.c, value->shape.n);
    gs_node *node = gs__node_new(graph, GS_OP_EFFECTIVE_WEIGHT, 2, (gs_tensor *[]){value, state});
    gs_shape w = value->shape;
    gs_tensor *effective = gs__node_output(graph, node, 0, w);
    /* Kept for the gradient: v, then 1/σ. */
    gs__node_output(graph, node, 1, (gs_shape){1, w.c * w.h * w.w + 1, 1, 1});
    graph->effective[weight] = effective;
    return effective;
}

void gs__effective_weight_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                               float coefficient) {
    (void)coefficient;
    gs_graph *graph = gs__backward_graph(backward);
    gs_tensor *in[] = {gradient, node->in[0], node->in[1], node->out[1]};
    gs_node *added = gs__node_new(graph, GS_OP_EFFECTIVE_WEIGHT_GRADIENT, 4, in);
    gs__contribute(backward, node->in[0], gs__node_output(graph, added, 0, node->in[0]->shape), 0,
                   0);
}

void gs_graph_power_iteration(gs_graph *graph, int weight, int u) {
    gs_tensor *in[] = {gs_graph_parameter(graph, weight), gs_graph_parameter(graph, u)};
    if (!in[0] || !in[1]) return;
    gs_node *node = gs__node_new(graph, GS_OP_POWER_ITERATION, 2, in);
    if (node) node->constant = false; /* it runs at every step */
    graph->effective[weight] = NULL;
}

gs_tensor *gs_graph_conv2d(gs_graph *graph, gs_tensor *x, gs_tensor *weight, gs_tensor *bias,
                           int stride) {
    if (!x || !weight || graph->error.status != GS_OK) return NULL;
    gs_shape in = x->shape, w = weight->shape;
    if (in.c != w.c || in.h < w.h || in.w < w.w || stride < 1)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH,
                              "convolution of [%d,%d,%d,%d] with [%d,%d,%d,%d], stride %d", in.n,
                              in.c, in.h, in.w, w.n, w.c, w.h, w.w, stride);
    if (bias && bias->shape.c != w.n)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "%d biases for %d outputs", bias->shape.c,
                              w.n);
    gs_node *node = gs__node_new(graph, GS_OP_CONV, 3, (gs_tensor *[]){x, weight, bias});
    if (!node) return NULL;
    node->as.conv.stride = stride;
    gs_shape out = {in.n, w.n, (in.h - w.h) / stride + 1, (in.w - w.w) / stride + 1};
    return gs__node_output(graph, node, 0, out);
}

void gs__conv_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                   float coefficient) {
    (void)coefficient;
    gs_graph *graph = gs__backward_graph(backward);
    gs_tensor *x = node->in[0], *weight = node->in[1], *bias = node->in[2];
    int stride = node->as.conv.stride;
    if (gs__needs_gradient(backward, weight)) {
        gs_node *added =
            gs__node_new(graph, GS_OP_CONV_GRADIENT_WEIGHT, 2, (gs_tensor *[]){x, gradient});
        if (added) added->as.conv.stride = stride;
        gs__contribute(backward, weight, gs__node_output(graph, added, 0, weight->shape), 0, 0);
        if (bias)
            gs__contribute(backward, bias, gs__node_output(graph, added, 1, bias->shape), 0, 0);
    }
    if (gs__needs_gradient(backward, x)) {
        gs_node *added =
            gs__node_new(graph, GS_OP_CONV_GRADIENT_DATA, 2, (gs_tensor *[]){weight, gradient});
        if (added) added->as.conv.stride = stride;
        gs__contribute(backward, x, gs__node_output(graph, added, 0, x->shape), 0, 0);
    }
}

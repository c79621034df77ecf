/* tanh, sigmoid and average pooling: shapes and gradients. */
#include "engine/graph/graph_internal.h"

static gs_tensor *append_unary(gs_graph *graph, gs_op op, gs_tensor *x, gs_shape shape) {
    if (!x) return NULL;
    return gs__node_output(graph, gs__node_new(graph, op, 1, &x), 0, shape);
}

/* Gradient nodes of tanh and sigmoid read the forward output y and its gradient. */
static void contribute_from_output(gs_backward *backward, const gs_node *node, gs_op op,
                                   gs_tensor *gradient) {
    gs_graph *graph = gs__backward_graph(backward);
    gs_node *added = gs__node_new(graph, op, 2, (gs_tensor *[]){node->out[0], gradient});
    gs__contribute(backward, node->in[0], gs__node_output(graph, added, 0, node->in[0]->shape), 0,
                   0);
}

gs_tensor *gs_graph_tanh(gs_graph *graph, gs_tensor *x) {
    return append_unary(graph, GS_OP_TANH, x, x ? x->shape : (gs_shape){0});
}

void gs__tanh_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, float c) {
    (void)c;
    contribute_from_output(backward, node, GS_OP_TANH_GRADIENT, gradient);
}

gs_tensor *gs_graph_sigmoid(gs_graph *graph, gs_tensor *x) {
    return append_unary(graph, GS_OP_SIGMOID, x, x ? x->shape : (gs_shape){0});
}

void gs__sigmoid_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, float c) {
    (void)c;
    contribute_from_output(backward, node, GS_OP_SIGMOID_GRADIENT, gradient);
}

gs_tensor *gs_graph_average_pool(gs_graph *graph, gs_tensor *x) {
    if (!x) return NULL;
    gs_shape s = x->shape;
    return append_unary(graph, GS_OP_AVERAGE_POOL, x,
                        (gs_shape){s.n, s.c, (s.h - 1) / 2 + 1, (s.w - 1) / 2 + 1});
}

void gs__average_pool_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                           float c) {
    (void)c;
    gs_graph *graph = gs__backward_graph(backward);
    gs_node *added = gs__node_new(graph, GS_OP_AVERAGE_POOL_GRADIENT, 1, &gradient);
    gs__contribute(backward, node->in[0], gs__node_output(graph, added, 0, node->in[0]->shape), 0,
                   0);
}

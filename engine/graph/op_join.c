/* Adding, joining and cutting tensors: shapes and gradients. */
#include "engine/graph/graph_internal.h"

gs_tensor *gs_graph_add(gs_graph *graph, gs_tensor *a, gs_tensor *b) {
    if (!a || !b) return NULL;
    if (!gs__same_shape(a->shape, b->shape))
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "[%d,%d,%d,%d] + [%d,%d,%d,%d]", a->shape.n,
                              a->shape.c, a->shape.h, a->shape.w, b->shape.n, b->shape.c,
                              b->shape.h, b->shape.w);
    gs_node *node = gs__node_new(graph, GS_OP_ADD, 2, (gs_tensor *[]){a, b});
    return gs__node_output(graph, node, 0, a->shape);
}

void gs__add_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, float c) {
    (void)c;
    gs__contribute(backward, node->in[0], gradient, 0, 0);
    gs__contribute(backward, node->in[1], gradient, 0, 0);
}

gs_tensor *gs_graph_concat_channels(gs_graph *graph, gs_tensor *a, gs_tensor *b) {
    if (!a || !b) return NULL;
    gs_shape s = a->shape, t = b->shape;
    if (s.n != t.n || s.h != t.h || s.w != t.w)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH,
                              "concatenation of [%d,%d,%d,%d] and [%d,%d,%d,%d]", s.n, s.c, s.h,
                              s.w, t.n, t.c, t.h, t.w);
    gs_node *node = gs__node_new(graph, GS_OP_CONCAT_CHANNELS, 2, (gs_tensor *[]){a, b});
    s.c += t.c;
    return gs__node_output(graph, node, 0, s);
}

void gs__concat_channels_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                              float c) {
    (void)c;
    gs_graph *graph = gs__backward_graph(backward);
    int from = 0;
    for (int i = 0; i < 2; i++) {
        int count = node->in[i]->shape.c;
        if (gs__needs_gradient(backward, node->in[i]))
            gs__contribute(backward, node->in[i],
                           gs_graph_slice_channels(graph, gradient, from, count), 0, 0);
        from += count;
    }
}

gs_tensor *gs_graph_slice_channels(gs_graph *graph, gs_tensor *x, int from, int count) {
    if (!x) return NULL;
    if (from < 0 || count <= 0 || from + count > x->shape.c)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "channels %d to %d of %d", from,
                              from + count, x->shape.c);
    if (count == x->shape.c) return x;
    gs_node *node = gs__node_new(graph, GS_OP_SLICE_CHANNELS, 1, &x);
    if (!node) return NULL;
    node->as.slice.from = from;
    gs_shape s = x->shape;
    s.c = count;
    return gs__node_output(graph, node, 0, s);
}

void gs__slice_channels_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                             float c) {
    (void)c;
    gs__contribute(backward, node->in[0], gradient, 0, node->as.slice.from);
}

gs_tensor *gs_graph_concat_batch(gs_graph *graph, gs_tensor *a, gs_tensor *b) {
    if (!a || !b) return NULL;
    gs_shape s = a->shape, t = b->shape;
    if (s.c != t.c || s.h != t.h || s.w != t.w)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "batch of [%d,%d,%d,%d] and [%d,%d,%d,%d]",
                              s.n, s.c, s.h, s.w, t.n, t.c, t.h, t.w);
    gs_node *node = gs__node_new(graph, GS_OP_CONCAT_BATCH, 2, (gs_tensor *[]){a, b});
    s.n += t.n;
    return gs__node_output(graph, node, 0, s);
}

void gs__concat_batch_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                           float c) {
    (void)c;
    gs_graph *graph = gs__backward_graph(backward);
    int split = node->in[0]->shape.n;
    gs__contribute(backward, node->in[0], gs_graph_batch_view(graph, gradient, 0, split), 0, 0);
    gs__contribute(backward, node->in[1],
                   gs_graph_batch_view(graph, gradient, split, node->in[1]->shape.n), 0, 0);
}

/* Batch norm: its statistics, and the part of the gradient that comes through them.
 *
 * A prepare node takes the statistics as given, so its gradient is that of an affine map, and hands
 * on dβ = Σ g and dγ = Σ g x̂ over all M values of a channel. What x changes in the statistics adds
 * -γ·inverse/M · (dβ + x̂ dγ): a node of its own, appended to the prepare's gradient. */
#include "engine/graph/graph_internal.h"

static gs_shape statistics_shape(int samples, int channels) {
    return (gs_shape){samples, 2 * channels, 1, 1};
}

static gs_tensor *find_statistics(const gs_graph *graph, const gs_tensor *x) {
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i]->op == GS_OP_BATCH_STATISTICS && graph->nodes[i]->in[0] == x)
            return graph->nodes[i]->out[0];
    return NULL;
}

gs_tensor *gs_graph_batch_statistics(gs_graph *graph, gs_tensor *x) {
    if (!x || graph->error.status != GS_OK) return NULL;
    gs_tensor *found = find_statistics(graph, x);
    if (found) return found;
    gs_node *node = gs__node_new(graph, GS_OP_BATCH_STATISTICS, 1, &x);
    return gs__node_output(graph, node, 0, statistics_shape(x->shape.n, x->shape.c));
}

/* The parameters as leaves, checked to be of `channels` values each (0: of as many as the first).
 */
static bool read_pair(gs_graph *graph, int mean, int variance, int channels, gs_tensor *out[2]) {
    out[0] = gs_graph_parameter(graph, mean);
    out[1] = gs_graph_parameter(graph, variance);
    if (!out[0] || !out[1]) return false;
    if (channels == 0) channels = out[0]->shape.c;
    if (out[0]->shape.c == channels && out[1]->shape.c == channels) return true;
    gs__graph_fail(graph, GS_SHAPE_MISMATCH, "%.60s and %.60s have %d and %d values, not %d",
                   out[0]->name, out[1]->name, out[0]->shape.c, out[1]->shape.c, channels);
    return false;
}

gs_tensor *gs_graph_running_statistics(gs_graph *graph, int mean, int variance, int samples) {
    gs_tensor *in[2];
    if (!read_pair(graph, mean, variance, 0, in)) return NULL;
    gs_node *node = gs__node_new(graph, GS_OP_RUNNING_STATISTICS, 2, in);
    return gs__node_output(graph, node, 0, statistics_shape(samples, in[0]->shape.c));
}

void gs_graph_update_statistics(gs_graph *graph, int mean, int variance, gs_tensor *x) {
    gs_tensor *pair[2], *statistics = gs_graph_batch_statistics(graph, x);
    if (!statistics || !read_pair(graph, mean, variance, x->shape.c, pair)) return;
    gs_tensor *in[] = {pair[0], pair[1], statistics};
    gs_node *node = gs__node_new(graph, GS_OP_UPDATE_STATISTICS, 3, in);
    if (!node) return;
    node->constant = false; /* it runs at every step */
    node->as.update_statistics.values = (double)x->shape.n * x->shape.h * x->shape.w;
}

void gs__batch_norm_contribute(gs_backward *backward, gs_tensor *x, gs_tensor *statistics,
                               gs_tensor *gamma, gs_tensor *dgamma, gs_tensor *dbeta) {
    const gs_graph *of = gs__backward_graph(backward);
    bool is_of_batch =
        statistics->producer >= 0 && of->nodes[statistics->producer]->op == GS_OP_BATCH_STATISTICS;
    if (!is_of_batch || !gs__needs_gradient(backward, x)) return;
    gs_graph *graph = gs__backward_graph(backward);
    gs_tensor *in[] = {x, statistics, gamma, dgamma, dbeta};
    gs_node *node = gs__node_new(graph, GS_OP_BATCH_NORM_GRADIENT, 5, in);
    gs__contribute(backward, x, gs__node_output(graph, node, 0, x->shape), 0, 0);
}

/* What the nodes of a plan did and how long they took. */
#include "engine/graph/plan_internal.h"

#include <stdio.h>

static double bytes_of(const gs_plan *plan, gs_tensor *const *tensors, int count) {
    double total = 0;
    for (int i = 0; i < count; i++)
        if (tensors[i]) total += (double)gs__tensor_bytes(plan->device->backend, tensors[i]);
    return total;
}

/* Two per weight and pixel of the smaller map, which is the output of the forward convolution. */
static double operations_of(const gs_node *node) {
    const gs_tensor *weight, *map;
    switch (node->op) {
    case GS_OP_CONV:
        weight = node->in[1], map = node->out[0];
        break;
    case GS_OP_CONV_GRADIENT_DATA:
        weight = node->in[0], map = node->in[1];
        break;
    case GS_OP_CONV_GRADIENT_WEIGHT:
        weight = node->out[0], map = node->in[1];
        break;
    default:
        return 0;
    }
    gs_shape w = weight->shape, m = map->shape;
    return 2.0 * (double)gs__shape_size(w) * m.n * m.h * m.w;
}

static size_t append_shape(char *to, size_t size, const char *before, const gs_tensor *tensor) {
    if (!tensor) return 0;
    gs_shape s = tensor->shape;
    int length = snprintf(to, size, "%s%dx%dx%dx%d", before, s.n, s.c, s.h, s.w);
    return length < 0 ? 0 : (size_t)length < size ? (size_t)length : size - 1;
}

int gs_plan_node_count(const gs_plan *plan) {
    return plan->graph->node_count;
}

void gs_plan_profile(const gs_plan *plan, int node, gs_node_profile *out) {
    const gs_node *n = plan->graph->nodes[node];
    *out = (gs_node_profile){.op = gs_op_name(n->op),
                             .seconds = plan->nodes[node].seconds,
                             .runs = plan->nodes[node].runs,
                             .operations = operations_of(n),
                             .bytes = bytes_of(plan, n->in, n->in_count) +
                                      bytes_of(plan, n->out, n->out_count)};
    char *to = out->shapes;
    size_t used = append_shape(to, sizeof out->shapes, "", n->in[0]);
    used += append_shape(to + used, sizeof out->shapes - used, used ? " " : "", n->in[1]);
    append_shape(to + used, sizeof out->shapes - used, " -> ", n->out[0]);
}

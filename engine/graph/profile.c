/* What the nodes of a plan did and how long they took. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

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

bool gs__plan_runs_always(const gs_plan *plan, int node) {
    return plan->mode != GS_PLAN_INFERENCE || !plan->graph->nodes[node]->constant;
}

void gs_plan_profile(const gs_plan *plan, int node, gs_node_profile *out) {
    const gs_node *n = plan->graph->nodes[node];
    *out = (gs_node_profile){.op = gs_op_name(n->op),
                             .seconds = plan->nodes[node].seconds,
                             .runs = plan->nodes[node].runs,
                             .operations = operations_of(n),
                             .runs_always = gs__plan_runs_always(plan, node),
                             .bytes = bytes_of(plan, n->in, n->in_count) +
                                      bytes_of(plan, n->out, n->out_count)};
    char *to = out->shapes;
    size_t used = append_shape(to, sizeof out->shapes, "", n->in[0]);
    used += append_shape(to + used, sizeof out->shapes - used, used ? " " : "", n->in[1]);
    append_shape(to + used, sizeof out->shapes - used, " -> ", n->out[0]);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* The node during which most bytes are in use, from what begins and ends with each. */
static int fullest_node(const gs_plan *plan, const gs_lifetime *lives, size_t *begin, size_t *end,
                        size_t *bytes_out) {
    for (int i = 0; i < plan->graph->tensor_count; i++) {
        begin[lives[i].first] += lives[i].bytes;
        end[lives[i].last] += lives[i].bytes;
    }
    size_t bytes = 0;
    int fullest = 0;
    *bytes_out = 0;
    for (int n = 0; n < plan->graph->node_count; n++) {
        bytes += begin[n];
        if (bytes > *bytes_out) fullest = n, *bytes_out = bytes;
        bytes -= end[n];
    }
    return fullest;
}

static gs_live_tensor describe(const gs_plan *plan, const gs_tensor *tensor,
                               const gs_lifetime *life) {
    gs_live_tensor out = {.bytes = life->bytes, .first = life->first, .last = life->last};
    out.op =
        tensor->producer < 0 ? tensor->name : gs_op_name(plan->graph->nodes[tensor->producer]->op);
    append_shape(out.shape, sizeof out.shape, "", tensor);
    return out;
}

static int larger_first(const void *a, const void *b) {
    const gs_live_tensor *p = a, *q = b;
    return (p->bytes < q->bytes) - (p->bytes > q->bytes);
}

gs_status gs_plan_find_peak(const gs_plan *plan, gs_plan_peak *out, gs_error *err) {
    const gs_graph *graph = plan->graph;
    gs_lifetime *lives = gs_alloc((size_t)graph->tensor_count, sizeof *lives);
    size_t *sums = gs_alloc(2 * ((size_t)graph->node_count + 1), sizeof *sums);
    gs_live_tensor *tensors = gs_alloc((size_t)graph->tensor_count, sizeof *tensors);
    gs_status status = GS_OK;
    if (!lives || !sums || !tensors) {
        gs_free(tensors);
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan's peak");
        goto done;
    }
    gs__plan_lifetimes(plan, lives);
    gs_plan_peak peak = {.tensors = tensors};
    peak.node = fullest_node(plan, lives, sums, sums + graph->node_count + 1, &peak.bytes);
    peak.op = gs_op_name(graph->nodes[peak.node]->op);
    for (int i = 0; i < graph->tensor_count; i++)
        if (lives[i].bytes && lives[i].first <= peak.node && peak.node <= lives[i].last)
            tensors[peak.count++] = describe(plan, graph->tensors[i], &lives[i]);
    qsort(tensors, (size_t)peak.count, sizeof *tensors, larger_first);
    *out = peak;
done:
    gs_free(lives), gs_free(sums);
    return status;
}

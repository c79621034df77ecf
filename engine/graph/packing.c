/* Weights in the layout that a kernel reads: a convolution's or that of border terms.
 *
 * Packing is a node of its own before the first node that wants the layout; all that want
 * the same of the same tensor read its output. So a packed weight is placed by liveness as
 * everything else, or, of an inference plan, kept and shared with other plans while the weight it
 * was made from is needed no longer. A parameter may change between two convolutions of a training
 * step (AMSGrad is such a node): it is packed before each of them. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <string.h>

static int weight_slot(const gs_node *reader) {
    return reader->op == GS_OP_CONV_GRADIENT_DATA ? 0 : 1;
}

static bool may_share(const gs_plan *plan, const gs_tensor *weight) {
    return weight->producer >= 0 || plan->mode == GS_PLAN_INFERENCE;
}

/* What a node from `first` on, those appended here, has packed in the same way. */
static gs_tensor *find_packed(const gs_plan *plan, int first, const gs_tensor *weight,
                              const gs_packing *packing) {
    for (int i = first; may_share(plan, weight) && i < plan->graph->node_count; i++) {
        const gs_node *node = plan->graph->nodes[i];
        if (node->in[0] == weight && node->as.pack.layout_bytes == packing->layout_bytes &&
            memcmp(node->as.pack.layout, packing->layout, packing->layout_bytes) == 0)
            return node->out[0];
    }
    return NULL;
}

static gs_tensor *append_packing(gs_graph *graph, gs_tensor *weight, const gs_packing *packing,
                                 gs_op op, const void *handle) {
    gs_node *node = gs__node_new(graph, GS_OP_PACK_WEIGHT, 1, &weight);
    gs_tensor *packed = gs__node_output(graph, node, 0, weight->shape);
    if (!packed) return NULL;
    node->as.pack.op = op;
    node->as.pack.handle = handle;
    node->as.pack.layout = packing->layout;
    node->as.pack.layout_bytes = packing->layout_bytes;
    packed->packed = packing->bytes;
    return packed;
}

/* Gives each node that wants one its packed weight. before[k] is the node that the k-th of those
 * appended has to precede. */
static gs_status append_packings(gs_plan *plan, int *before, gs_error *err) {
    gs_graph *graph = plan->graph;
    int first = graph->node_count;
    for (int i = 0; i < first; i++) {
        gs_node *node = graph->nodes[i];
        const gs_kernel *kernel = &plan->device->backend->kernels[node->op];
        if (!kernel->packing) continue;
        gs_packing packing = kernel->packing(plan->nodes[i].handle);
        if (packing.bytes == 0) continue;
        gs_tensor **weight = &node->in[weight_slot(node)];
        gs_tensor *packed = find_packed(plan, first, *weight, &packing);
        if (!packed) {
            before[graph->node_count - first] = i;
            packed = append_packing(graph, *weight, &packing, node->op, plan->nodes[i].handle);
        }
        if (!packed) return gs_graph_finish(graph, err);
        *weight = packed;
    }
    return GS_OK;
}

static void number_producers(const gs_graph *graph) {
    for (int i = 0; i < graph->node_count; i++)
        for (int k = 0; k < graph->nodes[i]->out_count; k++)
            if (graph->nodes[i]->out[k]) graph->nodes[i]->out[k]->producer = i;
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->base)
            graph->tensors[i]->producer = graph->tensors[i]->base->producer;
}

/* Moves the nodes from `first` on to their places; before[] does not descend. */
static gs_status move_into_place(gs_plan *plan, int first, const int *before, gs_error *err) {
    gs_graph *graph = plan->graph;
    int count = graph->node_count, inserted = 0;
    gs_node **order = gs_alloc((size_t)count, sizeof *order);
    gs_plan_node *nodes = gs_alloc((size_t)count, sizeof *nodes);
    if (!order || !nodes) {
        gs_free(order), gs_free(nodes);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to order %d nodes", count);
    }
    for (int i = 0; i < first; i++) {
        while (first + inserted < count && before[inserted] == i) {
            order[i + inserted] = graph->nodes[first + inserted];
            inserted++;
        }
        order[i + inserted] = graph->nodes[i];
        nodes[i + inserted] = plan->nodes[i];
    }
    memcpy(graph->nodes, order, (size_t)count * sizeof(gs_node *));
    gs_free(order);
    gs_free(plan->nodes);
    plan->nodes = nodes;
    number_producers(graph);
    return GS_OK;
}

gs_status gs__plan_pack_weights(gs_plan *plan, gs_error *err) {
    int first = plan->graph->node_count;
    int *before = gs_alloc((size_t)first, sizeof *before);
    if (!before) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to pack weights");
    gs_status status = append_packings(plan, before, err);
    if (status == GS_OK) status = move_into_place(plan, first, before, err);
    gs_free(before);
    return status;
}

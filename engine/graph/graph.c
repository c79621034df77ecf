/* Nodes, tensors and leaves of a graph. Invariants: (1) a node's inputs were created before it;
 * (2) nodes run in order; (3) a view's base is never a view; (4) after an error every builder
 * returns NULL and changes nothing. */
#include "engine/graph/graph_internal.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *gs_op_name(gs_op op) {
    static const char *const names[] = {
#define X(name, lower) #lower,
        GS_OP_MAP(X)
#undef X
            [GS_OP_PACK_WEIGHT] = "pack_weight",
    };
    return names[op];
}

gs_graph *gs_graph_new(const gs_parameter_set *parameters) {
    gs_graph *graph = gs_alloc(1, sizeof *graph);
    if (!graph) return NULL;
    graph->set = parameters;
    size_t count = (size_t)parameters->count;
    graph->values = gs_alloc(count, sizeof(gs_tensor *));
    graph->effective = gs_alloc(count, sizeof(gs_tensor *));
    graph->gradients = gs_alloc(count, sizeof(gs_tensor *));
    if (!graph->values || !graph->effective || !graph->gradients || parameters->failed) {
        gs_graph_free(graph);
        return NULL;
    }
    return graph;
}

void gs__axis_map_free(gs_axis_map *map) {
    gs_free(map->source), gs_free(map->first), gs_free(map->uses);
}

static void node_free(gs_node *node) {
    if (node->op == GS_OP_PREPARE) {
        gs__axis_map_free(&node->as.prepare.rows);
        gs__axis_map_free(&node->as.prepare.columns);
    }
    if (node->op == GS_OP_AMSGRAD) gs_free(node->as.amsgrad.parameters);
    gs_free(node);
}

void gs_graph_free(gs_graph *graph) {
    if (!graph) return;
    for (int i = 0; i < graph->node_count; i++) node_free(graph->nodes[i]);
    for (int i = 0; i < graph->tensor_count; i++) gs_free(graph->tensors[i]);
    gs_free(graph->nodes), gs_free(graph->tensors);
    gs_free(graph->values), gs_free(graph->effective), gs_free(graph->gradients);
    gs_free(graph);
}

gs_status gs_graph_finish(const gs_graph *graph, gs_error *err) {
    if (graph->error.status != GS_OK && err) *err = graph->error;
    return graph->error.status;
}

void *gs__graph_fail(gs_graph *graph, gs_status status, const char *format, ...) {
    if (graph->error.status != GS_OK) return NULL;
    graph->error.status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(graph->error.text, sizeof graph->error.text, format, args);
    va_end(args);
    return NULL;
}

gs_shape gs_tensor_shape(const gs_tensor *tensor) {
    return tensor->shape;
}

size_t gs__shape_size(gs_shape s) {
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

gs_tensor *gs__memory_owner(const gs_tensor *tensor) {
    return tensor->base ? tensor->base : (gs_tensor *)tensor;
}

bool gs__same_shape(gs_shape a, gs_shape b) {
    return a.n == b.n && a.c == b.c && a.h == b.h && a.w == b.w;
}

/* Makes room for one more pointer in a growing array. */
static bool reserve_pointer(void *array, int count, int *capacity) {
    if (count < *capacity) return true;
    int wanted = *capacity ? 2 * *capacity : 256;
    void *grown = gs_resize(*(void **)array, (size_t)wanted, sizeof(void *));
    if (!grown) return false;
    *(void **)array = grown;
    *capacity = wanted;
    return true;
}

gs_tensor *gs__tensor_new(gs_graph *graph, gs_shape shape) {
    if (graph->error.status != GS_OK) return NULL;
    if (shape.n <= 0 || shape.c <= 0 || shape.h <= 0 || shape.w <= 0)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "a tensor would be empty: [%d,%d,%d,%d]",
                              shape.n, shape.c, shape.h, shape.w);
    gs_tensor *tensor = gs_alloc(1, sizeof *tensor);
    if (!tensor ||
        !reserve_pointer(&graph->tensors, graph->tensor_count, &graph->tensor_capacity)) {
        gs_free(tensor);
        return gs__graph_fail(graph, GS_OUT_OF_MEMORY, "no memory for a tensor's description");
    }
    *tensor =
        (gs_tensor){.id = graph->tensor_count, .shape = shape, .parameter = -1, .producer = -1};
    graph->tensors[graph->tensor_count++] = tensor;
    return tensor;
}

gs_node *gs__node_new(gs_graph *graph, gs_op op, int in_count, gs_tensor *const *in) {
    if (graph->error.status != GS_OK) return NULL;
    gs_assert(in_count <= GS_MAX_INPUTS);
    gs_node *node = gs_alloc(1, sizeof *node);
    if (!node || !reserve_pointer(&graph->nodes, graph->node_count, &graph->node_capacity)) {
        gs_free(node);
        return gs__graph_fail(graph, GS_OUT_OF_MEMORY, "no memory for a node");
    }
    node->op = op;
    node->in_count = in_count;
    node->is_gradient = graph->in_backward;
    node->constant = true;
    for (int i = 0; i < in_count; i++) {
        node->in[i] = in[i];
        if (in[i] && !in[i]->constant) node->constant = false;
    }
    graph->nodes[graph->node_count++] = node;
    return node;
}

gs_tensor *gs__node_output(gs_graph *graph, gs_node *node, int slot, gs_shape shape) {
    if (!node) return NULL;
    gs_assert(slot < GS_MAX_OUTPUTS);
    gs_tensor *tensor = gs__tensor_new(graph, shape);
    if (!tensor) return NULL;
    tensor->producer = graph->node_count - 1;
    tensor->constant = node->constant;
    node->out[slot] = tensor;
    if (node->out_count <= slot) node->out_count = slot + 1;
    return tensor;
}

gs_tensor *gs_graph_input(gs_graph *graph, const char *name, gs_shape shape) {
    gs_tensor *tensor = gs__tensor_new(graph, shape);
    if (!tensor) return NULL;
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
    tensor->kept = true; /* its memory is the caller's between runs */
    return tensor;
}

/* Leaf for a value (or gradient) of a parameter: vectors become [1,C,1,1]. */
static gs_tensor *parameter_leaf(gs_graph *graph, int parameter, gs_storage storage) {
    const gs_parameter *item = &graph->set->items[parameter];
    gs_shape shape = {item->shape[0], item->shape[1], item->shape[2], item->shape[3]};
    if (item->rank == 1) shape = (gs_shape){1, item->shape[0], 1, 1};
    gs_tensor *tensor = gs__tensor_new(graph, shape);
    if (!tensor) return NULL;
    tensor->storage = storage;
    tensor->offset = item->offset;
    tensor->parameter = parameter;
    tensor->constant = storage == GS_IN_VALUES;
    snprintf(tensor->name, sizeof tensor->name, "%s", item->name);
    return tensor;
}

gs_tensor *gs_graph_parameter(gs_graph *graph, int parameter) {
    if (!graph->values[parameter])
        graph->values[parameter] = parameter_leaf(graph, parameter, GS_IN_VALUES);
    return graph->values[parameter];
}

gs_tensor *gs_graph_batch_view(gs_graph *graph, gs_tensor *x, int from, int count) {
    if (!x) return NULL;
    if (from < 0 || count <= 0 || from + count > x->shape.n)
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "samples %d to %d of a batch of %d", from,
                              from + count, x->shape.n);
    if (from == 0 && count == x->shape.n) return x;
    gs_shape shape = x->shape;
    shape.n = count;
    gs_tensor *view = gs__tensor_new(graph, shape);
    if (!view) return NULL;
    view->base = x->base ? x->base : x;
    view->view_from = x->view_from + from;
    view->constant = x->constant;
    view->producer = x->producer;
    return view;
}

void gs_graph_keep(gs_graph *graph, gs_tensor *tensor, const char *name) {
    if (!tensor) return;
    (void)graph;
    (tensor->base ? tensor->base : tensor)->kept = true;
    snprintf(tensor->name, sizeof tensor->name, "%s", name);
}

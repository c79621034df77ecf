/* Reverse-mode differentiation: walks the forward nodes backwards and appends gradient nodes to the
 * same graph. The gradient of a tensor is the sum of the contributions of its uses; contributions
 * to a batch view are placed into its base, so a view needs no node of its own. */
#include "engine/graph/graph_internal.h"

#include "base/memory.h"

#include <string.h>

typedef struct contribution {
    gs_tensor *gradient;
    gs_contribution at;
    struct contribution *next; /* newest first */
} contribution;

struct gs_backward {
    gs_graph *graph;
    int tensor_count;       /* tensors that existed when the walk began */
    bool *needed;           /* [tensor_count] depends on what is differentiated */
    contribution **pending; /* [tensor_count] */
};

static gs_gradient_rule *const rules[GS_OP_COUNT] = {
    [GS_OP_EFFECTIVE_WEIGHT] = gs__effective_weight_rule,
    [GS_OP_CONV] = gs__conv_rule,
    [GS_OP_PREPARE] = gs__prepare_rule,
    [GS_OP_SUBPIXEL_WEIGHT] = gs__subpixel_weight_rule,
    [GS_OP_BORDER_WEIGHT] = gs__border_weight_rule,
    [GS_OP_BORDER] = gs__border_rule,
    [GS_OP_PIXEL_SHUFFLE] = gs__pixel_shuffle_rule,
    [GS_OP_ADD] = gs__add_rule,
    [GS_OP_CONCAT_CHANNELS] = gs__concat_channels_rule,
    [GS_OP_SLICE_CHANNELS] = gs__slice_channels_rule,
    [GS_OP_CONCAT_BATCH] = gs__concat_batch_rule,
    [GS_OP_TANH] = gs__tanh_rule,
    [GS_OP_SIGMOID] = gs__sigmoid_rule,
    [GS_OP_AVERAGE_POOL] = gs__average_pool_rule,
    [GS_OP_LOSS_L1] = gs__loss_l1_rule,
    [GS_OP_LOSS_HINGE] = gs__loss_hinge_rule,
    [GS_OP_LOSS_NEGATIVE_MEAN] = gs__loss_negative_mean_rule,
    [GS_OP_LOSS_DICE] = gs__loss_dice_rule,
    [GS_OP_LOSS_SQUARED] = gs__loss_squared_rule,
    [GS_OP_LOSS_LOG_MEAN_EXP] = gs__loss_log_mean_exp_rule,
    [GS_OP_SCALE_CHANNELS] = gs__scale_channels_rule,
};

gs_graph *gs__backward_graph(gs_backward *backward) {
    return backward->graph;
}

bool gs__needs_gradient(const gs_backward *backward, const gs_tensor *tensor) {
    return tensor && backward->needed[gs__memory_owner(tensor)->id];
}

void gs__contribute(gs_backward *backward, gs_tensor *tensor, gs_tensor *gradient, int from_sample,
                    int from_channel) {
    if (!gradient || !gs__needs_gradient(backward, tensor)) return;
    contribution *added = gs_alloc(1, sizeof *added);
    if (!added) {
        gs__graph_fail(backward->graph, GS_OUT_OF_MEMORY, "no memory for a gradient");
        return;
    }
    int id = gs__memory_owner(tensor)->id;
    *added = (contribution){gradient,
                            {from_sample + (tensor->base ? tensor->view_from : 0), from_channel},
                            backward->pending[id]};
    backward->pending[id] = added;
}

static contribution *take_pending(gs_backward *backward, const gs_tensor *owner) {
    contribution *list = backward->pending[owner->id];
    backward->pending[owner->id] = NULL;
    return list;
}

/* The sum of a list, as a gradient of this shape; frees the list. NULL for none. More contributions
 * than a node has inputs are added in several nodes, each taking the previous sum along. */
static gs_tensor *add_up(gs_graph *graph, contribution *list, gs_shape shape) {
    gs_tensor *total = NULL;
    if (list && !list->next && gs__same_shape(list->gradient->shape, shape)) total = list->gradient;
    while (list) {
        gs_tensor *inputs[GS_MAX_INPUTS] = {total};
        gs_contribution at[GS_MAX_INPUTS] = {{0, 0}};
        int count = total ? 1 : 0;
        bool is_done = total == list->gradient;
        for (; list && count < GS_MAX_INPUTS; count++) {
            contribution *next = list->next;
            inputs[count] = list->gradient;
            at[count] = list->at;
            gs_free(list);
            list = next;
        }
        if (is_done) break;
        gs_node *node = gs__node_new(graph, GS_OP_SUM, count, inputs);
        if (node) memcpy(node->as.sum.at, at, sizeof at);
        total = gs__node_output(graph, node, 0, shape);
    }
    return total;
}

/* Adds up and forgets what was contributed to `tensor`. */
static gs_tensor *collect(gs_backward *backward, const gs_tensor *tensor) {
    return add_up(backward->graph, take_pending(backward, tensor), tensor->shape);
}

/* What depends on the leaves already marked in `needed`. */
static void mark_dependants(gs_backward *backward, int node_count) {
    for (int i = 0; i < node_count; i++) {
        const gs_node *node = backward->graph->nodes[i];
        bool depends = false;
        for (int k = 0; k < node->in_count; k++)
            depends = depends || gs__needs_gradient(backward, node->in[k]);
        if (!depends || !rules[node->op]) continue;
        for (int k = 0; k < node->out_count; k++)
            if (node->out[k]) backward->needed[node->out[k]->id] = true;
    }
}

/* Of the forward nodes from `first` on. */
static void apply_rules(gs_backward *backward, int first, int node_count, const gs_loss_term *terms,
                        int term_count) {
    gs_graph *graph = backward->graph;
    for (int t = 0; t < term_count; t++)
        if (terms[t].of) gs__contribute(backward, terms[t].of, terms[t].gradient, 0, 0);
    for (int i = node_count - 1; i >= first && graph->error.status == GS_OK; i--) {
        gs_node *node = graph->nodes[i];
        if (node->is_gradient || !rules[node->op] || !node->out[0] ||
            !backward->needed[node->out[0]->id])
            continue;
        float coefficient = 0;
        for (int t = 0; t < term_count; t++)
            if (terms[t].loss == node->out[0]) coefficient += terms[t].coefficient;
        if (coefficient != 0) {
            rules[node->op](backward, node, NULL, coefficient);
            continue;
        }
        gs_tensor *gradient = collect(backward, node->out[0]);
        if (gradient) rules[node->op](backward, node, gradient, 0);
    }
}

static bool backward_init(gs_backward *backward, gs_graph *graph) {
    *backward = (gs_backward){.graph = graph, .tensor_count = graph->tensor_count};
    backward->needed = gs_alloc((size_t)graph->tensor_count, sizeof *backward->needed);
    backward->pending = gs_alloc((size_t)graph->tensor_count, sizeof *backward->pending);
    if (backward->needed && backward->pending) return true;
    gs__graph_fail(graph, GS_OUT_OF_MEMORY, "no memory to differentiate");
    return false;
}

static void backward_deinit(gs_backward *backward) {
    for (int i = 0; backward->pending && i < backward->tensor_count; i++)
        while (backward->pending[i]) {
            contribution *next = backward->pending[i]->next;
            gs_free(backward->pending[i]);
            backward->pending[i] = next;
        }
    gs_free(backward->needed), gs_free(backward->pending);
}

/* Turns the collected gradient into the parameter's own: written in place of an arena tensor where
 * a node of ours made it, otherwise copied. */
static void store_parameter_gradient(gs_graph *graph, int parameter, gs_tensor *gradient) {
    const gs_parameter *item = &graph->set->items[parameter];
    if (gradient->base || gradient->producer < 0 || gradient->storage != GS_IN_ARENA) {
        gs_node *node = gs__node_new(graph, GS_OP_SUM, 1, &gradient);
        gradient = gs__node_output(graph, node, 0, gradient->shape);
        if (!gradient) return;
    }
    gradient->storage = GS_IN_GRADIENTS;
    gradient->offset = item->offset;
    gradient->parameter = parameter;
    graph->gradients[parameter] = gradient;
}

void gs_graph_backward(gs_graph *graph, const gs_loss_term *terms, int count, gs_group group) {
    if (graph->error.status != GS_OK) return;
    gs_backward backward;
    int node_count = graph->node_count;
    if (backward_init(&backward, graph)) {
        for (int p = 0; p < graph->set->count; p++)
            if (graph->values[p] && graph->set->items[p].group == group &&
                graph->set->items[p].trained)
                backward.needed[graph->values[p]->id] = true;
        mark_dependants(&backward, node_count);
        graph->in_backward = true;
        apply_rules(&backward, 0, node_count, terms, count);
        for (int p = 0; p < graph->set->count && graph->error.status == GS_OK; p++) {
            if (!graph->values[p] || !backward.needed[graph->values[p]->id]) continue;
            gs_tensor *gradient = collect(&backward, graph->values[p]);
            if (gradient) store_parameter_gradient(graph, p, gradient);
        }
        graph->in_backward = false;
    }
    backward_deinit(&backward);
}

gs_tensor *gs_graph_gradient_of(gs_graph *graph, const gs_loss_term *terms, int count,
                                gs_tensor *tensor) {
    if (graph->error.status != GS_OK || !tensor) return NULL;
    gs_backward backward;
    int node_count = graph->node_count;
    gs_tensor *gradient = NULL;
    if (backward_init(&backward, graph)) {
        const gs_tensor *owner = gs__memory_owner(tensor);
        backward.needed[owner->id] = true;
        mark_dependants(&backward, node_count);
        graph->in_backward = true;
        apply_rules(&backward, owner->producer + 1, node_count, terms, count);
        contribution *list = take_pending(&backward, owner);
        for (contribution *c = list; c; c = c->next) {
            c->at.from_sample -= tensor->view_from;
            gs_assert(c->at.from_sample >= 0 &&
                      c->at.from_sample + c->gradient->shape.n <= tensor->shape.n);
        }
        gradient = add_up(graph, list, tensor->shape);
        graph->in_backward = false;
    }
    backward_deinit(&backward);
    return gradient;
}

gs_tensor *gs_graph_input_gradient(gs_graph *graph, const gs_loss_term *terms, int count,
                                   gs_tensor *input) {
    gs_tensor *gradient = gs_graph_gradient_of(graph, terms, count, input);
    gs_graph_keep(graph, gradient, "input gradient");
    return gradient;
}

void gs_graph_amsgrad(gs_graph *graph, gs_group group) {
    if (graph->error.status != GS_OK) return;
    int *updated = gs_alloc((size_t)graph->set->count, sizeof *updated), count = 0;
    gs_node *node = updated ? gs__node_new(graph, GS_OP_AMSGRAD, 0, NULL) : NULL;
    if (!node) {
        gs_free(updated);
        gs__graph_fail(graph, GS_OUT_OF_MEMORY, "no memory for an update");
        return;
    }
    for (int p = 0; p < graph->set->count; p++) {
        if (graph->set->items[p].group != group || !graph->gradients[p]) continue;
        updated[count++] = p;
        graph->effective[p] = NULL; /* nodes after this one see the new weight */
    }
    node->constant = false;
    node->as.amsgrad.parameters = updated;
    node->as.amsgrad.count = count;
    node->as.amsgrad.set = graph->set;
}

void gs_graph_moving_average(gs_graph *graph, int average, int of, double decay) {
    gs_tensor *in[] = {gs_graph_parameter(graph, average), gs_graph_parameter(graph, of)};
    if (!in[0] || !in[1]) return;
    if (!gs__same_shape(in[0]->shape, in[1]->shape)) {
        gs__graph_fail(graph, GS_SHAPE_MISMATCH, "the average of %.60s cannot be kept in %.60s",
                       graph->set->items[of].name, graph->set->items[average].name);
        return;
    }
    gs_node *node = gs__node_new(graph, GS_OP_MOVING_AVERAGE, 2, in);
    if (!node) return;
    node->constant = false; /* it runs at every step */
    node->as.moving_average.decay = decay;
    graph->effective[average] = NULL;
}

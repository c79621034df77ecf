/* Losses: scalars and their gradients. A gradient node carries d objective/d loss as a number, so
 * no scalar travels through the graph. */
#include "engine/graph/graph_internal.h"

static gs_tensor *append_loss(gs_graph *graph, gs_op op, int count, gs_tensor *const *in,
                              int real) {
    for (int i = 0; i < count; i++) {
        if (!in[i]) return NULL;
        if (!gs__same_shape(in[i]->shape, in[0]->shape))
            return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "%s of [%d,%d,%d,%d] and [%d,%d,%d,%d]",
                                  gs_op_name(op), in[0]->shape.n, in[0]->shape.c, in[0]->shape.h,
                                  in[0]->shape.w, in[i]->shape.n, in[i]->shape.c, in[i]->shape.h,
                                  in[i]->shape.w);
    }
    gs_node *node = gs__node_new(graph, op, count, in);
    if (!node) return NULL;
    node->as.loss.real = real;
    gs_tensor *loss = gs__node_output(graph, node, 0, (gs_shape){1, 1, 1, 1});
    if (loss) loss->kept = true;
    return loss;
}

/* Appends the gradient node, which reads the loss's inputs; output i is the gradient of input i. */
static gs_node *append_gradient(gs_backward *backward, const gs_node *node, gs_op op, float c) {
    gs_node *added = gs__node_new(gs__backward_graph(backward), op, node->in_count, node->in);
    if (!added) return NULL;
    added->as.loss = node->as.loss;
    added->as.loss.coefficient = c;
    return added;
}

static void contribute_to_input(gs_backward *backward, const gs_node *node, gs_node *added, int i) {
    if (!gs__needs_gradient(backward, node->in[i])) return;
    gs_tensor *out = gs__node_output(gs__backward_graph(backward), added, i, node->in[i]->shape);
    gs__contribute(backward, node->in[i], out, 0, 0);
}

gs_tensor *gs_graph_loss_l1(gs_graph *graph, gs_tensor *a, gs_tensor *b) {
    return append_loss(graph, GS_OP_LOSS_L1, 2, (gs_tensor *[]){a, b}, 0);
}

void gs__loss_l1_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, float c) {
    (void)gradient;
    gs_node *added = append_gradient(backward, node, GS_OP_LOSS_L1_GRADIENT, c);
    contribute_to_input(backward, node, added, 0);
    contribute_to_input(backward, node, added, 1);
}

gs_tensor *gs_graph_loss_hinge(gs_graph *graph, gs_tensor *scores, int real) {
    if (scores && (real <= 0 || real >= scores->shape.n))
        return gs__graph_fail(graph, GS_SHAPE_MISMATCH, "%d real samples of %d", real,
                              scores->shape.n);
    return append_loss(graph, GS_OP_LOSS_HINGE, 1, &scores, real);
}

void gs__loss_hinge_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, float c) {
    (void)gradient;
    contribute_to_input(backward, node,
                        append_gradient(backward, node, GS_OP_LOSS_HINGE_GRADIENT, c), 0);
}

gs_tensor *gs_graph_loss_negative_mean(gs_graph *graph, gs_tensor *scores) {
    return append_loss(graph, GS_OP_LOSS_NEGATIVE_MEAN, 1, &scores, 0);
}

void gs__loss_negative_mean_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                                 float c) {
    (void)gradient;
    contribute_to_input(backward, node,
                        append_gradient(backward, node, GS_OP_LOSS_NEGATIVE_MEAN_GRADIENT, c), 0);
}

gs_tensor *gs_graph_loss_dice(gs_graph *graph, gs_tensor *prediction, gs_tensor *target,
                              gs_tensor *annotated) {
    return append_loss(graph, GS_OP_LOSS_DICE, 3, (gs_tensor *[]){prediction, target, annotated},
                       0);
}

void gs__loss_dice_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient, float c) {
    (void)gradient;
    contribute_to_input(backward, node,
                        append_gradient(backward, node, GS_OP_LOSS_DICE_GRADIENT, c), 0);
}

gs_tensor *gs_graph_loss_squared(gs_graph *graph, gs_tensor *a, gs_tensor *constant) {
    return append_loss(graph, GS_OP_LOSS_SQUARED, 2, (gs_tensor *[]){a, constant}, 0);
}

void gs__loss_squared_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                           float c) {
    (void)gradient;
    contribute_to_input(backward, node,
                        append_gradient(backward, node, GS_OP_LOSS_SQUARED_GRADIENT, c), 0);
}

gs_tensor *gs_graph_loss_log_mean_exp(gs_graph *graph, gs_tensor *t) {
    return append_loss(graph, GS_OP_LOSS_LOG_MEAN_EXP, 1, &t, 0);
}

void gs__loss_log_mean_exp_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                                float c) {
    (void)gradient;
    contribute_to_input(backward, node,
                        append_gradient(backward, node, GS_OP_LOSS_LOG_MEAN_EXP_GRADIENT, c), 0);
}

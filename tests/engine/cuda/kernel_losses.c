/* Nodes that make losses and their gradients. */
#include "kernel_backend.h"

static size_t count_of(const gs_node *node) {
    return gs__shape_size(node->in[0]->shape);
}

/* Elements of the real samples. */
static size_t real_of(const gs_node *node) {
    return count_of(node) / (size_t)node->in[0]->shape.n * (size_t)node->as.loss.real;
}

static size_t loss_scratch(const gs_node *node) {
    (void)node;
    return gs__cuda_loss_scratch();
}

static float *in(const gs_run *run, const gs_node *node, int i) {
    return gs_run_pointer(run, node->in[i]);
}

static float *out(const gs_run *run, const gs_node *node, int i) {
    return gs_run_pointer(run, node->out[i]);
}

static gs_cuda_status launch_l1(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_l1(NULL, in(run, node, 0), in(run, node, 1), count_of(node),
                            out(run, node, 0), run->scratch);
}

static gs_cuda_status launch_l1_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_l1_gradient(NULL, in(run, node, 0), in(run, node, 1), count_of(node),
                                     node->as.loss.coefficient, out(run, node, 0),
                                     out(run, node, 1));
}

static gs_cuda_status launch_hinge(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_hinge(NULL, in(run, node, 0), real_of(node), count_of(node),
                               out(run, node, 0), run->scratch);
}

static gs_cuda_status launch_hinge_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_hinge_gradient(NULL, in(run, node, 0), real_of(node), count_of(node),
                                        node->as.loss.coefficient, out(run, node, 0));
}

static gs_cuda_status launch_negative_mean(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_negative_mean(NULL, in(run, node, 0), count_of(node), out(run, node, 0),
                                       run->scratch);
}

static gs_cuda_status launch_negative_mean_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_negative_mean_gradient(NULL, count_of(node), node->as.loss.coefficient,
                                                out(run, node, 0));
}

static gs_cuda_dice dice_of(const gs_run *run, const gs_node *node) {
    return (gs_cuda_dice){.prediction = in(run, node, 0),
                          .target = in(run, node, 1),
                          .annotated = in(run, node, 2),
                          .count = count_of(node)};
}

static gs_cuda_status launch_dice(const gs_run *run, const gs_node *node) {
    gs_cuda_dice p = dice_of(run, node);
    p.loss = out(run, node, 0);
    return gs__cuda_loss_dice(NULL, &p, run->scratch);
}

static gs_cuda_status launch_dice_gradient(const gs_run *run, const gs_node *node) {
    gs_cuda_dice p = dice_of(run, node);
    p.coefficient = node->as.loss.coefficient;
    p.gradient = out(run, node, 0);
    return gs__cuda_loss_dice_gradient(NULL, &p, run->scratch);
}

static gs_cuda_status launch_squared(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_squared(NULL, in(run, node, 0), in(run, node, 1), count_of(node),
                                 out(run, node, 0), run->scratch);
}

static gs_cuda_status launch_squared_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_squared_gradient(NULL, in(run, node, 0), in(run, node, 1), count_of(node),
                                          node->as.loss.coefficient, out(run, node, 0));
}

static gs_cuda_status launch_log_mean_exp(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_log_mean_exp(NULL, in(run, node, 0), count_of(node), out(run, node, 0),
                                      run->scratch);
}

static gs_cuda_status launch_log_mean_exp_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_loss_log_mean_exp_gradient(NULL, in(run, node, 0), count_of(node),
                                               node->as.loss.coefficient, out(run, node, 0),
                                               run->scratch);
}

const kernel_row *loss_rows(gs_op op) {
    static const kernel_row rows[GS_OP_COUNT] = {
        [GS_OP_LOSS_L1] = {launch_l1, loss_scratch, 0, 0},
        [GS_OP_LOSS_L1_GRADIENT] = {launch_l1_gradient, NULL, 0, 0},
        [GS_OP_LOSS_HINGE] = {launch_hinge, loss_scratch, 0, 0},
        [GS_OP_LOSS_HINGE_GRADIENT] = {launch_hinge_gradient, NULL, 0, 0},
        [GS_OP_LOSS_NEGATIVE_MEAN] = {launch_negative_mean, loss_scratch, 0, 0},
        [GS_OP_LOSS_NEGATIVE_MEAN_GRADIENT] = {launch_negative_mean_gradient, NULL, 0, 0},
        [GS_OP_LOSS_DICE] = {launch_dice, loss_scratch, 0, 0},
        [GS_OP_LOSS_DICE_GRADIENT] = {launch_dice_gradient, loss_scratch, 0, 0},
        [GS_OP_LOSS_SQUARED] = {launch_squared, loss_scratch, 0, 0},
        [GS_OP_LOSS_SQUARED_GRADIENT] = {launch_squared_gradient, NULL, 0, 0},
        [GS_OP_LOSS_LOG_MEAN_EXP] = {launch_log_mean_exp, loss_scratch, 0, 0},
        [GS_OP_LOSS_LOG_MEAN_EXP_GRADIENT] = {launch_log_mean_exp_gradient, loss_scratch, 0, 0},
    };
    return rows[op].launch ? &rows[op] : NULL;
}

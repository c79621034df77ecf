/* Losses and their gradients, as calls of their kernels. */
#include "engine/backend/cuda/cuda_internal.h"

#define FLOATS(tensor) ((float *)gs_run_pointer(run, tensor))
#define STREAM gs__cuda_stream(run)
#define RETURN(call) return (void)handle, gs__cuda_launched((call), node, err)

static size_t elements(const gs_node *node) {
    return gs__shape_size(node->in[0]->shape);
}

/* Of the real samples, which come first. */
static size_t real_elements(const gs_node *node) {
    return elements(node) / (size_t)node->in[0]->shape.n * (size_t)node->as.loss.real;
}

GS_CUDA_PREPARE(loss) {
    (void)state, (void)node, (void)handle_out, (void)err;
    *scratch_bytes_out = gs__cuda_loss_scratch();
    return GS_OK;
}

GS_CUDA_KERNEL(loss_l1) {
    RETURN(gs__cuda_loss_l1(STREAM, FLOATS(node->in[0]), FLOATS(node->in[1]), elements(node),
                            FLOATS(node->out[0]), run->scratch));
}
GS_CUDA_KERNEL(loss_l1_gradient) {
    RETURN(gs__cuda_loss_l1_gradient(STREAM, FLOATS(node->in[0]), FLOATS(node->in[1]),
                                     elements(node), node->as.loss.coefficient,
                                     FLOATS(node->out[0]), FLOATS(node->out[1])));
}

GS_CUDA_KERNEL(loss_hinge) {
    RETURN(gs__cuda_loss_hinge(STREAM, FLOATS(node->in[0]), real_elements(node), elements(node),
                               FLOATS(node->out[0]), run->scratch));
}
GS_CUDA_KERNEL(loss_hinge_gradient) {
    RETURN(gs__cuda_loss_hinge_gradient(STREAM, FLOATS(node->in[0]), real_elements(node),
                                        elements(node), node->as.loss.coefficient,
                                        FLOATS(node->out[0])));
}

GS_CUDA_KERNEL(loss_negative_mean) {
    RETURN(gs__cuda_loss_negative_mean(STREAM, FLOATS(node->in[0]), elements(node),
                                       FLOATS(node->out[0]), run->scratch));
}
GS_CUDA_KERNEL(loss_negative_mean_gradient) {
    RETURN(gs__cuda_loss_negative_mean_gradient(STREAM, elements(node), node->as.loss.coefficient,
                                                FLOATS(node->out[0])));
}

static gs_cuda_dice dice_of(const gs_run *run, const gs_node *node) {
    return (gs_cuda_dice){.prediction = FLOATS(node->in[0]),
                          .target = FLOATS(node->in[1]),
                          .annotated = FLOATS(node->in[2]),
                          .count = elements(node),
                          .coefficient = node->as.loss.coefficient};
}
GS_CUDA_KERNEL(loss_dice) {
    gs_cuda_dice dice = dice_of(run, node);
    dice.loss = FLOATS(node->out[0]);
    RETURN(gs__cuda_loss_dice(STREAM, &dice, run->scratch));
}
GS_CUDA_KERNEL(loss_dice_gradient) {
    gs_cuda_dice dice = dice_of(run, node);
    dice.gradient = FLOATS(node->out[0]);
    RETURN(gs__cuda_loss_dice_gradient(STREAM, &dice, run->scratch));
}

GS_CUDA_KERNEL(loss_squared) {
    RETURN(gs__cuda_loss_squared(STREAM, FLOATS(node->in[0]), FLOATS(node->in[1]), elements(node),
                                 FLOATS(node->out[0]), run->scratch));
}
GS_CUDA_KERNEL(loss_squared_gradient) {
    RETURN(gs__cuda_loss_squared_gradient(STREAM, FLOATS(node->in[0]), FLOATS(node->in[1]),
                                          elements(node), node->as.loss.coefficient,
                                          FLOATS(node->out[0])));
}

GS_CUDA_KERNEL(loss_log_mean_exp) {
    RETURN(gs__cuda_loss_log_mean_exp(STREAM, FLOATS(node->in[0]), elements(node),
                                      FLOATS(node->out[0]), run->scratch));
}
GS_CUDA_KERNEL(loss_log_mean_exp_gradient) {
    RETURN(gs__cuda_loss_log_mean_exp_gradient(STREAM, FLOATS(node->in[0]), elements(node),
                                               node->as.loss.coefficient, FLOATS(node->out[0]),
                                               run->scratch));
}

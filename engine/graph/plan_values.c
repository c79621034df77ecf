/* Reading and writing tensors between runs: [N,C,H,W] outside, channels-last inside. */
#include "engine/graph/plan_internal.h"

#include <string.h>

static char *arena_pointer(const gs_plan *plan, const gs_tensor *tensor) {
    gs_parameters sizes = {.element_size = plan->device->backend->element_size};
    gs_run run = {.arena = plan->device->arena, .parameters = &sizes};
    return gs_run_pointer(&run, tensor);
}

char *gs__plan_input(gs_plan *plan, const gs_tensor *input) {
    return plan->staging ? gs__staged_input(plan, input) : arena_pointer(plan, input);
}

const char *gs__plan_output(const gs_plan *plan, const gs_tensor *tensor) {
    return plan->staging ? gs__staged_output(plan, tensor) : arena_pointer(plan, tensor);
}

size_t gs__view_bytes(const gs_plan *plan, const gs_tensor *tensor) {
    gs_shape one = tensor->shape;
    one.n = 1;
    size_t skipped = tensor->base ? (size_t)tensor->view_from * gs__shape_size(one) : 0;
    return skipped * plan->device->backend->element_size;
}

/* Calls visit(index in [N,C,H,W], index channels-last) for every element. */
#define FOR_EACH_ELEMENT(shape, outer, inner)                                                      \
    for (size_t n_ = 0, C_ = (size_t)(shape).c, P_ = (size_t)(shape).h * (size_t)(shape).w;        \
         n_ < (size_t)(shape).n; n_++)                                                             \
        for (size_t c_ = 0; c_ < C_; c_++)                                                         \
            for (size_t p_ = 0, outer, inner;                                                      \
                 outer = (n_ * C_ + c_) * P_ + p_, inner = (n_ * P_ + p_) * C_ + c_, p_ < P_;      \
                 p_++)

void gs_plan_write(gs_plan *plan, const gs_tensor *input, const float *values) {
    if (!gs__plan_has_memory(plan)) return; /* gs_plan_run says so */
    void *memory = gs__plan_input(plan, input);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(input->shape, outer, inner)((float *)memory)[inner] = values[outer];
    } else {
        FOR_EACH_ELEMENT(input->shape, outer, inner)
        ((double *)memory)[inner] = (double)values[outer];
    }
}

void gs_plan_read(const gs_plan *plan, const gs_tensor *tensor, float *values_out) {
    const void *memory = gs__plan_output(plan, tensor);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = ((const float *)memory)[inner];
    } else {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = (float)((const double *)memory)[inner];
    }
}

void gs_plan_write_double(gs_plan *plan, const gs_tensor *input, const double *values) {
    if (!gs__plan_has_memory(plan)) return;
    void *memory = gs__plan_input(plan, input);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(input->shape, outer, inner)((float *)memory)[inner] = (float)values[outer];
    } else {
        FOR_EACH_ELEMENT(input->shape, outer, inner)((double *)memory)[inner] = values[outer];
    }
}

void gs_plan_read_double(const gs_plan *plan, const gs_tensor *tensor, double *values_out) {
    const void *memory = gs__plan_output(plan, tensor);
    if (plan->device->backend->element_size == sizeof(float)) {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = (double)((const float *)memory)[inner];
    } else {
        FOR_EACH_ELEMENT(tensor->shape, outer, inner)
        values_out[outer] = ((const double *)memory)[inner];
    }
}

double gs_plan_scalar(const gs_plan *plan, const gs_tensor *loss) {
    double value;
    gs_plan_read_double(plan, loss, &value);
    return value;
}

double gs_plan_scalar_of(const gs_plan *plan, const gs_tensor *loss, uint64_t run) {
    if (!plan->staging) return gs_plan_scalar(plan, loss);
    float value;
    memcpy(&value, gs__staged_scalar(plan, loss, run), sizeof value);
    return (double)value;
}

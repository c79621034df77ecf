/* Updates of parameters in place. AMSGrad is torch.optim.Adam(amsgrad=True) of PyTorch 1.13: weight
 * decay is added to the gradient, and epsilon to the root after its bias correction. */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>

static void update(gs_parameters *p, const gs_parameter *item, double steps) {
    double correction1 = 1 - pow(p->beta1, steps), correction2 = 1 - pow(p->beta2, steps);
    double *w = (double *)p->values + item->offset, *m = (double *)p->moment1 + item->offset;
    double *v = (double *)p->moment2 + item->offset;
    double *largest = (double *)p->moment2_max + item->offset;
    const double rate = gs_parameters_rate(p, item);
    const double *gradient = (const double *)p->gradients + item->offset;
    for (size_t i = 0; i < item->size; i++) {
        double g = gradient[i] + p->weight_decay * w[i];
        m[i] = p->beta1 * m[i] + (1 - p->beta1) * g;
        v[i] = p->beta2 * v[i] + (1 - p->beta2) * g * g;
        if (!(v[i] <= largest[i])) largest[i] = v[i];
        double denominator = sqrt(largest[i]) / sqrt(correction2) + p->epsilon;
        w[i] -= rate / correction1 * m[i] / denominator;
    }
}

gs_status gs__reference_amsgrad(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    gs_parameters *p = run->parameters;
    for (int k = 0; k < node->as.amsgrad.count; k++) {
        int index = node->as.amsgrad.parameters[k];
        p->steps[index]++;
        update(p, &p->set->items[index], (double)p->steps[index]);
    }
    return GS_OK;
}

gs_status gs__reference_moving_average(const gs_run *run, const gs_node *node, void *handle,
                                       gs_error *err) {
    (void)handle, (void)err;
    double *average = gs_run_pointer(run, node->in[0]), decay = node->as.moving_average.decay;
    const double *of = gs_run_pointer(run, node->in[1]);
    for (size_t i = 0; i < gs__shape_size(node->in[0]->shape); i++)
        average[i] = decay * average[i] + (1 - decay) * of[i];
    return GS_OK;
}

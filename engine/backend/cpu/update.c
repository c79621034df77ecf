/* Updates of parameters in place: AMSGrad as torch.optim.Adam(amsgrad=True), one pass over each
 * updated parameter, and moving averages. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>

typedef struct update {
    float decay, beta1, one_minus_beta1, beta2, one_minus_beta2;
    float step_size, denominator_scale, epsilon;
} update;

GS_VECTORIZED static void update_span(update u, float *restrict w, const float *restrict g,
                                      float *restrict m, float *restrict v, float *restrict vmax,
                                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        float gradient = g[i] + u.decay * w[i];
        m[i] = u.beta1 * m[i] + u.one_minus_beta1 * gradient;
        v[i] = u.beta2 * v[i] + u.one_minus_beta2 * gradient * gradient;
        vmax[i] = v[i] > vmax[i] ? v[i] : vmax[i];
        w[i] -= u.step_size * m[i] / (sqrtf(vmax[i]) * u.denominator_scale + u.epsilon);
    }
}

static update update_for(const gs_parameters *p, const gs_parameter *item, int64_t step) {
    double correction1 = 1 - pow(p->beta1, (double)step);
    double correction2 = 1 - pow(p->beta2, (double)step);
    return (update){(float)p->weight_decay,
                    (float)p->beta1,
                    (float)(1 - p->beta1), /* rounded once, as PyTorch does */
                    (float)p->beta2,
                    (float)(1 - p->beta2),
                    (float)(gs_parameters_rate(p, item) / correction1),
                    (float)(1 / sqrt(correction2)),
                    (float)p->epsilon};
}

gs_status gs__cpu_amsgrad(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    enum { CHUNK = 16384 };
    gs_parameters *p = run->parameters;
    float *w = p->values, *g = p->gradients, *m = p->moment1, *v = p->moment2,
          *vmax = p->moment2_max;
    for (int k = 0; k < node->as.amsgrad.count; k++) {
        int index = node->as.amsgrad.parameters[k];
        const gs_parameter *item = &p->set->items[index];
        update u = update_for(p, item, ++p->steps[index]);
        size_t chunks = (item->size + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) if (chunks > 1)
        for (size_t c = 0; c < chunks; c++) {
            size_t at = item->offset + c * CHUNK, left = item->size - c * CHUNK;
            update_span(u, w + at, g + at, m + at, v + at, vmax + at, left < CHUNK ? left : CHUNK);
        }
    }
    return GS_OK;
}

gs_status gs__cpu_moving_average(const gs_run *run, const gs_node *node, void *handle,
                                 gs_error *err) {
    (void)handle, (void)err;
    float *restrict average = gs_run_pointer(run, node->in[0]);
    const float *restrict of = gs_run_pointer(run, node->in[1]);
    float decay = (float)node->as.moving_average.decay, rest = 1 - decay;
    size_t count = gs__shape_size(node->in[0]->shape);
    for (size_t i = 0; i < count; i++) average[i] = decay * average[i] + rest * of[i];
    return GS_OK;
}

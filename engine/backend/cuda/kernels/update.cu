/* Updates of parameters in place: AMSGrad as torch.optim.Adam(amsgrad=True), one pass over all of
 * them, and moving averages. */
#include "engine/backend/cuda/kernels/device.h"

/* Numbers that are one for a whole span. */
enum { STEP_SIZE, DENOMINATOR_SCALE, FACTORS };

/* A block for each span. 1 - β is rounded once, as PyTorch does. */
GS_KERNEL amsgrad_kernel(gs_cuda_amsgrad j) {
    GS_SHARED(float, factors, FACTORS);
    const gs_cuda_span span = j.spans[gs__block()];
    const gs_cuda_optimizer &o = *j.optimizer;
    GS_PHASE () {
        if (gs__thread() != 0) continue;
        double step = (double)(j.steps[span.parameter] + 1);
        factors[STEP_SIZE] = (float)(o.rates[span.rate] / (1 - pow(o.beta1, step)));
        factors[DENOMINATOR_SCALE] = (float)(1 / sqrt(1 - pow(o.beta2, step)));
    }
    GS_PHASE () {
        const float beta1 = (float)o.beta1, rest1 = (float)(1 - o.beta1);
        const float beta2 = (float)o.beta2, rest2 = (float)(1 - o.beta2);
        const float decay = (float)o.weight_decay, epsilon = (float)o.epsilon;
        for (int k = gs__thread(); k < span.count; k += BLOCK) {
            size_t i = (size_t)span.offset + (size_t)k;
            float w = j.values[i], g = j.gradients[i] + decay * w;
            float m = beta1 * j.moment1[i] + rest1 * g;
            float v = beta2 * j.moment2[i] + rest2 * g * g;
            float largest = j.moment2_max[i];
            if (!(v <= largest)) largest = v; /* NaN too */
            j.moment1[i] = m, j.moment2[i] = v, j.moment2_max[i] = largest;
            float denominator = sqrtf(largest) * factors[DENOMINATOR_SCALE] + epsilon;
            j.values[i] = w - factors[STEP_SIZE] * m / denominator;
        }
    }
}

/* Once for each parameter, at its first span. */
GS_KERNEL count_steps_kernel(gs_cuda_amsgrad j) {
    GS_ELEMENTS (i, (size_t)j.span_count) {
        int parameter = j.spans[i].parameter;
        if (i == 0 || j.spans[i - 1].parameter != parameter) j.steps[parameter]++;
    }
}

gs_cuda_status gs__cuda_amsgrad(gs_cuda_stream stream, const gs_cuda_amsgrad *p) {
    gs_cuda_amsgrad job = *p;
    size_t spans = (size_t)p->span_count;
    GS_CUDA_TRY(GS_LAUNCH(stream, amsgrad_kernel, spans, job));
    return GS_LAUNCH(stream, count_steps_kernel, gs__element_blocks(spans), job);
}

typedef struct average_job {
    float *average;
    const float *of;
    size_t count;
    float decay, rest;
} average_job;

GS_KERNEL moving_average_kernel(average_job j) {
    GS_ELEMENTS (i, j.count) j.average[i] = j.decay * j.average[i] + j.rest * j.of[i];
}

gs_cuda_status gs__cuda_moving_average(gs_cuda_stream stream, float *average, const float *of,
                                       size_t count, double decay) {
    average_job job = {average, of, count, (float)decay, 1 - (float)decay};
    return GS_LAUNCH(stream, moving_average_kernel, gs__element_blocks(count), job);
}

/* The logarithm of a mean of exponentials, and its gradient. */
#include "engine/backend/cuda/kernels/device.h"

/* Of some values: the largest, so that no exponential overflows, and Σ exp(t - largest). */
typedef struct exponentials {
    double largest, sum;
} exponentials;

/* Nothing has a sum of 0. A NaN remains in the sum, whichever is the larger. */
GS_DEVICE exponentials joined(const exponentials &a, const exponentials &b) {
    if (a.sum == 0) return b;
    if (b.sum == 0) return a;
    double largest = a.largest > b.largest ? a.largest : b.largest;
    return exponentials{largest,
                        a.sum * exp(a.largest - largest) + b.sum * exp(b.largest - largest)};
}

/* One block: there is one score per pixel of a code, or per sample. */
typedef struct job {
    const float *t;
    size_t count;
    float *loss;         /* or NULL: … */
    exponentials *total; /* … leaves this */
} job;

GS_KERNEL exponentials_kernel(job j) {
    GS_SHARED(exponentials, all, BLOCK);
    GS_PHASE () {
        exponentials mine = {0, 0};
        for (size_t i = (size_t)gs__thread(); i < j.count; i += BLOCK)
            mine = joined(mine, exponentials{(double)j.t[i], 1});
        all[gs__thread()] = mine;
    }
    for (int half = BLOCK / 2; half > 0; half /= 2)
        GS_PHASE () {
            int t = gs__thread();
            if (t < half) all[t] = joined(all[t], all[t + half]);
        }
    GS_PHASE () {
        if (gs__thread() != 0) continue;
        if (j.loss)
            *j.loss = (float)(all[0].largest + log(all[0].sum / (double)j.count));
        else
            *j.total = all[0];
    }
}

gs_cuda_status gs__cuda_loss_log_mean_exp(gs_cuda_stream stream, const float *t, size_t count,
                                          float *loss, void *scratch) {
    (void)scratch; /* as all losses have it */
    job of_loss = {t, count, loss, NULL};
    return GS_LAUNCH(stream, exponentials_kernel, 1, of_loss);
}

typedef struct gradient_job {
    const float *t;
    size_t count;
    double coefficient;
    const exponentials *total;
    float *out;
} gradient_job;

/* d/dt = exp(t) / Σ exp(t) */
GS_KERNEL gradient_kernel(gradient_job j) {
    GS_ELEMENTS (i, j.count) {
        double share = exp((double)j.t[i] - j.total->largest) / j.total->sum;
        j.out[i] = (float)(j.coefficient * share);
    }
}

gs_cuda_status gs__cuda_loss_log_mean_exp_gradient(gs_cuda_stream stream, const float *t,
                                                   size_t count, float coefficient, float *out,
                                                   void *scratch) {
    job of_total = {t, count, NULL, (exponentials *)scratch};
    GS_CUDA_TRY(GS_LAUNCH(stream, exponentials_kernel, 1, of_total));
    gradient_job of_gradient = {t, count, (double)coefficient, of_total.total, out};
    return GS_LAUNCH(stream, gradient_kernel, gs__element_blocks(count), of_gradient);
}

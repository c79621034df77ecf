/* Gradients of losses, each times a coefficient. */
#include "engine/backend/cuda/kernels/loss_sums.h"

typedef struct l1_job {
    const float *a, *b;
    size_t count;
    float scale;
    float *da, *db;
} l1_job;

/* The gradient of |0| is 0. */
GS_KERNEL l1_gradient_kernel(l1_job j) {
    GS_ELEMENTS (i, j.count) {
        float d = j.a[i] - j.b[i], gradient = d > 0 ? j.scale : d < 0 ? -j.scale : 0;
        if (j.da) j.da[i] = gradient;
        if (j.db) j.db[i] = -gradient;
    }
}

gs_cuda_status gs__cuda_loss_l1_gradient(gs_cuda_stream stream, const float *a, const float *b,
                                         size_t count, float coefficient, float *da, float *db) {
    l1_job job = {a, b, count, coefficient / (float)count, da, db};
    return GS_LAUNCH(stream, l1_gradient_kernel, gs__element_blocks(count), job);
}

typedef struct hinge_job {
    const float *scores;
    size_t real, count;
    float of_real, of_rest;
    float *out;
} hinge_job;

GS_KERNEL hinge_gradient_kernel(hinge_job j) {
    GS_ELEMENTS (i, j.count) {
        float t = j.scores[i];
        if (i < j.real)
            j.out[i] = 1 - t > 0 ? j.of_real : 0;
        else
            j.out[i] = 1 + t > 0 ? j.of_rest : 0;
    }
}

gs_cuda_status gs__cuda_loss_hinge_gradient(gs_cuda_stream stream, const float *scores, size_t real,
                                            size_t count, float coefficient, float *out) {
    hinge_job job = {
        scores, real, count, -coefficient / (float)real, coefficient / (float)(count - real), out};
    return GS_LAUNCH(stream, hinge_gradient_kernel, gs__element_blocks(count), job);
}

typedef struct fill_job {
    float value;
    size_t count;
    float *out;
} fill_job;

GS_KERNEL fill_kernel(fill_job j) {
    GS_ELEMENTS (i, j.count) j.out[i] = j.value;
}

gs_cuda_status gs__cuda_loss_negative_mean_gradient(gs_cuda_stream stream, size_t count,
                                                    float coefficient, float *out) {
    fill_job job = {-coefficient / (float)count, count, out};
    return GS_LAUNCH(stream, fill_kernel, gs__element_blocks(count), job);
}

typedef struct squared_job {
    const float *a, *b;
    size_t count;
    float scale;
    float *out;
} squared_job;

GS_KERNEL squared_gradient_kernel(squared_job j) {
    GS_ELEMENTS (i, j.count) j.out[i] = j.scale * (j.a[i] - j.b[i]);
}

gs_cuda_status gs__cuda_loss_squared_gradient(gs_cuda_stream stream, const float *a, const float *b,
                                              size_t count, float coefficient, float *out) {
    squared_job job = {a, b, count, 2 * coefficient / (float)count, out};
    return GS_LAUNCH(stream, squared_gradient_kernel, gs__element_blocks(count), job);
}

/* ---- Dice: d/ds = w · (-2 y / D + (2 Σ w s y + 1) / D²), D = Σ w s + Σ w y + 1 -------------- */

typedef struct dice_job {
    gs_cuda_dice p;
    const double *partial;
    size_t blocks; /* that left a partial sum */
} dice_job;

GS_KERNEL dice_gradient_kernel(dice_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_SHARED(double, totals, LOSS_SUMS);
    gs__total_partials(j.partial, j.blocks, sums, totals);
    const double denominator = totals[1] + totals[2] + 1, c = (double)j.p.coefficient;
    const float of_target = (float)(-2 * c / denominator);
    const float of_all = (float)(c * (2 * totals[0] + 1) / (denominator * denominator));
    GS_ELEMENTS (i, j.p.count)
        j.p.gradient[i] = j.p.annotated[i] * (of_target * j.p.target[i] + of_all);
}

gs_cuda_status gs__cuda_loss_dice_gradient(gs_cuda_stream stream, const gs_cuda_dice *p,
                                           void *scratch) {
    gs_loss_sums sums = gs__dice_sums(p);
    GS_CUDA_TRY(gs__loss_sums(stream, &sums, scratch));
    dice_job job = {*p, (const double *)scratch, gs__partials_of(p->count)};
    return GS_LAUNCH(stream, dice_gradient_kernel, gs__partials_of(p->count), job);
}

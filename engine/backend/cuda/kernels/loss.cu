/* Losses. Each block sums its elements in double precision and leaves a partial sum; one more block
 * adds those up and finishes. */
#include "engine/backend/cuda/kernels/loss_sums.h"

/* What one element adds to up to three sums. */
typedef struct terms {
    double values[LOSS_SUMS];
} terms;

typedef struct sums_job {
    loss_kind kind;
    const float *a, *b, *c;
    size_t real, count;
    double *partial; /* [blocks][LOSS_SUMS] */
} sums_job;

/* In this order a NaN stays one. */
GS_DEVICE double hinge(float margin) {
    return margin < 0 ? 0.0 : (double)margin;
}

GS_DEVICE terms terms_of(const sums_job &j, size_t i) {
    float a = j.a[i], b = j.b ? j.b[i] : 0;
    switch (j.kind) {
    case LOSS_L1:
        return terms{{(double)fabsf(a - b), 0, 0}};
    case LOSS_HINGE:
        return i < j.real ? terms{{hinge(1 - a), 0, 0}} : terms{{0, hinge(1 + a), 0}};
    case LOSS_NEGATIVE_MEAN:
        return terms{{(double)a, 0, 0}};
    case LOSS_SQUARED:
        return terms{{((double)a - (double)b) * ((double)a - (double)b), 0, 0}};
    case LOSS_DICE: {
        float w = j.c[i];
        return terms{{(double)(w * a * b), (double)(w * a), (double)(w * b)}};
    }
    }
    return terms{{0, 0, 0}};
}

GS_KERNEL sums_kernel(sums_job j) {
    GS_SHARED(double, sums, LOSS_SUMS *(int)BLOCK);
    GS_PHASE () {
        terms mine = {{0, 0, 0}};
        for (size_t i = gs__block() * BLOCK + (size_t)gs__thread(); i < j.count;
             i += gs__blocks() * BLOCK) {
            terms more = terms_of(j, i);
            for (int k = 0; k < LOSS_SUMS; k++) mine.values[k] += more.values[k];
        }
        for (int k = 0; k < LOSS_SUMS; k++) sums[k * BLOCK + gs__thread()] = mine.values[k];
    }
    for (int k = 0; k < LOSS_SUMS; k++) gs__add_up(sums + k * BLOCK);
    GS_PHASE () {
        int k = gs__thread();
        if (k < LOSS_SUMS) j.partial[gs__block() * LOSS_SUMS + (size_t)k] = sums[k * BLOCK];
    }
}

typedef struct finish_job {
    loss_kind kind;
    const double *partial;
    size_t blocks, real, count;
    float *loss;
} finish_job;

GS_DEVICE double loss_of(const finish_job &j, const double *sums) {
    double count = (double)j.count;
    switch (j.kind) {
    case LOSS_HINGE:
        return sums[0] / (double)j.real + sums[1] / (double)(j.count - j.real);
    case LOSS_NEGATIVE_MEAN:
        return -sums[0] / count;
    case LOSS_DICE:
        return -(2 * sums[0] + 1) / (sums[1] + sums[2] + 1);
    case LOSS_L1:
    case LOSS_SQUARED:
        break;
    }
    return sums[0] / count;
}

GS_KERNEL finish_kernel(finish_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_SHARED(double, totals, LOSS_SUMS);
    gs__total_partials(j.partial, j.blocks, sums, totals);
    GS_PHASE () {
        if (gs__thread() == 0) *j.loss = (float)loss_of(j, totals);
    }
}

size_t gs__cuda_loss_scratch(void) {
    return (size_t)BLOCK * LOSS_SUMS * sizeof(double);
}

gs_cuda_status gs__loss_sums(gs_cuda_stream stream, const gs_loss_sums *p, void *scratch) {
    sums_job job = {p->kind, p->a, p->b, p->c, p->real, p->count, (double *)scratch};
    return GS_LAUNCH(stream, sums_kernel, gs__partials_of(p->count), job);
}

static gs_cuda_status loss(gs_cuda_stream stream, const gs_loss_sums *p, float *out,
                           void *scratch) {
    GS_CUDA_TRY(gs__loss_sums(stream, p, scratch));
    finish_job job = {p->kind, (double *)scratch, gs__partials_of(p->count),
                      p->real, p->count,          out};
    return GS_LAUNCH(stream, finish_kernel, 1, job);
}

gs_cuda_status gs__cuda_loss_l1(gs_cuda_stream stream, const float *a, const float *b, size_t count,
                                float *out, void *scratch) {
    gs_loss_sums sums = {LOSS_L1, a, b, NULL, 0, count};
    return loss(stream, &sums, out, scratch);
}

gs_cuda_status gs__cuda_loss_hinge(gs_cuda_stream stream, const float *scores, size_t real,
                                   size_t count, float *out, void *scratch) {
    gs_loss_sums sums = {LOSS_HINGE, scores, NULL, NULL, real, count};
    return loss(stream, &sums, out, scratch);
}

gs_cuda_status gs__cuda_loss_negative_mean(gs_cuda_stream stream, const float *scores, size_t count,
                                           float *out, void *scratch) {
    gs_loss_sums sums = {LOSS_NEGATIVE_MEAN, scores, NULL, NULL, 0, count};
    return loss(stream, &sums, out, scratch);
}

gs_cuda_status gs__cuda_loss_squared(gs_cuda_stream stream, const float *a, const float *b,
                                     size_t count, float *out, void *scratch) {
    gs_loss_sums sums = {LOSS_SQUARED, a, b, NULL, 0, count};
    return loss(stream, &sums, out, scratch);
}

gs_cuda_status gs__cuda_loss_dice(gs_cuda_stream stream, const gs_cuda_dice *p, void *scratch) {
    gs_loss_sums sums = gs__dice_sums(p);
    return loss(stream, &sums, p->loss, scratch);
}

/* Sums that losses are made of, for loss.cu, which takes them, and for gradients that need them. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_LOSS_SUMS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_LOSS_SUMS_H

#include "engine/backend/cuda/kernels/device.h"

enum { LOSS_SUMS = 3 };

typedef enum loss_kind {
    LOSS_L1,            /* Σ |a - b| */
    LOSS_HINGE,         /* Σ max(0, 1 - a) of the real ones, Σ max(0, 1 + a) of the rest */
    LOSS_NEGATIVE_MEAN, /* Σ a */
    LOSS_SQUARED,       /* Σ (a - b)² */
    LOSS_DICE           /* Σ c a b, Σ c a, Σ c b */
} loss_kind;

typedef struct gs_loss_sums {
    loss_kind kind;
    const float *a, *b, *c; /* NULL what the kind does not read */
    size_t real, count;
} gs_loss_sums;

/* Leaves partial sums [gs__partials_of(count)][LOSS_SUMS] in the scratch. */
gs_cuda_status gs__loss_sums(gs_cuda_stream stream, const gs_loss_sums *p, void *scratch);

static inline gs_loss_sums gs__dice_sums(const gs_cuda_dice *p) {
    return gs_loss_sums{LOSS_DICE, p->prediction, p->target, p->annotated, 0, p->count};
}

/* A block adds up all partial sums. `sums` [BLOCK] is its own. */
GS_DEVICE void gs__total_partials(const double *partial, size_t blocks, double *sums,
                                  double *totals) {
    for (int k = 0; k < LOSS_SUMS; k++) {
        GS_PHASE () {
            size_t t = (size_t)gs__thread();
            sums[t] = t < blocks ? partial[t * LOSS_SUMS + (size_t)k] : 0;
        }
        gs__add_up(sums);
        GS_PHASE () {
            if (gs__thread() == 0) totals[k] = sums[0];
        }
    }
}

#endif

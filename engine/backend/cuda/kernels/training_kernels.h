/* Kernels for weights, losses, updates and random numbers. kernels.h says what all have in common.
 */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_TRAINING_KERNELS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_TRAINING_KERNELS_H

#include "engine/backend/cuda/kernels/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- weight.cu: spectral norm; W is a weight as a matrix [rows = O, columns = C·K·K] -------- */

typedef struct gs_cuda_matrix {
    const float *values;
    int rows, columns;
} gs_cuda_matrix;

/* Of power iteration and effective weight. */
size_t gs__cuda_spectral_scratch(int rows, int columns);
/* v = normalise(Wᵀ u), u [rows] = normalise(W v), in place. */
gs_cuda_status gs__cuda_power_iteration(gs_cuda_stream stream, gs_cuda_matrix w, float *u,
                                        void *scratch);
/* σ = uᵀ W v: out [rows,columns] = W/σ; v [columns + 1] ends with 1/σ. */
typedef struct gs_cuda_effective_weight {
    gs_cuda_matrix w;
    const float *u;
    float *out, *v;
} gs_cuda_effective_weight;
gs_cuda_status gs__cuda_effective_weight(gs_cuda_stream stream, const gs_cuda_effective_weight *p,
                                         void *scratch);

/* out = dŴ/σ - (Σ dŴ ⊙ W)/σ² · u vᵀ, all [rows,columns]. */
typedef struct gs_cuda_effective_weight_gradient {
    const float *gradient; /* dŴ */
    gs_cuda_matrix w;
    const float *u, *v; /* [rows] [columns + 1] */
    float *out;
} gs_cuda_effective_weight_gradient;
size_t gs__cuda_effective_weight_gradient_scratch(int rows, int columns);
gs_cuda_status gs__cuda_effective_weight_gradient(gs_cuda_stream stream,
                                                  const gs_cuda_effective_weight_gradient *p,
                                                  void *scratch);

/* ---- loss.cu, loss_gradient.cu: maps are float, `count` their elements ---------------------- */

/* Of all losses, and of the gradients that take it. */
size_t gs__cuda_loss_scratch(void);
/* loss: one float. */
gs_cuda_status gs__cuda_loss_l1(gs_cuda_stream stream, const float *a, const float *b, size_t count,
                                float *loss, void *scratch);
/* The first `real` elements are those of the real samples; 0 < real < count. */
gs_cuda_status gs__cuda_loss_hinge(gs_cuda_stream stream, const float *scores, size_t real,
                                   size_t count, float *loss, void *scratch);
gs_cuda_status gs__cuda_loss_negative_mean(gs_cuda_stream stream, const float *scores, size_t count,
                                           float *loss, void *scratch);
gs_cuda_status gs__cuda_loss_squared(gs_cuda_stream stream, const float *a, const float *b,
                                     size_t count, float *loss, void *scratch);
gs_cuda_status gs__cuda_loss_log_mean_exp(gs_cuda_stream stream, const float *t, size_t count,
                                          float *loss, void *scratch);

/* Of a gradient: coefficient · d loss. */
gs_cuda_status gs__cuda_loss_l1_gradient(gs_cuda_stream stream, const float *a, const float *b,
                                         size_t count, float coefficient, float *da, float *db);
gs_cuda_status gs__cuda_loss_hinge_gradient(gs_cuda_stream stream, const float *scores, size_t real,
                                            size_t count, float coefficient, float *out);
gs_cuda_status gs__cuda_loss_negative_mean_gradient(gs_cuda_stream stream, size_t count,
                                                    float coefficient, float *out);
gs_cuda_status gs__cuda_loss_squared_gradient(gs_cuda_stream stream, const float *a, const float *b,
                                              size_t count, float coefficient, float *out);
gs_cuda_status gs__cuda_loss_log_mean_exp_gradient(gs_cuda_stream stream, const float *t,
                                                   size_t count, float coefficient, float *out,
                                                   void *scratch);

typedef struct gs_cuda_dice {
    const float *prediction, *target, *annotated;
    size_t count;
    float *loss;       /* gs__cuda_loss_dice */
    float coefficient; /* gs__cuda_loss_dice_gradient */
    float *gradient;
} gs_cuda_dice;
gs_cuda_status gs__cuda_loss_dice(gs_cuda_stream stream, const gs_cuda_dice *p, void *scratch);
gs_cuda_status gs__cuda_loss_dice_gradient(gs_cuda_stream stream, const gs_cuda_dice *p,
                                           void *scratch);

/* ---- update.cu ------------------------------------------------------------------------------ */

/* Numbers of the optimiser, on the device: they may change between replays of a graph. Rates are
 * those of the parameters' groups: [0] learning_rate, [1] learning_rate · discriminator_rate. */
typedef struct gs_cuda_optimizer {
    double rates[2], weight_decay, beta1, beta2, epsilon;
} gs_cuda_optimizer;

/* A stretch of one parameter in the flat arrays: at most GS_CUDA_SPAN elements, and the caller cuts
 * parameters into stretches that follow each other in the table. */
enum { GS_CUDA_SPAN = 4096 };
typedef struct gs_cuda_span {
    uint64_t offset;
    int32_t count, parameter; /* index of its counter in `steps` */
    int32_t rate;             /* index in `rates` */
} gs_cuda_span;

/* One update of every span; the counter of every parameter in the table goes up by one. */
typedef struct gs_cuda_amsgrad {
    const gs_cuda_optimizer *optimizer; /* on the device */
    const gs_cuda_span *spans;          /* on the device */
    int span_count;
    float *values, *moment1, *moment2, *moment2_max;
    const float *gradients;
    int64_t *steps; /* updates each parameter has seen, on the device */
} gs_cuda_amsgrad;
gs_cuda_status gs__cuda_amsgrad(gs_cuda_stream stream, const gs_cuda_amsgrad *p);

/* average = decay · average + (1 - decay) · of, in place. */
gs_cuda_status gs__cuda_moving_average(gs_cuda_stream stream, float *average, const float *of,
                                       size_t count, double decay);

/* ---- normal.cu ------------------------------------------------------------------------------ */

/* gs_random_normal on the device: the same numbers but for the last bit of a logarithm or a cosine,
 * which shows in a float once in many millions. `sequence` is that function's `stream`. */
gs_cuda_status gs__cuda_normal(gs_cuda_stream stream, uint64_t seed, uint64_t sequence,
                               float *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif

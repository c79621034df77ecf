/* What the cuda backend computes by itself: everything but convolutions. One function per
 * operation, which puts its kernels into a stream and returns; a .cu file per family.
 *
 * Legend: N batch, C channels, H height, W width, K kernel, O output channels, S channels beside.
 * Shapes are logical [N,C,H,W]. Maps are channels-last and dense, of the type that stands beside
 * their pointer; weights are [O,C,K,K] as PyTorch stores them, and they, vectors, statistics,
 * losses and the optimiser's numbers are always float. Sums are taken in fixed orders that depend
 * on the shapes alone: same input, same bits.
 *
 * Memory: all pointers are the device's, aligned to their element (scratch: to 16 bytes), borrowed
 * until the stream has done the work. Structures are read before a function returns. Nothing is
 * allocated, waited for or copied from the host, so all of it can be captured in a CUDA graph;
 * numbers that stand in a structure are then captured with it. Scratch of so many bytes as the
 * function beside an operation says may be shared by all operations of a stream; its contents need
 * not be kept. Outputs may not overlap inputs unless it says so.
 *
 * Errors: a cudaError_t, 0 for success; what a kernel does wrong while it runs is reported by a
 * later call, as CUDA does. Sizes are the caller's promise: nothing here can check a pointer.
 * Threads: any; one at a time for each stream. Needs no header of CUDA. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_KERNELS_H

#include "engine/graph/graph.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CUstream_st *gs_cuda_stream; /* a cudaStream_t */
typedef int gs_cuda_status;                 /* a cudaError_t */

typedef enum gs_cuda_type {
    GS_CUDA_FLOAT,
    GS_CUDA_BFLOAT16 /* read as float; rounded to nearest, ties to even, when written */
} gs_cuda_type;

/* A map that is read, and one that is written. Optional ones are absent where `values` is NULL. */
typedef struct gs_cuda_in {
    const void *values;
    gs_cuda_type type;
} gs_cuda_in;
typedef struct gs_cuda_out {
    void *values;
    gs_cuda_type type;
} gs_cuda_out;

/* ---- pack.cu: what convolutions need around them --------------------------------------------- */

/* to[i] = from[i]. */
gs_cuda_status gs__cuda_cast(gs_cuda_stream stream, gs_cuda_in from, gs_cuda_out to, size_t count);
/* weight [O,C,K,K] → packed [O,K,K,C] ("KRSC"), and back. */
gs_cuda_status gs__cuda_pack_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                    gs_cuda_out packed);
gs_cuda_status gs__cuda_unpack_weight(gs_cuda_stream stream, gs_cuda_in packed, gs_shape shape,
                                      float *weight);
/* y [N,C,H,W] += bias [C], in place. */
gs_cuda_status gs__cuda_add_bias(gs_cuda_stream stream, gs_cuda_out y, gs_shape shape,
                                 const float *bias);

/* ---- bias.cu -----------------------------------------------------------------------------------
 */

/* out[C]: the sums over N, H and W of a gradient [N,C,H,W], in double precision. */
size_t gs__cuda_bias_gradient_scratch(gs_shape shape);
gs_cuda_status gs__cuda_bias_gradient(gs_cuda_stream stream, gs_cuda_in gradient, gs_shape shape,
                                      float *out, void *scratch);

/* ---- weight.cu: spectral norm; W is a weight as a matrix [rows = O, columns = C·K·K] -----------
 */

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

/* ---- statistics.cu ------------------------------------------------------------------------------
 */

/* norm: INSTANCE: out [N,2·C]; LAYER: [N,2]; BATCH, of the whole batch: [N,2·C], every sample
 * alike. Per sample all means, then all 1/sqrt(variance + 1e-5). Correct where a map is constant.
 */
typedef struct gs_cuda_statistics {
    gs_cuda_in x;
    gs_shape shape; /* [N,C,H,W] */
    gs_norm norm;
    float *out;
} gs_cuda_statistics;
size_t gs__cuda_statistics_scratch(gs_shape shape, gs_norm norm);
gs_cuda_status gs__cuda_statistics(gs_cuda_stream stream, const gs_cuda_statistics *p,
                                   void *scratch);

/* ---- prepare.cu, prepare_gradient.cu ------------------------------------------------------------
 */

/* A gs_axis_map whose tables lie on the device. */
typedef struct gs_cuda_axis {
    int in, out;
    const int *source;       /* [out] */
    const int *first, *uses; /* [in + 1] [out]; only the gradient reads them */
} gs_cuda_axis;

/* Pointers are NULL where the norm has no such part. */
typedef struct gs_cuda_normalizer {
    gs_norm norm;
    const float *statistics;   /* as gs__cuda_statistics writes them */
    const float *gamma, *beta; /* [C] */
} gs_cuda_normalizer;

typedef struct gs_cuda_prepare {
    gs_cuda_in x;
    gs_shape shape; /* of x [N,C,H,W] */
    gs_cuda_axis rows, columns;
    gs_cuda_normalizer normalizer;
    float slope;   /* of negative values; 1: no activation */
    gs_cuda_out y; /* [N,C,rows.out,columns.out] */
} gs_cuda_prepare;
gs_cuda_status gs__cuda_prepare(gs_cuda_stream stream, const gs_cuda_prepare *p);

typedef struct gs_cuda_prepare_gradient {
    gs_cuda_in dy; /* [N,C,rows.out,columns.out] */
    gs_cuda_in x;
    gs_shape shape; /* of x and dx */
    gs_cuda_axis rows, columns;
    gs_cuda_normalizer normalizer;
    float slope;
    gs_cuda_out dx;        /* optional */
    float *dgamma, *dbeta; /* [C], NULL where not wanted */
} gs_cuda_prepare_gradient;
size_t gs__cuda_prepare_gradient_scratch(gs_shape shape, gs_norm norm);
gs_cuda_status gs__cuda_prepare_gradient(gs_cuda_stream stream, const gs_cuda_prepare_gradient *p,
                                         void *scratch);

/* ---- batch_norm.cu (the statistics of a batch are statistics.cu's) ------------------------------
 */

/* out [samples,2·C] from a mean and a variance [C]. */
gs_cuda_status gs__cuda_running_statistics(gs_cuda_stream stream, const float *mean,
                                           const float *variance, gs_shape out_shape, float *out);

/* mean and variance [C] move towards statistics [N,2·C] of `values` values per channel, in place.
 */
typedef struct gs_cuda_update_statistics {
    float *mean, *variance;
    const float *statistics;
    int channels;
    double values;
} gs_cuda_update_statistics;
gs_cuda_status gs__cuda_update_statistics(gs_cuda_stream stream,
                                          const gs_cuda_update_statistics *p);

/* dx = -γ·inverse/M · (dβ + x̂ dγ). */
typedef struct gs_cuda_batch_norm_gradient {
    gs_cuda_in x;
    gs_shape shape; /* of x and dx */
    const float *statistics, *gamma, *dgamma, *dbeta;
    gs_cuda_out dx;
} gs_cuda_batch_norm_gradient;
gs_cuda_status gs__cuda_batch_norm_gradient(gs_cuda_stream stream,
                                            const gs_cuda_batch_norm_gradient *p);

/* ---- scale.cu
 * ------------------------------------------------------------------------------------ */

/* y(n,c,h,w) = x(n,c,h,w) · factors(n,c). */
gs_cuda_status gs__cuda_scale_channels(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                       const float *factors, gs_cuda_out y);

/* ---- subpixel.cu: op_subpixel.c says what these are for
 * ------------------------------------------- */

/* weight [O,C,K,K] → folded [4·O,C,K',K'], K 3 or 5, and its gradient back. */
gs_cuda_status gs__cuda_subpixel_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                        float *folded);
gs_cuda_status gs__cuda_subpixel_weight_gradient(gs_cuda_stream stream, const float *folded,
                                                 gs_shape shape, float *weight);

/* s = 1 for K' = 2, else 0. h, w: half of H, W, rounded up. */
typedef struct gs_cuda_pixel_shuffle {
    gs_cuda_in phases;
    gs_shape phases_shape;          /* [N,4·O,h+s,w+s] */
    const float *bias;              /* [O], or NULL */
    gs_cuda_in low, border, beside; /* optional: [N,O,h,w] [N,O,1,4·w+4·h] [N,S,H,W] */
    gs_cuda_out out;
    gs_shape shape; /* [N,O+S,H,W] */
} gs_cuda_pixel_shuffle;
gs_cuda_status gs__cuda_pixel_shuffle(gs_cuda_stream stream, const gs_cuda_pixel_shuffle *p);

typedef struct gs_cuda_pixel_shuffle_gradient {
    gs_cuda_in gradient;
    gs_shape shape;                          /* [N,O+S,H,W] */
    gs_shape phases_shape;                   /* [N,4·O,h+s,w+s] */
    gs_cuda_out phases, low, border, beside; /* optional */
    float *bias;                             /* [O], or NULL */
} gs_cuda_pixel_shuffle_gradient;
size_t gs__cuda_pixel_shuffle_gradient_scratch(gs_shape shape);
gs_cuda_status gs__cuda_pixel_shuffle_gradient(gs_cuda_stream stream,
                                               const gs_cuda_pixel_shuffle_gradient *p,
                                               void *scratch);

/* ---- border.cu: border terms of 5×5 kernels
 * -------------------------------------------------------- */

/* weight [O,C,5,5] → border weight [4,5,C,O], and its gradient back. `shape` is the weight's. */
gs_cuda_status gs__cuda_border_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                      float *border);
gs_cuda_status gs__cuda_border_weight_gradient(gs_cuda_stream stream, const float *border,
                                               gs_shape shape, float *weight);

typedef struct gs_cuda_border {
    gs_cuda_in x;
    gs_shape shape;      /* of x [N,C,h+2,w+2] */
    const float *weight; /* [4,5,C,O] */
    int outputs;         /* O */
    gs_cuda_out out;     /* [N,O,1,4·w+4·h] */
} gs_cuda_border;
gs_cuda_status gs__cuda_border(gs_cuda_stream stream, const gs_cuda_border *p);

typedef struct gs_cuda_border_gradient {
    gs_cuda_in gradient; /* [N,O,1,4·w+4·h] */
    gs_cuda_in x;
    gs_shape shape; /* of x and dx [N,C,h+2,w+2] */
    const float *weight;
    int outputs;
    gs_cuda_out dx; /* optional */
    float *dweight; /* [4,5,C,O], or NULL */
} gs_cuda_border_gradient;
size_t gs__cuda_border_gradient_scratch(gs_shape shape);
gs_cuda_status gs__cuda_border_gradient(gs_cuda_stream stream, const gs_cuda_border_gradient *p,
                                        void *scratch);

/* ---- join.cu
 * --------------------------------------------------------------------------------------- */

gs_cuda_status gs__cuda_add(gs_cuda_stream stream, gs_cuda_in a, gs_cuda_in b, gs_cuda_out out,
                            size_t count);

/* out = the sum of the parts, each at its sample and channel of out, with out's H and W; 0 where
 * there is none. A part of out's own shape may also be a weight or a vector, if out is one. */
enum { GS_CUDA_MAX_PARTS = 12 };
typedef struct gs_cuda_part {
    gs_cuda_in in;
    gs_shape shape;
    int from_sample, from_channel;
} gs_cuda_part;
typedef struct gs_cuda_sum {
    gs_cuda_part parts[GS_CUDA_MAX_PARTS];
    int count;
    gs_cuda_out out;
    gs_shape shape;
} gs_cuda_sum;
gs_cuda_status gs__cuda_sum(gs_cuda_stream stream, const gs_cuda_sum *p);

/* out [N,Ca+Cb,H,W]. `pixels`: N·H·W. */
typedef struct gs_cuda_concat_channels {
    gs_cuda_in a, b;
    int a_channels, b_channels;
    size_t pixels;
    gs_cuda_out out;
} gs_cuda_concat_channels;
gs_cuda_status gs__cuda_concat_channels(gs_cuda_stream stream, const gs_cuda_concat_channels *p);

/* out [pixels, channels] = the channels of x [pixels, x_channels] from `from` on. */
typedef struct gs_cuda_slice_channels {
    gs_cuda_in x;
    int x_channels, from, channels;
    size_t pixels;
    gs_cuda_out out;
} gs_cuda_slice_channels;
gs_cuda_status gs__cuda_slice_channels(gs_cuda_stream stream, const gs_cuda_slice_channels *p);

/* out = a, then b. */
typedef struct gs_cuda_concat_batch {
    gs_cuda_in a, b;
    size_t a_count, b_count; /* elements */
    gs_cuda_out out;
} gs_cuda_concat_batch;
gs_cuda_status gs__cuda_concat_batch(gs_cuda_stream stream, const gs_cuda_concat_batch *p);

/* ---- pointwise.cu
 * ---------------------------------------------------------------------------------- */

gs_cuda_status gs__cuda_tanh(gs_cuda_stream stream, gs_cuda_in x, gs_cuda_out y, size_t count);
gs_cuda_status gs__cuda_tanh_gradient(gs_cuda_stream stream, gs_cuda_in y, gs_cuda_in dy,
                                      gs_cuda_out dx, size_t count);
gs_cuda_status gs__cuda_sigmoid(gs_cuda_stream stream, gs_cuda_in x, gs_cuda_out y, size_t count);
gs_cuda_status gs__cuda_sigmoid_gradient(gs_cuda_stream stream, gs_cuda_in y, gs_cuda_in dy,
                                         gs_cuda_out dx, size_t count);

/* x [N,C,H,W], y of the pooled shape; and dy of the pooled shape, dx [N,C,H,W]. */
gs_cuda_status gs__cuda_average_pool(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                     gs_cuda_out y, gs_shape pooled);
gs_cuda_status gs__cuda_average_pool_gradient(gs_cuda_stream stream, gs_cuda_in dy, gs_shape pooled,
                                              gs_cuda_out dx, gs_shape shape);

/* ---- loss.cu, loss_gradient.cu: maps are float, `count` their elements
 * ------------------------------- */

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

/* ---- update.cu
 * --------------------------------------------------------------------------------------- */

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

/* ---- normal.cu
 * --------------------------------------------------------------------------------------- */

/* gs_random_normal on the device: the same numbers but for the last bit of a logarithm or a cosine,
 * which shows in a float once in many millions. `sequence` is that function's `stream`. */
gs_cuda_status gs__cuda_normal(gs_cuda_stream stream, uint64_t seed, uint64_t sequence,
                               float *values, size_t count);

#ifdef __cplusplus
}
#endif

#endif

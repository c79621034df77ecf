/* Kernels that make maps of maps. kernels.h says what all have in common. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_MAP_KERNELS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_MAP_KERNELS_H

#include "engine/backend/cuda/kernels/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- statistics.cu -------------------------------------------------------------------------- */

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

/* ---- prepare.cu, prepare_gradient.cu -------------------------------------------------------- */

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

/* ---- batch_norm.cu (the statistics of a batch are statistics.cu's) -------------------------- */

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

/* ---- scale.cu ------------------------------------------------------------------------------- */

/* y(n,c,h,w) = x(n,c,h,w) · factors(n,c). */
gs_cuda_status gs__cuda_scale_channels(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                       const float *factors, gs_cuda_out y);

/* ---- join.cu -------------------------------------------------------------------------------- */

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

/* ---- pointwise.cu --------------------------------------------------------------------------- */

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

#ifdef __cplusplus
}
#endif

#endif

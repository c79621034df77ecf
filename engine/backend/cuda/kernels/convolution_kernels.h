/* Kernels around convolutions. kernels.h says what all have in common. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_CONVOLUTION_KERNELS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_CONVOLUTION_KERNELS_H

#include "engine/backend/cuda/kernels/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pack.cu: what convolutions need around them -------------------------------------------- */

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

/* ---- bias.cu -------------------------------------------------------------------------------- */

/* out[C]: the sums over N, H and W of a gradient [N,C,H,W], in double precision. */
size_t gs__cuda_bias_gradient_scratch(gs_shape shape);
gs_cuda_status gs__cuda_bias_gradient(gs_cuda_stream stream, gs_cuda_in gradient, gs_shape shape,
                                      float *out, void *scratch);

/* ---- subpixel.cu: op_subpixel.c says what these are for ------------------------------------- */

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

/* ---- border.cu: border terms of 5×5 kernels ------------------------------------------------- */

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

#ifdef __cplusplus
}
#endif

#endif

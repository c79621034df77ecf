/* Shared by the kernels of the cpu backend. */
#ifndef GS_ENGINE_BACKEND_CPU_INTERNAL_H
#define GS_ENGINE_BACKEND_CPU_INTERNAL_H

#include "engine/backend/backend.h"

#include <oneapi/dnnl/dnnl.h>

#include <stdint.h>

/* A loop compiled for several instruction sets, the best chosen when the program starts. The sets
 * are levels, because GCC takes the name of a processor ("arch=haswell") for just that one.
 * Sanitizers run before such choices can be made, and other compilers and processors have one
 * version. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                             \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define GS_VECTORIZED __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define GS_VECTORIZED
#endif

/* Whether maps that only convolutions read are bfloat16, and their products computed by the
 * processor's instructions for it or, for tests, without. */
typedef enum gs_bf16 { GS_BF16_NONE, GS_BF16_EMULATED, GS_BF16_NATIVE /* AVX512-BF16 */ } gs_bf16;

/* What kernels that choose for themselves may use, each including those before it. */
typedef enum gs_isa { GS_ISA_DEFAULT, GS_ISA_AVX2 /* and FMA */, GS_ISA_AVX512 /* F */ } gs_isa;

typedef struct gs_cpu_state {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    int threads;
    gs_isa isa;
    gs_bf16 bf16;
} gs_cpu_state;

/* Which maps are bfloat16 (types.c). */
void gs__cpu_choose_types(const void *state, gs_graph *graph);

/* A convolution or its data gradient by our own kernels (direct_conv.c). *out is NULL where oneDNN
 * is to do it. */
typedef struct gs_direct_conv gs_direct_conv;
GS_MUST_CHECK gs_status gs__cpu_direct_conv_new(gs_cpu_state *state, const gs_node *node,
                                                gs_direct_conv **out, size_t *scratch_bytes_out,
                                                gs_error *err);
/* Whether they can do one of this weight and stride at all. */
bool gs__cpu_direct_conv_is_possible(gs_shape weight, int stride);
void gs__cpu_direct_conv_free(gs_direct_conv *conv); /* NULL is allowed */
void gs__cpu_direct_conv_run(const gs_run *run, const gs_node *node, const gs_direct_conv *conv);
/* How it wants its weight, and packing it so. */
gs_packing gs__cpu_direct_conv_packing(const gs_direct_conv *conv);
void gs__cpu_direct_conv_pack(const gs_direct_conv *conv, const float *weight, uint32_t *panels);

/* out[C]: the sums over N, H and W of a gradient [N,C,H,W]; scratch of so many bytes (bias.c). */
size_t gs__cpu_bias_gradient_scratch(gs_shape gradient);
void gs__cpu_bias_gradient(const float *gradient, gs_shape shape, double *scratch, float *out);

/* The gradient of a convolution's weight (weight_gradient.c). Uses at most so many threads. */
typedef struct gs_weight_gradient {
    gs_shape x, dy, weight; /* [N,C,H,W] [N,O,OH,OW] [O,C,K,K] */
    int stride, threads;
    gs_isa isa;
    gs_bf16 bf16; /* not NONE: x is bfloat16, and dy becomes it */
} gs_weight_gradient;

size_t gs__cpu_weight_gradient_scratch(const gs_weight_gradient *g);
/* `scratch` has the bytes that the function above names, aligned to 64. */
void gs__cpu_weight_gradient(const gs_weight_gradient *g, const void *x, const float *dy,
                             void *scratch, float *dw);

/* One row of the backend's table each; kernels without prepare and release have only run. */
gs_status gs__cpu_conv_prepare(void *state, const gs_node *node, void **handle_out,
                               size_t *scratch_bytes_out, gs_error *err);
gs_status gs__cpu_conv_run(const gs_run *run, const gs_node *node, void *handle, gs_error *err);
void gs__cpu_conv_release(void *handle);
gs_packing gs__cpu_conv_packing(const void *handle);
gs_status gs__cpu_pack_prepare(void *state, const gs_node *node, void **handle_out,
                               size_t *scratch_bytes_out, gs_error *err);
gs_status gs__cpu_pack_run(const gs_run *run, const gs_node *node, void *handle, gs_error *err);
void gs__cpu_pack_release(void *handle);
gs_status gs__cpu_pack_weight_prepare(void *state, const gs_node *node, void **handle_out,
                                      size_t *scratch_bytes_out, gs_error *err);
gs_status gs__cpu_pack_weight(const gs_run *run, const gs_node *node, void *handle, gs_error *err);
gs_status gs__cpu_border_prepare(void *state, const gs_node *node, void **handle_out,
                                 size_t *scratch_bytes_out, gs_error *err);
void gs__cpu_border_release(void *handle);
gs_packing gs__cpu_border_packing(const void *handle);
void gs__cpu_border_pack(const void *handle, const float *weight, uint32_t *panels);

#define GS_DECLARE_KERNEL(name)                                                                    \
    gs_status gs__cpu_##name(const gs_run *run, const gs_node *node, void *handle, gs_error *err)
#define GS_DECLARE_SCRATCH(name)                                                                   \
    gs_status gs__cpu_##name##_scratch(void *state, const gs_node *node, void **handle_out,        \
                                       size_t *scratch_bytes_out, gs_error *err)

GS_DECLARE_KERNEL(conv_gradient_weight);
GS_DECLARE_SCRATCH(conv_gradient_weight);
GS_DECLARE_KERNEL(effective_weight);
GS_DECLARE_KERNEL(effective_weight_gradient);
GS_DECLARE_SCRATCH(effective_weight_gradient);
GS_DECLARE_KERNEL(power_iteration);
GS_DECLARE_SCRATCH(power_iteration);
GS_DECLARE_KERNEL(norm_statistics);
GS_DECLARE_SCRATCH(norm_statistics);
GS_DECLARE_KERNEL(prepare);
GS_DECLARE_SCRATCH(prepare);
GS_DECLARE_KERNEL(prepare_gradient);
GS_DECLARE_SCRATCH(prepare_gradient);
GS_DECLARE_KERNEL(batch_statistics);
GS_DECLARE_SCRATCH(batch_statistics);
GS_DECLARE_KERNEL(running_statistics);
GS_DECLARE_KERNEL(update_statistics);
GS_DECLARE_KERNEL(batch_norm_gradient);
GS_DECLARE_SCRATCH(batch_norm_gradient);
GS_DECLARE_KERNEL(scale_channels);
GS_DECLARE_KERNEL(subpixel_weight);
GS_DECLARE_KERNEL(subpixel_weight_gradient);
GS_DECLARE_KERNEL(border_weight);
GS_DECLARE_KERNEL(border_weight_gradient);
GS_DECLARE_KERNEL(border);
GS_DECLARE_KERNEL(border_gradient);
GS_DECLARE_SCRATCH(border_gradient);
GS_DECLARE_KERNEL(pixel_shuffle);
GS_DECLARE_SCRATCH(pixel_shuffle);
GS_DECLARE_KERNEL(pixel_shuffle_gradient);
GS_DECLARE_SCRATCH(pixel_shuffle_gradient);
GS_DECLARE_KERNEL(add);
GS_DECLARE_KERNEL(sum);
GS_DECLARE_KERNEL(concat_channels);
GS_DECLARE_KERNEL(slice_channels);
GS_DECLARE_KERNEL(concat_batch);
GS_DECLARE_KERNEL(tanh);
GS_DECLARE_KERNEL(tanh_gradient);
GS_DECLARE_KERNEL(sigmoid);
GS_DECLARE_KERNEL(sigmoid_gradient);
GS_DECLARE_KERNEL(average_pool);
GS_DECLARE_KERNEL(average_pool_gradient);
GS_DECLARE_KERNEL(loss_l1);
GS_DECLARE_KERNEL(loss_l1_gradient);
GS_DECLARE_KERNEL(loss_hinge);
GS_DECLARE_KERNEL(loss_hinge_gradient);
GS_DECLARE_KERNEL(loss_negative_mean);
GS_DECLARE_KERNEL(loss_negative_mean_gradient);
GS_DECLARE_KERNEL(loss_dice);
GS_DECLARE_KERNEL(loss_dice_gradient);
GS_DECLARE_KERNEL(loss_squared);
GS_DECLARE_KERNEL(loss_squared_gradient);
GS_DECLARE_SCRATCH(loss);
GS_DECLARE_KERNEL(loss_log_mean_exp);
GS_DECLARE_KERNEL(loss_log_mean_exp_gradient);
GS_DECLARE_KERNEL(amsgrad);
GS_DECLARE_KERNEL(moving_average);

#endif

/* The graph: a model is built by calling functions that append nodes with known shapes. No data
 * moves.
 *
 * Legend: N batch, C channels, H height, W width, K kernel, O output channels. A tensor's shape is
 * logical [N,C,H,W]; every backend stores activations channels-last (N,H,W,C, dense) and weights as
 * PyTorch does ([O,C,K,K]). Nodes run in the order in which they were appended, so a node that
 * changes a parameter in place (power iteration, AMSGrad, moving average) is seen by those after
 * it.
 *
 * Errors: builders return NULL on failure and pass NULL through; the first error sticks in the
 * graph and gs_graph_finish reports it. Threads: one at a time. Ownership: tensors and nodes belong
 * to the graph and live until gs_graph_free. */
#ifndef GS_ENGINE_GRAPH_GRAPH_H
#define GS_ENGINE_GRAPH_GRAPH_H

#include "base/status.h"
#include "engine/graph/parameters.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct gs_graph gs_graph;
typedef struct gs_tensor gs_tensor;

typedef struct gs_shape {
    int n, c, h, w;
} gs_shape;

/* The parameter set is borrowed and must outlive the graph. NULL when out of memory. */
gs_graph *gs_graph_new(const gs_parameter_set *parameters);
void gs_graph_free(gs_graph *graph); /* NULL is allowed */

/* The first error of any builder call, or OK. */
GS_MUST_CHECK gs_status gs_graph_finish(const gs_graph *graph, gs_error *err);

gs_shape gs_tensor_shape(const gs_tensor *tensor);

/* ---- Leaves and views ---------------------------------------------------------------------- */

/* Filled before each run with gs_plan_write. */
gs_tensor *gs_graph_input(gs_graph *graph, const char *name, gs_shape shape);

/* The current value of a parameter, as [1,size,1,1] or [O,C,K,K]. Cached per graph. */
gs_tensor *gs_graph_parameter(gs_graph *graph, int parameter);

/* Samples from, from+1, …, from+count-1 of x: [count,C,H,W]. Shares x's memory. */
gs_tensor *gs_graph_batch_view(gs_graph *graph, gs_tensor *x, int from, int count);

/* The tensor's memory stays untouched until the end of a run, so that it can be read. */
void gs_graph_keep(gs_graph *graph, gs_tensor *tensor, const char *name);

/* ---- Convolution (op_conv.c) --------------------------------------------------------------- */

/* weight / σ, σ = uᵀ W v, v = normalise(Wᵀ u), W the weight as an [O, C·K·K] matrix; u and v are
 * constants to the gradient. Cached until the parameter is updated. `u` < 0: the weight itself. */
gs_tensor *gs_graph_effective_weight(gs_graph *graph, int weight, int u);

/* One step of the power method on the state vector u, in place: v = normalise(Wᵀ u),
 * u = normalise(W v). */
void gs_graph_power_iteration(gs_graph *graph, int weight, int u);

/* x [N,C,H,W] * weight [O,C,K,K] (+ bias [1,O,1,1] unless NULL), no padding:
 * [N, O, (H-K)/stride + 1, (W-K)/stride + 1]. */
gs_tensor *gs_graph_conv2d(gs_graph *graph, gs_tensor *x, gs_tensor *weight, gs_tensor *bias,
                           int stride);

/* ---- Preparation of a convolution's input (op_prepare.c) ------------------------------------ */

typedef enum gs_norm {
    GS_NORM_NONE,
    GS_NORM_INSTANCE, /* per sample and channel; a 1×1 map becomes zero */
    GS_NORM_LAYER,    /* per sample over C, H, W, then gamma and beta per channel */
    GS_NORM_BATCH,    /* by statistics that are given, then gamma and beta per channel */
    GS_NORM_COUNT
} gs_norm;

/* y = pad(crop(upsample(activate(normalise(x))))): one kernel writes straight into the padded input
 * of the convolution that follows. All parts are optional; zero means none. */
typedef struct gs_prepare_params {
    gs_norm norm;
    int gamma, beta;       /* parameter indices, read where the norm has them */
    bool affine;           /* GS_NORM_INSTANCE: gamma and beta per channel follow */
    gs_tensor *statistics; /* GS_NORM_BATCH: of gs_graph_batch_statistics or …running_statistics */
    bool activate;         /* apply max(x, slope·x) */
    float slope;           /* 0 = ReLU, 0.2 = the discriminators' leaky ReLU */
    bool upsample;         /* nearest neighbour, factor 2 */
    int kernel;            /* pad for this K (0 or 1: no padding) … */
    int stride; /* … and this stride, 1 or 2: low side (K-1)/2, high side K/2 or (K-1)/2 */
    int crop_h, crop_w; /* 0 = all: keep so many rows and columns of the *convolution's output* */
    bool replicate;     /* pad by one copy of the outermost pixels instead; no upsampling or crop */
} gs_prepare_params;

/* Padding is by reflection; by zeros where a map is too small to reflect, and a map still smaller
 * than the kernel is filled with zeros at the bottom and right (pad_reflect and Conv.forward of the
 * reference program). Epsilon 1e-5. */
gs_tensor *gs_graph_prepare(gs_graph *graph, gs_tensor *x, gs_prepare_params params);

/* ---- Batch norm (op_batch_norm.c) ------------------------------------------------------------ */

/* What a batch norm of x normalises by, [N,2·C,1,1], every sample alike: the mean of each channel
 * over N, H and W, then 1/sqrt(variance + epsilon), the variance that of the population. x is
 * normalised by its own statistics: those of a view are of the view. */
gs_tensor *gs_graph_batch_statistics(gs_graph *graph, gs_tensor *x);

/* The same from parameters [C] that hold a mean and a variance, for `samples` samples. */
gs_tensor *gs_graph_running_statistics(gs_graph *graph, int mean, int variance, int samples);

/* Moves the parameters towards the batch statistics of x, in place, as torch.nn.BatchNorm2d does:
 * 0.9 of the old and 0.1 of the new, the new variance with Bessel's correction where x has more
 * than one value per channel. */
void gs_graph_update_statistics(gs_graph *graph, int mean, int variance, gs_tensor *x);

/* ---- Dropout of channels (op_scale.c) -------------------------------------------------------- */

/* y(n,c,h,w) = x(n,c,h,w) · factors(n,c), factors [N,C,1,1] constant to the gradient. */
gs_tensor *gs_graph_scale_channels(gs_graph *graph, gs_tensor *x, gs_tensor *factors);

/* ---- Upsampling and convolution at once (op_subpixel.c) -------------------------------------- */

/* weight [O,C,K,K]; bias [1,O,1,1], low [N,O,h,w] and beside [N,S,H,W] may be NULL. */
typedef struct gs_upsampled_conv {
    gs_tensor *weight, *bias;
    gs_tensor *low;    /* upsampled and added to the convolution's output */
    gs_tensor *beside; /* becomes the output's last channels */
} gs_upsampled_conv;

/* x [N,C,h,w] → [N,O+S,H,W]: prepared as `p` says with upsampling, convolved at stride 1, and
 * cropped to p.crop_h × p.crop_w (2h or 2h-1 by 2w or 2w-1). Computed at low resolution where the
 * kernel is 3×3 or 5×5; kernel, stride and upsample of `p` are not read. */
gs_tensor *gs_graph_upsampled_conv2d(gs_graph *graph, gs_tensor *x, gs_prepare_params p,
                                     const gs_upsampled_conv *layer);

/* ---- Joining and pointwise (op_join.c, op_pointwise.c) -------------------------------------- */

gs_tensor *gs_graph_add(gs_graph *graph, gs_tensor *a, gs_tensor *b);
gs_tensor *gs_graph_concat_channels(gs_graph *graph, gs_tensor *a, gs_tensor *b);
gs_tensor *gs_graph_slice_channels(gs_graph *graph, gs_tensor *x, int from, int count);
gs_tensor *gs_graph_concat_batch(gs_graph *graph, gs_tensor *a, gs_tensor *b);
gs_tensor *gs_graph_tanh(gs_graph *graph, gs_tensor *x);
gs_tensor *gs_graph_sigmoid(gs_graph *graph, gs_tensor *x);

/* 3×3 mean, stride 2, padding 1 that is not counted: [N,C,(H+1)/2,(W+1)/2] with H, W rounded so
 * that the last window starts inside the padded map. */
gs_tensor *gs_graph_average_pool(gs_graph *graph, gs_tensor *x);

/* ---- Losses: scalars [1,1,1,1] (op_loss.c) --------------------------------------------------- */

/* Mean absolute error of two tensors of one shape. */
gs_tensor *gs_graph_loss_l1(gs_graph *graph, gs_tensor *a, gs_tensor *b);
/* mean(max(0, 1 - t)) over the first `real` samples + mean(max(0, 1 + t)) over the rest. */
gs_tensor *gs_graph_loss_hinge(gs_graph *graph, gs_tensor *scores, int real);
/* -mean(t). */
gs_tensor *gs_graph_loss_negative_mean(gs_graph *graph, gs_tensor *scores);
/* -(2 Σ w s y + 1) / (Σ w s + Σ w y + 1) over the whole batch: s prediction, y target in {0,1},
 * w in {0,1} marks annotated pixels. All [N,1,H,W]. */
gs_tensor *gs_graph_loss_dice(gs_graph *graph, gs_tensor *prediction, gs_tensor *target,
                              gs_tensor *annotated);
/* Mean squared difference; the gradient flows to `a` only. */
gs_tensor *gs_graph_loss_squared(gs_graph *graph, gs_tensor *a, gs_tensor *constant);

/* log(mean(exp(t))) over all elements, without overflow. */
gs_tensor *gs_graph_loss_log_mean_exp(gs_graph *graph, gs_tensor *t);

/* ---- Differentiation and optimisation -------------------------------------------------------- */

/* A part of an objective: coefficient · loss; or, where `loss` is NULL, whatever has `gradient` as
 * its gradient with respect to `of`. */
typedef struct gs_loss_term {
    gs_tensor *loss;
    float coefficient;
    gs_tensor *of, *gradient; /* of one shape */
} gs_loss_term;

/* Appends the nodes that compute d objective/d parameter for every parameter of `group` that the
 * objective, the sum of the terms, depends on; gs_parameters holds the results. A parameter's
 * gradient may be asked for once. */
void gs_graph_backward(gs_graph *graph, const gs_loss_term *terms, int count, gs_group group);

/* As gs_graph_backward for one tensor instead of parameters: returns its gradient, NULL where it is
 * 0. Differentiating a part of an objective as soon as that is computed, and handing the result to
 * gs_graph_backward as a term, frees memory early. The terms may depend on `tensor` and on nothing
 * else that shares its memory. */
gs_tensor *gs_graph_gradient_of(gs_graph *graph, const gs_loss_term *terms, int count,
                                gs_tensor *tensor);

/* The same for an input (tests), kept. */
gs_tensor *gs_graph_input_gradient(gs_graph *graph, const gs_loss_term *terms, int count,
                                   gs_tensor *input);

/* Appends one AMSGrad update of the group's parameters that have a gradient in this graph. */
void gs_graph_amsgrad(gs_graph *graph, gs_group group);

/* average = decay · average + (1 - decay) · of, in place; two parameters of one shape. */
void gs_graph_moving_average(gs_graph *graph, int average, int of, double decay);

#endif

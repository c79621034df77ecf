#include "operations.h"

static gs_shape with_samples(gs_shape s, int n) {
    s.n = n;
    return s;
}

static gs_shape with_channels(gs_shape s, int c) {
    s.c = c;
    return s;
}

/* The geometry's shape, made large enough for a convolution without padding. */
static gs_shape at_least_kernel(const trial *t) {
    gs_shape s = t->g.x;
    int kernel = t->g.prepare.kernel;
    if (s.h < kernel) s.h = kernel;
    if (s.w < kernel) s.w = kernel;
    return s;
}

static gs_tensor *new_values(trial *t) {
    return trial_input(t, t->g.x, INPUT_VALUES);
}

/* ---- Convolution ----------------------------------------------------------------------------- */

static void build_conv(trial *t) {
    gs_tensor *x = trial_input(t, at_least_kernel(t), INPUT_VALUES);
    trial_project(t, gs_graph_conv2d(t->graph, x, trial_parameter(t, t->weight),
                                     trial_parameter(t, t->bias), t->g.prepare.stride));
}

static void build_conv_without_bias(trial *t) {
    gs_tensor *x = trial_input(t, at_least_kernel(t), INPUT_VALUES);
    trial_project(
        t, gs_graph_conv2d(t->graph, x, trial_parameter(t, t->weight), NULL, t->g.prepare.stride));
}

/* A layer of the networks: padding, spectral norm, bias. */
static gs_tensor *append_layer(trial *t, gs_tensor *x) {
    gs_prepare_params pad = {.kernel = t->g.prepare.kernel, .stride = t->g.prepare.stride};
    gs_tensor *weight = gs_graph_effective_weight(t->graph, t->weight, t->u);
    return gs_graph_conv2d(t->graph, gs_graph_prepare(t->graph, x, pad), weight,
                           trial_parameter(t, t->bias), pad.stride);
}

static void build_layer(trial *t) {
    trial_project(t, append_layer(t, new_values(t)));
}

/* One weight in several layers, and once more as it is. */
static void build_shared_weight(trial *t) {
    gs_shape s = at_least_kernel(t);
    gs_tensor *a = trial_input(t, s, INPUT_VALUES), *b = trial_input(t, s, INPUT_VALUES);
    trial_project(t, append_layer(t, a));
    trial_project(t, append_layer(t, b));
    trial_project(t, gs_graph_conv2d(t->graph, b, trial_parameter(t, t->weight), NULL, 1));
}

/* A training step of one layer: the effective weight is computed again after each change. */
static void build_power_iteration(trial *t) {
    gs_tensor *x = new_values(t);
    trial_output(t, append_layer(t, x));
    gs_graph_power_iteration(t->graph, t->weight, t->u);
    trial_project(t, append_layer(t, x));
}

/* The weight is used, averaged with another, and used again. */
static void build_moving_average(trial *t) {
    gs_tensor *before = trial_parameter(t, t->gamma);
    trial_project(t, before);
    gs_graph_moving_average(t->graph, t->gamma, t->beta, 0.75);
}

/* ---- Preparation ----------------------------------------------------------------------------- */

static void build_prepare(trial *t) {
    trial_project(t, gs_graph_prepare(t->graph, new_values(t), t->g.prepare));
}

/* The statistics of a batch serve its views; a view alone makes its own. */
static void build_prepare_views(trial *t) {
    int n = t->g.x.n;
    gs_tensor *x = trial_input(t, with_samples(t->g.x, n + 2), INPUT_VALUES);
    gs_tensor *y = trial_input(t, with_samples(t->g.x, n + 2), INPUT_VALUES);
    trial_project(t, gs_graph_prepare(t->graph, x, t->g.prepare));
    gs_tensor *view = gs_graph_batch_view(t->graph, x, 1, n + 1);
    trial_project(
        t, gs_graph_prepare(t->graph, gs_graph_batch_view(t->graph, view, 1, n), t->g.prepare));
    gs_tensor *own = gs_graph_batch_view(t->graph, y, 1, n);
    trial_project(t, gs_graph_prepare(t->graph, own, t->g.prepare));
    trial_project(t, gs_graph_prepare(t->graph, own, t->g.prepare));
}

/* Two maps made from one, as in a block with a shortcut, then joined. */
static void build_prepare_twice(trial *t) {
    gs_tensor *x = new_values(t);
    gs_prepare_params other = t->g.prepare;
    other.activate = !other.activate;
    trial_project(t, gs_graph_add(t->graph, gs_graph_prepare(t->graph, x, t->g.prepare),
                                  gs_graph_prepare(t->graph, x, other)));
}

/* A prepared map that only convolutions read, as in the networks: it may be bfloat16. Not
 * normalised, which with a convolution behind it enlarges roundings beyond any tolerance. */
static void build_prepared_conv(trial *t) {
    gs_prepare_params p = t->g.prepare;
    int stride = p.stride;
    p.norm = GS_NORM_NONE;
    gs_tensor *x = gs_graph_prepare(t->graph, new_values(t), p);
    gs_tensor *weight = trial_parameter(t, t->weight);
    trial_project(t, gs_graph_conv2d(t->graph, x, weight, trial_parameter(t, t->bias), stride));
    trial_project(t, gs_graph_conv2d(t->graph, x, weight, NULL, stride));
}

static gs_prepare_params with_affine(const trial *t, gs_norm norm) {
    gs_prepare_params p = t->g.prepare;
    p.norm = norm, p.affine = true;
    p.gamma = t->gamma, p.beta = t->beta;
    return p;
}

static void build_affine_instance_norm(trial *t) {
    trial_project(t, gs_graph_prepare(t->graph, new_values(t), with_affine(t, GS_NORM_INSTANCE)));
}

/* One map normalised twice by its statistics, as a whole and in part: a view has its own. */
static void build_batch_norm(trial *t) {
    gs_tensor *x = trial_input(t, with_samples(t->g.x, t->g.x.n + 2), INPUT_VALUES);
    gs_prepare_params p = with_affine(t, GS_NORM_BATCH);
    p.statistics = gs_graph_batch_statistics(t->graph, x);
    trial_project(t, gs_graph_prepare(t->graph, x, p));
    p.activate = !p.activate;
    p.statistics = gs_graph_batch_statistics(t->graph, x);
    trial_project(t, gs_graph_prepare(t->graph, x, p));
    gs_tensor *view = gs_graph_batch_view(t->graph, x, 1, t->g.x.n);
    p.statistics = gs_graph_batch_statistics(t->graph, view);
    trial_project(t, gs_graph_prepare(t->graph, view, p));
}

/* The running statistics before and after a batch moved them; they are no part of the gradient. */
static void build_running_statistics(trial *t) {
    gs_tensor *x = new_values(t);
    gs_prepare_params p = with_affine(t, GS_NORM_BATCH);
    for (int i = 0; i < 2; i++) {
        p.statistics = gs_graph_running_statistics(t->graph, t->mean, t->variance, t->g.x.n);
        trial_project(t, gs_graph_prepare(t->graph, x, p));
        gs_graph_update_statistics(t->graph, t->mean, t->variance, x);
    }
}

/* ---- Upsampling and convolution at once -------------------------------------------------------
 */

static gs_prepare_params upsampling(const trial *t) {
    gs_prepare_params p = t->g.prepare;
    p.crop_h = 2 * t->g.x.h - (t->g.x.c % 2), p.crop_w = 2 * t->g.x.w - (t->g.outputs % 2);
    return p;
}

static void build_upsampled_conv(trial *t) {
    gs_upsampled_conv layer = {.weight = trial_parameter(t, t->weight)};
    gs_prepare_params p = t->g.prepare;
    p.crop_h = p.crop_w = 0;
    trial_project(t, gs_graph_upsampled_conv2d(t->graph, new_values(t), p, &layer));
}

/* As in a decoder's block, and the weight used once more. */
static void build_upsampled_block(trial *t) {
    gs_tensor *x = new_values(t);
    gs_prepare_params p = upsampling(t);
    gs_shape s = t->g.x, low = with_channels(s, t->g.outputs);
    gs_upsampled_conv layer = {
        .weight = gs_graph_effective_weight(t->graph, t->weight, t->u),
        .bias = trial_parameter(t, t->bias),
        .low = trial_input(t, low, INPUT_VALUES),
        .beside = trial_input(t, (gs_shape){s.n, 2, p.crop_h, p.crop_w}, INPUT_VALUES)};
    trial_project(t, gs_graph_upsampled_conv2d(t->graph, x, p, &layer));
    layer.low = layer.beside = NULL;
    trial_project(t, gs_graph_upsampled_conv2d(t->graph, gs_graph_tanh(t->graph, x), p, &layer));
}

/* ---- Joining --------------------------------------------------------------------------------- */

static void build_add(trial *t) {
    gs_tensor *a = new_values(t), *b = new_values(t);
    trial_project(t, gs_graph_add(t->graph, a, b));
    trial_project(t, gs_graph_add(t->graph, a, a));
}

static void build_concat_channels(trial *t) {
    gs_tensor *a = new_values(t);
    gs_tensor *b = trial_input(t, with_channels(t->g.x, 1), INPUT_VALUES);
    gs_tensor *both = gs_graph_concat_channels(t->graph, a, b);
    trial_project(t, both);
    trial_project(t, gs_graph_concat_channels(t->graph, both, a));
}

static void build_slice_channels(trial *t) {
    int c = t->g.x.c;
    gs_tensor *x = trial_input(t, with_channels(t->g.x, c + 3), INPUT_VALUES);
    trial_project(t, gs_graph_slice_channels(t->graph, x, 0, c));
    trial_project(t, gs_graph_slice_channels(t->graph, x, 2, c + 1)); /* overlaps the first */
    gs_tensor *view = gs_graph_batch_view(t->graph, x, t->g.x.n - 1, 1);
    trial_project(t, gs_graph_slice_channels(t->graph, view, c + 2, 1));
}

static void build_concat_batch(trial *t) {
    gs_tensor *a = new_values(t), *b = trial_input(t, with_samples(t->g.x, 2), INPUT_VALUES);
    gs_tensor *both = gs_graph_concat_batch(t->graph, a, b);
    trial_project(t, both);
    trial_project(t, gs_graph_concat_batch(t->graph, gs_graph_batch_view(t->graph, both, 1, 1),
                                           gs_graph_batch_view(t->graph, a, t->g.x.n - 1, 1)));
}

/* Gradients of a view reach its base at the right samples; a view of a view too. */
static void build_batch_views(trial *t) {
    gs_tensor *x = trial_input(t, with_samples(t->g.x, t->g.x.n + 2), INPUT_VALUES);
    gs_tensor *y = gs_graph_tanh(t->graph, x);
    gs_tensor *tail = gs_graph_batch_view(t->graph, y, 1, t->g.x.n + 1);
    trial_project(t, gs_graph_tanh(t->graph, gs_graph_batch_view(t->graph, tail, 1, 1)));
    trial_project(t, gs_graph_tanh(t->graph, gs_graph_batch_view(t->graph, y, 0, 1)));
    trial_project(t, tail);
}

/* A tensor used more often than a node has inputs, whole, in samples and in channels. */
static void build_many_uses(trial *t) {
    gs_shape s = t->g.x;
    gs_tensor *x = trial_input(t, (gs_shape){s.n + 1, s.c + 1, s.h, s.w}, INPUT_VALUES);
    gs_tensor *y = gs_graph_tanh(t->graph, x), *whole = y, *part = NULL;
    for (int i = 0; i < GS_MAX_INPUTS + 2; i++) whole = gs_graph_add(t->graph, whole, y);
    for (int i = 0; i < GS_MAX_INPUTS; i++) {
        gs_tensor *view = gs_graph_batch_view(t->graph, y, i % 2, s.n);
        gs_tensor *slice = gs_graph_slice_channels(t->graph, view, i % 3 == 0, s.c);
        part = part ? gs_graph_add(t->graph, part, slice) : slice;
    }
    trial_project(t, whole);
    trial_project(t, part);
}

/* Two parameters that share one gradient tensor, and one that is part of the objective itself. */
static void build_parameters_as_maps(trial *t) {
    gs_tensor *gamma = trial_parameter(t, t->gamma), *beta = trial_parameter(t, t->beta);
    trial_project(t, gs_graph_add(t->graph, gamma, beta));
    trial_loss(t, gs_graph_loss_negative_mean(t->graph, trial_parameter(t, t->bias)), -1.5f);
}

/* ---- Pointwise ------------------------------------------------------------------------------- */

static void build_tanh(trial *t) {
    trial_project(t, gs_graph_tanh(t->graph, new_values(t)));
}

static void build_sigmoid(trial *t) {
    trial_project(t, gs_graph_sigmoid(t->graph, new_values(t)));
}

static void build_average_pool(trial *t) {
    trial_project(t, gs_graph_average_pool(t->graph, new_values(t)));
}

static void build_scale_channels(trial *t) {
    gs_shape s = t->g.x;
    gs_tensor *factors = trial_input(t, (gs_shape){s.n, s.c, 1, 1}, INPUT_FIXED);
    trial_project(t, gs_graph_scale_channels(t->graph, new_values(t), factors));
}

/* ---- Losses ---------------------------------------------------------------------------------- */

static void build_loss_l1(trial *t) {
    gs_tensor *a = new_values(t), *b = new_values(t);
    gs_tensor *constant = trial_input(t, t->g.x, INPUT_FIXED);
    trial_loss(t, gs_graph_loss_l1(t->graph, a, b), 0.5f);
    trial_loss(t, gs_graph_loss_l1(t->graph, constant, b), -2);
    trial_loss(t, gs_graph_loss_l1(t->graph, b, constant), 0.25f);
}

static void build_loss_hinge(trial *t) {
    gs_tensor *scores = trial_input(t, with_samples(t->g.x, t->g.x.n + 1), INPUT_VALUES);
    gs_tensor *loss = gs_graph_loss_hinge(t->graph, scores, t->g.x.n);
    trial_loss(t, loss, 0.5f);
    trial_loss(t, loss, 1); /* coefficients of one loss add up */
}

static void build_loss_negative_mean(trial *t) {
    trial_loss(t, gs_graph_loss_negative_mean(t->graph, new_values(t)), 3);
}

static void build_loss_dice(trial *t) {
    gs_shape s = with_channels(t->g.x, 1);
    gs_tensor *prediction = trial_input(t, s, INPUT_PROBABILITY);
    gs_tensor *target = trial_input(t, s, INPUT_BINARY), *mask = trial_input(t, s, INPUT_BINARY);
    trial_loss(t, gs_graph_loss_dice(t->graph, prediction, target, mask), 0.5f);
}

static void build_loss_squared(trial *t) {
    trial_loss(t,
               gs_graph_loss_squared(t->graph, new_values(t), trial_input(t, t->g.x, INPUT_FIXED)),
               1.25f);
}

static void build_loss_log_mean_exp(trial *t) {
    trial_loss(t, gs_graph_loss_log_mean_exp(t->graph, new_values(t)), -0.75f);
}

#define TRIAL(label, needs)                                                                        \
    { #label, build_##label, needs, TRIAL_GRADIENTS_ONLY, false }

const operation_trial operation_trials[] = {
    TRIAL(conv, ANY_KERNEL),
    TRIAL(conv_without_bias, ANY_KERNEL),
    TRIAL(layer, ANY_KERNEL),
    TRIAL(shared_weight, ANY_KERNEL),
    {"power_iteration", build_power_iteration, ANY_KERNEL, TRIAL_GRADIENTS_ONLY, true},
    {"amsgrad", build_layer, ANY_KERNEL, TRIAL_AMSGRAD, true},
    {"moving_average", build_moving_average, ANY_KERNEL, TRIAL_GRADIENTS_ONLY, true},
    TRIAL(prepare, ANY_PREPARE),
    TRIAL(prepare_views, ANY_PREPARE),
    TRIAL(prepare_twice, ANY_PREPARE),
    TRIAL(affine_instance_norm, ANY_PREPARE),
    TRIAL(batch_norm, ANY_PREPARE),
    {"running_statistics", build_running_statistics, ANY_PREPARE, TRIAL_GRADIENTS_ONLY, true},
    TRIAL(upsampled_conv, ANY_PREPARE),
    TRIAL(upsampled_block, ANY_PREPARE),
    TRIAL(add, ANY_MAP),
    TRIAL(concat_channels, ANY_MAP),
    TRIAL(slice_channels, ANY_MAP),
    TRIAL(concat_batch, ANY_MAP),
    TRIAL(batch_views, ANY_MAP),
    TRIAL(many_uses, ANY_MAP),
    TRIAL(parameters_as_maps, ANY_MAP),
    TRIAL(tanh, ANY_MAP),
    TRIAL(sigmoid, ANY_MAP),
    TRIAL(average_pool, ANY_MAP),
    TRIAL(scale_channels, ANY_MAP),
    TRIAL(loss_l1, ANY_MAP),
    TRIAL(loss_hinge, ANY_MAP),
    TRIAL(loss_negative_mean, ANY_MAP),
    TRIAL(loss_dice, ANY_MAP),
    TRIAL(loss_squared, ANY_MAP),
    TRIAL(prepared_conv, ANY_PREPARE),
    TRIAL(loss_log_mean_exp, ANY_MAP),
};

const int operation_trial_count = (int)(sizeof operation_trials / sizeof *operation_trials);

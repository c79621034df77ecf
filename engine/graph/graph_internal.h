/* The graph's insides, for the graph, the planner and the backends. */
#ifndef GS_ENGINE_GRAPH_GRAPH_INTERNAL_H
#define GS_ENGINE_GRAPH_GRAPH_INTERNAL_H

#include "engine/graph/graph.h"

enum { GS_MAX_INPUTS = 12, GS_MAX_OUTPUTS = 5 };

/* One row per operation: name, and whether it has a gradient rule (op_*.c: gs__<name>_gradient). */
#define GS_OP_MAP(X)                                                                               \
    X(EFFECTIVE_WEIGHT, effective_weight)                                                          \
    X(EFFECTIVE_WEIGHT_GRADIENT, effective_weight_gradient)                                        \
    X(POWER_ITERATION, power_iteration)                                                            \
    X(CONV, conv)                                                                                  \
    X(CONV_GRADIENT_DATA, conv_gradient_data)                                                      \
    X(CONV_GRADIENT_WEIGHT, conv_gradient_weight)                                                  \
    X(NORM_STATISTICS, norm_statistics)                                                            \
    X(PREPARE, prepare)                                                                            \
    X(PREPARE_GRADIENT, prepare_gradient)                                                          \
    X(BATCH_STATISTICS, batch_statistics)                                                          \
    X(RUNNING_STATISTICS, running_statistics)                                                      \
    X(UPDATE_STATISTICS, update_statistics)                                                        \
    X(BATCH_NORM_GRADIENT, batch_norm_gradient)                                                    \
    X(SCALE_CHANNELS, scale_channels)                                                              \
    X(SUBPIXEL_WEIGHT, subpixel_weight)                                                            \
    X(SUBPIXEL_WEIGHT_GRADIENT, subpixel_weight_gradient)                                          \
    X(BORDER_WEIGHT, border_weight)                                                                \
    X(BORDER_WEIGHT_GRADIENT, border_weight_gradient)                                              \
    X(BORDER, border)                                                                              \
    X(BORDER_GRADIENT, border_gradient)                                                            \
    X(PIXEL_SHUFFLE, pixel_shuffle)                                                                \
    X(PIXEL_SHUFFLE_GRADIENT, pixel_shuffle_gradient)                                              \
    X(ADD, add)                                                                                    \
    X(SUM, sum)                                                                                    \
    X(CONCAT_CHANNELS, concat_channels)                                                            \
    X(SLICE_CHANNELS, slice_channels)                                                              \
    X(CONCAT_BATCH, concat_batch)                                                                  \
    X(TANH, tanh)                                                                                  \
    X(TANH_GRADIENT, tanh_gradient)                                                                \
    X(SIGMOID, sigmoid)                                                                            \
    X(SIGMOID_GRADIENT, sigmoid_gradient)                                                          \
    X(AVERAGE_POOL, average_pool)                                                                  \
    X(AVERAGE_POOL_GRADIENT, average_pool_gradient)                                                \
    X(LOSS_L1, loss_l1)                                                                            \
    X(LOSS_L1_GRADIENT, loss_l1_gradient)                                                          \
    X(LOSS_HINGE, loss_hinge)                                                                      \
    X(LOSS_HINGE_GRADIENT, loss_hinge_gradient)                                                    \
    X(LOSS_NEGATIVE_MEAN, loss_negative_mean)                                                      \
    X(LOSS_NEGATIVE_MEAN_GRADIENT, loss_negative_mean_gradient)                                    \
    X(LOSS_DICE, loss_dice)                                                                        \
    X(LOSS_DICE_GRADIENT, loss_dice_gradient)                                                      \
    X(LOSS_SQUARED, loss_squared)                                                                  \
    X(LOSS_SQUARED_GRADIENT, loss_squared_gradient)                                                \
    X(LOSS_LOG_MEAN_EXP, loss_log_mean_exp)                                                        \
    X(LOSS_LOG_MEAN_EXP_GRADIENT, loss_log_mean_exp_gradient)                                      \
    X(AMSGRAD, amsgrad)                                                                            \
    X(MOVING_AVERAGE, moving_average)

typedef enum gs_op {
#define X(name, lower) GS_OP_##name,
    GS_OP_MAP(X)
#undef X
        GS_OP_PACK_WEIGHT, /* the planner's own: no builder appends it (packing.c) */
    GS_OP_COUNT
} gs_op;

const char *gs_op_name(gs_op op);

typedef enum gs_storage {
    GS_IN_ARENA,     /* planned by liveness */
    GS_IN_VALUES,    /* a parameter's value, at offset of gs_parameters.values */
    GS_IN_GRADIENTS, /* a parameter's gradient */
} gs_storage;

struct gs_tensor {
    int id;
    gs_shape shape;
    gs_storage storage;
    size_t offset;    /* elements into the parameter arrays; set by the planner for the arena */
    char *memory;     /* set by the planner for constants that lie outside the arena, else NULL */
    size_t packed;    /* bytes, of a packed weight: its shape is that of the weight */
    int parameter;    /* index for GS_IN_VALUES and GS_IN_GRADIENTS, else -1 */
    gs_tensor *base;  /* of a batch view: the tensor that owns the memory (never itself a view) */
    int view_from;    /* first sample of the view within base */
    int producer;     /* node that writes it; -1 for leaves */
    bool kept;        /* memory must survive until the end of the run */
    bool constant;    /* depends on parameters only */
    bool is_bfloat16; /* set by the backend when a plan is made */
    char name[GS_PARAMETER_NAME_MAX];
};

/* Where each row (column) of a prepared map comes from. */
typedef struct gs_axis_map {
    int in, out;
    int *source;       /* [out] row of x, or -1 for zero padding */
    int *first, *uses; /* inverse: uses[first[i]] … uses[first[i+1]-1] are the rows made from i */
} gs_axis_map;

typedef struct gs_contribution {
    int from_sample, from_channel; /* where in the sum's output the input is added */
} gs_contribution;

typedef struct gs_node {
    gs_op op;
    gs_tensor *in[GS_MAX_INPUTS];   /* unused optional inputs are NULL */
    gs_tensor *out[GS_MAX_OUTPUTS]; /* outputs nobody needs are NULL */
    int in_count, out_count;
    bool is_gradient; /* appended by gs_graph_backward */
    bool constant;    /* depends on parameters only */
    union {
        struct {
            int stride;
            bool keeps_weight; /* set by the planner: many runs read what was made of it once */
        } conv;
        struct {
            gs_norm norm;
            bool activate;
            float slope;
            gs_axis_map rows, columns;
        } prepare;
        struct {
            gs_contribution at[GS_MAX_INPUTS];
        } sum;
        struct {
            int from;
        } slice;
        struct {
            int real;          /* hinge */
            float coefficient; /* of the gradient nodes */
        } loss;
        struct {
            int *parameters; /* to update, owned by the graph */
            int count;
            const gs_parameter_set *set; /* that they are indices of */
        } amsgrad;
        struct {
            double decay;
        } moving_average;
        struct {
            gs_op op;           /* of the node whose packing it is … */
            const void *handle; /* … and its handle: says how */
            const void *layout; /* of that packing */
            size_t layout_bytes;
        } pack;
        struct {
            double values; /* per channel of the batch */
        } update_statistics;
    } as;
} gs_node;

struct gs_graph {
    const gs_parameter_set *set;
    gs_tensor **tensors;
    int tensor_count, tensor_capacity;
    gs_node **nodes;
    int node_count, node_capacity;
    gs_tensor **values;    /* [set->count] cached leaves */
    gs_tensor **effective; /* [set->count] cached effective weights, NULL after an update */
    gs_tensor **gradients; /* [set->count] */
    bool in_backward;
    gs_error error;
};

/* ---- For the op_*.c files ---- */

/* The error sticks; returns NULL so that builders can return it. */
void *gs__graph_fail(gs_graph *graph, gs_status status, const char *format, ...) GS_PRINTF(3, 4);
gs_tensor *gs__tensor_new(gs_graph *graph, gs_shape shape);
/* Appends a node; NULL when out of memory. Outputs are set by gs__node_output. */
gs_node *gs__node_new(gs_graph *graph, gs_op op, int in_count, gs_tensor *const *in);
gs_tensor *gs__node_output(gs_graph *graph, gs_node *node, int slot, gs_shape shape);

/* ---- For gradient rules (backward.c) ---- */
typedef struct gs_backward gs_backward;
/* Whether anybody needs the gradient of this tensor. */
bool gs__needs_gradient(const gs_backward *backward, const gs_tensor *tensor);
/* Adds `gradient` to the gradient of `tensor`, at the given sample and channel of it. */
void gs__contribute(gs_backward *backward, gs_tensor *tensor, gs_tensor *gradient, int from_sample,
                    int from_channel);
gs_graph *gs__backward_graph(gs_backward *backward);

/* A gradient rule: `gradient` is that of node->out[0] (for losses NULL, and `coefficient` is
 * d objective/d loss). Copies of `node`'s fields stay valid while nodes are appended. */
typedef void gs_gradient_rule(gs_backward *backward, const gs_node *node, gs_tensor *gradient,
                              float coefficient);
gs_gradient_rule gs__effective_weight_rule, gs__conv_rule, gs__prepare_rule, gs__add_rule,
    gs__subpixel_weight_rule, gs__border_weight_rule, gs__border_rule, gs__pixel_shuffle_rule,
    gs__concat_channels_rule, gs__slice_channels_rule, gs__concat_batch_rule, gs__tanh_rule,
    gs__sigmoid_rule, gs__average_pool_rule, gs__loss_l1_rule, gs__loss_hinge_rule,
    gs__loss_negative_mean_rule, gs__loss_dice_rule, gs__loss_squared_rule,
    gs__loss_log_mean_exp_rule, gs__scale_channels_rule;

/* What a batch norm's statistics add to the gradient of x (op_batch_norm.c), given the gradients of
 * its scale and shift. Nothing where the statistics are not those of a batch. */
void gs__batch_norm_contribute(gs_backward *backward, gs_tensor *x, gs_tensor *statistics,
                               gs_tensor *gamma, gs_tensor *dgamma, gs_tensor *dbeta);

size_t gs__shape_size(gs_shape shape);
/* The tensor whose memory it is: a view's base, else itself. */
gs_tensor *gs__memory_owner(const gs_tensor *tensor);
bool gs__same_shape(gs_shape a, gs_shape b);

/* Sub-pixel form of upsampling and a K×K convolution, K 3 or 5 (op_subpixel.c): its kernel, and
 * which of its taps the kernel's tap t belongs to at phase 0 or 1. */
static inline int gs__subpixel_kernel(int kernel) {
    return kernel == 5 ? 3 : 2;
}
static inline int gs__subpixel_tap(int kernel, int phase, int t) {
    return (kernel == 5 ? t + phase : t + 1 - phase) / 2;
}

void gs__axis_map_free(gs_axis_map *map);

#endif

/* Nodes that make maps of maps. */
#include "kernel_backend.h"

static size_t size_of_output(const gs_node *node) {
    return gs__shape_size(node->out[0]->shape);
}

static size_t pixels_of(gs_shape s) {
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

/* ---- Joining -------------------------------------------------------------------------------- */

static gs_cuda_status launch_add(const gs_run *run, const gs_node *node) {
    return gs__cuda_add(NULL, map_in(run, node->in[0]), map_in(run, node->in[1]),
                        map_out(run, node->out[0]), size_of_output(node));
}

static gs_cuda_status launch_sum(const gs_run *run, const gs_node *node) {
    gs_cuda_sum p = {
        .count = node->in_count, .out = map_out(run, node->out[0]), .shape = node->out[0]->shape};
    for (int i = 0; i < node->in_count; i++)
        p.parts[i] =
            (gs_cuda_part){map_in(run, node->in[i]), node->in[i]->shape,
                           node->as.sum.at[i].from_sample, node->as.sum.at[i].from_channel};
    return gs__cuda_sum(NULL, &p);
}

static gs_cuda_status launch_concat_channels(const gs_run *run, const gs_node *node) {
    return gs__cuda_concat_channels(
        NULL,
        &(gs_cuda_concat_channels){map_in(run, node->in[0]), map_in(run, node->in[1]),
                                   node->in[0]->shape.c, node->in[1]->shape.c,
                                   pixels_of(node->out[0]->shape), map_out(run, node->out[0])});
}

static gs_cuda_status launch_slice_channels(const gs_run *run, const gs_node *node) {
    return gs__cuda_slice_channels(
        NULL,
        &(gs_cuda_slice_channels){map_in(run, node->in[0]), node->in[0]->shape.c,
                                  node->as.slice.from, node->out[0]->shape.c,
                                  pixels_of(node->out[0]->shape), map_out(run, node->out[0])});
}

static gs_cuda_status launch_concat_batch(const gs_run *run, const gs_node *node) {
    return gs__cuda_concat_batch(NULL, &(gs_cuda_concat_batch){map_in(run, node->in[0]),
                                                               map_in(run, node->in[1]),
                                                               gs__shape_size(node->in[0]->shape),
                                                               gs__shape_size(node->in[1]->shape),
                                                               map_out(run, node->out[0])});
}

/* ---- Pointwise ------------------------------------------------------------------------------ */

static gs_cuda_status launch_tanh(const gs_run *run, const gs_node *node) {
    return gs__cuda_tanh(NULL, map_in(run, node->in[0]), map_out(run, node->out[0]),
                         size_of_output(node));
}

static gs_cuda_status launch_tanh_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_tanh_gradient(NULL, map_in(run, node->in[0]), map_in(run, node->in[1]),
                                  map_out(run, node->out[0]), size_of_output(node));
}

static gs_cuda_status launch_sigmoid(const gs_run *run, const gs_node *node) {
    return gs__cuda_sigmoid(NULL, map_in(run, node->in[0]), map_out(run, node->out[0]),
                            size_of_output(node));
}

static gs_cuda_status launch_sigmoid_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_sigmoid_gradient(NULL, map_in(run, node->in[0]), map_in(run, node->in[1]),
                                     map_out(run, node->out[0]), size_of_output(node));
}

static gs_cuda_status launch_average_pool(const gs_run *run, const gs_node *node) {
    return gs__cuda_average_pool(NULL, map_in(run, node->in[0]), node->in[0]->shape,
                                 map_out(run, node->out[0]), node->out[0]->shape);
}

static gs_cuda_status launch_average_pool_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_average_pool_gradient(NULL, map_in(run, node->in[0]), node->in[0]->shape,
                                          map_out(run, node->out[0]), node->out[0]->shape);
}

static gs_cuda_status launch_scale_channels(const gs_run *run, const gs_node *node) {
    return gs__cuda_scale_channels(NULL, map_in(run, node->in[0]), node->in[0]->shape,
                                   gs_run_pointer(run, node->in[1]), map_out(run, node->out[0]));
}

/* ---- Normalising ---------------------------------------------------------------------------- */

static gs_cuda_statistics statistics_of(const gs_run *run, const gs_node *node, gs_norm norm) {
    return (gs_cuda_statistics){map_in(run, node->in[0]), node->in[0]->shape, norm,
                                gs_run_pointer(run, node->out[0])};
}

static size_t norm_statistics_scratch(const gs_node *node) {
    return gs__cuda_statistics_scratch(node->in[0]->shape, node->as.prepare.norm);
}

static gs_cuda_status launch_norm_statistics(const gs_run *run, const gs_node *node) {
    gs_cuda_statistics p = statistics_of(run, node, node->as.prepare.norm);
    return gs__cuda_statistics(NULL, &p, run->scratch);
}

static size_t batch_statistics_scratch(const gs_node *node) {
    return gs__cuda_statistics_scratch(node->in[0]->shape, GS_NORM_BATCH);
}

static gs_cuda_status launch_batch_statistics(const gs_run *run, const gs_node *node) {
    gs_cuda_statistics p = statistics_of(run, node, GS_NORM_BATCH);
    return gs__cuda_statistics(NULL, &p, run->scratch);
}

static gs_cuda_status launch_running_statistics(const gs_run *run, const gs_node *node) {
    return gs__cuda_running_statistics(NULL, gs_run_pointer(run, node->in[0]),
                                       gs_run_pointer(run, node->in[1]), node->out[0]->shape,
                                       gs_run_pointer(run, node->out[0]));
}

static gs_cuda_status launch_update_statistics(const gs_run *run, const gs_node *node) {
    return gs__cuda_update_statistics(
        NULL, &(gs_cuda_update_statistics){gs_run_pointer(run, node->in[0]),
                                           gs_run_pointer(run, node->in[1]),
                                           gs_run_pointer(run, node->in[2]), node->in[0]->shape.c,
                                           node->as.update_statistics.values});
}

static gs_cuda_status launch_batch_norm_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_batch_norm_gradient(
        NULL, &(gs_cuda_batch_norm_gradient){
                  map_in(run, node->in[0]), node->in[0]->shape, gs_run_pointer(run, node->in[1]),
                  gs_run_pointer(run, node->in[2]), gs_run_pointer(run, node->in[3]),
                  gs_run_pointer(run, node->in[4]), map_out(run, node->out[0])});
}

/* ---- Preparing ------------------------------------------------------------------------------ */

static gs_cuda_axis axis_of(const gs_axis_map *map) {
    return (gs_cuda_axis){map->in, map->out, map->source, map->first, map->uses};
}

/* `first` is where the statistics are in node->in. */
static gs_cuda_normalizer normalizer_of(const gs_run *run, const gs_node *node, int first) {
    return (gs_cuda_normalizer){node->as.prepare.norm, gs_run_pointer(run, node->in[first]),
                                gs_run_pointer(run, node->in[first + 1]),
                                gs_run_pointer(run, node->in[first + 2])};
}

static float slope_of(const gs_node *node) {
    return node->as.prepare.activate ? node->as.prepare.slope : 1;
}

static gs_cuda_status launch_prepare(const gs_run *run, const gs_node *node) {
    return gs__cuda_prepare(NULL, &(gs_cuda_prepare){.x = map_in(run, node->in[0]),
                                                     .shape = node->in[0]->shape,
                                                     .rows = axis_of(&node->as.prepare.rows),
                                                     .columns = axis_of(&node->as.prepare.columns),
                                                     .normalizer = normalizer_of(run, node, 1),
                                                     .slope = slope_of(node),
                                                     .y = map_out(run, node->out[0])});
}

static size_t prepare_gradient_scratch(const gs_node *node) {
    return gs__cuda_prepare_gradient_scratch(node->in[1]->shape, node->as.prepare.norm);
}

static gs_cuda_status launch_prepare_gradient(const gs_run *run, const gs_node *node) {
    gs_cuda_prepare_gradient p = {.dy = map_in(run, node->in[0]),
                                  .x = map_in(run, node->in[1]),
                                  .shape = node->in[1]->shape,
                                  .rows = axis_of(&node->as.prepare.rows),
                                  .columns = axis_of(&node->as.prepare.columns),
                                  .normalizer = normalizer_of(run, node, 2),
                                  .slope = slope_of(node),
                                  .dx = map_out(run, node->out[0]),
                                  .dgamma = gs_run_pointer(run, node->out[1]),
                                  .dbeta = gs_run_pointer(run, node->out[2])};
    return gs__cuda_prepare_gradient(NULL, &p, run->scratch);
}

/* ---- Table ---------------------------------------------------------------------------------- */

const kernel_row *map_rows(gs_op op) {
    static const kernel_row rows[GS_OP_COUNT] = {
        [GS_OP_ADD] = {launch_add, NULL, 3, 1},
        [GS_OP_SUM] = {launch_sum, NULL, 0xFFF, 1},
        [GS_OP_CONCAT_CHANNELS] = {launch_concat_channels, NULL, 3, 1},
        [GS_OP_SLICE_CHANNELS] = {launch_slice_channels, NULL, 1, 1},
        [GS_OP_CONCAT_BATCH] = {launch_concat_batch, NULL, 3, 1},
        [GS_OP_TANH] = {launch_tanh, NULL, 1, 1},
        [GS_OP_TANH_GRADIENT] = {launch_tanh_gradient, NULL, 3, 1},
        [GS_OP_SIGMOID] = {launch_sigmoid, NULL, 1, 1},
        [GS_OP_SIGMOID_GRADIENT] = {launch_sigmoid_gradient, NULL, 3, 1},
        [GS_OP_AVERAGE_POOL] = {launch_average_pool, NULL, 1, 1},
        [GS_OP_AVERAGE_POOL_GRADIENT] = {launch_average_pool_gradient, NULL, 1, 1},
        [GS_OP_SCALE_CHANNELS] = {launch_scale_channels, NULL, 1, 1},
        [GS_OP_NORM_STATISTICS] = {launch_norm_statistics, norm_statistics_scratch, 1, 0},
        [GS_OP_BATCH_STATISTICS] = {launch_batch_statistics, batch_statistics_scratch, 1, 0},
        [GS_OP_RUNNING_STATISTICS] = {launch_running_statistics, NULL, 0, 0},
        [GS_OP_UPDATE_STATISTICS] = {launch_update_statistics, NULL, 0, 0},
        [GS_OP_BATCH_NORM_GRADIENT] = {launch_batch_norm_gradient, NULL, 1, 1},
        [GS_OP_PREPARE] = {launch_prepare, NULL, 1, 1},
        [GS_OP_PREPARE_GRADIENT] = {launch_prepare_gradient, prepare_gradient_scratch, 3, 1},
    };
    return rows[op].launch ? &rows[op] : NULL;
}

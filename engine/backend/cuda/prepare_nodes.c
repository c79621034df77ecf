/* Norms and the preparation of convolutions' inputs, as calls of their kernels. Where rows and
 * columns come from is a table that lies on the device. */
#include "engine/backend/cuda/cuda_internal.h"

#include "base/memory.h"

#include <string.h>

#define IN(i) gs__cuda_in(run, node->in[i])
#define OUT(i) gs__cuda_out(run, node->out[i])
#define FLOATS(tensor) ((float *)gs_run_pointer(run, tensor))
#define STREAM gs__cuda_stream(run)
#define RETURN(call) return (void)handle, gs__cuda_launched((call), node, err)

/* ---- Statistics ------------------------------------------------------------------------------ */

static gs_norm norm_of_statistics(const gs_node *node) {
    return node->op == GS_OP_BATCH_STATISTICS ? GS_NORM_BATCH : node->as.prepare.norm;
}

GS_CUDA_PREPARE(statistics) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = gs__cuda_statistics_scratch(node->in[0]->shape, norm_of_statistics(node));
    return GS_OK;
}

static gs_cuda_status run_statistics(const gs_run *run, const gs_node *node) {
    gs_cuda_statistics statistics = {.x = IN(0),
                                     .shape = node->in[0]->shape,
                                     .norm = norm_of_statistics(node),
                                     .out = FLOATS(node->out[0])};
    return gs__cuda_statistics(STREAM, &statistics, run->scratch);
}

GS_CUDA_KERNEL(norm_statistics) {
    RETURN(run_statistics(run, node));
}
GS_CUDA_KERNEL(batch_statistics) {
    RETURN(run_statistics(run, node));
}
GS_CUDA_KERNEL(running_statistics) {
    RETURN(gs__cuda_running_statistics(STREAM, FLOATS(node->in[0]), FLOATS(node->in[1]),
                                       node->out[0]->shape, FLOATS(node->out[0])));
}

GS_CUDA_KERNEL(update_statistics) {
    gs_cuda_update_statistics update = {.mean = FLOATS(node->in[0]),
                                        .variance = FLOATS(node->in[1]),
                                        .statistics = FLOATS(node->in[2]),
                                        .channels = node->in[0]->shape.c,
                                        .values = node->as.update_statistics.values};
    RETURN(gs__cuda_update_statistics(STREAM, &update));
}

GS_CUDA_KERNEL(batch_norm_gradient) {
    gs_cuda_batch_norm_gradient gradient = {.x = IN(0),
                                            .shape = node->in[0]->shape,
                                            .statistics = FLOATS(node->in[1]),
                                            .gamma = FLOATS(node->in[2]),
                                            .dgamma = FLOATS(node->in[3]),
                                            .dbeta = FLOATS(node->in[4]),
                                            .dx = OUT(0)};
    RETURN(gs__cuda_batch_norm_gradient(STREAM, &gradient));
}

/* ---- Axes ------------------------------------------------------------------------------------ */

/* For rows, then for columns: source [out], first [in + 1], uses [first[in]]. */
typedef struct axes {
    size_t count;
    int values[];
} axes;

static size_t axis_size(const gs_axis_map *axis) {
    return (size_t)axis->out + (size_t)axis->in + 1 + (size_t)axis->first[axis->in];
}

static int *copy_axis(int *to, const gs_axis_map *axis) {
    const size_t out = (size_t)axis->out, in = (size_t)axis->in + 1;
    memcpy(to, axis->source, out * sizeof *to);
    memcpy(to + out, axis->first, in * sizeof *to);
    memcpy(to + out + in, axis->uses, (size_t)axis->first[axis->in] * sizeof *to);
    return to + axis_size(axis);
}

GS_CUDA_PREPARE(axes) {
    (void)state, (void)scratch_bytes_out;
    const gs_axis_map *rows = &node->as.prepare.rows, *columns = &node->as.prepare.columns;
    size_t count = axis_size(rows) + axis_size(columns);
    axes *a = gs_alloc(1, sizeof *a + count * sizeof a->values[0]);
    if (!a) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a table of %zu rows", count);
    a->count = count;
    (void)copy_axis(copy_axis(a->values, rows), columns);
    *handle_out = a;
    return GS_OK;
}

GS_CUDA_PREPARE(axes_and_scratch) {
    *scratch_bytes_out =
        gs__cuda_prepare_gradient_scratch(node->in[1]->shape, node->as.prepare.norm);
    size_t none;
    return gs__cuda_prepare_axes(state, node, handle_out, &none, err);
}

gs_table gs__cuda_axes_table(const void *handle) {
    const axes *a = handle;
    return (gs_table){a->values, a->count * sizeof a->values[0]};
}

void gs__cuda_free_handle(void *handle) {
    gs_free(handle);
}

static gs_cuda_axis axis_at(const int *table, const gs_axis_map *axis) {
    const int *first = table + axis->out;
    return (gs_cuda_axis){axis->in, axis->out, table, first, first + axis->in + 1};
}

/* ---- Preparation ----------------------------------------------------------------------------- */

/* `in`: statistics, gamma, beta. */
static gs_cuda_normalizer normalizer_of(const gs_run *run, const gs_node *node,
                                        gs_tensor *const *in) {
    return (gs_cuda_normalizer){node->as.prepare.norm, FLOATS(in[0]), FLOATS(in[1]), FLOATS(in[2])};
}

static float slope_of(const gs_node *node) {
    return node->as.prepare.activate ? node->as.prepare.slope : 1;
}

GS_CUDA_KERNEL(prepare) {
    const gs_axis_map *rows = &node->as.prepare.rows, *columns = &node->as.prepare.columns;
    const int *table = run->table;
    gs_cuda_prepare prepare = {.x = IN(0),
                               .shape = node->in[0]->shape,
                               .rows = axis_at(table, rows),
                               .columns = axis_at(table + axis_size(rows), columns),
                               .normalizer = normalizer_of(run, node, node->in + 1),
                               .slope = slope_of(node),
                               .y = OUT(0)};
    RETURN(gs__cuda_prepare(STREAM, &prepare));
}

GS_CUDA_KERNEL(prepare_gradient) {
    const gs_axis_map *rows = &node->as.prepare.rows, *columns = &node->as.prepare.columns;
    const int *table = run->table;
    gs_cuda_prepare_gradient gradient = {.dy = IN(0),
                                         .x = IN(1),
                                         .shape = node->in[1]->shape,
                                         .rows = axis_at(table, rows),
                                         .columns = axis_at(table + axis_size(rows), columns),
                                         .normalizer = normalizer_of(run, node, node->in + 2),
                                         .slope = slope_of(node),
                                         .dx = OUT(0),
                                         .dgamma = FLOATS(node->out[1]),
                                         .dbeta = FLOATS(node->out[2])};
    RETURN(gs__cuda_prepare_gradient(STREAM, &gradient, run->scratch));
}

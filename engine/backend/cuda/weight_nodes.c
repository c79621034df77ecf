/* Spectral norm and updates of parameters, as calls of their kernels. */
#include "engine/backend/cuda/cuda_internal.h"

#include "base/memory.h"

#include <assert.h>

#define FLOATS(tensor) ((float *)gs_run_pointer(run, tensor))
#define STREAM gs__cuda_stream(run)
#define RETURN(call) return (void)handle, gs__cuda_launched((call), node, err)

/* ---- Spectral norm --------------------------------------------------------------------------- */

static int columns_of(gs_shape weight) {
    return weight.c * weight.h * weight.w;
}

static gs_cuda_matrix matrix_of(const gs_run *run, const gs_tensor *weight) {
    return (gs_cuda_matrix){FLOATS(weight), weight->shape.n, columns_of(weight->shape)};
}

GS_CUDA_PREPARE(spectral) {
    (void)state, (void)handle_out, (void)err;
    gs_shape w = node->in[0]->shape;
    *scratch_bytes_out = gs__cuda_spectral_scratch(w.n, columns_of(w));
    return GS_OK;
}

GS_CUDA_KERNEL(power_iteration) {
    RETURN(gs__cuda_power_iteration(STREAM, matrix_of(run, node->in[0]), FLOATS(node->in[1]),
                                    run->scratch));
}

GS_CUDA_KERNEL(effective_weight) {
    gs_cuda_effective_weight effective = {.w = matrix_of(run, node->in[0]),
                                          .u = FLOATS(node->in[1]),
                                          .out = FLOATS(node->out[0]),
                                          .v = FLOATS(node->out[1])};
    RETURN(gs__cuda_effective_weight(STREAM, &effective, run->scratch));
}

GS_CUDA_PREPARE(effective_weight_gradient) {
    (void)state, (void)handle_out, (void)err;
    gs_shape w = node->in[1]->shape;
    *scratch_bytes_out = gs__cuda_effective_weight_gradient_scratch(w.n, columns_of(w));
    return GS_OK;
}

GS_CUDA_KERNEL(effective_weight_gradient) {
    gs_cuda_effective_weight_gradient gradient = {.gradient = FLOATS(node->in[0]),
                                                  .w = matrix_of(run, node->in[1]),
                                                  .u = FLOATS(node->in[2]),
                                                  .v = FLOATS(node->in[3]),
                                                  .out = FLOATS(node->out[0])};
    RETURN(gs__cuda_effective_weight_gradient(STREAM, &gradient, run->scratch));
}

/* ---- Updates --------------------------------------------------------------------------------- */

static_assert(sizeof(gs_cuda_optimizer) == sizeof(gs_optimizer), "the same numbers");

typedef struct spans {
    int count;
    gs_cuda_span items[];
} spans;

static int pieces_of(const gs_parameter *item) {
    return (int)((item->size + GS_CUDA_SPAN - 1) / GS_CUDA_SPAN);
}

GS_CUDA_PREPARE(amsgrad) {
    (void)state, (void)scratch_bytes_out;
    const gs_parameter *items = node->as.amsgrad.set->items;
    int count = 0;
    for (int i = 0; i < node->as.amsgrad.count; i++)
        count += pieces_of(&items[node->as.amsgrad.parameters[i]]);
    spans *s = gs_alloc(1, sizeof *s + (size_t)count * sizeof s->items[0]);
    if (!s) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a table of %d spans", count);
    for (int i = 0; i < node->as.amsgrad.count; i++) {
        int index = node->as.amsgrad.parameters[i];
        const gs_parameter *item = &items[index];
        for (size_t at = 0; at < item->size; at += GS_CUDA_SPAN) {
            size_t left = item->size - at;
            s->items[s->count++] =
                (gs_cuda_span){.offset = item->offset + at,
                               .count = (int32_t)(left < GS_CUDA_SPAN ? left : GS_CUDA_SPAN),
                               .parameter = index,
                               .rate = item->group == GS_GROUP_DISCRIMINATOR ? 1 : 0};
        }
    }
    *handle_out = s;
    return GS_OK;
}

gs_table gs__cuda_amsgrad_table(const void *handle) {
    const spans *s = handle;
    return (gs_table){s->items, (size_t)s->count * sizeof s->items[0]};
}

GS_CUDA_KERNEL(amsgrad) {
    const spans *s = handle;
    const gs_parameters *p = run->parameters;
    gs_cuda_amsgrad update = {.optimizer = run->optimizer,
                              .spans = run->table,
                              .span_count = s->count,
                              .values = p->values,
                              .moment1 = p->moment1,
                              .moment2 = p->moment2,
                              .moment2_max = p->moment2_max,
                              .gradients = p->gradients,
                              .steps = p->steps};
    RETURN(gs__cuda_amsgrad(STREAM, &update));
}

GS_CUDA_KERNEL(moving_average) {
    RETURN(gs__cuda_moving_average(STREAM, FLOATS(node->in[0]), FLOATS(node->in[1]),
                                   gs__shape_size(node->in[0]->shape),
                                   node->as.moving_average.decay));
}

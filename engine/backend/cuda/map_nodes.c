/* Operations on maps, as calls of their kernels: sums, joins, pointwise functions, pooling,
 * sub-pixel convolution's parts. */
#include "engine/backend/cuda/cuda_internal.h"

#include <assert.h>

#define IN(i) gs__cuda_in(run, node->in[i])
#define OUT(i) gs__cuda_out(run, node->out[i])
#define FLOATS(tensor) ((float *)gs_run_pointer(run, tensor))
#define STREAM gs__cuda_stream(run)
#define RETURN(call) return (void)handle, gs__cuda_launched((call), node, err)

static size_t elements(const gs_tensor *t) {
    return gs__shape_size(t->shape);
}

static size_t pixels(const gs_tensor *t) {
    return (size_t)t->shape.n * (size_t)t->shape.h * (size_t)t->shape.w;
}

/* ---- Joining --------------------------------------------------------------------------------- */

GS_CUDA_KERNEL(add) {
    RETURN(gs__cuda_add(STREAM, IN(0), IN(1), OUT(0), elements(node->out[0])));
}

GS_CUDA_KERNEL(sum) {
    gs_cuda_sum sum = {.count = node->in_count, .out = OUT(0), .shape = node->out[0]->shape};
    for (int i = 0; i < node->in_count; i++)
        sum.parts[i] = (gs_cuda_part){IN(i), node->in[i]->shape, node->as.sum.at[i].from_sample,
                                      node->as.sum.at[i].from_channel};
    RETURN(gs__cuda_sum(STREAM, &sum));
}
static_assert((int)GS_CUDA_MAX_PARTS == (int)GS_MAX_INPUTS, "a sum has room for all its inputs");

GS_CUDA_KERNEL(concat_channels) {
    gs_cuda_concat_channels join = {.a = IN(0),
                                    .b = IN(1),
                                    .a_channels = node->in[0]->shape.c,
                                    .b_channels = node->in[1]->shape.c,
                                    .pixels = pixels(node->out[0]),
                                    .out = OUT(0)};
    RETURN(gs__cuda_concat_channels(STREAM, &join));
}

GS_CUDA_KERNEL(slice_channels) {
    gs_cuda_slice_channels slice = {.x = IN(0),
                                    .x_channels = node->in[0]->shape.c,
                                    .from = node->as.slice.from,
                                    .channels = node->out[0]->shape.c,
                                    .pixels = pixels(node->out[0]),
                                    .out = OUT(0)};
    RETURN(gs__cuda_slice_channels(STREAM, &slice));
}

GS_CUDA_KERNEL(concat_batch) {
    gs_cuda_concat_batch join = {.a = IN(0),
                                 .b = IN(1),
                                 .a_count = elements(node->in[0]),
                                 .b_count = elements(node->in[1]),
                                 .out = OUT(0)};
    RETURN(gs__cuda_concat_batch(STREAM, &join));
}

GS_CUDA_KERNEL(scale_channels) {
    RETURN(gs__cuda_scale_channels(STREAM, IN(0), node->in[0]->shape, FLOATS(node->in[1]), OUT(0)));
}

/* ---- Pointwise, pooling ---------------------------------------------------------------------- */

GS_CUDA_KERNEL(tanh) {
    RETURN(gs__cuda_tanh(STREAM, IN(0), OUT(0), elements(node->out[0])));
}
GS_CUDA_KERNEL(tanh_gradient) {
    RETURN(gs__cuda_tanh_gradient(STREAM, IN(0), IN(1), OUT(0), elements(node->out[0])));
}
GS_CUDA_KERNEL(sigmoid) {
    RETURN(gs__cuda_sigmoid(STREAM, IN(0), OUT(0), elements(node->out[0])));
}
GS_CUDA_KERNEL(sigmoid_gradient) {
    RETURN(gs__cuda_sigmoid_gradient(STREAM, IN(0), IN(1), OUT(0), elements(node->out[0])));
}
GS_CUDA_KERNEL(average_pool) {
    RETURN(gs__cuda_average_pool(STREAM, IN(0), node->in[0]->shape, OUT(0), node->out[0]->shape));
}
GS_CUDA_KERNEL(average_pool_gradient) {
    RETURN(gs__cuda_average_pool_gradient(STREAM, IN(0), node->in[0]->shape, OUT(0),
                                          node->out[0]->shape));
}

/* ---- Sub-pixel convolution ------------------------------------------------------------------- */

GS_CUDA_KERNEL(subpixel_weight) {
    RETURN(gs__cuda_subpixel_weight(STREAM, FLOATS(node->in[0]), node->in[0]->shape,
                                    FLOATS(node->out[0])));
}
GS_CUDA_KERNEL(subpixel_weight_gradient) {
    RETURN(gs__cuda_subpixel_weight_gradient(STREAM, FLOATS(node->in[0]), node->out[0]->shape,
                                             FLOATS(node->out[0])));
}
GS_CUDA_KERNEL(border_weight) {
    RETURN(gs__cuda_border_weight(STREAM, FLOATS(node->in[0]), node->in[0]->shape,
                                  FLOATS(node->out[0])));
}
GS_CUDA_KERNEL(border_weight_gradient) {
    RETURN(gs__cuda_border_weight_gradient(STREAM, FLOATS(node->in[0]), node->out[0]->shape,
                                           FLOATS(node->out[0])));
}

GS_CUDA_KERNEL(border) {
    gs_cuda_border border = {.x = IN(0),
                             .shape = node->in[0]->shape,
                             .weight = FLOATS(node->in[1]),
                             .outputs = node->out[0]->shape.c,
                             .out = OUT(0)};
    RETURN(gs__cuda_border(STREAM, &border));
}

GS_CUDA_PREPARE(border_gradient) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = gs__cuda_border_gradient_scratch(node->in[1]->shape);
    return GS_OK;
}

GS_CUDA_KERNEL(border_gradient) {
    gs_cuda_border_gradient border = {.gradient = IN(0),
                                      .x = IN(1),
                                      .shape = node->in[1]->shape,
                                      .weight = FLOATS(node->in[2]),
                                      .outputs = node->in[0]->shape.c,
                                      .dx = OUT(0),
                                      .dweight = FLOATS(node->out[1])};
    RETURN(gs__cuda_border_gradient(STREAM, &border, run->scratch));
}

GS_CUDA_KERNEL(pixel_shuffle) {
    gs_cuda_pixel_shuffle shuffle = {.phases = IN(0),
                                     .phases_shape = node->in[0]->shape,
                                     .bias = FLOATS(node->in[1]),
                                     .low = IN(2),
                                     .border = IN(3),
                                     .beside = IN(4),
                                     .out = OUT(0),
                                     .shape = node->out[0]->shape};
    RETURN(gs__cuda_pixel_shuffle(STREAM, &shuffle));
}

GS_CUDA_PREPARE(pixel_shuffle_gradient) {
    (void)state, (void)handle_out, (void)err;
    *scratch_bytes_out = gs__cuda_pixel_shuffle_gradient_scratch(node->in[0]->shape);
    return GS_OK;
}

GS_CUDA_KERNEL(pixel_shuffle_gradient) {
    gs_cuda_pixel_shuffle_gradient shuffle = {.gradient = IN(0),
                                              .shape = node->in[0]->shape,
                                              .phases_shape = node->in[1]->shape,
                                              .phases = OUT(0),
                                              .low = OUT(2),
                                              .border = OUT(3),
                                              .beside = OUT(4),
                                              .bias = FLOATS(node->out[1])};
    RETURN(gs__cuda_pixel_shuffle_gradient(STREAM, &shuffle, run->scratch));
}

/* Nodes about weights and their updates, and those of upsampling and convolution at once. */
#include "kernel_backend.h"

#include "trial.h"

/* ---- Spectral norm -------------------------------------------------------------------------- */

static gs_cuda_matrix matrix_of(const gs_run *run, const gs_tensor *weight) {
    gs_shape s = weight->shape;
    return (gs_cuda_matrix){run ? gs_run_pointer(run, weight) : NULL, s.n, s.c * s.h * s.w};
}

static size_t spectral_scratch(const gs_node *node) {
    gs_cuda_matrix w = matrix_of(NULL, node->in[0]);
    return gs__cuda_spectral_scratch(w.rows, w.columns);
}

static gs_cuda_status launch_power_iteration(const gs_run *run, const gs_node *node) {
    return gs__cuda_power_iteration(NULL, matrix_of(run, node->in[0]),
                                    gs_run_pointer(run, node->in[1]), run->scratch);
}

static gs_cuda_status launch_effective_weight(const gs_run *run, const gs_node *node) {
    return gs__cuda_effective_weight(NULL,
                                     &(gs_cuda_effective_weight){matrix_of(run, node->in[0]),
                                                                 gs_run_pointer(run, node->in[1]),
                                                                 gs_run_pointer(run, node->out[0]),
                                                                 gs_run_pointer(run, node->out[1])},
                                     run->scratch);
}

static size_t effective_weight_gradient_scratch(const gs_node *node) {
    gs_cuda_matrix w = matrix_of(NULL, node->in[1]);
    return gs__cuda_effective_weight_gradient_scratch(w.rows, w.columns);
}

static gs_cuda_status launch_effective_weight_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_effective_weight_gradient(
        NULL,
        &(gs_cuda_effective_weight_gradient){
            gs_run_pointer(run, node->in[0]), matrix_of(run, node->in[1]),
            gs_run_pointer(run, node->in[2]), gs_run_pointer(run, node->in[3]),
            gs_run_pointer(run, node->out[0])},
        run->scratch);
}

/* ---- Updates -------------------------------------------------------------------------------- */

/* Cuts the parameters into spans, smaller ones than need be. */
static int cut_spans(const gs_parameters *p, const gs_node *node, gs_cuda_span *spans, int most) {
    enum { SPAN = 300 };
    int count = 0;
    for (int k = 0; k < node->as.amsgrad.count; k++) {
        int parameter = node->as.amsgrad.parameters[k];
        const gs_parameter *item = &p->set->items[parameter];
        for (size_t at = 0; at < item->size; at += SPAN, count++) {
            size_t left = item->size - at;
            assert_true(count < most);
            spans[count] = (gs_cuda_span){item->offset + at, left < SPAN ? (int32_t)left : SPAN,
                                          parameter, item->group == GS_GROUP_DISCRIMINATOR};
        }
    }
    return count;
}

static gs_cuda_status launch_amsgrad(const gs_run *run, const gs_node *node) {
    enum { MOST = 1024 };
    static gs_cuda_span spans[MOST];
    const gs_parameters *p = run->parameters;
    gs_cuda_optimizer optimizer = {{p->learning_rate, p->learning_rate * p->discriminator_rate},
                                   p->weight_decay,
                                   p->beta1,
                                   p->beta2,
                                   p->epsilon};
    return gs__cuda_amsgrad(
        NULL, &(gs_cuda_amsgrad){&optimizer, spans, cut_spans(p, node, spans, MOST), p->values,
                                 p->moment1, p->moment2, p->moment2_max, p->gradients, p->steps});
}

static gs_cuda_status launch_moving_average(const gs_run *run, const gs_node *node) {
    return gs__cuda_moving_average(
        NULL, gs_run_pointer(run, node->in[0]), gs_run_pointer(run, node->in[1]),
        gs__shape_size(node->in[0]->shape), node->as.moving_average.decay);
}

/* ---- Upsampling and convolution at once ----------------------------------------------------- */

static gs_cuda_status launch_subpixel_weight(const gs_run *run, const gs_node *node) {
    return gs__cuda_subpixel_weight(NULL, gs_run_pointer(run, node->in[0]), node->in[0]->shape,
                                    gs_run_pointer(run, node->out[0]));
}

static gs_cuda_status launch_subpixel_weight_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_subpixel_weight_gradient(NULL, gs_run_pointer(run, node->in[0]),
                                             node->out[0]->shape,
                                             gs_run_pointer(run, node->out[0]));
}

static gs_cuda_status launch_border_weight(const gs_run *run, const gs_node *node) {
    return gs__cuda_border_weight(NULL, gs_run_pointer(run, node->in[0]), node->in[0]->shape,
                                  gs_run_pointer(run, node->out[0]));
}

static gs_cuda_status launch_border_weight_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_border_weight_gradient(NULL, gs_run_pointer(run, node->in[0]),
                                           node->out[0]->shape, gs_run_pointer(run, node->out[0]));
}

static gs_cuda_status launch_border(const gs_run *run, const gs_node *node) {
    return gs__cuda_border(NULL,
                           &(gs_cuda_border){map_in(run, node->in[0]), node->in[0]->shape,
                                             gs_run_pointer(run, node->in[1]),
                                             node->out[0]->shape.c, map_out(run, node->out[0])});
}

static size_t border_gradient_scratch(const gs_node *node) {
    return gs__cuda_border_gradient_scratch(node->in[1]->shape);
}

static gs_cuda_status launch_border_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_border_gradient(
        NULL,
        &(gs_cuda_border_gradient){map_in(run, node->in[0]), map_in(run, node->in[1]),
                                   node->in[1]->shape, gs_run_pointer(run, node->in[2]),
                                   node->in[0]->shape.c, map_out(run, node->out[0]),
                                   gs_run_pointer(run, node->out[1])},
        run->scratch);
}

static gs_cuda_status launch_pixel_shuffle(const gs_run *run, const gs_node *node) {
    return gs__cuda_pixel_shuffle(NULL,
                                  &(gs_cuda_pixel_shuffle){.phases = map_in(run, node->in[0]),
                                                           .phases_shape = node->in[0]->shape,
                                                           .bias = gs_run_pointer(run, node->in[1]),
                                                           .low = map_in(run, node->in[2]),
                                                           .border = map_in(run, node->in[3]),
                                                           .beside = map_in(run, node->in[4]),
                                                           .out = map_out(run, node->out[0]),
                                                           .shape = node->out[0]->shape});
}

static size_t pixel_shuffle_gradient_scratch(const gs_node *node) {
    return gs__cuda_pixel_shuffle_gradient_scratch(node->in[0]->shape);
}

static gs_cuda_status launch_pixel_shuffle_gradient(const gs_run *run, const gs_node *node) {
    return gs__cuda_pixel_shuffle_gradient(
        NULL,
        &(gs_cuda_pixel_shuffle_gradient){.gradient = map_in(run, node->in[0]),
                                          .shape = node->in[0]->shape,
                                          .phases_shape = node->in[1]->shape,
                                          .phases = map_out(run, node->out[0]),
                                          .bias = gs_run_pointer(run, node->out[1]),
                                          .low = map_out(run, node->out[2]),
                                          .border = map_out(run, node->out[3]),
                                          .beside = map_out(run, node->out[4])},
        run->scratch);
}

const kernel_row *weight_rows(gs_op op) {
    static const kernel_row rows[GS_OP_COUNT] = {
        [GS_OP_POWER_ITERATION] = {launch_power_iteration, spectral_scratch, 0, 0},
        [GS_OP_EFFECTIVE_WEIGHT] = {launch_effective_weight, spectral_scratch, 0, 0},
        [GS_OP_EFFECTIVE_WEIGHT_GRADIENT] = {launch_effective_weight_gradient,
                                             effective_weight_gradient_scratch, 0, 0},
        [GS_OP_AMSGRAD] = {launch_amsgrad, NULL, 0, 0},
        [GS_OP_MOVING_AVERAGE] = {launch_moving_average, NULL, 0, 0},
        [GS_OP_SUBPIXEL_WEIGHT] = {launch_subpixel_weight, NULL, 0, 0},
        [GS_OP_SUBPIXEL_WEIGHT_GRADIENT] = {launch_subpixel_weight_gradient, NULL, 0, 0},
        [GS_OP_BORDER_WEIGHT] = {launch_border_weight, NULL, 0, 0},
        [GS_OP_BORDER_WEIGHT_GRADIENT] = {launch_border_weight_gradient, NULL, 0, 0},
        [GS_OP_BORDER] = {launch_border, NULL, 1, 1},
        [GS_OP_BORDER_GRADIENT] = {launch_border_gradient, border_gradient_scratch, 3, 1},
        [GS_OP_PIXEL_SHUFFLE] = {launch_pixel_shuffle, NULL, 1 | 4 | 8 | 16, 1},
        /* The phases' shape is read, not their values. */
        [GS_OP_PIXEL_SHUFFLE_GRADIENT] = {launch_pixel_shuffle_gradient,
                                          pixel_shuffle_gradient_scratch, 3, 1 | 4 | 8 | 16},
    };
    return rows[op].launch ? &rows[op] : NULL;
}

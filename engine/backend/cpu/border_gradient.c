/* Gradients of the border terms. */
#include "engine/backend/cpu/border.h"

#include <omp.h>
#include <string.h>

/* out [m,n] = (add: out +) a·b, row by row in memory; a [m,k] or, transposed, [k,m]; b likewise. */
static void multiply(char transposed_a, char transposed_b, int m, int n, int k, const float *a,
                     const float *b, bool add, float *out) {
    dnnl_sgemm(transposed_a, transposed_b, m, n, k, 1, a, transposed_a == 'T' ? m : k, b,
               transposed_b == 'T' ? k : n, add ? 1 : 0, out, n);
}

static void spread_strip(const gs_border *f, const float *strip, int side, float *image) {
    for (int k = 0; k < gs__border_side_length(f, side) + 2 * GS_BORDER_PAD;
         k++, strip += f->channels) {
        size_t plus, minus;
        gs__border_pair(f, side, k, &plus, &minus);
        for (int c = 0; c < f->channels; c++) {
            image[plus + (size_t)c] += strip[c];
            image[minus + (size_t)c] -= strip[c];
        }
    }
}

/* Scratch: per thread a strip, and the product for one tap. */
gs_status gs__cpu_border_gradient_scratch(void *opaque, const gs_node *node, void **handle_out,
                                          size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    gs_border f = gs__border_of(node->in[1]->shape, node->in[0]->shape);
    *scratch_bytes_out = (size_t)state->threads * 2 * f.strip * sizeof(float);
    return GS_OK;
}

/* The padded image's gradient from one side's terms. */
static void image_gradient(const gs_border *f, const float *terms, const float *weight, int side,
                           float *strip, float *image) {
    int length = gs__border_side_length(f, side);
    float *product = strip + f->strip;
    memset(strip, 0, f->strip * sizeof *strip);
    for (int t = 0; t < GS_BORDER_TAPS; t++) {
        size_t tap = (size_t)(side * GS_BORDER_TAPS + t) * (size_t)f->channels * (size_t)f->outputs;
        multiply('N', 'T', length, f->channels, f->outputs, terms + gs__border_side_start(f, side),
                 weight + tap, false, product);
        float *to = strip + (size_t)(t * f->channels);
        for (size_t i = 0; i < (size_t)length * (size_t)f->channels; i++) to[i] += product[i];
    }
    spread_strip(f, strip, side, image);
}

/* A side's part of the weights' gradient, from all samples. */
static void weight_gradient(const gs_border *f, const float *terms, gs_border_map x, int side,
                            float *strip, float *out) {
    for (int n = 0; n < f->samples; n++) {
        gs__border_strip(f, x, n, side, strip);
        for (int t = 0; t < GS_BORDER_TAPS; t++)
            multiply('T', 'N', f->channels, f->outputs, gs__border_side_length(f, side),
                     strip + (size_t)(t * f->channels),
                     terms + (size_t)n * f->terms + gs__border_side_start(f, side), n > 0,
                     out + (size_t)(side * GS_BORDER_TAPS + t) * (size_t)f->channels *
                               (size_t)f->outputs);
    }
}

gs_status gs__cpu_border_gradient(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    gs_border f = gs__border_of(node->in[1]->shape, node->in[0]->shape);
    const float *terms = gs_run_pointer(run, node->in[0]);
    gs_border_map x = gs__border_map(run, node->in[1]);
    const float *weight = gs_run_pointer(run, node->in[2]);
    float *dx = gs_run_pointer(run, node->out[0]), *dw = gs_run_pointer(run, node->out[1]);
    float *strips = run->scratch;
#pragma omp parallel
    {
        float *strip = strips + (size_t)omp_get_thread_num() * 2 * f.strip;
#pragma omp for schedule(static) nowait
        for (int n = 0; n < (dx ? f.samples : 0); n++) {
            float *image = dx + (size_t)n * f.image;
            memset(image, 0, f.image * sizeof *image);
            for (int side = 0; side < GS_SIDES; side++)
                image_gradient(&f, terms + (size_t)n * f.terms, weight, side, strip, image);
        }
#pragma omp for schedule(static)
        for (int side = 0; side < (dw ? GS_SIDES : 0); side++)
            weight_gradient(&f, terms, x, side, strip, dw);
    }
    return GS_OK;
}

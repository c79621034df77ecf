/* Convolution without padding and its gradients:
 * y(n,o,r,q) = b(o) + Σ_c,i,j x(n, c, r·stride + i, q·stride + j) · w(o,c,i,j). */
#include "engine/backend/reference/reference_internal.h"

#include <string.h>

typedef struct convolution {
    gs_shape in, weight, out;
    int stride;
    double *x, *w, *y;
} convolution;

/* One term of the sum above: the elements of the three arrays that it joins. */
typedef void visit_term(const convolution *conv, size_t x, size_t w, size_t y);

static void visit_terms_of_output(const convolution *k, int n, int o, int r, int q,
                                  visit_term *visit) {
    for (int c = 0; c < k->weight.c; c++)
        for (int i = 0; i < k->weight.h; i++)
            for (int j = 0; j < k->weight.w; j++)
                visit(k, gs__map_at(k->in, n, c, r * k->stride + i, q * k->stride + j),
                      gs__weight_at(k->weight, o, c, i, j), gs__map_at(k->out, n, o, r, q));
}

static void visit_terms(const convolution *k, visit_term *visit) {
    for (int n = 0; n < k->out.n; n++)
        for (int r = 0; r < k->out.h; r++)
            for (int q = 0; q < k->out.w; q++)
                for (int o = 0; o < k->out.c; o++) visit_terms_of_output(k, n, o, r, q, visit);
}

static void add_to_output(const convolution *k, size_t x, size_t w, size_t y) {
    k->y[y] += k->x[x] * k->w[w];
}

static void add_to_input(const convolution *k, size_t x, size_t w, size_t y) {
    k->x[x] += k->y[y] * k->w[w];
}

static void add_to_weight(const convolution *k, size_t x, size_t w, size_t y) {
    k->w[w] += k->y[y] * k->x[x];
}

static convolution convolution_of(const gs_run *run, const gs_node *node, const gs_tensor *x,
                                  const gs_tensor *w, const gs_tensor *y) {
    return (convolution){.in = x->shape,
                         .weight = w ? w->shape : (gs_shape){0},
                         .out = y->shape,
                         .stride = node->as.conv.stride,
                         .x = gs_run_pointer(run, x),
                         .w = gs_run_pointer(run, w),
                         .y = gs_run_pointer(run, y)};
}

gs_status gs__reference_conv(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    convolution k = convolution_of(run, node, node->in[0], node->in[1], node->out[0]);
    const double *bias = gs_run_pointer(run, node->in[2]);
    for (size_t i = 0; i < gs__shape_size(k.out); i++)
        k.y[i] = bias ? bias[i % (size_t)k.out.c] : 0;
    visit_terms(&k, add_to_output);
    return GS_OK;
}

gs_status gs__reference_conv_gradient_data(const gs_run *run, const gs_node *node, void *handle,
                                           gs_error *err) {
    (void)handle, (void)err;
    convolution k = convolution_of(run, node, node->out[0], node->in[0], node->in[1]);
    memset(k.x, 0, gs__shape_size(k.in) * sizeof *k.x);
    visit_terms(&k, add_to_input);
    return GS_OK;
}

/* Either output may be NULL. */
gs_status gs__reference_conv_gradient_weight(const gs_run *run, const gs_node *node, void *handle,
                                             gs_error *err) {
    (void)handle, (void)err;
    convolution k = convolution_of(run, node, node->in[0], node->out[0], node->in[1]);
    if (k.w) {
        memset(k.w, 0, gs__shape_size(k.weight) * sizeof *k.w);
        visit_terms(&k, add_to_weight);
    }
    double *bias = gs_run_pointer(run, node->out[1]);
    if (!bias) return GS_OK;
    memset(bias, 0, (size_t)k.out.c * sizeof *bias);
    for (size_t i = 0; i < gs__shape_size(k.out); i++) bias[i % (size_t)k.out.c] += k.y[i];
    return GS_OK;
}

/* tanh, sigmoid, 3×3 average pooling (stride 2, padding 1 that is not counted), and gradients. */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>
#include <string.h>

gs_status gs__reference_tanh(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    const double *x = gs_run_pointer(run, node->in[0]);
    double *y = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < gs__shape_size(node->out[0]->shape); i++) y[i] = tanh(x[i]);
    return GS_OK;
}

gs_status gs__reference_tanh_gradient(const gs_run *run, const gs_node *node, void *handle,
                                      gs_error *err) {
    (void)handle, (void)err;
    const double *y = gs_run_pointer(run, node->in[0]), *dy = gs_run_pointer(run, node->in[1]);
    double *dx = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < gs__shape_size(node->out[0]->shape); i++)
        dx[i] = dy[i] * (1 - y[i] * y[i]);
    return GS_OK;
}

gs_status gs__reference_sigmoid(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    const double *x = gs_run_pointer(run, node->in[0]);
    double *y = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < gs__shape_size(node->out[0]->shape); i++) y[i] = 1 / (1 + exp(-x[i]));
    return GS_OK;
}

gs_status gs__reference_sigmoid_gradient(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    const double *y = gs_run_pointer(run, node->in[0]), *dy = gs_run_pointer(run, node->in[1]);
    double *dx = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < gs__shape_size(node->out[0]->shape); i++)
        dx[i] = dy[i] * y[i] * (1 - y[i]);
    return GS_OK;
}

/* ---- Average pooling ------------------------------------------------------------------------- */

/* Rows (columns) of the input, [from, to), that output `at` is the mean of. */
typedef struct window {
    int from, to;
} window;

static window window_of(int at, int size) {
    window w = {2 * at - 1, 2 * at + 2};
    if (w.from < 0) w.from = 0;
    if (w.to > size) w.to = size;
    return w;
}

gs_status gs__reference_average_pool(const gs_run *run, const gs_node *node, void *handle,
                                     gs_error *err) {
    (void)handle, (void)err;
    gs_shape in = node->in[0]->shape, s = node->out[0]->shape;
    const double *x = gs_run_pointer(run, node->in[0]);
    double *y = gs_run_pointer(run, node->out[0]);
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int r = 0; r < s.h; r++)
                for (int q = 0; q < s.w; q++) {
                    window rows = window_of(r, in.h), columns = window_of(q, in.w);
                    double total = 0;
                    int count = (rows.to - rows.from) * (columns.to - columns.from);
                    for (int h = rows.from; h < rows.to; h++)
                        for (int w = columns.from; w < columns.to; w++)
                            total += x[gs__map_at(in, n, c, h, w)];
                    y[gs__map_at(s, n, c, r, q)] = total / count;
                }
    return GS_OK;
}

gs_status gs__reference_average_pool_gradient(const gs_run *run, const gs_node *node, void *handle,
                                              gs_error *err) {
    (void)handle, (void)err;
    gs_shape in = node->out[0]->shape, s = node->in[0]->shape;
    const double *dy = gs_run_pointer(run, node->in[0]);
    double *dx = gs_run_pointer(run, node->out[0]);
    memset(dx, 0, gs__shape_size(in) * sizeof *dx);
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int r = 0; r < s.h; r++)
                for (int q = 0; q < s.w; q++) {
                    window rows = window_of(r, in.h), columns = window_of(q, in.w);
                    int count = (rows.to - rows.from) * (columns.to - columns.from);
                    double share = dy[gs__map_at(s, n, c, r, q)] / count;
                    for (int h = rows.from; h < rows.to; h++)
                        for (int w = columns.from; w < columns.to; w++)
                            dx[gs__map_at(in, n, c, h, w)] += share;
                }
    return GS_OK;
}

/* Adding, joining and cutting activations. */
#include "engine/backend/reference/reference_internal.h"

#include <string.h>

/* Adds `in` to `out` at the given sample and channel; both have the same H and W. */
static void add_at(double *out, gs_shape to, const double *in, gs_shape from, gs_contribution at) {
    for (int n = 0; n < from.n; n++)
        for (int c = 0; c < from.c; c++)
            for (int h = 0; h < from.h; h++)
                for (int w = 0; w < from.w; w++)
                    out[gs__map_at(to, n + at.from_sample, c + at.from_channel, h, w)] +=
                        in[gs__map_at(from, n, c, h, w)];
}

gs_status gs__reference_add(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    const double *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (size_t i = 0; i < gs__shape_size(node->out[0]->shape); i++) out[i] = a[i] + b[i];
    return GS_OK;
}

/* Inputs of the output's own shape may also be weights: added element by element, whatever the
 * layout. */
gs_status gs__reference_sum(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->out[0]->shape;
    size_t size = gs__shape_size(s);
    double *out = gs_run_pointer(run, node->out[0]);
    memset(out, 0, size * sizeof *out);
    for (int i = 0; i < node->in_count; i++) {
        const double *in = gs_run_pointer(run, node->in[i]);
        if (gs__is_same_shape(node->in[i]->shape, s))
            for (size_t k = 0; k < size; k++) out[k] += in[k];
        else
            add_at(out, s, in, node->in[i]->shape, node->as.sum.at[i]);
    }
    return GS_OK;
}

/* Places both inputs into the output, the second at `second`. */
static gs_status join(const gs_run *run, const gs_node *node, gs_contribution second) {
    gs_shape s = node->out[0]->shape;
    double *out = gs_run_pointer(run, node->out[0]);
    memset(out, 0, gs__shape_size(s) * sizeof *out);
    add_at(out, s, gs_run_pointer(run, node->in[0]), node->in[0]->shape, (gs_contribution){0, 0});
    add_at(out, s, gs_run_pointer(run, node->in[1]), node->in[1]->shape, second);
    return GS_OK;
}

gs_status gs__reference_concat_channels(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    return join(run, node, (gs_contribution){.from_channel = node->in[0]->shape.c});
}

gs_status gs__reference_concat_batch(const gs_run *run, const gs_node *node, void *handle,
                                     gs_error *err) {
    (void)handle, (void)err;
    return join(run, node, (gs_contribution){.from_sample = node->in[0]->shape.n});
}

gs_status gs__reference_slice_channels(const gs_run *run, const gs_node *node, void *handle,
                                       gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->out[0]->shape, from = node->in[0]->shape;
    const double *x = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int h = 0; h < s.h; h++)
                for (int w = 0; w < s.w; w++)
                    out[gs__map_at(s, n, c, h, w)] =
                        x[gs__map_at(from, n, c + node->as.slice.from, h, w)];
    return GS_OK;
}

/* The border terms' weights [4 sides, 5 taps, C, O] of a kernel [O,C,5,5], and the gradient of
 * that: both turn memory round, eight outputs at a time. */
#include "engine/backend/cpu/border.h"
#include "engine/backend/cpu/transpose.h"

#include <string.h>

enum { KERNEL = GS_BORDER_TAPS, KERNEL_TAPS = KERNEL * KERNEL };

/* Tap t of a side is the kernel's (0,t), (K-1,t), (t,0) or (t,K-1). */
static int side_tap(int side, int t) {
    int edge = side % 2 ? KERNEL - 1 : 0;
    return side < 2 ? edge * KERNEL + t : t * KERNEL + edge;
}

/* The kernel's taps from `at` on that eight values are taken of; the last ones overlap. */
static const int tap_groups[] = {0, 8, 16, KERNEL_TAPS - GS_SIDE};
enum { GROUPS = sizeof tap_groups / sizeof *tap_groups };

/* All taps of channel c, for eight outputs or, at the end, each of the last few: [taps][8]. */
GS_VECTORIZED static void gather_taps(const float *full, size_t stride, int outputs,
                                      float taps[KERNEL_TAPS][GS_SIDE]) {
    if (outputs < GS_SIDE) {
        for (int o = 0; o < outputs; o++)
            for (int t = 0; t < KERNEL_TAPS; t++) taps[t][o] = full[(size_t)o * stride + (size_t)t];
        return;
    }
    for (int k = 0; k < GROUPS; k++) {
        gs_eight columns[GS_SIDE];
        gs__transpose(full + tap_groups[k], stride, columns);
#pragma GCC unroll 8
        for (int i = 0; i < GS_SIDE; i++) gs__store_eight(taps[tap_groups[k] + i], &columns[i]);
    }
}

GS_VECTORIZED static void scatter_taps(float taps[KERNEL_TAPS][GS_SIDE], size_t stride, int outputs,
                                       float *full) {
    if (outputs < GS_SIDE) {
        for (int o = 0; o < outputs; o++)
            for (int t = 0; t < KERNEL_TAPS; t++) full[(size_t)o * stride + (size_t)t] = taps[t][o];
        return;
    }
    for (int k = 0; k < GROUPS; k++) {
        gs_eight rows[GS_SIDE];
        gs__transpose(taps[tap_groups[k]], GS_SIDE, rows);
#pragma GCC unroll 8
        for (int i = 0; i < GS_SIDE; i++)
            gs__store_eight(full + (size_t)i * stride + tap_groups[k], &rows[i]);
    }
}

/* Where the weights of a side's tap and a channel lie. */
static size_t row_at(gs_shape w, int side, int t, int c) {
    return (size_t)((side * KERNEL + t) * w.c + c) * (size_t)w.n;
}

static void border_channel(gs_shape w, const float *full, int c, float *out) {
    float taps[KERNEL_TAPS][GS_SIDE];
    size_t stride = (size_t)w.c * KERNEL_TAPS;
    for (int o = 0; o < w.n; o += GS_SIDE) {
        int outputs = w.n - o < GS_SIDE ? w.n - o : GS_SIDE;
        gather_taps(full + (size_t)o * stride + (size_t)c * KERNEL_TAPS, stride, outputs, taps);
        for (int side = 0; side < GS_SIDES; side++)
            for (int t = 0; t < KERNEL; t++)
                memcpy(out + row_at(w, side, t, c) + o, taps[side_tap(side, t)],
                       (size_t)outputs * sizeof *out);
    }
}

/* Inner taps have no part in it, corners have two. */
static void full_channel(gs_shape w, const float *gradient, int c, float *full) {
    size_t stride = (size_t)w.c * KERNEL_TAPS;
    for (int o = 0; o < w.n; o += GS_SIDE) {
        float taps[KERNEL_TAPS][GS_SIDE] = {{0}};
        int outputs = w.n - o < GS_SIDE ? w.n - o : GS_SIDE;
        for (int side = 0; side < GS_SIDES; side++)
            for (int t = 0; t < KERNEL; t++)
                for (int i = 0; i < outputs; i++)
                    taps[side_tap(side, t)][i] += gradient[row_at(w, side, t, c) + (size_t)(o + i)];
        scatter_taps(taps, stride, outputs, full + (size_t)o * stride + (size_t)c * KERNEL_TAPS);
    }
}

gs_status gs__cpu_border_weight(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->in[0]->shape;
    const float *full = gs_run_pointer(run, node->in[0]);
    float *out = gs_run_pointer(run, node->out[0]);
#pragma omp parallel for schedule(static)
    for (int c = 0; c < w.c; c++) border_channel(w, full, c, out);
    return GS_OK;
}

gs_status gs__cpu_border_weight_gradient(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->out[0]->shape;
    const float *gradient = gs_run_pointer(run, node->in[0]);
    float *full = gs_run_pointer(run, node->out[0]);
#pragma omp parallel for schedule(static)
    for (int c = 0; c < w.c; c++) full_channel(w, gradient, c, full);
    return GS_OK;
}

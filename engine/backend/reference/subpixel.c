/* Upsampling and convolution at once: weights, border terms, pixel shuffle. op_subpixel.c says what
 * they are for. */
#include "engine/backend/reference/reference_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Weights --------------------------------------------------------------------------------- */

/* Calls visit(index in the kernel, index in the sub-pixel kernels) for every tap at every phase. */
typedef void tap_visitor(double *a, const double *b, size_t full, size_t folded);

static void visit_taps(gs_shape w, gs_shape f, double *a, const double *b, tap_visitor *visit) {
    for (int phase = 0; phase < 4; phase++)
        for (int o = 0; o < w.n; o++)
            for (int c = 0; c < w.c; c++)
                for (int i = 0; i < w.h; i++)
                    for (int j = 0; j < w.w; j++) {
                        int p = gs__subpixel_tap(w.h, phase / 2, i);
                        int q = gs__subpixel_tap(w.w, phase % 2, j);
                        visit(a, b, gs__weight_at(w, o, c, i, j),
                              gs__weight_at(f, phase * w.n + o, c, p, q));
                    }
}

static void add_full_to_folded(double *folded, const double *full, size_t i, size_t k) {
    folded[k] += full[i];
}

static void add_folded_to_full(double *full, const double *folded, size_t i, size_t k) {
    full[i] += folded[k];
}

gs_status gs__reference_subpixel_weight(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    double *folded = gs_run_pointer(run, node->out[0]);
    memset(folded, 0, gs__shape_size(node->out[0]->shape) * sizeof *folded);
    visit_taps(node->in[0]->shape, node->out[0]->shape, folded, gs_run_pointer(run, node->in[0]),
               add_full_to_folded);
    return GS_OK;
}

gs_status gs__reference_subpixel_weight_gradient(const gs_run *run, const gs_node *node,
                                                 void *handle, gs_error *err) {
    (void)handle, (void)err;
    double *full = gs_run_pointer(run, node->out[0]);
    memset(full, 0, gs__shape_size(node->out[0]->shape) * sizeof *full);
    visit_taps(node->out[0]->shape, node->in[0]->shape, full, gs_run_pointer(run, node->in[0]),
               add_folded_to_full);
    return GS_OK;
}

/* Sides: top, bottom, left, right. Tap t of side s is the kernel's (0,t), (K-1,t), (t,0), (t,K-1).
 */
static size_t side_tap(gs_shape w, int side, int t, int o, int c) {
    int edge = side % 2 ? w.h - 1 : 0;
    return side < 2 ? gs__weight_at(w, o, c, edge, t) : gs__weight_at(w, o, c, t, edge);
}

static size_t border_at(gs_shape w, int side, int t, int o, int c) {
    return ((size_t)(side * w.h + t) * (size_t)w.c + (size_t)c) * (size_t)w.n + (size_t)o;
}

gs_status gs__reference_border_weight(const gs_run *run, const gs_node *node, void *handle,
                                      gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->in[0]->shape;
    const double *full = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (int side = 0; side < 4; side++)
        for (int t = 0; t < w.h; t++)
            for (int c = 0; c < w.c; c++)
                for (int o = 0; o < w.n; o++)
                    out[border_at(w, side, t, o, c)] = full[side_tap(w, side, t, o, c)];
    return GS_OK;
}

gs_status gs__reference_border_weight_gradient(const gs_run *run, const gs_node *node, void *handle,
                                               gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->out[0]->shape;
    const double *gradient = gs_run_pointer(run, node->in[0]);
    double *full = gs_run_pointer(run, node->out[0]);
    memset(full, 0, gs__shape_size(w) * sizeof *full);
    for (int side = 0; side < 4; side++)
        for (int t = 0; t < w.h; t++)
            for (int c = 0; c < w.c; c++)
                for (int o = 0; o < w.n; o++)
                    full[side_tap(w, side, t, o, c)] += gradient[border_at(w, side, t, o, c)];
    return GS_OK;
}

/* ---- Border terms ---------------------------------------------------------------------------- */

/* Where output pixel k of side s and its tap t read: two pixels of the padded map, whose difference
 * is convolved. Along a row the upsampled map is reflected, along a column it is replicated. */
typedef struct pair {
    int plus_h, plus_w, minus_h, minus_w;
} pair;

static int clamp(int value, int low, int high) {
    return value < low ? low : value > high ? high : value;
}

static int reflected(int at, int size) {
    at = abs(at);
    return at < size ? at : 2 * size - 2 - at;
}

/* h, w: of the low-resolution map, which starts at (1,1) of the padded one. */
static pair side_pair(int side, int k, int t, int h, int w) {
    int up = k + t - 2; /* along the side, in the upsampled map */
    if (side < 2) {
        int column = reflected(up, 2 * w) / 2 + 1;
        return side == 0 ? (pair){2, column, 1, column} : (pair){h - 1, column, h, column};
    }
    int row = clamp(up, 0, 2 * h - 1) / 2 + 1;
    return side == 2 ? (pair){row, 2, row, 1} : (pair){row, w - 1, row, w};
}

/* The first of the sides' output pixels in the list of all, and their number. */
static int side_start(int side, int h, int w) {
    return side < 2 ? side * 2 * w : 4 * w + (side - 2) * 2 * h;
}

static int side_length(int side, int h, int w) {
    return side < 2 ? 2 * w : 2 * h;
}

gs_status gs__reference_border(const gs_run *run, const gs_node *node, void *handle,
                               gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape, b = node->out[0]->shape;
    gs_shape w = {b.c, s.c, node->in[1]->shape.c, node->in[1]->shape.c};
    const double *x = gs_run_pointer(run, node->in[0]), *weight = gs_run_pointer(run, node->in[1]);
    double *out = gs_run_pointer(run, node->out[0]);
    memset(out, 0, gs__shape_size(b) * sizeof *out);
    for (int n = 0; n < s.n; n++)
        for (int side = 0; side < 4; side++)
            for (int k = 0; k < side_length(side, s.h - 2, s.w - 2); k++)
                for (int t = 0; t < w.h; t++) {
                    pair at = side_pair(side, k, t, s.h - 2, s.w - 2);
                    double *to =
                        out + gs__map_at(b, n, 0, 0, side_start(side, s.h - 2, s.w - 2) + k);
                    const double *plus = x + gs__map_at(s, n, 0, at.plus_h, at.plus_w);
                    const double *minus = x + gs__map_at(s, n, 0, at.minus_h, at.minus_w);
                    for (int c = 0; c < s.c; c++)
                        for (int o = 0; o < b.c; o++)
                            to[o] += (plus[c] - minus[c]) * weight[border_at(w, side, t, o, c)];
                }
    return GS_OK;
}

gs_status gs__reference_border_gradient(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    gs_shape b = node->in[0]->shape, s = node->in[1]->shape;
    gs_shape w = {b.c, s.c, node->in[2]->shape.c, node->in[2]->shape.c};
    const double *gradient = gs_run_pointer(run, node->in[0]),
                 *x = gs_run_pointer(run, node->in[1]);
    const double *weight = gs_run_pointer(run, node->in[2]);
    double *dx = gs_run_pointer(run, node->out[0]), *dw = gs_run_pointer(run, node->out[1]);
    if (dx) memset(dx, 0, gs__shape_size(s) * sizeof *dx);
    if (dw) memset(dw, 0, gs__shape_size(node->in[2]->shape) * sizeof *dw);
    for (int n = 0; n < s.n; n++)
        for (int side = 0; side < 4; side++)
            for (int k = 0; k < side_length(side, s.h - 2, s.w - 2); k++)
                for (int t = 0; t < w.h; t++) {
                    pair at = side_pair(side, k, t, s.h - 2, s.w - 2);
                    size_t plus = gs__map_at(s, n, 0, at.plus_h, at.plus_w);
                    size_t minus = gs__map_at(s, n, 0, at.minus_h, at.minus_w);
                    const double *from =
                        gradient + gs__map_at(b, n, 0, 0, side_start(side, s.h - 2, s.w - 2) + k);
                    for (size_t c = 0; c < (size_t)s.c; c++)
                        for (int o = 0; o < b.c; o++) {
                            size_t i = border_at(w, side, t, o, (int)c);
                            if (dx) dx[plus + c] += from[o] * weight[i];
                            if (dx) dx[minus + c] -= from[o] * weight[i];
                            if (dw) dw[i] += from[o] * (x[plus + c] - x[minus + c]);
                        }
                }
    return GS_OK;
}

/* ---- Pixel shuffle --------------------------------------------------------------------------- */

/* Shapes of what is shuffled: phases [N,4·O,h+s,w+s], output [N,O+S,H,W]; s = 1 for 2×2 kernels,
 * whose second phase starts a pixel later. */
typedef struct shuffle {
    gs_shape phases, out;
    int outputs, h, w, shift;
} shuffle;

static shuffle shuffle_of(gs_shape phases, gs_shape out) {
    int h = (out.h + 1) / 2, w = (out.w + 1) / 2;
    return (shuffle){phases, out, phases.c / 4, h, w, phases.h - h};
}

/* The element of the phases that output element (n,o,r,c) is. */
static size_t phase_at(const shuffle *s, int n, int o, int r, int c) {
    int p = r % 2, q = c % 2;
    return gs__map_at(s->phases, n, (2 * p + q) * s->outputs + o, r / 2 + p * s->shift,
                      c / 2 + q * s->shift);
}

/* Output pixel k of the border's list; columns and rows beyond the crop have none. */
static bool border_pixel(const shuffle *s, int k, int *r, int *c) {
    int side = 0;
    while (side < 3 && k >= side_start(side + 1, s->h, s->w)) side++;
    k -= side_start(side, s->h, s->w);
    *r = side == 0 ? 0 : side == 1 ? 2 * s->h - 1 : k;
    *c = side == 2 ? 0 : side == 3 ? 2 * s->w - 1 : k;
    return *r < s->out.h && *c < s->out.w;
}

static void add_border(const shuffle *s, const double *border, double *out) {
    gs_shape b = {s->out.n, s->outputs, 1, 4 * s->w + 4 * s->h};
    for (int n = 0; n < b.n; n++)
        for (int k = 0, r, c; k < b.w; k++)
            for (int o = 0; o < b.c && border_pixel(s, k, &r, &c); o++)
                out[gs__map_at(s->out, n, o, r, c)] += border[gs__map_at(b, n, o, 0, k)];
}

gs_status gs__reference_pixel_shuffle(const gs_run *run, const gs_node *node, void *handle,
                                      gs_error *err) {
    (void)handle, (void)err;
    shuffle s = shuffle_of(node->in[0]->shape, node->out[0]->shape);
    gs_shape small = {s.out.n, s.outputs, s.h, s.w}, beside = s.out;
    beside.c = s.out.c - s.outputs;
    const double *phases = gs_run_pointer(run, node->in[0]);
    const double *bias = gs_run_pointer(run, node->in[1]), *low = gs_run_pointer(run, node->in[2]);
    const double *border = gs_run_pointer(run, node->in[3]);
    const double *more = gs_run_pointer(run, node->in[4]);
    double *out = gs_run_pointer(run, node->out[0]);
    for (int n = 0; n < s.out.n; n++)
        for (int r = 0; r < s.out.h; r++)
            for (int c = 0; c < s.out.w; c++)
                for (int o = 0; o < s.out.c; o++) {
                    double *to = out + gs__map_at(s.out, n, o, r, c);
                    if (o >= s.outputs) {
                        *to = more[gs__map_at(beside, n, o - s.outputs, r, c)];
                        continue;
                    }
                    *to = phases[phase_at(&s, n, o, r, c)];
                    if (bias) *to += bias[o];
                    if (low) *to += low[gs__map_at(small, n, o, r / 2, c / 2)];
                }
    if (border) add_border(&s, border, out);
    return GS_OK;
}

static void border_gradient(const shuffle *s, const double *gradient, double *border) {
    gs_shape b = {s->out.n, s->outputs, 1, 4 * s->w + 4 * s->h};
    for (int n = 0; n < b.n; n++)
        for (int k = 0, r, c; k < b.w; k++)
            for (int o = 0; o < b.c; o++)
                border[gs__map_at(b, n, o, 0, k)] =
                    border_pixel(s, k, &r, &c) ? gradient[gs__map_at(s->out, n, o, r, c)] : 0;
}

static void clear(double *values, const gs_tensor *tensor) {
    if (values) memset(values, 0, gs__shape_size(tensor->shape) * sizeof *values);
}

gs_status gs__reference_pixel_shuffle_gradient(const gs_run *run, const gs_node *node, void *handle,
                                               gs_error *err) {
    (void)handle, (void)err;
    shuffle s = shuffle_of(node->in[1]->shape, node->in[0]->shape);
    gs_shape small = {s.out.n, s.outputs, s.h, s.w}, beside = s.out;
    beside.c = s.out.c - s.outputs;
    const double *gradient = gs_run_pointer(run, node->in[0]);
    double *d[GS_MAX_OUTPUTS]; /* phases, bias, low, border, beside */
    for (int i = 0; i < GS_MAX_OUTPUTS; i++) {
        d[i] = gs_run_pointer(run, node->out[i]);
        clear(d[i], node->out[i]);
    }
    for (int n = 0; n < s.out.n; n++)
        for (int r = 0; r < s.out.h; r++)
            for (int c = 0; c < s.out.w; c++)
                for (int o = 0; o < s.out.c; o++) {
                    double g = gradient[gs__map_at(s.out, n, o, r, c)];
                    if (o >= s.outputs) {
                        if (d[4]) d[4][gs__map_at(beside, n, o - s.outputs, r, c)] = g;
                        continue;
                    }
                    if (d[0]) d[0][phase_at(&s, n, o, r, c)] = g;
                    if (d[1]) d[1][o] += g;
                    if (d[2]) d[2][gs__map_at(small, n, o, r / 2, c / 2)] += g;
                }
    if (d[3]) border_gradient(&s, gradient, d[3]);
    return GS_OK;
}

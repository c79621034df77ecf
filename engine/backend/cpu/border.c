/* The border terms of upsampling and a 5×5 convolution at once: op_subpixel.c says what they add.
 *
 * A side is a strip of differences of two low-resolution pixels, [2·length + 4, C], convolved along
 * itself: for each of the 5 taps a matrix product with the rows of that tap's window. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/cpu_internal.h"

#include <omp.h>
#include <string.h>

enum { SIDES = 4, TAPS = 5, PAD = TAPS / 2 };

/* padded [N,C,h+2,w+2] and border terms [N,O,1,4·w+4·h]. */
typedef struct frame {
    int samples, channels, outputs, h, w;
    size_t row, image, terms; /* floats of a padded row and image, and of a sample's border terms */
    size_t strip;             /* floats of the longest strip */
} frame;

static frame frame_of(gs_shape padded, gs_shape border) {
    frame f = {.samples = padded.n,
               .channels = padded.c,
               .outputs = border.c,
               .h = padded.h - 2,
               .w = padded.w - 2};
    f.row = (size_t)padded.w * (size_t)padded.c;
    f.image = (size_t)padded.h * f.row;
    f.terms = (size_t)border.w * (size_t)border.c;
    f.strip = (size_t)(2 * (f.h > f.w ? f.h : f.w) + 2 * PAD) * (size_t)padded.c;
    return f;
}

static int side_length(const frame *f, int side) {
    return side < 2 ? 2 * f->w : 2 * f->h;
}

/* Where the terms of a side begin. */
static size_t side_start(const frame *f, int side) {
    int k = side < 2 ? side * 2 * f->w : 4 * f->w + (side - 2) * 2 * f->h;
    return (size_t)k * (size_t)f->outputs;
}

/* The two pixels whose difference is strip element k, as offsets into the padded image. Along a row
 * the upsampled map is reflected, along a column it is replicated. */
static void strip_pair(const frame *f, int side, int k, size_t *plus, size_t *minus) {
    int size = side_length(f, side), up = k - PAD;
    size_t channels = (size_t)f->channels;
    if (side < 2) {
        up = up < 0 ? -up : up >= size ? 2 * size - 2 - up : up;
        size_t column = (size_t)(up / 2 + 1) * channels;
        *plus = (size_t)(side == 0 ? 2 : f->h - 1) * f->row + column;
        *minus = (size_t)(side == 0 ? 1 : f->h) * f->row + column;
        return;
    }
    up = up < 0 ? 0 : up >= size ? size - 1 : up;
    size_t row = (size_t)(up / 2 + 1) * f->row;
    *plus = row + (size_t)(side == 2 ? 2 : f->w - 1) * channels;
    *minus = row + (size_t)(side == 2 ? 1 : f->w) * channels;
}

/* A padded map, of floats or bfloat16. */
typedef struct padded_map {
    const float *floats;
    const uint16_t *halves;
} padded_map;

static padded_map padded_map_of(const gs_run *run, const gs_tensor *x) {
    const void *values = gs_run_pointer(run, x);
    return x->is_bfloat16 ? (padded_map){.halves = values} : (padded_map){.floats = values};
}

static void make_strip(const frame *f, padded_map x, int n, int side, float *strip) {
    for (int k = 0; k < side_length(f, side) + 2 * PAD; k++, strip += f->channels) {
        size_t plus, minus, image = (size_t)n * f->image;
        strip_pair(f, side, k, &plus, &minus);
        plus += image, minus += image;
        for (int c = 0; x.floats && c < f->channels; c++)
            strip[c] = x.floats[plus + (size_t)c] - x.floats[minus + (size_t)c];
        for (int c = 0; x.halves && c < f->channels; c++)
            strip[c] = gs__from_bfloat16(x.halves[plus + (size_t)c]) -
                       gs__from_bfloat16(x.halves[minus + (size_t)c]);
    }
}

static void spread_strip(const frame *f, const float *strip, int side, float *image) {
    for (int k = 0; k < side_length(f, side) + 2 * PAD; k++, strip += f->channels) {
        size_t plus, minus;
        strip_pair(f, side, k, &plus, &minus);
        for (int c = 0; c < f->channels; c++) {
            image[plus + (size_t)c] += strip[c];
            image[minus + (size_t)c] -= strip[c];
        }
    }
}

/* out [m,n] = (add: out +) a·b, row by row in memory; a [m,k] or, transposed, [k,m]; b likewise. */
static void multiply(char transposed_a, char transposed_b, int m, int n, int k, const float *a,
                     const float *b, bool add, float *out) {
    dnnl_sgemm(transposed_a, transposed_b, m, n, k, 1, a, transposed_a == 'T' ? m : k, b,
               transposed_b == 'T' ? k : n, add ? 1 : 0, out, n);
}

/* ---- Weights: [4 sides, 5 taps, C, O] -------------------------------------------------------- */

/* Tap t of a side is the kernel's (0,t), (K-1,t), (t,0) or (t,K-1). */
static int side_tap(int side, int t) {
    int edge = side % 2 ? TAPS - 1 : 0;
    return side < 2 ? edge * TAPS + t : t * TAPS + edge;
}

gs_status gs__cpu_border_weight(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->in[0]->shape;
    const float *full = gs_run_pointer(run, node->in[0]);
    float *out = gs_run_pointer(run, node->out[0]);
#pragma omp parallel for schedule(static)
    for (int k = 0; k < SIDES * TAPS * w.c; k++) {
        int c = k % w.c, tap = side_tap(k / w.c / TAPS, k / w.c % TAPS);
        for (int o = 0; o < w.n; o++)
            out[(size_t)k * (size_t)w.n + (size_t)o] =
                full[(size_t)(o * w.c + c) * TAPS * TAPS + (size_t)tap];
    }
    return GS_OK;
}

gs_status gs__cpu_border_weight_gradient(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->out[0]->shape;
    const float *gradient = gs_run_pointer(run, node->in[0]);
    float *full = gs_run_pointer(run, node->out[0]);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < w.n * w.c; i++) {
        int o = i / w.c, c = i % w.c;
        float *to = full + (size_t)i * TAPS * TAPS;
        memset(to, 0, TAPS * TAPS * sizeof *to);
        for (int k = 0; k < SIDES * TAPS; k++)
            to[side_tap(k / TAPS, k % TAPS)] +=
                gradient[(size_t)(k * w.c + c) * (size_t)w.n + (size_t)o];
    }
    return GS_OK;
}

/* ---- Terms ----------------------------------------------------------------------------------- */

/* Scratch: a strip per thread. */
gs_status gs__cpu_border_scratch(void *opaque, const gs_node *node, void **handle_out,
                                 size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    frame f = frame_of(node->in[0]->shape, node->out[0]->shape);
    *scratch_bytes_out = (size_t)state->threads * f.strip * sizeof(float);
    return GS_OK;
}

gs_status gs__cpu_border(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    frame f = frame_of(node->in[0]->shape, node->out[0]->shape);
    padded_map x = padded_map_of(run, node->in[0]);
    const float *weight = gs_run_pointer(run, node->in[1]);
    float *out = gs_run_pointer(run, node->out[0]), *strips = run->scratch;
    size_t tap_size = (size_t)f.channels * (size_t)f.outputs;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < f.samples * SIDES; i++) {
        int n = i / SIDES, side = i % SIDES;
        float *strip = strips + (size_t)omp_get_thread_num() * f.strip;
        make_strip(&f, x, n, side, strip);
        for (int t = 0; t < TAPS; t++)
            multiply('N', 'N', side_length(&f, side), f.outputs, f.channels,
                     strip + (size_t)(t * f.channels),
                     weight + (size_t)(side * TAPS + t) * tap_size, t > 0,
                     out + (size_t)n * f.terms + side_start(&f, side));
    }
    return GS_OK;
}

/* ---- Gradient -------------------------------------------------------------------------------- */

/* Scratch: per thread a strip, and the product for one tap. */
gs_status gs__cpu_border_gradient_scratch(void *opaque, const gs_node *node, void **handle_out,
                                          size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    frame f = frame_of(node->in[1]->shape, node->in[0]->shape);
    *scratch_bytes_out = (size_t)state->threads * 2 * f.strip * sizeof(float);
    return GS_OK;
}

/* The padded image's gradient from one side's terms. */
static void image_gradient(const frame *f, const float *terms, const float *weight, int side,
                           float *strip, float *image) {
    int length = side_length(f, side);
    float *product = strip + f->strip;
    memset(strip, 0, f->strip * sizeof *strip);
    for (int t = 0; t < TAPS; t++) {
        size_t tap = (size_t)(side * TAPS + t) * (size_t)f->channels * (size_t)f->outputs;
        multiply('N', 'T', length, f->channels, f->outputs, terms + side_start(f, side),
                 weight + tap, false, product);
        float *to = strip + (size_t)(t * f->channels);
        for (size_t i = 0; i < (size_t)length * (size_t)f->channels; i++) to[i] += product[i];
    }
    spread_strip(f, strip, side, image);
}

/* A side's part of the weights' gradient, from all samples. */
static void weight_gradient(const frame *f, const float *terms, padded_map x, int side,
                            float *strip, float *out) {
    for (int n = 0; n < f->samples; n++) {
        make_strip(f, x, n, side, strip);
        for (int t = 0; t < TAPS; t++)
            multiply('T', 'N', f->channels, f->outputs, side_length(f, side),
                     strip + (size_t)(t * f->channels),
                     terms + (size_t)n * f->terms + side_start(f, side), n > 0,
                     out + (size_t)(side * TAPS + t) * (size_t)f->channels * (size_t)f->outputs);
    }
}

gs_status gs__cpu_border_gradient(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    frame f = frame_of(node->in[1]->shape, node->in[0]->shape);
    const float *terms = gs_run_pointer(run, node->in[0]);
    padded_map x = padded_map_of(run, node->in[1]);
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
            for (int side = 0; side < SIDES; side++)
                image_gradient(&f, terms + (size_t)n * f.terms, weight, side, strip, image);
        }
#pragma omp for schedule(static)
        for (int side = 0; side < (dw ? SIDES : 0); side++)
            weight_gradient(&f, terms, x, side, strip, dw);
    }
    return GS_OK;
}

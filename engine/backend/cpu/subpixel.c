/* Upsampling and convolution at once (op_subpixel.c says how): folding the weights, and the pixel
 * shuffle, which also adds what is added to the convolution's output and joins the skip channel. */
#include "engine/backend/cpu/cpu_internal.h"

#include <omp.h>
#include <string.h>

/* ---- Weights --------------------------------------------------------------------------------- */

/* Both directions visit the taps of one output's kernels: full [C,K,K] and, of every phase, folded
 * [C,K',K']. They are compiled for kernels of one size each, which leaves of the loops over taps
 * nothing but sums. */
enum { PHASES = 4, MOST_KERNEL = 5, MOST_FOLDED = 3 };

/* Rows are added up first: two phases have them in common. */
static inline __attribute__((always_inline)) void
fold_kernels(const float *restrict full, float *const *folded, int channels, const int kernel) {
    const int size = gs__subpixel_kernel(kernel);
    for (int c = 0; c < channels; c++, full += kernel * kernel) {
#pragma GCC unroll 2
        for (int p = 0; p < 2; p++) {
            float rows[MOST_FOLDED][MOST_KERNEL] = {{0}};
#pragma GCC unroll 5
            for (int i = 0; i < kernel; i++)
#pragma GCC unroll 5
                for (int j = 0; j < kernel; j++)
                    rows[gs__subpixel_tap(kernel, p, i)][j] += full[i * kernel + j];
#pragma GCC unroll 2
            for (int q = 0; q < 2; q++) {
                float sums[MOST_FOLDED][MOST_FOLDED] = {{0}};
#pragma GCC unroll 3
                for (int i = 0; i < size; i++)
#pragma GCC unroll 5
                    for (int j = 0; j < kernel; j++)
                        sums[i][gs__subpixel_tap(kernel, q, j)] += rows[i][j];
                float *to = folded[2 * p + q] + (size_t)c * (size_t)(size * size);
#pragma GCC unroll 3
                for (int i = 0; i < size; i++)
#pragma GCC unroll 3
                    for (int j = 0; j < size; j++) to[i * size + j] = sums[i][j];
            }
        }
    }
}

static inline __attribute__((always_inline)) void
unfold_kernels(const float *const *folded, float *restrict full, int channels, const int kernel) {
    const int size = gs__subpixel_kernel(kernel);
    for (int c = 0; c < channels; c++, full += kernel * kernel) {
        size_t at = (size_t)c * (size_t)(size * size);
#pragma GCC unroll 5
        for (int i = 0; i < kernel; i++)
#pragma GCC unroll 5
            for (int j = 0; j < kernel; j++) {
                float sum = 0;
#pragma GCC unroll 4
                for (int phase = 0; phase < PHASES; phase++)
                    sum +=
                        folded[phase][at + (size_t)(gs__subpixel_tap(kernel, phase / 2, i) * size +
                                                    gs__subpixel_tap(kernel, phase % 2, j))];
                full[i * kernel + j] = sum;
            }
    }
}

GS_VECTORIZED static void fold(const float *full, float *const *folded, int channels, int kernel) {
    if (kernel == 5)
        fold_kernels(full, folded, channels, 5);
    else
        fold_kernels(full, folded, channels, 3);
}

GS_VECTORIZED static void unfold(const float *const *folded, float *full, int channels,
                                 int kernel) {
    if (kernel == 5)
        unfold_kernels(folded, full, channels, 5);
    else
        unfold_kernels(folded, full, channels, 3);
}

gs_status gs__cpu_subpixel_weight(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->in[0]->shape, f = node->out[0]->shape;
    const float *full = gs_run_pointer(run, node->in[0]);
    float *folded = gs_run_pointer(run, node->out[0]);
    size_t full_size = (size_t)(w.c * w.h * w.w), folded_size = (size_t)(f.c * f.h * f.w);
#pragma omp parallel for schedule(static)
    for (int o = 0; o < w.n; o++) {
        float *phases[PHASES];
        for (int k = 0; k < PHASES; k++) phases[k] = folded + (size_t)(k * w.n + o) * folded_size;
        fold(full + (size_t)o * full_size, phases, w.c, w.h);
    }
    return GS_OK;
}

gs_status gs__cpu_subpixel_weight_gradient(const gs_run *run, const gs_node *node, void *handle,
                                           gs_error *err) {
    (void)handle, (void)err;
    gs_shape w = node->out[0]->shape, f = node->in[0]->shape;
    const float *folded = gs_run_pointer(run, node->in[0]);
    float *full = gs_run_pointer(run, node->out[0]);
    size_t full_size = (size_t)(w.c * w.h * w.w), folded_size = (size_t)(f.c * f.h * f.w);
#pragma omp parallel for schedule(static)
    for (int o = 0; o < w.n; o++) {
        const float *phases[PHASES];
        for (int k = 0; k < PHASES; k++) phases[k] = folded + (size_t)(k * w.n + o) * folded_size;
        unfold(phases, full + (size_t)o * full_size, w.c, w.h);
    }
    return GS_OK;
}

/* ---- Pixel shuffle --------------------------------------------------------------------------- */

enum { WORTH_THREADS = 32768 /* floats */ };

/* phases [N,4·O,h+s,w+s], out [N,O+S,H,W] with H = 2h or 2h-1: s is 1 for 2×2 kernels, whose second
 * phase starts a pixel later. */
typedef struct shuffle {
    int samples, outputs, beside, h, w, out_h, out_w, shift;
    size_t phases_row, out_row, low_row, beside_row; /* floats of a row of each map */
} shuffle;

static shuffle shuffle_of(gs_shape phases, gs_shape out) {
    shuffle s = {.samples = out.n,
                 .outputs = phases.c / 4,
                 .beside = out.c - phases.c / 4,
                 .h = (out.h + 1) / 2,
                 .w = (out.w + 1) / 2,
                 .out_h = out.h,
                 .out_w = out.w};
    s.shift = phases.h - s.h;
    s.phases_row = (size_t)phases.w * (size_t)phases.c;
    s.out_row = (size_t)out.w * (size_t)out.c;
    s.low_row = (size_t)s.w * (size_t)s.outputs;
    s.beside_row = (size_t)out.w * (size_t)s.beside;
    return s;
}

/* The row of the phases that output row r of sample n is made from, at its row phase. */
static size_t phases_row_at(const shuffle *s, int n, int r) {
    int p = r % 2, row = n * (s->h + s->shift) + r / 2 + p * s->shift;
    return (size_t)row * s->phases_row + (size_t)(2 * p * s->outputs);
}

/* One output row: `add` [w,O] is added to its pixels, then come the channels of `beside`. */
GS_VECTORIZED static void shuffle_row(const shuffle *s, const float *restrict phases,
                                      const float *restrict add, const float *restrict beside,
                                      float *restrict out) {
    size_t outputs = (size_t)s->outputs, joined = (size_t)s->beside;
    for (int c = 0; c < s->out_w; c++, out += outputs + joined) {
        int q = c % 2, low = c / 2;
        const float *from = phases + ((size_t)(low + q * s->shift) * 4 + (size_t)q) * outputs;
        const float *more = add + (size_t)low * outputs;
        for (size_t o = 0; o < outputs; o++) out[o] = from[o] + more[o];
        for (size_t o = 0; o < joined; o++) out[outputs + o] = beside[(size_t)c * joined + o];
    }
}

/* What is added to the two output rows of a low-resolution row: bias and `low`, each may be NULL.
 */
GS_VECTORIZED static void sum_addends(const shuffle *s, const float *restrict bias,
                                      const float *restrict low, float *restrict sum) {
    size_t outputs = (size_t)s->outputs;
    if (low)
        memcpy(sum, low, s->low_row * sizeof *sum);
    else
        memset(sum, 0, s->low_row * sizeof *sum);
    for (int c = 0; bias && c < s->w; c++)
        for (size_t o = 0; o < outputs; o++) sum[(size_t)c * outputs + o] += bias[o];
}

/* Where the border's term k (op_subpixel.c) belongs, as an index of output pixels of a sample; -1:
 * cropped away. */
static int border_pixel(const shuffle *s, int k) {
    int r, c, rows = 2 * s->h, columns = 2 * s->w;
    if (k < 2 * columns)
        r = k < columns ? 0 : rows - 1, c = k % columns;
    else
        r = (k - 2 * columns) % rows, c = k - 2 * columns < rows ? 0 : columns - 1;
    return r < s->out_h && c < s->out_w ? r * s->out_w + c : -1;
}

static int border_count(const shuffle *s) {
    return 4 * s->w + 4 * s->h;
}

/* Adds border terms to pixels of a row. */
GS_VECTORIZED static void add_terms(const shuffle *s, const float *restrict terms, int count,
                                    float *restrict out) {
    size_t outputs = (size_t)s->outputs, pixel = outputs + (size_t)s->beside;
    for (int k = 0; k < count; k++, terms += outputs, out += pixel)
        for (size_t o = 0; o < outputs; o++) out[o] += terms[o];
}

/* Adds a sample's border terms (op_subpixel.c) to its output row r: those of the first and last
 * row, then those of the first and last column. */
static void add_border(const shuffle *s, const float *border, int r, float *row) {
    int rows = 2 * s->h, columns = 2 * s->w;
    size_t outputs = (size_t)s->outputs, pixel = outputs + (size_t)s->beside;
    const float *of_columns = border + (size_t)(2 * columns) * outputs;
    if (r == 0) add_terms(s, border, s->out_w, row);
    if (r == rows - 1) add_terms(s, border + (size_t)columns * outputs, s->out_w, row);
    add_terms(s, of_columns + (size_t)r * outputs, 1, row);
    if (s->out_w == columns)
        add_terms(s, of_columns + (size_t)(rows + r) * outputs, 1,
                  row + (size_t)(columns - 1) * pixel);
}

gs_status gs__cpu_pixel_shuffle_scratch(void *opaque, const gs_node *node, void **handle_out,
                                        size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    shuffle s = shuffle_of(node->in[0]->shape, node->out[0]->shape);
    *scratch_bytes_out = (size_t)state->threads * s.low_row * sizeof(float);
    return GS_OK;
}

gs_status gs__cpu_pixel_shuffle(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    shuffle s = shuffle_of(node->in[0]->shape, node->out[0]->shape);
    const float *phases = gs_run_pointer(run, node->in[0]);
    const float *bias = gs_run_pointer(run, node->in[1]), *low = gs_run_pointer(run, node->in[2]);
    const float *border = gs_run_pointer(run, node->in[3]);
    const float *beside = gs_run_pointer(run, node->in[4]);
    float *out = gs_run_pointer(run, node->out[0]), *sums = run->scratch;
    size_t border_size = (size_t)border_count(&s) * (size_t)s.outputs;
    bool is_large = (size_t)(s.samples * s.out_h) * s.out_row > WORTH_THREADS;
#pragma omp parallel for schedule(static) if (is_large)
    for (int i = 0; i < s.samples * s.h; i++) {
        float *sum = sums + (size_t)omp_get_thread_num() * s.low_row;
        int n = i / s.h, r = 2 * (i % s.h);
        sum_addends(&s, bias, low ? low + (size_t)i * s.low_row : NULL, sum);
        for (int k = r; k < r + 2 && k < s.out_h; k++) {
            size_t row = (size_t)(n * s.out_h + k);
            shuffle_row(&s, phases + phases_row_at(&s, n, k), sum, beside + row * s.beside_row,
                        out + row * s.out_row);
            if (border) add_border(&s, border + (size_t)n * border_size, k, out + row * s.out_row);
        }
    }
    return GS_OK;
}

/* ---- Its gradient ---------------------------------------------------------------------------- */

/* Row i of sample n of the phases' gradient: what no output pixel is made from gets zero. */
GS_VECTORIZED static void unshuffle_row(const shuffle *s, const float *restrict gradient, int i,
                                        float *restrict out) {
    size_t outputs = (size_t)s->outputs, pixel = outputs + (size_t)s->beside;
    for (int c = 0; c < s->w + s->shift; c++)
        for (int phase = 0; phase < 4; phase++, out += outputs) {
            int p = phase / 2, q = phase % 2;
            int row = i - p * s->shift, column = c - q * s->shift;
            int at_row = 2 * row + p, at_column = 2 * column + q;
            if (row < 0 || at_row >= s->out_h || column < 0 || at_column >= s->out_w) {
                memset(out, 0, outputs * sizeof *out);
                continue;
            }
            const float *from = gradient + (size_t)at_row * s->out_row + (size_t)at_column * pixel;
            for (size_t o = 0; o < outputs; o++) out[o] = from[o];
        }
}

/* Row i of sample n of low's gradient: the sum of the output pixels over each. */
GS_VECTORIZED static void sum_row(const shuffle *s, const float *restrict gradient, int i,
                                  float *restrict low) {
    size_t outputs = (size_t)s->outputs, pixel = outputs + (size_t)s->beside;
    memset(low, 0, s->low_row * sizeof *low);
    for (int r = 2 * i; r < 2 * i + 2 && r < s->out_h; r++)
        for (int c = 0; c < s->out_w; c++) {
            const float *from = gradient + (size_t)r * s->out_row + (size_t)c * pixel;
            float *to = low + (size_t)(c / 2) * outputs;
            for (size_t o = 0; o < outputs; o++) to[o] += from[o];
        }
}

static void beside_row(const shuffle *s, const float *gradient, float *beside) {
    size_t pixel = (size_t)(s->outputs + s->beside), bytes = (size_t)s->beside * sizeof *beside;
    for (int c = 0; c < s->out_w; c++)
        memcpy(beside + (size_t)(c * s->beside), gradient + (size_t)c * pixel + s->outputs, bytes);
}

static void border_gradient(const shuffle *s, const float *gradient, float *border) {
    size_t bytes = (size_t)s->outputs * sizeof *border;
    for (int k = 0; k < border_count(s); k++, border += s->outputs) {
        int pixel = border_pixel(s, k);
        if (pixel < 0)
            memset(border, 0, bytes);
        else
            memcpy(border, gradient + (size_t)pixel * (size_t)(s->outputs + s->beside), bytes);
    }
}

/* Scratch: what the bias's gradient takes, then the sums of all channels. */
gs_status gs__cpu_pixel_shuffle_gradient_scratch(void *opaque, const gs_node *node,
                                                 void **handle_out, size_t *scratch_bytes_out,
                                                 gs_error *err) {
    (void)opaque, (void)handle_out, (void)err;
    gs_shape out = node->in[0]->shape;
    if (node->out[1])
        *scratch_bytes_out = gs__cpu_bias_gradient_scratch(out) + (size_t)out.c * sizeof(float);
    return GS_OK;
}

static void bias_gradient(const float *gradient, gs_shape out, void *scratch, int outputs,
                          float *bias) {
    size_t bytes = gs__cpu_bias_gradient_scratch(out);
    float *sums = (float *)(void *)((char *)scratch + bytes);
    gs__cpu_bias_gradient(gradient, out, scratch, sums);
    memcpy(bias, sums, (size_t)outputs * sizeof *bias);
}

gs_status gs__cpu_pixel_shuffle_gradient(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    shuffle s = shuffle_of(node->in[1]->shape, node->in[0]->shape);
    const float *gradient = gs_run_pointer(run, node->in[0]);
    float *phases = gs_run_pointer(run, node->out[0]), *low = gs_run_pointer(run, node->out[2]);
    float *border = gs_run_pointer(run, node->out[3]), *beside = gs_run_pointer(run, node->out[4]);
    size_t image = (size_t)s.out_h * s.out_row;
    int rows = s.h + s.shift;
#pragma omp parallel
    {
#pragma omp for schedule(static) nowait
        for (int i = 0; i < (phases ? s.samples * rows : 0); i++)
            unshuffle_row(&s, gradient + (size_t)(i / rows) * image, i % rows,
                          phases + (size_t)i * s.phases_row);
#pragma omp for schedule(static) nowait
        for (int i = 0; i < (low ? s.samples * s.h : 0); i++)
            sum_row(&s, gradient + (size_t)(i / s.h) * image, i % s.h, low + (size_t)i * s.low_row);
#pragma omp for schedule(static) nowait
        for (int i = 0; i < (beside ? s.samples * s.out_h : 0); i++)
            beside_row(&s, gradient + (size_t)i * s.out_row, beside + (size_t)i * s.beside_row);
#pragma omp for schedule(static)
        for (int n = 0; n < (border ? s.samples : 0); n++)
            border_gradient(&s, gradient + (size_t)n * image,
                            border + (size_t)(n * border_count(&s) * s.outputs));
    }
    if (node->out[1])
        bias_gradient(gradient, node->in[0]->shape, run->scratch, s.outputs,
                      gs_run_pointer(run, node->out[1]));
    return GS_OK;
}

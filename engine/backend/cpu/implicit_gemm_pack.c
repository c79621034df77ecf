/* Packing of weights into the panels of a product.
 *
 * A weight's neighbours in memory are taps of one kernel, a panel's are outputs. So a block of
 * inner indices, with all their taps, is transposed into a buffer in the cache, eight outputs by
 * eight values at a time, and goes from there to the panel, as pairs of bfloat16 where the kernel
 * takes them. Every line of the weight is read once. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/implicit_gemm_panels.h"
#include "engine/backend/cpu/transpose.h"

#include <stdbool.h>
#include <string.h>

enum { BLOCK_ROWS = 256, MOST_WIDTH = 32, WORTH_THREADS = 32768 /* values */ };

/* One panel, and the block of it that is being packed. */
typedef struct panel {
    const gs_weight_view *view;
    const float *from; /* the weight at its first output */
    int used, width;   /* outputs, and columns: the others are zero */
    uint32_t *to;
    int taps;
    int first, count; /* inner indices of the block */
    /* [taps · count][width]: row tap·count + i. */
    float rows[BLOCK_ROWS * MOST_WIDTH];
} panel;

/* A stretch of memory that belongs to one output, and the row each of its values goes to. */
typedef struct strip {
    const float *from;
    int length;
    const int *rows; /* [length]; -1: of no use here */
} strip;

/* ---- Gathering ------------------------------------------------------------------------------- */

/* The strips of eight outputs, into the columns from `column` on. */
GS_VECTORIZED static void place_eight(const strip *s, size_t stride, float *rows, int width,
                                      int column) {
    for (int done = 0; done < s->length; done += GS_SIDE) {
        int at = done + GS_SIDE <= s->length ? done : s->length - GS_SIDE; /* some once more */
        gs_eight columns[GS_SIDE];
        gs__transpose(s->from + at, stride, columns);
#pragma GCC unroll 8
        for (int i = 0; i < GS_SIDE; i++)
            if (s->rows[at + i] >= 0)
                gs__store_eight(rows + s->rows[at + i] * width + column, &columns[i]);
    }
}

static void place_one(const strip *s, float *rows, int width, int column) {
    for (int i = 0; i < s->length; i++)
        if (s->rows[i] >= 0) rows[s->rows[i] * width + column] = s->from[i];
}

static void place_strips(panel *p, strip s) {
    size_t stride = p->view->output_stride;
    int o = 0;
    for (; s.length >= GS_SIDE && o + GS_SIDE <= p->used; o += GS_SIDE, s.from += GS_SIDE * stride)
        place_eight(&s, stride, p->rows, p->width, o);
    for (; o < p->used; o++, s.from += stride) place_one(&s, p->rows, p->width, o);
}

/* The outputs are neighbours in memory: nothing to transpose. */
static void copy_rows(panel *p) {
    for (int tap = 0; tap < p->taps; tap++)
        for (int i = 0; i < p->count; i++)
            memcpy(p->rows + (tap * p->count + i) * p->width,
                   p->from + p->view->tap_offsets[tap] +
                       (size_t)(p->first + i) * p->view->inner_stride,
                   (size_t)p->used * sizeof *p->rows);
}

static void gather_block(panel *p) {
    const gs_weight_view *v = p->view;
    size_t low = v->tap_offsets[0], high = low;
    for (int t = 1; t < p->taps; t++) {
        low = v->tap_offsets[t] < low ? v->tap_offsets[t] : low;
        high = v->tap_offsets[t] > high ? v->tap_offsets[t] : high;
    }
    size_t span = high - low + 1;
    /* Indices that follow each other without a gap are one strip. */
    bool is_dense = v->inner_stride == span && span == (size_t)p->taps;
    int together = is_dense ? p->count : 1;
    int rows[BLOCK_ROWS];
    for (int i = 0; i < together * (int)span; i++) rows[i] = -1;
    for (int t = 0; t < p->taps; t++)
        for (int i = 0; i < together; i++)
            rows[(size_t)i * span + v->tap_offsets[t] - low] = t * p->count + i;
    for (int i = 0; i < p->count; i += together) {
        place_strips(p, (strip){p->from + low + (size_t)(p->first + i) * v->inner_stride,
                                together * (int)span, rows});
        for (int k = 0; together == 1 && k < (int)span; k++) rows[k] += rows[k] >= 0;
    }
}

/* ---- Storing --------------------------------------------------------------------------------- */

static void store_floats(const panel *p) {
    size_t bytes = (size_t)(p->count * p->width) * sizeof *p->rows;
    for (int tap = 0; tap < p->taps; tap++)
        memcpy(p->to + ((size_t)tap * (size_t)p->view->inner + (size_t)p->first) * (size_t)p->width,
               p->rows + tap * p->count * p->width, bytes);
}

/* Words of two rows; the second may be NULL. */
GS_VECTORIZED static void store_pair(uint32_t *restrict to, const float *restrict low,
                                     const float *restrict high, int width) {
    for (int o = 0; high && o < width; o++)
        to[o] = (uint32_t)gs__bfloat16(low[o]) | (uint32_t)gs__bfloat16(high[o]) << 16;
    for (int o = 0; !high && o < width; o++) to[o] = gs__bfloat16(low[o]);
}

/* One half of words whose other half belongs to another block. */
GS_VECTORIZED static void store_half(uint32_t *restrict to, const float *restrict row, int shift,
                                     int width) {
    uint32_t other = 0xFFFF0000u >> shift;
    for (int o = 0; o < width; o++)
        to[o] = (to[o] & other) | (uint32_t)gs__bfloat16(row[o]) << shift;
}

/* Pairs begin anew with every run, whose values are numbered through its taps. */
static void store_tap(const panel *p, int tap) {
    const gs_weight_view *v = p->view;
    size_t inner = (size_t)v->inner, width = (size_t)p->width;
    size_t length = (size_t)v->run_taps * inner, words = (length + 1) / 2;
    uint32_t *to = p->to + (size_t)(tap / v->run_taps) * words * width;
    size_t k = (size_t)(tap % v->run_taps) * inner + (size_t)p->first, end = k + (size_t)p->count;
    const float *row = p->rows + (size_t)(tap * p->count) * width;
    if (k % 2 == 1) {
        store_half(to + k / 2 * width, row, 16, p->width);
        k++, row += width;
    }
    for (; k + 2 <= end; k += 2, row += 2 * width)
        store_pair(to + k / 2 * width, row, row + width, p->width);
    if (k < end && end == length)
        store_pair(to + k / 2 * width, row, NULL, p->width);
    else if (k < end)
        store_half(to + k / 2 * width, row, 0, p->width);
}

static void pack_panel(panel *p, int word_values) {
    int most = BLOCK_ROWS / p->taps / 2 * 2; /* even, so that few pairs are torn */
    for (int r = 0; r < BLOCK_ROWS; r++)
        for (int o = p->used; o < p->width; o++) p->rows[r * p->width + o] = 0;
    for (p->first = 0; p->first < p->view->inner; p->first += p->count) {
        int left = p->view->inner - p->first;
        p->count = left < most ? left : most;
        if (p->view->output_stride == 1)
            copy_rows(p);
        else
            gather_block(p);
        if (word_values == 1) store_floats(p);
        for (int tap = 0; word_values == 2 && tap < p->taps; tap++) store_tap(p, tap);
    }
}

void gs__pack_panels(const gs_gemm_kernel *kernel, const gs_weight_view *view, const float *weight,
                     uint32_t *panels) {
    size_t length = (size_t)view->run_taps * (size_t)view->inner;
    size_t depth = (size_t)view->runs * run_words(kernel, length);
    if (depth == 0) return; /* a gradient's phase without taps */
#pragma omp parallel for schedule(static) if (depth * (size_t)view->outputs > WORTH_THREADS)
    for (int i = 0; i < panel_count(kernel, view->outputs); i++) {
        int first = i * full_width(kernel), left = view->outputs - first;
        panel p;
        p.view = view;
        p.from = weight + (size_t)first * view->output_stride;
        p.width = panel_width(kernel, view->outputs, i);
        p.used = left < p.width ? left : p.width;
        p.to = panels + (size_t)first * depth;
        p.taps = view->runs * view->run_taps;
        pack_panel(&p, kernel->word_values);
    }
}

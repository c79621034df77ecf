/* How a convolution is cut into tiles, and which filter, if any, is the fastest. */
#include "engine/backend/cpu/winograd_internal.h"

#include <math.h>
#include <stdbool.h>

enum {
    CACHE_FLOATS = 96 * 1024, /* for what a block transforms: 384 KiB */
    FEWEST_TILES = 24,        /* of a block, in which each value of a weight is read once, … */
    MOST_TILES = 96,          /* … or of one that meets a weight from memory */
    LARGE_WEIGHT = 1024 * 1024,
};

/* ---- Tiles ----------------------------------------------------------------------------------- */

gs_winograd_map gs__winograd_map_of(gs_shape s, int stride) {
    size_t pixel = (size_t)s.c * (size_t)stride, row = (size_t)s.w * (size_t)s.c;
    return (gs_winograd_map){.rows = s.h / stride,
                             .columns = s.w / stride,
                             .groups = stride,
                             .values = s.c * stride,
                             .sample = (size_t)s.h * row,
                             .row = row * (size_t)stride,
                             .pixel = pixel,
                             .group = row};
}

static void choose_block(gs_winograd *p) {
    size_t values = p->depth + (size_t)(gs__winograd_padded_values(p) * p->to.groups);
    size_t fit = CACHE_FLOATS / ((size_t)gs__winograd_numbers(p) * values);
    size_t weight =
        (size_t)gs__winograd_numbers(p) * p->depth * (size_t)(p->to.values * p->to.groups);
    size_t fewest = weight > LARGE_WEIGHT ? MOST_TILES : FEWEST_TILES;
    int most = fit < fewest ? (int)fewest : fit > MOST_TILES ? MOST_TILES : (int)fit;
    most = most / p->conv.kernel->pixels * p->conv.kernel->pixels;
    int blocks = gs__divide_up(gs__winograd_tiles(p), most);
    p->block = gs__smaller(
        most, gs__round_up(gs__divide_up(gs__winograd_tiles(p), blocks), p->conv.kernel->pixels));
}

static const gs_winograd_filter *filters_of(const gs_winograd_conv *conv) {
    return gs__winograd_filters(conv->kernel->isa, conv->kernel->bf16);
}

gs_winograd gs__winograd_plan_filter(const gs_winograd_conv *conv, gs_winograd_kind kind) {
    bool is_forward = conv->op == GS_OP_CONV;
    gs_winograd p = {.filter = &filters_of(conv)[kind], .kind = kind, .conv = *conv};
    gs_winograd_map x = gs__winograd_map_of(conv->x, conv->stride),
                    y = gs__winograd_map_of(conv->y, 1);
    if (!is_forward) { /* all pixels of x, also those that no output sees whole */
        x.rows = gs__divide_up(conv->x.h, conv->stride);
        x.columns = gs__divide_up(conv->x.w, conv->stride);
    }
    p.from = is_forward ? x : y;
    p.to = is_forward ? y : x;
    p.zeros = is_forward ? 0 : p.filter->taps - 1;
    p.tile_rows = gs__divide_up(p.to.rows, p.filter->outputs);
    p.tile_columns = gs__divide_up(p.to.columns, p.filter->outputs);
    p.depth = (size_t)(p.from.groups * p.from.values);
    choose_block(&p);
    return p;
}

/* ---- What is fastest -------------------------------------------------------------------------
 *
 * Estimates in clock cycles of a core that does two fused multiply-adds of a vector in each; their
 * constants are of one machine with AVX2. Whole plans before and after: docs/performance.md. */

/* A matrix product of `rows` by `depth` by `columns`. */
static double product_cycles(const gs_gemm_kernel *kernel, double rows, double depth, int columns) {
    depth = ceil(depth / kernel->word_values);
    int lanes = kernel->lanes, rest = columns % (2 * lanes);
    double panels = columns / (2 * lanes) + (rest > lanes ? 1 : rest > 0 ? 0.67 : 0);
    return rows * panels * (1.05 * depth + 8);
}

/* Weights are packed for few uses, and read from memory: per word, transformed or as they are.
 * Those that are kept are only read. */
#define TRANSFORMED_CYCLES 4
#define PACKED_CYCLES 1.8
#define READ_CYCLES 1.1

/* For each vector of a tile. */
static double transform_cycles(const gs_winograd *p) {
    static const double input[] = {[3] = 27, [4] = 54, [6] = 150};
    static const double output[] = {[3] = 30, [4] = 50, [6] = 135};
    int n = p->filter->points, lanes = p->conv.kernel->lanes;
    return 150 + (double)gs__divide_up(p->from.values, lanes) * p->from.groups * input[n] +
           (double)gs__divide_up(p->to.values, lanes) * p->to.groups * output[n];
}

static double filter_cycles(const gs_winograd *p) {
    double numbers = gs__winograd_numbers(p), tiles = gs__winograd_tiles(p),
           depth = (double)p->depth;
    /* The last rows of products are computed though there may be no tile for them. */
    int blocks = gs__divide_up(gs__winograd_tiles(p), p->block),
        last = gs__winograd_tiles(p) - (blocks - 1) * p->block;
    double rows = (double)(blocks - 1) * p->block + gs__round_up(last, p->conv.kernel->pixels);
    double product = product_cycles(p->conv.kernel, rows, depth, p->to.values) * p->to.groups;
    return numbers * product + tiles * transform_cycles(p) +
           (p->conv.keeps_weight ? READ_CYCLES : TRANSFORMED_CYCLES) * numbers *
               ceil(depth / p->conv.kernel->word_values) * p->to.groups * p->to.values;
}

static double direct_cycles(const gs_winograd_conv *conv) {
    gs_shape x = conv->x, w = conv->w, y = conv->y;
    double outputs = (double)y.n * y.h * y.w, inputs = (double)x.n * x.h * x.w;
    double taps = w.h * w.w, words = (conv->keeps_weight ? READ_CYCLES : PACKED_CYCLES) * taps *
                                     w.n * w.c / conv->kernel->word_values;
    if (conv->op == GS_OP_CONV)
        return product_cycles(conv->kernel, outputs, taps * w.c, w.n) + words;
    double phases = conv->stride * conv->stride;
    double padded =
        phases * product_cycles(conv->kernel, inputs / phases, taps / phases * w.n, w.c);
    double lanes = 2 * conv->kernel->lanes * conv->kernel->word_values;
    double by_others = 1.6 * outputs * taps * w.n * w.c / lanes; /* oneDNN, without the padding */
    return (padded < by_others ? padded : by_others) + words;
}

/* bfloat16 loses three times as much in the larger numbers of six points as in the others'. */
bool gs__winograd_is_exact_enough(const gs_winograd_conv *conv, gs_winograd_kind kind) {
    return conv->kernel->bf16 == GS_BF16_NONE || filters_of(conv)[kind].points < 6;
}

int gs__winograd_taps(const gs_winograd_conv *conv) {
    const gs_gemm_kernel *kernel = conv->kernel;
    bool is_forward = conv->op == GS_OP_CONV;
    int from = (is_forward ? conv->w.c : conv->w.n) * (is_forward ? conv->stride : 1);
    int to = (is_forward ? conv->w.n : conv->w.c) * (is_forward ? 1 : conv->stride);
    if (!filters_of(conv)) return 0;
    if (conv->w.h != conv->w.w || from < kernel->lanes || to < kernel->lanes) return 0;
    if (conv->stride == 2 && conv->w.h == 4) return 2;
    return conv->stride == 1 && (conv->w.h == 2 || conv->w.h == 3) ? conv->w.h : 0;
}

static gs_winograd find_fastest(const gs_winograd_conv *conv) {
    gs_winograd best = {.filter = NULL};
    int taps = gs__winograd_taps(conv);
    double fewest = direct_cycles(conv);
    for (int kind = 0; taps > 0 && kind < GS_WINOGRAD_KINDS; kind++) {
        if (filters_of(conv)[kind].taps != taps ||
            !gs__winograd_is_exact_enough(conv, (gs_winograd_kind)kind))
            continue;
        gs_winograd p = gs__winograd_plan_filter(conv, (gs_winograd_kind)kind);
        double cycles = filter_cycles(&p);
        if (cycles < fewest) fewest = cycles, best = p;
    }
    return best;
}

gs_winograd gs__winograd_plan(const gs_winograd_conv *conv) {
    enum { USUAL_SAMPLES = 2 };
    if (!conv->keeps_weight) return find_fastest(conv);
    gs_winograd_conv usual = *conv;
    usual.x.n = usual.y.n = USUAL_SAMPLES;
    gs_winograd p = find_fastest(&usual);
    return p.filter ? gs__winograd_plan_filter(conv, p.kind) : p;
}

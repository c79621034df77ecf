/* Blocked for the caches: a block of pixels goes through the depth in chunks; a chunk of a panel
 * stays in the first-level cache while all tiles of the block use it, and the block's part of A in
 * the second. */
#include "engine/backend/cpu/implicit_gemm_panels.h"

#include <omp.h>
#include <stdbool.h>
#include <string.h>

enum {
    BLOCK = 192, /* pixels: a multiple of every kernel's */
    FEW_PIXELS = 64,
    CHUNK_WORDS = 4096, /* of a panel: 16 KiB */
};

/* ---- Panels ---------------------------------------------------------------------------------- */

size_t gs__panel_words(const gs_gemm_kernel *kernel, int outputs, int runs, size_t length) {
    int last = panel_count(kernel, outputs) - 1;
    size_t width = (size_t)(last * full_width(kernel) + panel_width(kernel, outputs, last));
    return (size_t)runs * run_words(kernel, length) * width;
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* A piece of the depth: `runs` whole runs, or `length` words of one from `from` on. */
typedef struct chunk {
    int run, runs;
    size_t from, length;
} chunk;

/* The chunk after `done` words of run `run`. */
static chunk chunk_at(const gs_implicit_gemm *g, int run, size_t done) {
    size_t length = run_words(g->kernel, g->length);
    size_t most = (size_t)(CHUNK_WORDS / full_width(g->kernel));
    if (length > most) {
        size_t left = length - done, pieces = (left + most - 1) / most;
        return (chunk){run, 1, done, (left + pieces - 1) / pieces};
    }
    int runs = (int)(most / length);
    return (chunk){run, runs < g->runs - run ? runs : g->runs - run, 0, length};
}

/* One thread's work on a block of pixels. */
typedef struct block {
    int count; /* pixels */
    size_t a[BLOCK + GEMM_MOST_PIXELS], c[BLOCK + GEMM_MOST_PIXELS];
    uint8_t overlap[BLOCK + GEMM_MOST_PIXELS]; /* outputs that are not stored */
    /* Of panels or pixels that are not all outputs, between chunks. */
    float sums[BLOCK + GEMM_MOST_PIXELS][GEMM_MOST_PANEL];
} block;

static void locate_pixels(const gs_implicit_gemm *g, int first, int count, block *b) {
    b->count = count;
    size_t height = (size_t)g->rows, width = (size_t)g->columns;
    size_t x = (size_t)first % width, y = (size_t)first / width % height;
    size_t n = (size_t)first / width / height;
    for (int i = 0; i < b->count; n++, y = 0)
        for (; i < b->count && y < height; y++, x = 0) {
            size_t a = n * g->a.sample + y * g->a.row, c = n * g->c.sample + y * g->c.row;
            for (; i < b->count && x < width; x++, i++) {
                b->a[i] = a + x * g->a.pixel;
                b->c[i] = c + x * g->c.pixel;
                b->overlap[i] = 0;
            }
            if (g->overlap > 0 && x == width) {
                b->a[i - 1] -= g->overlap_a, b->c[i - 1] -= g->overlap_c;
                b->overlap[i - 1] = (uint8_t)g->overlap;
            }
        }
    /* A last tile that is not full computes its last pixel again. */
    for (int i = b->count; i < b->count + GEMM_MOST_PIXELS; i++) b->a[i] = b->a[b->count - 1];
}

static size_t value_bytes(const gs_implicit_gemm *g) {
    return sizeof(uint32_t) / (size_t)g->kernel->word_values;
}

/* Asks for what the tile from pixel `first` on reads, where its pixels lie too far apart for the
 * processor to see what comes next. (Not inlined, it would be dropped as a function of no effect.)
 */
static inline __attribute__((always_inline)) void
prefetch_tile(const gs_implicit_gemm *g, const block *b, const chunk *k, int first, const char *a) {
    enum { LINE = 64, MOST_BYTES = 4096 };
    int last = first + g->kernel->pixels - 1;
    size_t value = value_bytes(g), from = b->a[first] * value;
    size_t bytes = (b->a[last] * value - from) + k->length * sizeof(uint32_t);
    if (b->a[last] < b->a[first] || bytes > MOST_BYTES) return;
    for (int run = 0; run < k->runs; run++)
        for (size_t i = 0; i < bytes; i += LINE)
            __builtin_prefetch(a + from + (size_t)run * g->run_stride * value + i);
}

/* All tiles of a block times one panel's chunk. */
static void multiply_chunk(const gs_implicit_gemm *g, block *b, const chunk *k, const char *a,
                           const uint32_t *panel, int width, const float *start, float *c) {
    size_t value = value_bytes(g);
    gs_gemm_tile t = {.b = panel,
                      .start = start,
                      .length = k->length,
                      .run_stride = g->run_stride * value,
                      .runs = k->runs};
    size_t offset = (size_t)k->run * t.run_stride + k->from * sizeof(uint32_t);
    int pixels = g->kernel->pixels;
    bool is_sparse = g->a.pixel > g->length / 2 && g->outputs <= full_width(g->kernel);
    /* Few pixels wait for a weight from memory: what follows a chunk is the next one. */
    size_t words = (size_t)k->runs * k->length;
    for (int i = 0; i < b->count; i += pixels) {
        t.next = panel + words * (size_t)width + (size_t)(i / pixels) * words * GEMM_LINE;
        if (is_sparse && i + pixels < b->count) prefetch_tile(g, b, k, i + pixels, a + offset);
        for (int j = 0; j < pixels; j++) {
            t.a[j] = a + b->a[i + j] * value + offset;
            bool is_stored = c && i + j < b->count && b->overlap[i + j] == 0;
            t.c[j] = is_stored ? c + b->c[i + j] : b->sums[i + j];
        }
        if (width > g->kernel->lanes)
            g->kernel->full(&t);
        else
            g->kernel->half(&t);
    }
}

/* Panels from..to of a block: chunk by chunk, so that A's part of a chunk is read from the cache.
 */
static void multiply_block(const gs_implicit_gemm *g, block *b, int from, int to, const char *a,
                           const uint32_t *panels, const float *bias, float *c) {
    size_t words = run_words(g->kernel, g->length), depth = (size_t)g->runs * words, done = 0;
    for (int run = 0; run < g->runs;) {
        chunk k = chunk_at(g, run, done);
        bool is_first = run == 0 && done == 0;
        size_t at = (size_t)run * words + done;
        for (int p = from; p < to; p++) {
            int first = p * full_width(g->kernel), width = panel_width(g->kernel, g->outputs, p);
            bool is_whole = g->outputs - first >= width;
            const uint32_t *panel = panels + (size_t)first * depth + at * (size_t)width;
            multiply_chunk(g, b, &k, a, panel, width, is_first ? bias + first : NULL,
                           is_whole ? c + first : NULL);
        }
        done += k.length;
        if (done < words) continue;
        run += k.runs, done = 0;
    }
}

/* What was kept in the sums goes to its pixels. */
static void store_sums(const gs_implicit_gemm *g, const block *b, int panel, float *c) {
    int first = panel * full_width(g->kernel), left = g->outputs - first;
    bool all = left % g->kernel->lanes != 0;
    for (int i = 0; i < b->count; i++)
        if (all || b->overlap[i] > 0)
            memcpy(c + b->c[i] + first + b->overlap[i], b->sums[i] + b->overlap[i],
                   (size_t)(left - b->overlap[i]) * sizeof *c);
}

static size_t bias_floats(const gs_gemm_kernel *kernel, int outputs) {
    return (size_t)(panel_count(kernel, outputs) * full_width(kernel));
}

size_t gs__implicit_gemm_scratch(const gs_gemm_kernel *kernel, int outputs, int threads) {
    return (size_t)threads * sizeof(block) + bias_floats(kernel, outputs) * sizeof(float);
}

void gs__implicit_gemm(const gs_implicit_gemm *g, const void *a, const uint32_t *panels,
                       const float *bias, float *c, void *scratch, int threads) {
    float *start = scratch;
    size_t biases = bias_floats(g->kernel, g->outputs);
    block *blocks = (block *)(void *)(start + biases);
    memset(start, 0, biases * sizeof *start);
    for (int o = 0; bias && o < g->outputs; o++) start[o] = bias[o % g->biases];
    int pixels = g->samples * g->rows * g->columns;
    int panel_total = panel_count(g->kernel, g->outputs), count = (pixels + BLOCK - 1) / BLOCK;
    /* Blocks of one size, that no thread waits for another's. */
    int size = (pixels + count - 1) / count;
    size = (size + g->kernel->pixels - 1) / g->kernel->pixels * g->kernel->pixels;
    count = (pixels + size - 1) / size;
    /* Few blocks: the panels are shared out too, each thread's to all blocks. */
    int groups = count >= 4 * threads ? 1 : panel_total < threads ? panel_total : threads;
    bool has_rest = g->outputs % g->kernel->lanes != 0 || g->overlap > 0;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < count * groups; i++) {
        block *b = &blocks[omp_get_thread_num()];
        int group = i / count, from = panel_total * group / groups;
        int to = panel_total * (group + 1) / groups, first = i % count * size;
        locate_pixels(g, first, pixels - first < size ? pixels - first : size, b);
        /* A small block's part of A stays in the cache anyway: panels are read from end to end. */
        int together = b->count <= FEW_PIXELS ? 1 : to - from;
        for (int p = from; p < to; p += together)
            multiply_block(g, b, p, p + together, a, panels, start, c);
        if (has_rest && to == panel_total) store_sums(g, b, panel_total - 1, c);
    }
}

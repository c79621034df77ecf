/* Blocked for the caches: a block of pixels goes through the depth in chunks; a chunk of a panel
 * stays in the first-level cache while all tiles of the block use it, and the block's part of A in
 * the second. A tile is 6 pixels by 16 outputs: 12 of the 16 vector registers. */
#include "engine/backend/cpu/implicit_gemm.h"

#include <omp.h>
#include <stdbool.h>
#include <string.h>

enum {
    TILE = 6,
    PANEL = 16,
    HALF = 8,
    BLOCK = 32 * TILE, /* pixels */
    FEW_PIXELS = 64,
    CHUNK = 256, /* of the depth: 16 KiB of a panel */
};

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* What a tile's kernel computes: C += A·B over some runs of A, or C = bias + A·B. */
typedef struct tile {
    const float *a[TILE];
    float *c[TILE];
    const float *b, *start; /* start: NULL = what C holds */
    size_t length, run_stride;
    int runs;
} tile;

#define EACH_PIXEL(X) X(0) X(1) X(2) X(3) X(4) X(5)

__attribute__((target("avx2,fma"))) static void multiply_full(const tile *t) {
    const float *b = t->b;
    size_t length = t->length, run_stride = t->run_stride;
#define LOAD(i)                                                                                    \
    const float *a##i = t->a[i];                                                                   \
    __m256 low##i = _mm256_loadu_ps(t->start ? t->start : t->c[i]);                                \
    __m256 high##i = _mm256_loadu_ps((t->start ? t->start : t->c[i]) + HALF);
    EACH_PIXEL(LOAD)
#undef LOAD
    for (int run = 0; run < t->runs; run++) {
        for (size_t k = 0; k < length; k++, b += PANEL) {
            __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + HALF), x;
#define MULTIPLY(i)                                                                                \
    x = _mm256_broadcast_ss(a##i + k);                                                             \
    low##i = _mm256_fmadd_ps(x, b0, low##i);                                                       \
    high##i = _mm256_fmadd_ps(x, b1, high##i);
            EACH_PIXEL(MULTIPLY)
#undef MULTIPLY
        }
#define NEXT(i) a##i += run_stride;
        EACH_PIXEL(NEXT)
#undef NEXT
    }
#define STORE(i)                                                                                   \
    _mm256_storeu_ps(t->c[i], low##i);                                                             \
    _mm256_storeu_ps(t->c[i] + HALF, high##i);
    EACH_PIXEL(STORE)
#undef STORE
}

__attribute__((target("avx2,fma"))) static void multiply_half(const tile *t) {
    const float *b = t->b;
    size_t length = t->length, run_stride = t->run_stride;
#define LOAD(i)                                                                                    \
    const float *a##i = t->a[i];                                                                   \
    __m256 sum##i = _mm256_loadu_ps(t->start ? t->start : t->c[i]);
    EACH_PIXEL(LOAD)
#undef LOAD
    for (int run = 0; run < t->runs; run++) {
        for (size_t k = 0; k < length; k++, b += HALF) {
            __m256 b0 = _mm256_loadu_ps(b);
#define MULTIPLY(i) sum##i = _mm256_fmadd_ps(_mm256_broadcast_ss(a##i + k), b0, sum##i);
            EACH_PIXEL(MULTIPLY)
#undef MULTIPLY
        }
#define NEXT(i) a##i += run_stride;
        EACH_PIXEL(NEXT)
#undef NEXT
    }
#define STORE(i) _mm256_storeu_ps(t->c[i], sum##i);
    EACH_PIXEL(STORE)
#undef STORE
}

/* ---- Panels ---------------------------------------------------------------------------------- */

static int panel_count(int outputs) {
    return (outputs + PANEL - 1) / PANEL;
}

static int panel_width(int outputs, int panel) {
    return outputs - panel * PANEL <= HALF ? HALF : PANEL;
}

size_t gs__panel_floats(int outputs, size_t depth) {
    int last = panel_count(outputs) - 1;
    return depth * ((size_t)last * PANEL + (size_t)panel_width(outputs, last));
}

/* One panel. Some inner indices at a time, for all taps, so that every line of the weight is read
 * from memory once. */
static void pack_panel(const gs_weight_view *v, const float *from, int used, int width, float *to) {
    enum { TOGETHER = 16 };
    for (int first = 0; first < v->inner; first += TOGETHER) {
        int end = first + TOGETHER < v->inner ? first + TOGETHER : v->inner;
        for (int tap = 0; tap < v->taps; tap++)
            for (int i = first; i < end; i++) {
                const float *source = from + v->tap_offsets[tap] + (size_t)i * v->inner_stride;
                float *row = to + (size_t)(tap * v->inner + i) * (size_t)width;
                for (int o = 0; o < used; o++) row[o] = source[(size_t)o * v->output_stride];
                for (int o = used; o < width; o++) row[o] = 0;
            }
    }
}

void gs__pack_panels(const gs_weight_view *view, const float *weight, float *panels) {
    size_t depth = (size_t)view->taps * (size_t)view->inner;
#pragma omp parallel for schedule(static)
    for (int p = 0; p < panel_count(view->outputs); p++) {
        int width = panel_width(view->outputs, p), first = p * PANEL;
        int used = view->outputs - first < width ? view->outputs - first : width;
        pack_panel(view, weight + (size_t)first * view->output_stride, used, width,
                   panels + (size_t)first * depth);
    }
}

/* ---- Blocks ---------------------------------------------------------------------------------- */

/* A piece of the depth: `runs` whole runs, or `length` floats of one from `from` on. */
typedef struct chunk {
    int run, runs;
    size_t from, length;
} chunk;

/* The chunk after `done` floats of run `run`. */
static chunk chunk_at(const gs_implicit_gemm *g, int run, size_t done) {
    if (g->length > CHUNK) {
        size_t left = g->length - done, pieces = (left + CHUNK - 1) / CHUNK;
        return (chunk){run, 1, done, (left + pieces - 1) / pieces};
    }
    int runs = (int)(CHUNK / g->length);
    return (chunk){run, runs < g->runs - run ? runs : g->runs - run, 0, g->length};
}

/* One thread's work on a block of pixels. */
typedef struct block {
    int count; /* pixels */
    size_t a[BLOCK + TILE], c[BLOCK + TILE];
    float sums[BLOCK + TILE][PANEL]; /* of panels that are not all outputs, between chunks */
} block;

static void locate_pixels(const gs_implicit_gemm *g, int first, block *b) {
    int total = g->samples * g->rows * g->columns;
    b->count = total - first < BLOCK ? total - first : BLOCK;
    for (int i = 0; i < b->count; i++) {
        size_t m = (size_t)(first + i), x = m % (size_t)g->columns, y = m / (size_t)g->columns;
        size_t n = y / (size_t)g->rows;
        y %= (size_t)g->rows;
        b->a[i] = n * g->a.sample + y * g->a.row + x * g->a.pixel;
        b->c[i] = n * g->c.sample + y * g->c.row + x * g->c.pixel;
    }
    /* A last tile that is not full computes its last pixel again. */
    for (int i = b->count; i < b->count + TILE; i++) b->a[i] = b->a[b->count - 1];
}

/* All tiles of a block times one panel's chunk. */
static void multiply_chunk(const gs_implicit_gemm *g, block *b, const chunk *k, const float *a,
                           const float *panel, int width, const float *start, float *c) {
    tile t = {.b = panel,
              .start = start,
              .length = k->length,
              .run_stride = g->run_stride,
              .runs = k->runs};
    size_t offset = (size_t)k->run * g->run_stride + k->from;
    for (int i = 0; i < b->count; i += TILE) {
        for (int j = 0; j < TILE; j++) {
            t.a[j] = a + b->a[i + j] + offset;
            t.c[j] = c && i + j < b->count ? c + b->c[i + j] : b->sums[i + j];
        }
        if (width == PANEL)
            multiply_full(&t);
        else
            multiply_half(&t);
    }
}

/* Panels from..to of a block: chunk by chunk, so that A's part of a chunk is read from the cache.
 */
static void multiply_block(const gs_implicit_gemm *g, block *b, int from, int to, const float *a,
                           const float *panels, const float *bias, float *c) {
    size_t depth = (size_t)g->runs * g->length, done = 0;
    for (int run = 0; run < g->runs;) {
        chunk k = chunk_at(g, run, done);
        bool is_first = run == 0 && done == 0;
        size_t at = (size_t)run * g->length + done;
        for (int p = from; p < to; p++) {
            int width = panel_width(g->outputs, p);
            bool is_whole = g->outputs - p * PANEL >= width;
            const float *panel = panels + (size_t)(p * PANEL) * depth + at * (size_t)width;
            multiply_chunk(g, b, &k, a, panel, width, is_first ? bias + p * PANEL : NULL,
                           is_whole ? c + p * PANEL : NULL);
        }
        done += k.length;
        if (done < g->length) continue;
        run += k.runs, done = 0;
    }
}

/* What was kept in the sums goes to its pixels. */
static void store_sums(const gs_implicit_gemm *g, const block *b, int panel, float *c) {
    size_t bytes = (size_t)(g->outputs - panel * PANEL) * sizeof *c;
    for (int i = 0; i < b->count; i++) memcpy(c + b->c[i] + panel * PANEL, b->sums[i], bytes);
}

static size_t bias_floats(int outputs) {
    return (size_t)panel_count(outputs) * PANEL;
}

size_t gs__implicit_gemm_scratch(int outputs, int threads) {
    return (size_t)threads * sizeof(block) + bias_floats(outputs) * sizeof(float);
}

void gs__implicit_gemm(const gs_implicit_gemm *g, const float *a, const float *panels,
                       const float *bias, float *c, void *scratch, int threads) {
    float *start = scratch;
    block *blocks = (block *)(void *)(start + bias_floats(g->outputs));
    memset(start, 0, bias_floats(g->outputs) * sizeof *start);
    if (bias) memcpy(start, bias, (size_t)g->outputs * sizeof *start);
    int pixels = g->samples * g->rows * g->columns, panel_total = panel_count(g->outputs);
    int count = (pixels + BLOCK - 1) / BLOCK;
    /* Few blocks: the panels are shared out too. */
    int groups = count >= 4 * threads ? 1 : panel_total < threads ? panel_total : threads;
    bool has_rest = g->outputs % PANEL != 0 && g->outputs % PANEL != HALF;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < count * groups; i++) {
        block *b = &blocks[omp_get_thread_num()];
        int group = i % groups, from = panel_total * group / groups;
        int to = panel_total * (group + 1) / groups;
        locate_pixels(g, i / groups * BLOCK, b);
        /* A small block's part of A stays in the cache anyway: panels are read from end to end. */
        int together = b->count <= FEW_PIXELS ? 1 : to - from;
        for (int p = from; p < to; p += together)
            multiply_block(g, b, p, p + together, a, panels, start, c);
        if (has_rest && to == panel_total) store_sums(g, b, panel_total - 1, c);
    }
}

#else

size_t gs__panel_floats(int outputs, size_t depth) {
    (void)outputs, (void)depth;
    return 0;
}

void gs__pack_panels(const gs_weight_view *view, const float *weight, float *panels) {
    (void)view, (void)weight, (void)panels;
}

size_t gs__implicit_gemm_scratch(int outputs, int threads) {
    (void)outputs, (void)threads;
    return 0;
}

void gs__implicit_gemm(const gs_implicit_gemm *g, const float *a, const float *panels,
                       const float *bias, float *c, void *scratch, int threads) {
    (void)g, (void)a, (void)panels, (void)bias, (void)c, (void)scratch, (void)threads;
}

#endif

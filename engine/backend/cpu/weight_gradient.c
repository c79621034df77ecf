/* The gradient of a convolution's weight on channels-last maps, by our own kernels (AVX2).
 *
 * dW[ky][j][o] = Σ over output pixels of x[pixel's row + ky][pixel's start + j] · dy[pixel][o],
 * where j = (kx, c) counts the K·C consecutive floats under a kernel row. A tile is 6 values of j
 * by 16 outputs, kept in registers over a chunk of pixels; of dy a panel of 16 outputs is copied
 * together for the chunk. The last tile of a kernel row ends where the row ends and overlaps the
 * one before.
 *
 * Small weights: each thread sums a part of the pixels, and the sums are added in order. Large
 * ones: each thread has panels of its own. Same number of threads, same bits. */
#include "engine/backend/cpu/cpu_internal.h"
#include "engine/backend/cpu/implicit_gemm.h"

#include <string.h>

enum {
    TILE = 6,
    PANEL = 16,
    HALF = 8,
    CHUNK = 256,          /* pixels, at least a row */
    LARGE_SUMS = 1 << 18, /* floats */
};

/* x [N,C,H,W], dy [N,O,h,w], dW [O,C,K,K]. */
typedef struct product {
    gs_shape x, dy, w;
    int stride, tiles; /* tiles of a kernel row */
    int rows, chunk_rows;
    int panels;
    size_t row_floats, x_row; /* K·C; W·C */
    size_t sums, packed;      /* floats of all tiles' sums, and of a packed chunk */
    bool shares_pixels;       /* else panels */
} product;

static int panel_width(const product *p, int panel) {
    return p->w.n - panel * PANEL <= HALF ? HALF : PANEL;
}

/* Where the sums of a panel begin. */
static size_t panel_start(const product *p, int panel) {
    return (size_t)panel * (size_t)(p->w.h * p->tiles) * TILE * PANEL;
}

static product product_of(gs_shape x, gs_shape dy, gs_shape w, int stride, int threads) {
    product p = {.x = x, .dy = dy, .w = w, .stride = stride, .rows = dy.n * dy.h};
    p.row_floats = (size_t)w.w * (size_t)w.c;
    p.x_row = (size_t)x.w * (size_t)x.c;
    p.tiles = (int)((p.row_floats + TILE - 1) / TILE);
    p.panels = (w.n + PANEL - 1) / PANEL;
    p.chunk_rows = dy.w < CHUNK ? CHUNK / dy.w : 1;
    if (p.chunk_rows > p.rows) p.chunk_rows = p.rows;
    p.sums = panel_start(&p, p.panels);
    p.packed = (size_t)(p.chunk_rows * dy.w) * PANEL;
    p.shares_pixels = p.sums <= LARGE_SUMS || p.panels < threads;
    return p;
}

/* ---- Tiles ----------------------------------------------------------------------------------- */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

/* sums [6][width] += Σ over rows and pixels of a[0..6) · b[0..width). */
typedef struct tile {
    const float *x;       /* the tile's j of a map's first pixel */
    const size_t *starts; /* [rows] where each row's first pixel is */
    const float *b;       /* [rows · pixels][width] */
    float *sums;
    size_t step; /* floats of x from pixel to pixel */
    int rows, pixels;
} tile;

#define EACH_VALUE(X) X(0) X(1) X(2) X(3) X(4) X(5)

__attribute__((target("avx2,fma"))) static void add_full(const tile *t) {
    const float *b = t->b;
    float *sums = t->sums;
#define LOAD(i)                                                                                    \
    __m256 low##i = _mm256_loadu_ps(sums + i * PANEL);                                             \
    __m256 high##i = _mm256_loadu_ps(sums + i * PANEL + HALF);
    EACH_VALUE(LOAD)
#undef LOAD
    for (int row = 0; row < t->rows; row++) {
        const float *a = t->x + t->starts[row];
        for (int k = 0; k < t->pixels; k++, a += t->step, b += PANEL) {
            __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + HALF), x;
#define MULTIPLY(i)                                                                                \
    x = _mm256_broadcast_ss(a + i);                                                                \
    low##i = _mm256_fmadd_ps(x, b0, low##i);                                                       \
    high##i = _mm256_fmadd_ps(x, b1, high##i);
            EACH_VALUE(MULTIPLY)
#undef MULTIPLY
        }
    }
#define STORE(i)                                                                                   \
    _mm256_storeu_ps(sums + i * PANEL, low##i);                                                    \
    _mm256_storeu_ps(sums + i * PANEL + HALF, high##i);
    EACH_VALUE(STORE)
#undef STORE
}

__attribute__((target("avx2,fma"))) static void add_half(const tile *t) {
    const float *b = t->b;
    float *sums = t->sums;
#define LOAD(i) __m256 sum##i = _mm256_loadu_ps(sums + i * PANEL);
    EACH_VALUE(LOAD)
#undef LOAD
    for (int row = 0; row < t->rows; row++) {
        const float *a = t->x + t->starts[row];
        for (int k = 0; k < t->pixels; k++, a += t->step, b += PANEL) {
            __m256 b0 = _mm256_loadu_ps(b);
#define MULTIPLY(i) sum##i = _mm256_fmadd_ps(_mm256_broadcast_ss(a + i), b0, sum##i);
            EACH_VALUE(MULTIPLY)
#undef MULTIPLY
        }
    }
#define STORE(i) _mm256_storeu_ps(sums + i * PANEL, sum##i);
    EACH_VALUE(STORE)
#undef STORE
}
#else
/* gs__cpu_weight_gradient_is_ours says no: never called. */
typedef struct tile {
    const float *x, *b;
    const size_t *starts;
    float *sums;
    size_t step;
    int rows, pixels;
} tile;
static void add_full(const tile *t) {
    (void)t;
}
static void add_half(const tile *t) {
    (void)t;
}
#endif

/* ---- Chunks ---------------------------------------------------------------------------------- */

/* The chunk's part of a panel of dy, zero beyond the outputs. */
static void pack_panel(const product *p, const float *dy, int first_row, int rows, int panel,
                       float *packed) {
    size_t outputs = (size_t)p->w.n, pixels = (size_t)(rows * p->dy.w);
    const float *from = dy + (size_t)(first_row * p->dy.w) * outputs + (size_t)(panel * PANEL);
    int left = p->w.n - panel * PANEL, used = left < PANEL ? left : PANEL;
    if (used < PANEL) memset(packed, 0, pixels * PANEL * sizeof *packed);
    for (size_t i = 0; i < pixels; i++)
        memcpy(packed + i * PANEL, from + i * outputs, (size_t)used * sizeof *packed);
}

/* Where the first pixel of each row of the chunk is, under kernel row 0. */
static void find_starts(const product *p, int first_row, int rows, size_t *starts) {
    for (int i = 0; i < rows; i++) {
        int n = (first_row + i) / p->dy.h, y = (first_row + i) % p->dy.h;
        starts[i] = (size_t)(n * p->x.h + y * p->stride) * p->x_row;
    }
}

static void add_chunk(const product *p, const float *x, const float *dy, int first_row, int rows,
                      int from, int to, float *packed, float *sums) {
    size_t starts[CHUNK];
    tile t = {.starts = starts,
              .b = packed,
              .step = (size_t)(p->stride * p->x.c),
              .rows = rows,
              .pixels = p->dy.w};
    find_starts(p, first_row, rows, starts);
    for (int panel = from; panel < to; panel++) {
        pack_panel(p, dy, first_row, rows, panel, packed);
        t.sums = sums + panel_start(p, panel);
        for (int ky = 0; ky < p->w.h; ky++)
            for (int k = 0; k < p->tiles; k++, t.sums += TILE * PANEL) {
                size_t j = (size_t)k * TILE;
                if (j + TILE > p->row_floats) j = p->row_floats - TILE;
                t.x = x + (size_t)ky * p->x_row + j;
                if (panel_width(p, panel) == PANEL)
                    add_full(&t);
                else
                    add_half(&t);
            }
    }
}

static void add_rows(const product *p, const float *x, const float *dy, int first, int end,
                     int from, int to, float *packed, float *sums) {
    size_t start = panel_start(p, from);
    memset(sums + start, 0, (panel_start(p, to) - start) * sizeof *sums);
    for (int row = first; row < end; row += p->chunk_rows) {
        int rows = end - row < p->chunk_rows ? end - row : p->chunk_rows;
        add_chunk(p, x, dy, row, rows, from, to, packed, sums);
    }
}

/* ---- The result ------------------------------------------------------------------------------ */

/* Where (ky, j) of a panel is among its sums. */
static size_t sum_at(const product *p, int ky, size_t j) {
    size_t tile_index = j / TILE, within = j % TILE, last = (size_t)p->tiles - 1;
    if (tile_index == last) within = j - (p->row_floats - TILE);
    return (((size_t)ky * (size_t)p->tiles + tile_index) * TILE + within) * PANEL;
}

/* Adds up the copies of the sums of channel c of a panel and puts them where they belong. */
static void store_channel(const product *p, const float *sums, int copies, int panel, int c,
                          float *dw) {
    int first = panel * PANEL, left = p->w.n - first, used = left < PANEL ? left : PANEL;
    size_t kernel = (size_t)(p->w.h * p->w.w), output = kernel * (size_t)p->w.c;
    float *to = dw + (size_t)first * output + (size_t)c * kernel;
    for (int tap = 0; tap < p->w.h * p->w.w; tap++, to++) {
        size_t j = (size_t)(tap % p->w.w) * (size_t)p->w.c + (size_t)c;
        const float *from = sums + panel_start(p, panel) + sum_at(p, tap / p->w.w, j);
        for (int o = 0; o < used; o++) {
            float total = from[o];
            for (int k = 1; k < copies; k++) total += from[(size_t)k * p->sums + (size_t)o];
            to[(size_t)o * output] = total;
        }
    }
}

bool gs__cpu_weight_gradient_is_ours(gs_shape weight) {
    return gs__has_implicit_gemm() && weight.w * weight.c >= TILE && weight.n >= HALF;
}

/* Scratch: per thread a packed chunk, then the sums: one copy, or one per thread. */
size_t gs__cpu_weight_gradient_scratch(gs_shape x, gs_shape dy, gs_shape w, int stride,
                                       int threads) {
    product p = product_of(x, dy, w, stride, threads);
    size_t copies = p.shares_pixels ? (size_t)threads : 1;
    return ((size_t)threads * p.packed + copies * p.sums) * sizeof(float);
}

void gs__cpu_weight_gradient(const float *x, gs_shape x_shape, const float *dy, gs_shape dy_shape,
                             int stride, gs_shape weight, float *dw, void *scratch, int threads) {
    product p = product_of(x_shape, dy_shape, weight, stride, threads);
    float *packed = scratch, *sums = packed + (size_t)threads * p.packed;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int part = 0; part < threads; part++) {
            float *own = packed + (size_t)part * p.packed;
            if (p.shares_pixels)
                add_rows(&p, x, dy, p.rows * part / threads, p.rows * (part + 1) / threads, 0,
                         p.panels, own, sums + (size_t)part * p.sums);
            else
                add_rows(&p, x, dy, 0, p.rows, p.panels * part / threads,
                         p.panels * (part + 1) / threads, own, sums);
        }
#pragma omp for schedule(static)
        for (int i = 0; i < p.panels * weight.c; i++)
            store_channel(&p, sums, p.shares_pixels ? threads : 1, i / weight.c, i % weight.c, dw);
    }
}

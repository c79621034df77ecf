/* Vectors run over channels. Every function is inlined once for each filter, so that loops over its
 * numbers vanish and the branches between filters are decided. */
#include "engine/backend/cpu/winograd_transform.h"

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#else
#define TARGET
#endif
#define INLINED TARGET static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(WINOGRAD_LANES * sizeof(float))));
typedef float unaligned
    __attribute__((vector_size(WINOGRAD_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

enum { MOST = WINOGRAD_MOST_POINTS };

/* Points of F(4,3) are 0, ±A, ±B and ∞. Of those whose powers are short numbers these round least:
 * a quarter as much as 1 and 2, by trial on random maps. */
#define A 0.75f
#define B 1.5f
#define AA (A * A)
#define BB (B * B)

#define EACH(i, count) _Pragma("GCC unroll 8") for (int i = 0; i < (count); i++)

/* ---- Of one row ------------------------------------------------------------------------------ */

/* v = Bᵀ d; numbers of d lie d_step apart. */
INLINED void input_row(int points, const vector *d, int d_step, vector *v) {
    vector d0 = d[0], d1 = d[d_step], d2 = d[2 * d_step];
    if (points == 3) {
        v[0] = d0 - d1, v[1] = d1, v[2] = d2 - d1;
        return;
    }
    vector d3 = d[3 * d_step];
    if (points == 4) {
        v[0] = d0 - d2, v[1] = d1 + d2, v[2] = d2 - d1, v[3] = d3 - d1;
        return;
    }
    vector d4 = d[4 * d_step], d5 = d[5 * d_step];
    vector even_a = d4 - BB * d2, odd_a = A * (d3 - BB * d1);
    vector even_b = d4 - AA * d2, odd_b = B * (d3 - AA * d1);
    v[0] = AA * BB * d0 - (AA + BB) * d2 + d4;
    v[1] = even_a + odd_a, v[2] = even_a - odd_a;
    v[3] = even_b + odd_b, v[4] = even_b - odd_b;
    v[5] = AA * BB * d1 - (AA + BB) * d3 + d5;
}

/* y = Aᵀ m. */
INLINED void output_row(int outputs, int points, const vector *m, int m_step, vector *y) {
    vector m0 = m[0], m1 = m[m_step], m2 = m[2 * m_step];
    if (points == 3) {
        y[0] = m0 + m1, y[1] = m1 + m2;
        return;
    }
    vector sum = m1 + m2, difference = m1 - m2, m3 = m[3 * m_step];
    if (points == 4) {
        y[0] = m0 + sum;
        y[1] = outputs == 2 ? difference + m3 : difference;
        if (outputs == 3) y[2] = sum + m3;
        return;
    }
    vector m4 = m[4 * m_step], m5 = m[5 * m_step];
    vector sum_b = m3 + m4, difference_b = m3 - m4;
    y[0] = m0 + sum + sum_b;
    y[1] = A * difference + B * difference_b;
    y[2] = AA * sum + BB * sum_b;
    y[3] = AA * A * difference + BB * B * difference_b + m5;
}

/* u = G g. */
INLINED void weight_row(int taps, int points, const vector *g, int g_step, vector *u) {
    vector first = g[0], last = g[(taps - 1) * g_step], ends = first + last;
    vector middle = taps == 3 ? g[g_step] : last;
    if (points == 3) {
        u[0] = first, u[1] = ends, u[2] = last;
        return;
    }
    if (points == 4) {
        vector even = taps == 3 ? ends : first;
        u[0] = first, u[1] = (even + middle) * 0.5f, u[2] = (even - middle) * 0.5f, u[3] = last;
        return;
    }
    const float at_a = 1 / (2 * AA * (AA - BB)), at_b = 1 / (2 * BB * (BB - AA));
    vector even_a = (first + AA * last) * at_a, odd_a = middle * (A * at_a);
    vector even_b = (first + BB * last) * at_b, odd_b = middle * (B * at_b);
    u[0] = first * (1 / (AA * BB));
    u[1] = even_a + odd_a, u[2] = even_a - odd_a;
    u[3] = even_b + odd_b, u[4] = even_b - odd_b;
    u[5] = last;
}

/* ---- Of rows and columns --------------------------------------------------------------------- */

INLINED void input_vector(int n, const float *from, gs_grid grid, float *to, size_t step) {
    vector d[MOST][MOST], rows[MOST][MOST], v[MOST];
    EACH(j, n) {
        EACH(i, n)
        d[i][j] = *(const unaligned *)(const void *)(from + (size_t)i * grid.row +
                                                     (size_t)j * grid.column);
        input_row(n, &d[0][j], MOST, v);
        EACH(i, n) rows[i][j] = v[i];
    }
    EACH(i, n) {
        input_row(n, rows[i], 1, v);
        EACH(j, n) * (unaligned *)(void *)(to + (size_t)(i * n + j) * step) = v[j];
    }
}

INLINED void output_vector(int m, int n, const float *from, size_t step, const float *bias,
                           float *to, gs_grid grid) {
    vector p[MOST], rows[WINOGRAD_MOST_OUTPUTS][MOST], y[WINOGRAD_MOST_OUTPUTS];
    vector b = *(const unaligned *)(const void *)bias;
    EACH(j, n) {
        EACH(i, n) p[i] = *(const unaligned *)(const void *)(from + (size_t)(i * n + j) * step);
        output_row(m, n, p, 1, y);
        EACH(i, m) rows[i][j] = y[i];
    }
    EACH(i, m) {
        output_row(m, n, rows[i], 1, y);
        EACH(j, m)
        *(unaligned *)(void *)(to + (size_t)i * grid.row + (size_t)j * grid.column) = y[j] + b;
    }
}

INLINED void weight_vector(int r, int n, const float *taps, size_t count, float *to, size_t step) {
    vector g[3], rows[MOST][3], u[MOST];
    EACH(j, r) {
        EACH(i, r) g[i] = *(const unaligned *)(const void *)(taps + (size_t)(i * r + j) * count);
        weight_row(r, n, g, 1, u);
        EACH(i, n) rows[i][j] = u[i];
    }
    EACH(i, n) {
        weight_row(r, n, rows[i], 1, u);
        EACH(j, n) * (unaligned *)(void *)(to + (size_t)(i * n + j) * step) = u[j];
    }
}

/* Where the vector at `at` of `count` values begins: the last one ends where they do and computes
 * some a second time. */
INLINED size_t vector_start(size_t at, size_t count) {
    return at + WINOGRAD_LANES <= count ? at : count - WINOGRAD_LANES;
}

#define FILTER(m, r, n)                                                                            \
    TARGET static void input_##m##_##r(const float *from, gs_grid grid, size_t count, float *to,   \
                                       size_t step) {                                              \
        for (size_t i = 0; i < count; i += WINOGRAD_LANES) {                                       \
            size_t at = vector_start(i, count);                                                    \
            input_vector(n, from + at, grid, to + at, step);                                       \
        }                                                                                          \
    }                                                                                              \
    TARGET static void output_##m##_##r(const float *from, size_t step, const float *bias,         \
                                        size_t count, float *to, gs_grid grid) {                   \
        for (size_t i = 0; i < count; i += WINOGRAD_LANES) {                                       \
            size_t at = vector_start(i, count);                                                    \
            output_vector(m, n, from + at, step, bias + at, to + at, grid);                        \
        }                                                                                          \
    }                                                                                              \
    TARGET static void weight_##m##_##r(const float *taps, size_t count, float *to, size_t step) { \
        for (size_t i = 0; i < count; i += WINOGRAD_LANES)                                         \
            weight_vector(r, n, taps + i, count, to + i, step);                                    \
    }

FILTER(2, 2, 3)
FILTER(3, 2, 4)
FILTER(2, 3, 4)
FILTER(4, 3, 6)

#define ROW(m, r, n)                                                                               \
    { m, r, n, input_##m##_##r, output_##m##_##r, weight_##m##_##r }

const gs_winograd_filter gs__winograd_filters[GS_WINOGRAD_KINDS] = {
    [GS_WINOGRAD_2_2] = ROW(2, 2, 3),
    [GS_WINOGRAD_3_2] = ROW(3, 2, 4),
    [GS_WINOGRAD_2_3] = ROW(2, 3, 4),
    [GS_WINOGRAD_4_3] = ROW(4, 3, 6),
};

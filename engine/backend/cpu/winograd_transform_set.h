/* The filters of winograd_transform.h for one instruction set; included by winograd_transform.c
 * once for each, with TRANSFORM(name)   the name with the set's suffix, TRANSFORM_TARGET  the
 * attribute that makes the compiler use the set, TRANSFORM_LANES   floats in a vector,
 *   TRANSFORM_BFLOAT16  0: inputs are floats and are transformed into floats; 1: inputs are floats
 *                     or bfloat16 and become bfloat16, by
 *   TRANSFORM_TO_HALVES(vector), TRANSFORM_FROM_HALVES(halves).
 *
 * Vectors run over channels. Every function is inlined once for each filter, so that loops over its
 * numbers vanish and the branches between filters are decided. */

typedef float TRANSFORM(vector) __attribute__((vector_size(TRANSFORM_LANES * sizeof(float))));
typedef float TRANSFORM(unaligned) __attribute__((vector_size(TRANSFORM_LANES * sizeof(float)),
                                                  aligned(sizeof(float)), may_alias));

/* ---- Of one row ------------------------------------------------------------------------------ */

/* v = Bᵀ d; numbers of d lie d_step apart. */
TRANSFORM_TARGET static inline __attribute__((always_inline)) void
TRANSFORM(input_row)(int points, const TRANSFORM(vector) * d, int d_step, TRANSFORM(vector) * v) {
    TRANSFORM(vector) d0 = d[0], d1 = d[d_step], d2 = d[2 * d_step];
    if (points == 3) {
        v[0] = d0 - d1, v[1] = d1, v[2] = d2 - d1;
        return;
    }
    TRANSFORM(vector) d3 = d[3 * d_step];
    if (points == 4) {
        v[0] = d0 - d2, v[1] = d1 + d2, v[2] = d2 - d1, v[3] = d3 - d1;
        return;
    }
    TRANSFORM(vector) d4 = d[4 * d_step], d5 = d[5 * d_step];
    TRANSFORM(vector) even_a = d4 - BB * d2, odd_a = A * (d3 - BB * d1);
    TRANSFORM(vector) even_b = d4 - AA * d2, odd_b = B * (d3 - AA * d1);
    v[0] = AA * BB * d0 - (AA + BB) * d2 + d4;
    v[1] = even_a + odd_a, v[2] = even_a - odd_a;
    v[3] = even_b + odd_b, v[4] = even_b - odd_b;
    v[5] = AA * BB * d1 - (AA + BB) * d3 + d5;
}

/* y = Aᵀ m. */
TRANSFORM_TARGET static inline __attribute__((always_inline)) void
TRANSFORM(output_row)(int outputs, int points, const TRANSFORM(vector) * m, int m_step,
                      TRANSFORM(vector) * y) {
    TRANSFORM(vector) m0 = m[0], m1 = m[m_step], m2 = m[2 * m_step];
    if (points == 3) {
        y[0] = m0 + m1, y[1] = m1 + m2;
        return;
    }
    TRANSFORM(vector) sum = m1 + m2, difference = m1 - m2, m3 = m[3 * m_step];
    if (points == 4) {
        y[0] = m0 + sum;
        y[1] = outputs == 2 ? difference + m3 : difference;
        if (outputs == 3) y[2] = sum + m3;
        return;
    }
    TRANSFORM(vector) m4 = m[4 * m_step], m5 = m[5 * m_step];
    TRANSFORM(vector) sum_b = m3 + m4, difference_b = m3 - m4;
    y[0] = m0 + sum + sum_b;
    y[1] = A * difference + B * difference_b;
    y[2] = AA * sum + BB * sum_b;
    if (outputs == 3) y[2] += m5;
    if (outputs == 4) y[3] = AA * A * difference + BB * B * difference_b + m5;
}

/* u = G g. */
TRANSFORM_TARGET static inline __attribute__((always_inline)) void
TRANSFORM(weight_row)(int taps, int points, const TRANSFORM(vector) * g, int g_step,
                      TRANSFORM(vector) * u) {
    TRANSFORM(vector) first = g[0], last = g[(taps - 1) * g_step], ends = first + last;
    TRANSFORM(vector) middle = taps == 3 ? g[g_step] : last;
    if (points == 3) {
        u[0] = first, u[1] = ends, u[2] = last;
        return;
    }
    if (points == 4) {
        TRANSFORM(vector) even = taps == 3 ? ends : first;
        u[0] = first, u[1] = (even + middle) * 0.5f, u[2] = (even - middle) * 0.5f, u[3] = last;
        return;
    }
    const float at_a = 1 / (2 * AA * (AA - BB)), at_b = 1 / (2 * BB * (BB - AA));
    TRANSFORM(vector) second = g[g_step], third = g[2 * g_step];
    TRANSFORM(vector) even_a = (first + AA * third) * at_a, odd_a = second * (A * at_a);
    TRANSFORM(vector) even_b = (first + BB * third) * at_b, odd_b = second * (B * at_b);
    if (taps == 4) odd_a += last * (A * AA * at_a), odd_b += last * (B * BB * at_b);
    u[0] = first * (1 / (AA * BB));
    u[1] = even_a + odd_a, u[2] = even_a - odd_a;
    u[3] = even_b + odd_b, u[4] = even_b - odd_b;
    u[5] = last;
}

/* ---- Of rows and columns --------------------------------------------------------------------- */

#if TRANSFORM_BFLOAT16
typedef uint16_t TRANSFORM(value);
typedef uint16_t TRANSFORM(unaligned_halves)
    __attribute__((vector_size(TRANSFORM_LANES * sizeof(uint16_t)), aligned(sizeof(uint16_t)),
                   may_alias));
#define LOAD_HALVES(from) TRANSFORM_FROM_HALVES(*(const TRANSFORM(unaligned_halves) *)(from))
#define STORE(to, v) (*(TRANSFORM(unaligned_halves) *)(to) = TRANSFORM_TO_HALVES(v))
#else
typedef float TRANSFORM(value);
#define LOAD_HALVES(from) ((void)(from), (TRANSFORM(vector)){0})
#define STORE(to, v) (*(TRANSFORM(unaligned) *)(to) = (v))
#endif

TRANSFORM_TARGET static inline __attribute__((always_inline)) void
TRANSFORM(input_vector)(int n, bool from_bfloat16, const void *from, gs_grid grid,
                        TRANSFORM(value) * to, size_t step) {
    TRANSFORM(vector) d[MOST][MOST], rows[MOST][MOST], v[MOST];
    EACH(j, n) {
        EACH(i, n) {
            size_t at = (size_t)i * grid.row + (size_t)j * grid.column;
            if (from_bfloat16)
                d[i][j] = LOAD_HALVES((const uint16_t *)from + at);
            else
                d[i][j] = *(const TRANSFORM(unaligned) *)((const float *)from + at);
        }
        TRANSFORM(input_row)(n, &d[0][j], MOST, v);
        EACH(i, n) rows[i][j] = v[i];
    }
    EACH(i, n) {
        TRANSFORM(input_row)(n, rows[i], 1, v);
        EACH(j, n) STORE(to + (size_t)(i * n + j) * step, v[j]);
    }
}

TRANSFORM_TARGET static inline __attribute__((always_inline)) void
TRANSFORM(output_vector)(int m, int n, const float *from, size_t step, const float *bias, float *to,
                         gs_grid grid) {
    TRANSFORM(vector) p[MOST], rows[WINOGRAD_MOST_OUTPUTS][MOST], y[WINOGRAD_MOST_OUTPUTS];
    TRANSFORM(vector) b = *(const TRANSFORM(unaligned) *)(const void *)bias;
    EACH(j, n) {
        EACH(i, n)
        p[i] = *(const TRANSFORM(unaligned) *)(const void *)(from + (size_t)(i * n + j) * step);
        TRANSFORM(output_row)(m, n, p, 1, y);
        EACH(i, m) rows[i][j] = y[i];
    }
    EACH(i, m) {
        TRANSFORM(output_row)(m, n, rows[i], 1, y);
        EACH(j, m)
        *(TRANSFORM(unaligned) *)(void *)(to + (size_t)i * grid.row + (size_t)j * grid.column) =
            y[j] + b;
    }
}

TRANSFORM_TARGET static inline __attribute__((always_inline)) void
TRANSFORM(weight_vector)(int r, int n, const float *from, gs_grid grid,
                         TRANSFORM(vector) u[][MOST]) {
    TRANSFORM(vector) g[MOST_TAPS], rows[MOST][MOST_TAPS], column[MOST];
    EACH(j, r) {
        EACH(i, r)
        g[i] =
            *(const TRANSFORM(unaligned) *)(from + (size_t)i * grid.row + (size_t)j * grid.column);
        TRANSFORM(weight_row)(r, n, g, 1, column);
        EACH(i, n) rows[i][j] = column[i];
    }
    EACH(i, n) TRANSFORM(weight_row)(r, n, rows[i], 1, u[i]);
}

/* Where the vector at `at` of `count` values begins: the last one ends where they do and computes
 * some a second time. */
TRANSFORM_TARGET static inline __attribute__((always_inline)) size_t
TRANSFORM(vector_start)(size_t at, size_t count) {
    return at + TRANSFORM_LANES <= count ? at : count - TRANSFORM_LANES;
}

#define INPUT(name, m, r, n, from_bfloat16, type)                                                  \
    TRANSFORM_TARGET static void TRANSFORM(name##_##m##_##r)(                                      \
        const void *from, gs_grid grid, size_t count, void *to, size_t step) {                     \
        for (size_t i = 0; i < count; i += TRANSFORM_LANES) {                                      \
            size_t at = TRANSFORM(vector_start)(i, count);                                         \
            TRANSFORM(input_vector)                                                                \
            (n, from_bfloat16, (const type *)from + at, grid, (TRANSFORM(value) *)to + at, step);  \
        }                                                                                          \
    }
#if TRANSFORM_BFLOAT16
#define INPUT_HALVES(m, r, n) INPUT(input_halves, m, r, n, true, uint16_t)
#define HALVES_OF(m, r) TRANSFORM(input_halves_##m##_##r)
#define PAIRS(m, r, n)                                                                             \
    TRANSFORM_TARGET static void TRANSFORM(pair_##m##_##r)(                                        \
        const uint16_t *first, const uint16_t *second, size_t count, uint32_t *to, size_t step) {  \
        for (int k = 0; k < n * n; k++, first += count, second += count, to += step)               \
            for (size_t i = 0; i < count; i++) to[i] = first[i] | (uint32_t)second[i] << 16;       \
    }
#define PAIRS_OF(m, r) TRANSFORM(pair_##m##_##r)
#else
#define INPUT_HALVES(m, r, n)
#define HALVES_OF(m, r) NULL
#define PAIRS(m, r, n)
#define PAIRS_OF(m, r) NULL
#endif

#define FILTER(m, r, n)                                                                            \
    INPUT(input, m, r, n, false, float)                                                            \
    INPUT_HALVES(m, r, n)                                                                          \
    PAIRS(m, r, n)                                                                                 \
    TRANSFORM_TARGET static void TRANSFORM(output_##m##_##r)(const float *from, size_t step,       \
                                                             const float *bias, size_t count,      \
                                                             float *to, gs_grid grid) {            \
        for (size_t i = 0; i < count; i += TRANSFORM_LANES) {                                      \
            size_t at = TRANSFORM(vector_start)(i, count);                                         \
            TRANSFORM(output_vector)(m, n, from + at, step, bias + at, to + at, grid);             \
        }                                                                                          \
    }                                                                                              \
    TRANSFORM_TARGET static void TRANSFORM(weight_##m##_##r)(const float *taps, size_t count,      \
                                                             float *to, size_t step) {             \
        TRANSFORM(vector) u[MOST][MOST];                                                           \
        for (size_t at = 0; at < count; at += TRANSFORM_LANES) {                                   \
            TRANSFORM(weight_vector)(r, n, taps + at, (gs_grid){r * count, count}, u);             \
            EACH(k, n *n) * (TRANSFORM(unaligned) *)(to + (size_t)k * step + at) =                 \
                u[k / n][k % n];                                                                   \
        }                                                                                          \
    }                                                                                              \
    TRANSFORM_TARGET static void TRANSFORM(taps_##m##_##r)(const void *from, gs_grid grid,         \
                                                           size_t count, void *to, size_t step) {  \
        TRANSFORM(vector) u[MOST][MOST];                                                           \
        for (size_t i = 0; i < count; i += TRANSFORM_LANES) {                                      \
            size_t at = TRANSFORM(vector_start)(i, count);                                         \
            TRANSFORM(weight_vector)(r, n, (const float *)from + at, grid, u);                     \
            EACH(k, n *n)                                                                          \
            STORE((TRANSFORM(value) *)to + (size_t)k * step + at, u[k / n][k % n]);                \
        }                                                                                          \
    }

FILTER(2, 2, 3)
FILTER(3, 2, 4)
FILTER(2, 3, 4)
FILTER(4, 3, 6)
FILTER(3, 4, 6)

#define ROW(m, r, n)                                                                               \
    {                                                                                              \
        m, r, n, TRANSFORM(input_##m##_##r), HALVES_OF(m, r), TRANSFORM(output_##m##_##r),         \
            TRANSFORM(weight_##m##_##r), TRANSFORM(taps_##m##_##r), PAIRS_OF(m, r)                 \
    }

static const gs_winograd_filter TRANSFORM(filters)[GS_WINOGRAD_KINDS] = {
    [GS_WINOGRAD_2_2] = ROW(2, 2, 3), [GS_WINOGRAD_3_2] = ROW(3, 2, 4),
    [GS_WINOGRAD_2_3] = ROW(2, 3, 4), [GS_WINOGRAD_4_3] = ROW(4, 3, 6),
    [GS_WINOGRAD_3_4] = ROW(3, 4, 6),
};

#undef ROW
#undef INPUT
#undef INPUT_HALVES
#undef HALVES_OF
#undef PAIRS
#undef PAIRS_OF
#undef LOAD_HALVES
#undef STORE
#undef FILTER
#undef TRANSFORM
#undef TRANSFORM_TARGET
#undef TRANSFORM_LANES
#undef TRANSFORM_BFLOAT16
#undef TRANSFORM_TO_HALVES
#undef TRANSFORM_FROM_HALVES

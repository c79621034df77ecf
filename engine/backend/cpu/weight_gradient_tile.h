/* tile_sum for one instruction set; included by weight_gradient_tile.c once for each, with
 *   TILE(name)    the name with the set's suffix,
 *   TILE_TARGET   the attribute that makes the compiler use the set,
 *   TILE_LANES    words in a vector,
 *   TILE_OUTPUTS  6 or 12: with 2 vectors of x, so many outputs' sums fit in the registers,
 *   TILE_ADD(sum, a, b)  sum + a·b of every lane: a and b are vectors of words. */

typedef float TILE(vector) __attribute__((vector_size(TILE_LANES * sizeof(float))));
typedef float TILE(unaligned)
    __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef uint32_t TILE(words) __attribute__((vector_size(TILE_LANES * sizeof(float))));
typedef uint32_t TILE(unaligned_words)
    __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* What the sums are added to comes from far away; it is asked for before it is needed. */
TILE_TARGET static inline void TILE(prefetch)(const tile_sum *t) {
    for (int o = 0; o < t->outputs; o++)
        for (int l = 0; l < t->vectors * TILE_LANES; l += 16)
            __builtin_prefetch(t->sums + (size_t)o * t->sums_step + l, 1);
}

TILE_TARGET static inline __attribute__((always_inline)) void
TILE(store)(const tile_sum *t, int vectors, int outputs, TILE(vector) (*sums)[4]) {
    float *to = t->sums;
    const bool replaces = t->replaces;
    const size_t step = t->sums_step;
#pragma GCC unroll 16
    for (int o = 0; o < outputs; o++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) {
            void *at = to + (size_t)o * step + v * TILE_LANES;
            TILE(unaligned) *out = at;
            if (!replaces) sums[o][v] += *out;
            *out = sums[o][v];
        }
}

/* Inlined for every size, so that loops over vectors and outputs vanish and sums are registers. */
TILE_TARGET static inline __attribute__((always_inline)) void TILE(sum)(const tile_sum *t,
                                                                        int vectors, int outputs) {
    TILE(vector) sums[TILE_MOST_OUTPUTS][4];
    TILE(words) x[4];
#pragma GCC unroll 16
    for (int o = 0; o < outputs; o++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[o][v] = (TILE(vector)){0};
    const uint32_t *dy = t->dy;
    for (const pixel_run *run = t->runs; run < t->runs + t->run_count; run++) {
        const uint32_t *pixel = t->x + run->x;
        for (int i = 0; i < run->count; i++, pixel += t->x_step, dy += t->dy_step) {
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++)
                x[v] = *(const TILE(unaligned_words) *)(const void *)(pixel + v * TILE_LANES);
#pragma GCC unroll 16
            for (int o = 0; o < outputs; o++)
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++)
                    sums[o][v] = TILE_ADD(sums[o][v], x[v], dy[o] - (TILE(words)){0});
        }
    }
    TILE(store)(t, vectors, outputs, sums);
}

#define SIZE(vectors, outputs)                                                                     \
    case (vectors)*16 + (outputs):                                                                 \
        TILE(sum)(t, vectors, outputs);                                                            \
        break;
#define SIZES_UP_TO_3(vectors) SIZE(vectors, 1) SIZE(vectors, 2) SIZE(vectors, 3)
#define SIZES_4_TO_6(vectors) SIZE(vectors, 4) SIZE(vectors, 5) SIZE(vectors, 6)
#define SIZES_7_TO_12(vectors)                                                                     \
    SIZE(vectors, 7)                                                                               \
    SIZE(vectors, 8) SIZE(vectors, 9) SIZE(vectors, 10) SIZE(vectors, 11) SIZE(vectors, 12)

TILE_TARGET static void TILE(run)(const tile_sum *t) {
    TILE(prefetch)(t);
    switch (t->vectors * 16 + t->outputs) {
        SIZES_UP_TO_3(1)
        SIZES_UP_TO_3(2)
        SIZES_UP_TO_3(3)
        SIZES_UP_TO_3(4)
        SIZES_4_TO_6(1)
        SIZES_4_TO_6(2)
        SIZES_7_TO_12(1)
#if TILE_OUTPUTS == 12
        SIZES_7_TO_12(2)
        SIZES_4_TO_6(3)
        SIZES_4_TO_6(4)
#endif
    }
}

#undef SIZE
#undef SIZES_UP_TO_3
#undef SIZES_4_TO_6
#undef SIZES_7_TO_12
#undef TILE
#undef TILE_TARGET
#undef TILE_LANES
#undef TILE_OUTPUTS
#undef TILE_ADD

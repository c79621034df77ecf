/* gs_gemm_tile for one instruction set; included by implicit_gemm_tile.c once for each, with
 *   TILE(name)          the name with the set's suffix,
 *   TILE_TARGET         the attribute that makes the compiler use the set,
 *   TILE_LANES          floats in a vector,
 *   TILE_PIXELS         so many pixels' sums of two vectors fit in the registers,
 *   TILE_ADD(sum, a, b) sum + a·b of every lane: a and b are vectors of words, see gs_gemm_tile. */

typedef float TILE(vector) __attribute__((vector_size(TILE_LANES * sizeof(float))));
typedef uint32_t TILE(words) __attribute__((vector_size(TILE_LANES * sizeof(float))));
typedef float TILE(unaligned)
    __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef uint32_t TILE(unaligned_words)
    __attribute__((vector_size(TILE_LANES * sizeof(float)), aligned(sizeof(float)), may_alias));

/* Inlined for one and two vectors, so that loops vanish and sums are registers. */
TILE_TARGET static inline __attribute__((always_inline)) void TILE(multiply)(const gs_gemm_tile *t,
                                                                             int vectors) {
    TILE(vector) sums[TILE_PIXELS][2];
    const char *a[TILE_PIXELS];
    const uint32_t *b = t->b, *next = t->next;
    const size_t length = t->length, run_stride = t->run_stride;
#pragma GCC unroll 16
    for (int i = 0; i < TILE_PIXELS; i++) {
        const float *start = t->start ? t->start : t->c[i];
        a[i] = t->a[i];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sums[i][v] = *(const TILE(unaligned) *)(const void *)(start + v * TILE_LANES);
    }
    for (int run = 0; run < t->runs; run++) {
        for (size_t k = 0; k < length; k++, b += vectors * TILE_LANES) {
            TILE(words) values[2];
            __builtin_prefetch(next);
            next += GEMM_LINE;
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                values[v] = *(const TILE(unaligned_words) *)(const void *)(b + v * TILE_LANES);
#pragma GCC unroll 16
            for (int i = 0; i < TILE_PIXELS; i++) {
                uint32_t word; /* two halves may lie at an odd one */
                memcpy(&word, a[i] + sizeof word * k, sizeof word);
                TILE(words) x = word - (TILE(words)){0};
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) sums[i][v] = TILE_ADD(sums[i][v], x, values[v]);
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < TILE_PIXELS; i++) a[i] += run_stride;
    }
#pragma GCC unroll 16
    for (int i = 0; i < TILE_PIXELS; i++)
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            *(TILE(unaligned) *)(void *)(t->c[i] + v * TILE_LANES) = sums[i][v];
}

TILE_TARGET static void TILE(full)(const gs_gemm_tile *t) {
    TILE(multiply)(t, 2);
}

TILE_TARGET static void TILE(half)(const gs_gemm_tile *t) {
    TILE(multiply)(t, 1);
}

#undef TILE
#undef TILE_TARGET
#undef TILE_LANES
#undef TILE_PIXELS
#undef TILE_ADD

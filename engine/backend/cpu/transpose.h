/* Eight by eight floats, transposed in registers: for what lies the other way round in memory. */
#ifndef GS_ENGINE_BACKEND_CPU_TRANSPOSE_H
#define GS_ENGINE_BACKEND_CPU_TRANSPOSE_H

#include <stddef.h>

enum { GS_SIDE = 8 };

typedef float gs_eight __attribute__((vector_size(GS_SIDE * sizeof(float))));
typedef float gs_eight_anywhere
    __attribute__((vector_size(GS_SIDE * sizeof(float)), aligned(sizeof(float)), may_alias));

static inline __attribute__((always_inline)) void gs__store_eight(float *to,
                                                                  const gs_eight *values) {
    *(gs_eight_anywhere *)(void *)to = *values;
}

/* out[i] is column i of eight rows, `stride` floats apart. In steps that two vectors are enough
 * for, and written out, so that all stays in registers. */
static inline __attribute__((always_inline)) void gs__transpose(const float *from, size_t stride,
                                                                gs_eight out[GS_SIDE]) {
#define ROW(i) (*(const gs_eight_anywhere *)(const void *)(from + (size_t)(i)*stride))
#define PAIRS(a, b, x)                                                                             \
    __builtin_shufflevector(a, b, (x), (x) + 8, (x) + 1, (x) + 9, (x) + 4, (x) + 12, (x) + 5,      \
                            (x) + 13)
#define FOURS(a, b, x)                                                                             \
    __builtin_shufflevector(a, b, (x), (x) + 1, (x) + 8, (x) + 9, (x) + 4, (x) + 5, (x) + 12,      \
                            (x) + 13)
#define HALVES(a, b, x)                                                                            \
    __builtin_shufflevector(a, b, (x), (x) + 1, (x) + 2, (x) + 3, (x) + 8, (x) + 9, (x) + 10,      \
                            (x) + 11)
    gs_eight pairs[GS_SIDE], fours[GS_SIDE];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        gs_eight a = ROW(2 * i), b = ROW(2 * i + 1);
        pairs[2 * i] = PAIRS(a, b, 0);
        pairs[2 * i + 1] = PAIRS(a, b, 2);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            gs_eight a = pairs[4 * i + k], b = pairs[4 * i + 2 + k];
            fours[4 * i + 2 * k] = FOURS(a, b, 0);
            fours[4 * i + 2 * k + 1] = FOURS(a, b, 2);
        }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        out[i] = HALVES(fours[i], fours[4 + i], 0);
        out[4 + i] = HALVES(fours[i], fours[4 + i], 4);
    }
#undef ROW
#undef PAIRS
#undef FOURS
#undef HALVES
}

#endif

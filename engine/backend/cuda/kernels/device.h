/* Shared by kernels: reading and writing maps, indices, sums over a block. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_DEVICE_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_DEVICE_H

#include "engine/backend/cuda/kernels/launch.h"

#include <math.h>
#include <string.h>

#define GS_NORM_EPSILON 1e-5

/* ---- Maps ----------------------------------------------------------------------------------- */

/* bfloat16 is the upper half of a float. A NaN stays one: rounding would carry its payload into its
 * exponent or sign. */
GS_DEVICE uint16_t gs__to_bfloat16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t rounded = (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
    bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
    return (uint16_t)(is_nan ? bits >> 16 | 0x40 : rounded);
}

GS_DEVICE float gs__from_bfloat16(uint16_t half) {
    uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

GS_DEVICE float gs__load(const gs_cuda_in &map, size_t i) {
    if (map.type == GS_CUDA_FLOAT) return ((const float *)map.values)[i];
    return gs__from_bfloat16(((const uint16_t *)map.values)[i]);
}

GS_DEVICE void gs__store(const gs_cuda_out &map, size_t i, float value) {
    if (map.type == GS_CUDA_FLOAT)
        ((float *)map.values)[i] = value;
    else
        ((uint16_t *)map.values)[i] = gs__to_bfloat16(value);
}

/* ---- Indices -------------------------------------------------------------------------------- */

static inline size_t gs__size_of(gs_shape s) {
    return (size_t)s.n * (size_t)s.c * (size_t)s.h * (size_t)s.w;
}

static inline size_t gs__pixels_of(gs_shape s) {
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

/* Division by a number known at launch, for what is below 2^31 a multiplication: with
 * magic = ⌈2^(31+s) / d⌉ and d <= 2^s, i·magic / 2^(31+s) exceeds i/d by less than 1/d. */
typedef struct gs_divider {
    uint32_t divisor, magic;
    int shift;
} gs_divider;

static inline gs_divider gs__divider(int divisor) {
    gs_divider d = {(uint32_t)divisor, 0, 31};
    while (((uint64_t)1 << (d.shift - 31)) < d.divisor) d.shift++;
    d.magic = (uint32_t)((((uint64_t)1 << d.shift) + d.divisor - 1) / d.divisor);
    return d;
}

GS_DEVICE size_t gs__divide(size_t i, const gs_divider &d) {
    if (i >> 31) return i / d.divisor;
    return (size_t)((uint64_t)(uint32_t)i * d.magic >> d.shift);
}

/* Returns i / d and leaves i % d in *i. */
GS_DEVICE size_t gs__split(size_t *i, const gs_divider &d) {
    size_t quotient = gs__divide(*i, d);
    *i -= quotient * d.divisor;
    return quotient;
}

/* A map's shape, for finding out which element is the i-th. */
typedef struct gs_extent {
    gs_divider c, w, h;
} gs_extent;

static inline gs_extent gs__extent(gs_shape s) {
    return gs_extent{gs__divider(s.c), gs__divider(s.w), gs__divider(s.h)};
}

typedef struct gs_place {
    int n, c, h, w;
} gs_place;

GS_DEVICE gs_place gs__place(size_t i, const gs_extent &grid) {
    size_t pixel = gs__split(&i, grid.c), row = gs__split(&pixel, grid.w);
    size_t sample = gs__split(&row, grid.h);
    return gs_place{(int)sample, (int)i, (int)row, (int)pixel};
}

/* Where element (n,c,h,w) of a map lies. */
GS_DEVICE size_t gs__at(const gs_shape &s, int n, int c, int h, int w) {
    return (((size_t)n * (size_t)s.h + (size_t)h) * (size_t)s.w + (size_t)w) * (size_t)s.c +
           (size_t)c;
}

/* ---- Sums over a block ---------------------------------------------------------------------- */

/* Leaves Σ values[0 … BLOCK-1] in values[0]. */
GS_DEVICE void gs__add_up(double *values) {
    for (int half = BLOCK / 2; half > 0; half /= 2)
        GS_PHASE () {
            int t = gs__thread();
            if (t < half) values[t] += values[t + half];
        }
}

/* Blocks that leave one partial sum each of `count` elements: as many as a block can add up. */
static inline size_t gs__partials_of(size_t count) {
    const size_t per_thread = 8, most = BLOCK;
    size_t blocks = gs__pieces(count, BLOCK * per_thread);
    return blocks < most ? blocks : most;
}

#endif

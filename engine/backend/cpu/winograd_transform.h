/* The transforms of minimal filtering (S. Winograd, Arithmetic Complexity of Computations, 1980).
 *
 * F(m,r) computes m neighbouring outputs of a row filter of r taps with n = m + r - 1 products
 * instead of m·r: y = Aᵀ[(G g) ⊙ (Bᵀ d)] for n inputs d and taps g. Applied to rows and to columns
 * it makes m·m outputs of n·n products, each between a transformed input and a transformed weight.
 * A, B and G are those of polynomials that are known at the points 0, 1 and ∞ (n = 3), also -1
 * (n = 4), or 0, ±3/4, ±3/2 and ∞ (n = 6). Numbers of n·n transforms are in the order of rows. */
#ifndef GS_ENGINE_BACKEND_CPU_WINOGRAD_TRANSFORM_H
#define GS_ENGINE_BACKEND_CPU_WINOGRAD_TRANSFORM_H

#include "engine/backend/cpu/cpu_internal.h"

enum { WINOGRAD_MOST_POINTS = 6, WINOGRAD_MOST_OUTPUTS = 4 };

/* Pixels of a map: values from one row and from one column to the next. */
typedef struct gs_grid {
    size_t row, column;
} gs_grid;

/* `count` is at least the lanes of the set's vectors (those of its products' kernel); `step` is the
 * distance of one of n·n numbers to the next. Transformed inputs are floats, or bfloat16 where the
 * products take that. */
typedef struct gs_winograd_filter {
    int outputs, taps, points; /* m, r, n */
    /* to[n·n][count] = Bᵀ d B of n·n pixels, of floats or, if transformed inputs are bfloat16, of
     * such. */
    void (*input)(const void *from, gs_grid grid, size_t count, void *to, size_t step);
    void (*input_halves)(const void *from, gs_grid grid, size_t count, void *to, size_t step);
    /* m·m pixels = bias + Aᵀ M A of from[n·n][count]. */
    void (*output)(const float *from, size_t step, const float *bias, size_t count, float *to,
                   gs_grid grid);
    /* to[n·n][count] = G g Gᵀ of r·r taps [count] that lie `count` apart; a multiple of the lanes.
     */
    void (*weight)(const float *taps, size_t count, float *to, size_t step);
    /* The same of r·r pixels, into what transformed inputs are. */
    void (*taps_of_pixels)(const void *from, gs_grid grid, size_t count, void *to, size_t step);
    /* Of two transforms of bfloat16 [n·n][count], words with a value of each, the second in the
     * upper half: to[n·n][count]. NULL where transformed inputs are floats. */
    void (*pair)(const uint16_t *first, const uint16_t *second, size_t count, uint32_t *to,
                 size_t step);
} gs_winograd_filter;

typedef enum gs_winograd_kind {
    GS_WINOGRAD_2_2, /* F(2×2, 2×2) */
    GS_WINOGRAD_3_2,
    GS_WINOGRAD_2_3,
    GS_WINOGRAD_4_3,
    GS_WINOGRAD_3_4, /* for gradients of weights */
    GS_WINOGRAD_KINDS
} gs_winograd_kind;

/* The filters [GS_WINOGRAD_KINDS] for products by gs__gemm_kernel of the same; NULL where that has
 * none. */
const gs_winograd_filter *gs__winograd_filters(gs_isa isa, gs_bf16 bf16);

#endif

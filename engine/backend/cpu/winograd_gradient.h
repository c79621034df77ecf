/* Gradients of weights with fewer multiplications: by the minimal filters of winograd_transform.h
 * whose outputs are the taps.
 *
 * A tile of m·m pixels of dy is the filter, x under it the input, and the r·r taps' sums the
 * outputs of F(r,m). As outputs are transformed linearly, products are summed over all tiles
 * before: dw = Aᵀ [Σ (G dy Gᵀ) ⊗ (Bᵀ x B)] A, n·n sums of matrices [outputs, channels]. A 4×4
 * kernel of stride 2 is a 2×2 one of stride 1 over the maps of winograd.h. */
#ifndef GS_ENGINE_BACKEND_CPU_WINOGRAD_GRADIENT_H
#define GS_ENGINE_BACKEND_CPU_WINOGRAD_GRADIENT_H

#include "engine/backend/cpu/weight_gradient.h"
#include "engine/backend/cpu/winograd.h"

typedef struct gs_winograd_gradient {
    gs_weight_gradient g;
    const gs_winograd_filter *filter; /* NULL: summing pixel by pixel is faster */
    const tile_kernel *kernel;
    gs_winograd_map x;
    int tile_rows, tile_columns; /* tiles of a sample */
    int word_tiles;         /* whose values are in one word of a product: 1, or 2 of bfloat16 */
    int vectors;            /* of a panel, at most */
    int group_units, units; /* panels of channels, of a piece of a pixel of x and of all */
    int output_tiles;       /* of the kernel's size */
    int block;              /* tiles transformed together */
    int parts, groups;      /* threads' shares: of the tiles, or of the units */
} gs_winograd_gradient;

/* The fastest filter for a gradient, if any. */
gs_winograd_gradient gs__winograd_gradient_plan(const gs_weight_gradient *g);

/* By this filter, fast or not; filter NULL where it can not. */
gs_winograd_gradient gs__winograd_gradient_plan_filter(const gs_weight_gradient *g,
                                                       gs_winograd_kind kind);

/* Bytes of scratch. */
size_t gs__winograd_gradient_scratch(const gs_winograd_gradient *p);

/* x: floats, or bfloat16 if g.bf16 is not NONE. Scratch is aligned to 64 bytes. The number of
 * threads decides the result's bits. */
void gs__winograd_gradient_run(const gs_winograd_gradient *p, const void *x, const float *dy,
                               void *scratch, float *dw);

#endif

/* The inner loop of the weight gradient: a small matrix of sums that stays in registers while it
 * runs over many pixels. Written once with vector extensions (weight_gradient_tile.h), compiled for
 * several instruction sets (weight_gradient_tile.c), chosen when a backend is opened. */
#ifndef GS_ENGINE_BACKEND_CPU_WEIGHT_GRADIENT_H
#define GS_ENGINE_BACKEND_CPU_WEIGHT_GRADIENT_H

#include "engine/backend/cpu/cpu_internal.h"

/* Output pixels that follow each other in one row of a map. */
typedef struct pixel_run {
    size_t x; /* where the first reads x, in values from tile_sum.x */
    int count;
} pixel_run;

/* sums[o][l] (+)= Σ over the pixels of dy[o]·x[l], for o < outputs and l < vectors · lanes. A word
 * is a float or, with bfloat16, the values of two pixels, the first in its lower half. */
typedef struct tile_sum {
    const uint32_t *x, *dy; /* words; dy of the first pixel; its runs follow each other, no gaps */
    size_t x_step, dy_step; /* words from a pixel (with bfloat16: two) to the next */
    const pixel_run *runs;
    int run_count, vectors, outputs;
    bool replaces; /* what is in sums; otherwise adds to it */
    float *sums;
    size_t sums_step; /* from an output to the next */
} tile_sum;

enum { TILE_MOST_OUTPUTS = 12 };

/* One instruction set's version. It has sizes up to 2 vectors x `outputs`, 4 vectors x outputs / 2
 * and 1 vector x TILE_MOST_OUTPUTS. */
typedef struct tile_kernel {
    int lanes, outputs;
    void (*run)(const tile_sum *t);
} tile_kernel;

const tile_kernel *gs__tile_kernel(gs_isa isa, gs_bf16 bf16);

#endif

/* Convolutions and their data gradients with fewer multiplications: by the minimal filters of
 * winograd_transform.h, with products of floats or of bfloat16.
 *
 * A convolution of stride 1 is filtered as it is, a 4×4 one of stride 2 as a 2×2 one of stride 1:
 * rows and columns of one parity are a map of half the size, and the four maps are so many more
 * input channels (of the data gradient: outputs). The result is that of the direct convolution but
 * for rounding. */
#ifndef GS_ENGINE_BACKEND_CPU_WINOGRAD_H
#define GS_ENGINE_BACKEND_CPU_WINOGRAD_H

#include "engine/backend/cpu/implicit_gemm.h"
#include "engine/backend/cpu/winograd_transform.h"

#include <stdbool.h>

typedef struct gs_winograd_conv {
    const gs_gemm_kernel *kernel;
    gs_op op;         /* GS_OP_CONV or GS_OP_CONV_GRADIENT_DATA */
    gs_shape x, w, y; /* input, weight, output of the forward convolution */
    int stride;
    bool keeps_weight;  /* transformed once for many runs, and then only read */
    bool from_bfloat16; /* the map that is read; only if the kernel's values are */
} gs_winograd_conv;

/* A map as filters see it: `rows` by `columns` pixels, each of `groups` pieces of `values` that
 * follow each other; strides in values. */
typedef struct gs_winograd_map {
    int rows, columns, groups, values;
    size_t sample, row, pixel, group;
} gs_winograd_map;

typedef struct gs_winograd {
    const gs_winograd_filter *filter; /* NULL: the direct convolution is faster */
    gs_winograd_kind kind;
    gs_winograd_conv conv;
    gs_winograd_map from, to;
    int zeros;                   /* rows and columns of zeros before the first of `from` */
    int tile_rows, tile_columns; /* tiles of a sample */
    int block;                   /* tiles transformed and multiplied together */
    size_t depth;                /* values of a pixel of `from` */
} gs_winograd;

/* The fastest filter for a convolution, if any; with a weight that is kept one choice for all
 * numbers of samples, so that they share it. */
gs_winograd gs__winograd_plan(const gs_winograd_conv *conv);

/* Units of the transformed weight, and the weight [O,C,K,K] transformed into them on all threads.
 * They depend on weight, op, stride and kind alone. */
size_t gs__winograd_words(const gs_winograd *p);
void gs__winograd_pack(const gs_winograd *p, const float *weight, uint32_t *words);

/* Bytes of scratch on so many threads. */
size_t gs__winograd_scratch(const gs_winograd *p, int threads);

/* Runs on all threads; the result does not depend on their number. bias[outputs] or NULL. Scratch
 * is aligned to 64 bytes. */
void gs__winograd_run(const gs_winograd *p, const void *from, const uint32_t *words,
                      const float *bias, float *to, void *scratch, int threads);

#endif

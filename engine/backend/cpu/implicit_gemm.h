/* The core of our own convolutions: a matrix product whose left matrix is never made.
 *
 * Each output pixel m is C[m, 0..outputs) = bias + Σ_k A[m, k]·B[k, ·], where row m of A is `runs`
 * stretches of `length` values that lie `run_stride` apart in memory, from a start of its own: in a
 * channels-last map the K·C values under a kernel row are one stretch.
 *
 * A kernel takes its factors in words of four bytes: one float, or two bfloat16 values whose
 * products are added up in single precision. A stretch of an odd number of bfloat16 values ends
 * with half a word: the value behind it is read and multiplied by zero, so there must be one, and
 * it must be finite. B comes in panels of two vectors of outputs (the last has one if so many are
 * enough), [panel][runs · words][width], zero beyond the outputs. */
#ifndef GS_ENGINE_BACKEND_CPU_IMPLICIT_GEMM_H
#define GS_ENGINE_BACKEND_CPU_IMPLICIT_GEMM_H

#include "engine/backend/cpu/cpu_internal.h"

/* C += A·B over some runs of A, or C = start + A·B, of a few pixels and one panel. */
enum { GEMM_MOST_PIXELS = 12, GEMM_LINE = 16 /* words of a cache's line */ };
typedef struct gs_gemm_tile {
    const char *a[GEMM_MOST_PIXELS];
    float *c[GEMM_MOST_PIXELS];
    const uint32_t *b;
    const float *start;   /* NULL = what C holds */
    const uint32_t *next; /* a line for every word of the runs is asked for; may lead nowhere */
    size_t length, run_stride; /* words of a run; bytes from a run to the next */
    int runs;
} gs_gemm_tile;

/* One instruction set's version. full and half take panels of two vectors and of one. */
enum { GEMM_MOST_LANES = 16, GEMM_MOST_PANEL = 2 * GEMM_MOST_LANES /* outputs */ };
typedef struct gs_gemm_kernel {
    gs_isa isa; /* that it needs, besides bfloat16's instructions where these are native */
    gs_bf16 bf16;
    int lanes, pixels;
    int word_values; /* 1: floats, 2: bfloat16 */
    void (*full)(const gs_gemm_tile *t);
    void (*half)(const gs_gemm_tile *t);
} gs_gemm_kernel;

/* NULL where oneDNN's convolutions in single precision are to be used. */
const gs_gemm_kernel *gs__gemm_kernel(gs_isa isa, gs_bf16 bf16);

/* Distances in values from one sample, row and pixel to the next. */
typedef struct gs_pixel_strides {
    size_t sample, row, pixel;
} gs_pixel_strides;

typedef struct gs_implicit_gemm {
    const gs_gemm_kernel *kernel;
    int samples, rows, columns; /* output pixels */
    int outputs;
    int biases;  /* that outputs take in turns */
    int overlap; /* of one panel: so many outputs of a row's last pixel are the last of the one
                    before it, which stores them; … */
    size_t overlap_a, overlap_c; /* … it lies so much (values) before where strides lead */
    int runs;
    size_t length, run_stride; /* values */
    gs_pixel_strides a, c;
} gs_implicit_gemm;

/* How a weight in memory is read as B: value k = (tap, i) of a row of A, i below `inner`, meets for
 * output o the float at tap_offsets[tap] + i·inner_stride + o·output_stride. */
typedef struct gs_weight_view {
    int runs, run_taps, inner, outputs;
    const size_t *tap_offsets; /* [runs · run_taps] */
    size_t inner_stride, output_stride;
} gs_weight_view;

/* Units of B in panels. */
size_t gs__panel_words(const gs_gemm_kernel *kernel, int outputs, int runs, size_t length);

/* Writes B in panels, on all threads. */
void gs__pack_panels(const gs_gemm_kernel *kernel, const gs_weight_view *view, const float *weight,
                     uint32_t *panels);

/* Bytes of scratch of a product on so many threads. */
size_t gs__implicit_gemm_scratch(const gs_gemm_kernel *kernel, int outputs, int threads);

/* Runs on all threads; the result does not depend on their number. a: floats or bfloat16.
 * bias[biases] or NULL. Scratch is aligned to 64 bytes. */
void gs__implicit_gemm(const gs_implicit_gemm *g, const void *a, const uint32_t *panels,
                       const float *bias, float *c, void *scratch, int threads);

#endif

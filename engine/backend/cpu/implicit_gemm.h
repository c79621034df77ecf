/* The core of our own convolutions: a matrix product whose left matrix is never made.
 *
 * Each output pixel m is C[m, 0..outputs) = bias + Σ_k A[m, k]·B[k, ·], where row m of A is `runs`
 * stretches of `length` floats that lie `run_stride` apart in memory, from a start of its own: in a
 * channels-last map the K·C values under a kernel row are one stretch. B comes in panels of 16
 * outputs (the last has 8 if so many are enough), [panel][runs·length][16], zero beyond the
 * outputs. Single precision, AVX2 and FMA. */
#ifndef GS_ENGINE_BACKEND_CPU_IMPLICIT_GEMM_H
#define GS_ENGINE_BACKEND_CPU_IMPLICIT_GEMM_H

#include <stddef.h>

/* Distances in floats from one sample, row and pixel to the next. */
typedef struct gs_pixel_strides {
    size_t sample, row, pixel;
} gs_pixel_strides;

typedef struct gs_implicit_gemm {
    int samples, rows, columns; /* output pixels */
    int outputs;
    int runs;
    size_t length, run_stride;
    gs_pixel_strides a, c;
} gs_implicit_gemm;

/* Floats of B in panels. */
size_t gs__panel_floats(int outputs, size_t depth);

/* How a weight in memory is read as B: depth k = (tap, i) with i below `inner`, output o, is the
 * float at tap_offsets[tap] + i·inner_stride + o·output_stride. */
typedef struct gs_weight_view {
    int taps, inner, outputs;
    const size_t *tap_offsets;
    size_t inner_stride, output_stride;
} gs_weight_view;

/* Writes B in panels, on all threads. */
void gs__pack_panels(const gs_weight_view *view, const float *weight, float *panels);

/* Bytes of scratch of a product on so many threads. */
size_t gs__implicit_gemm_scratch(int outputs, int threads);

/* Runs on all threads; the result does not depend on their number. bias[outputs] or NULL. Scratch
 * is aligned to 64 bytes. */
void gs__implicit_gemm(const gs_implicit_gemm *g, const float *a, const float *panels,
                       const float *bias, float *c, void *scratch, int threads);

#endif

/* The border terms of upsampling and a 5×5 convolution at once: op_subpixel.c says what they add.
 *
 * A side is a strip of differences of two low-resolution pixels, [2·length + 4, C], convolved along
 * itself with 5 taps. Sides: top, bottom, left, right. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_BORDER_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_BORDER_H

#include "engine/backend/cuda/kernels/device.h"

enum { SIDES = 4, TAPS = 5, STRIP_PAD = TAPS / 2 };

/* padded [N,C,h+2,w+2] and border terms [N,O,1,4·w+4·h]. */
typedef struct gs_frame {
    gs_shape padded;
    int outputs, h, w;
} gs_frame;

static inline gs_frame gs__frame(gs_shape padded, int outputs) {
    return gs_frame{padded, outputs, padded.h - 2, padded.w - 2};
}

static inline int gs__longest_side(const gs_frame &f) {
    return 2 * (f.h > f.w ? f.h : f.w);
}

GS_DEVICE int gs__side_length(const gs_frame &f, int side) {
    return side < 2 ? 2 * f.w : 2 * f.h;
}

/* Where the terms of pixel k of a side are. */
GS_DEVICE size_t gs__term_at(const gs_frame &f, int n, int side, int k) {
    int start = side < 2 ? side * 2 * f.w : 4 * f.w + (side - 2) * 2 * f.h;
    size_t pixel = (size_t)n * (size_t)(4 * f.w + 4 * f.h) + (size_t)(start + k);
    return pixel * (size_t)f.outputs;
}

/* The column (of left and right sides the row) of the padded map that element k of a side's strip
 * is in. Along a row the upsampled map is reflected, along a column it is replicated. */
GS_DEVICE int gs__strip_line(const gs_frame &f, int side, int k) {
    int size = gs__side_length(f, side), up = k - STRIP_PAD;
    if (side < 2)
        up = up < 0 ? -up : up >= size ? 2 * size - 2 - up : up;
    else
        up = up < 0 ? 0 : up >= size ? size - 1 : up;
    return up / 2 + 1;
}

/* Rows (columns) of the two pixels whose difference is in the strip. */
GS_DEVICE int gs__plus_line(const gs_frame &f, int side) {
    int size = side < 2 ? f.h : f.w;
    return side % 2 ? size - 1 : 2;
}
GS_DEVICE int gs__minus_line(const gs_frame &f, int side) {
    int size = side < 2 ? f.h : f.w;
    return side % 2 ? size : 1;
}

GS_DEVICE float gs__strip_value(const gs_frame &f, const gs_cuda_in &x, int n, int side, int k,
                                int c) {
    int along = gs__strip_line(f, side, k), plus = gs__plus_line(f, side);
    int minus = gs__minus_line(f, side);
    if (side < 2)
        return gs__load(x, gs__at(f.padded, n, c, plus, along)) -
               gs__load(x, gs__at(f.padded, n, c, minus, along));
    return gs__load(x, gs__at(f.padded, n, c, along, plus)) -
           gs__load(x, gs__at(f.padded, n, c, along, minus));
}

#endif

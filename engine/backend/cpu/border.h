/* The border terms of upsampling and a 5×5 convolution at once: op_subpixel.c says what they add.
 *
 * A side is a strip of differences of two low-resolution pixels, [2·length + 4, C], convolved along
 * itself: for each of the 5 taps a matrix product with the rows of that tap's window. */
#ifndef GS_ENGINE_BACKEND_CPU_BORDER_H
#define GS_ENGINE_BACKEND_CPU_BORDER_H

#include "engine/backend/cpu/cpu_internal.h"

enum { GS_SIDES = 4, GS_BORDER_TAPS = 5, GS_BORDER_PAD = GS_BORDER_TAPS / 2 };

/* padded [N,C,h+2,w+2] and border terms [N,O,1,4·w+4·h]. */
typedef struct gs_border {
    int samples, channels, outputs, h, w;
    size_t row, image, terms; /* floats of a padded row and image, and of a sample's border terms */
    size_t strip;             /* floats of the longest strip */
} gs_border;

static inline gs_border gs__border_of(gs_shape padded, gs_shape border) {
    gs_border f = {.samples = padded.n,
                   .channels = padded.c,
                   .outputs = border.c,
                   .h = padded.h - 2,
                   .w = padded.w - 2};
    f.row = (size_t)padded.w * (size_t)padded.c;
    f.image = (size_t)padded.h * f.row;
    f.terms = (size_t)border.w * (size_t)border.c;
    f.strip = (size_t)(2 * (f.h > f.w ? f.h : f.w) + 2 * GS_BORDER_PAD) * (size_t)padded.c;
    return f;
}

static inline int gs__border_side_length(const gs_border *f, int side) {
    return side < 2 ? 2 * f->w : 2 * f->h;
}

/* Where the terms of a side begin. */
static inline size_t gs__border_side_start(const gs_border *f, int side) {
    int k = side < 2 ? side * 2 * f->w : 4 * f->w + (side - 2) * 2 * f->h;
    return (size_t)k * (size_t)f->outputs;
}

/* The two pixels whose difference is strip element k, as offsets into the padded image (border.c).
 */
void gs__border_pair(const gs_border *f, int side, int k, size_t *plus, size_t *minus);

/* A padded map, of floats or bfloat16. */
typedef struct gs_border_map {
    const float *floats;
    const uint16_t *halves;
} gs_border_map;

static inline gs_border_map gs__border_map(const gs_run *run, const gs_tensor *x) {
    const void *values = gs_run_pointer(run, x);
    return x->is_bfloat16 ? (gs_border_map){.halves = values} : (gs_border_map){.floats = values};
}

/* The strip of a side of sample n. */
void gs__border_strip(const gs_border *f, gs_border_map x, int n, int side, float *strip);

#endif

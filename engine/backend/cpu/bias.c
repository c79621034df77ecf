/* The gradient of a convolution's bias: the sum of each channel of the output's gradient.
 *
 * Summed in double precision, unlike oneDNN's. Where a sum cancels exactly in theory (the last
 * biases of a discriminator whose hinges are all active), single precision leaves some 1e-8, and
 * AMSGrad, blind to a gradient's size, would make a whole step of it. Sums are over fixed chunks,
 * added in order: they do not depend on the number of threads. */
#include "engine/backend/cpu/cpu_internal.h"

enum { CHUNK = 65536 /* elements */, LANES = 16 };

/* Pixels are added `together` at a time, so that few channels fill whole vectors too. */
typedef struct split {
    size_t pixels, channels, together, chunk_pixels, chunks;
} split;

static split split_of(gs_shape s) {
    split p = {.pixels = (size_t)s.n * (size_t)s.h * (size_t)s.w, .channels = (size_t)s.c};
    p.together = p.channels < LANES ? (LANES + p.channels - 1) / p.channels : 1;
    p.chunk_pixels = (CHUNK / p.channels / p.together + 1) * p.together;
    p.chunks = (p.pixels + p.chunk_pixels - 1) / p.chunk_pixels;
    return p;
}

size_t gs__cpu_bias_gradient_scratch(gs_shape gradient) {
    split p = split_of(gradient);
    return p.chunks * p.together * p.channels * sizeof(double);
}

GS_VECTORIZED static void add_into(double *restrict sums, const float *restrict row, size_t count) {
    for (size_t i = 0; i < count; i++) sums[i] += (double)row[i];
}

/* The sums of chunk k, folded into the first `channels` of its own. */
static void sum_chunk(const split *p, const float *gradient, size_t k, double *sums) {
    size_t from = k * p->chunk_pixels, left = p->pixels - from, width = p->together * p->channels;
    size_t pixels = left < p->chunk_pixels ? left : p->chunk_pixels, at = 0;
    const float *start = gradient + from * p->channels;
    for (size_t i = 0; i < width; i++) sums[i] = 0;
    for (; at + p->together <= pixels; at += p->together)
        add_into(sums, start + at * p->channels, width);
    add_into(sums, start + at * p->channels, (pixels - at) * p->channels);
    for (size_t i = p->channels; i < width; i++) sums[i % p->channels] += sums[i];
}

void gs__cpu_bias_gradient(const float *gradient, gs_shape shape, double *scratch, float *out) {
    split p = split_of(shape);
    size_t width = p.together * p.channels;
#pragma omp parallel for schedule(static) if (p.chunks > 1)
    for (size_t k = 0; k < p.chunks; k++) sum_chunk(&p, gradient, k, scratch + k * width);
    for (size_t c = 0; c < p.channels; c++) {
        double total = 0;
        for (size_t k = 0; k < p.chunks; k++) total += scratch[k * width + c];
        out[c] = (float)total;
    }
}

/* Adding, joining and cutting activations. Memory-bound: rows are shared out between threads. */
#include "engine/backend/cpu/cpu_internal.h"

#include <string.h>

GS_VECTORIZED static void add_into(float *restrict to, const float *restrict from, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] += from[i];
}

GS_VECTORIZED static void add_pair(float *restrict to, const float *restrict a,
                                   const float *restrict b, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] = a[i] + b[i];
}

gs_status gs__cpu_add(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    enum { CHUNK = 16384 };
    const float *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    float *out = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->out[0]->shape), chunks = (size + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static) if (chunks > 2)
    for (size_t k = 0; k < chunks; k++) {
        size_t at = k * CHUNK, count = size - at < CHUNK ? size - at : CHUNK;
        add_pair(out + at, a + at, b + at, count);
    }
    return GS_OK;
}

/* A sum of whole tensors, whatever their layout. */
static void sum_flat(const gs_run *run, const gs_node *node) {
    enum { CHUNK = 4096 };
    float *out = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->out[0]->shape), chunks = (size + CHUNK - 1) / CHUNK;
    const float *in[GS_MAX_INPUTS];
    for (int i = 0; i < node->in_count; i++) in[i] = gs_run_pointer(run, node->in[i]);
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t at = k * CHUNK, count = size - at < CHUNK ? size - at : CHUNK;
        if (node->in_count == 1)
            memcpy(out + at, in[0] + at, count * sizeof *out);
        else
            add_pair(out + at, in[0] + at, in[1] + at, count);
        for (int i = 2; i < node->in_count; i++) add_into(out + at, in[i] + at, count);
    }
}

/* Adds one input's row to the output's: all channels at once where it has them all. */
static void add_row(float *to, gs_shape out, const float *from, gs_shape in, int channel) {
    if (in.c == out.c) {
        add_into(to, from, (size_t)out.w * (size_t)out.c);
        return;
    }
    for (int w = 0; w < out.w; w++)
        add_into(to + (size_t)w * (size_t)out.c + channel, from + (size_t)w * (size_t)in.c,
                 (size_t)in.c);
}

/* One row of the output: zero, then every input that covers the sample. */
static void sum_row(const gs_run *run, const gs_node *node, int n, int h) {
    gs_shape s = node->out[0]->shape;
    size_t row = (size_t)s.w * (size_t)s.c;
    float *to =
        (float *)gs_run_pointer(run, node->out[0]) + ((size_t)n * (size_t)s.h + (size_t)h) * row;
    memset(to, 0, row * sizeof *to);
    for (int i = 0; i < node->in_count; i++) {
        gs_shape in = node->in[i]->shape;
        int sample = n - node->as.sum.at[i].from_sample;
        if (sample < 0 || sample >= in.n) continue;
        const float *from =
            (const float *)gs_run_pointer(run, node->in[i]) +
            ((size_t)sample * (size_t)in.h + (size_t)h) * (size_t)in.w * (size_t)in.c;
        add_row(to, s, from, in, node->as.sum.at[i].from_channel);
    }
}

gs_status gs__cpu_sum(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->out[0]->shape;
    bool is_flat = true;
    for (int i = 0; i < node->in_count; i++)
        is_flat = is_flat && gs__same_shape(node->in[i]->shape, s);
    if (is_flat) {
        sum_flat(run, node);
        return GS_OK;
    }
#pragma omp parallel for schedule(static)
    for (int row = 0; row < s.n * s.h; row++) sum_row(run, node, row / s.h, row % s.h);
    return GS_OK;
}

/* Copies `count` channels of every pixel. */
static void copy_channels(float *to, int to_channels, int to_from, const float *from,
                          int from_channels, int from_from, int count, size_t pixels) {
    enum { CHUNK = 256 };
    size_t chunks = (pixels + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t end = (k + 1) * CHUNK < pixels ? (k + 1) * CHUNK : pixels;
        for (size_t p = k * CHUNK; p < end; p++) {
            float *a = to + p * (size_t)to_channels + to_from;
            const float *b = from + p * (size_t)from_channels + from_from;
            for (int c = 0; c < count; c++) a[c] = b[c];
        }
    }
}

static size_t pixels_of(gs_shape s) {
    return (size_t)s.n * (size_t)s.h * (size_t)s.w;
}

gs_status gs__cpu_concat_channels(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->out[0]->shape;
    float *out = gs_run_pointer(run, node->out[0]);
    int from = 0;
    for (int i = 0; i < 2; i++) {
        int count = node->in[i]->shape.c;
        copy_channels(out, s.c, from, gs_run_pointer(run, node->in[i]), count, 0, count,
                      pixels_of(s));
        from += count;
    }
    return GS_OK;
}

gs_status gs__cpu_slice_channels(const gs_run *run, const gs_node *node, void *handle,
                                 gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->out[0]->shape;
    copy_channels(gs_run_pointer(run, node->out[0]), s.c, 0, gs_run_pointer(run, node->in[0]),
                  node->in[0]->shape.c, node->as.slice.from, s.c, pixels_of(s));
    return GS_OK;
}

gs_status gs__cpu_concat_batch(const gs_run *run, const gs_node *node, void *handle,
                               gs_error *err) {
    (void)handle, (void)err;
    float *out = gs_run_pointer(run, node->out[0]);
    for (int i = 0; i < 2; i++) {
        size_t size = gs__shape_size(node->in[i]->shape);
        memcpy(out, gs_run_pointer(run, node->in[i]), size * sizeof *out);
        out += size;
    }
    return GS_OK;
}

/* tanh, sigmoid and average pooling, with gradients. */
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { CHUNK = 8192 };

/* e^x for |x| <= 87, within 2 units in the last place: e^x = 2^k · e^r with |r| <= ln 2 / 2 and the
 * Taylor series of degree 6. Written without branches so that loops vectorise. */
static inline float exponential(float x) {
    float k = nearbyintf(x * 1.44269504f);
    float r = x - k * 0.693359375f + k * 2.12194440e-4f; /* ln 2 in two parts */
    float p = 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    uint32_t bits = (uint32_t)((int32_t)k + 127) << 23; /* of a NaN any bits: p is NaN */
    float power;
    memcpy(&power, &bits, sizeof power);
    return p * power;
}

/* Keeps x in [-limit, limit]; NaN stays NaN. */
static inline float limited(float x, float limit) {
    float low = x < -limit ? -limit : x;
    return low > limit ? limit : low;
}

GS_VECTORIZED static void tanh_span(const float *restrict x, float *restrict y, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float v = limited(x[i], 10.0f), square = v * v;
        float e = exponential(2 * v);
        float far = (e - 1) / (e + 1); /* loses digits near 0, where the series takes over */
        float near = v * (1 - square * (1.0f / 3 - square * (2.0f / 15 - square * (17.0f / 315))));
        y[i] = square < 0.04f ? near : far;
    }
}

GS_VECTORIZED static void sigmoid_span(const float *restrict x, float *restrict y, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = 1 / (1 + exponential(-limited(x[i], 80.0f)));
}

GS_VECTORIZED static void tanh_gradient_span(const float *restrict y, const float *restrict dy,
                                             float *restrict dx, size_t count) {
    for (size_t i = 0; i < count; i++) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

GS_VECTORIZED static void sigmoid_gradient_span(const float *restrict y, const float *restrict dy,
                                                float *restrict dx, size_t count) {
    for (size_t i = 0; i < count; i++) dx[i] = dy[i] * y[i] * (1 - y[i]);
}

static void unary(const gs_run *run, const gs_node *node,
                  void (*span)(const float *, float *, size_t)) {
    const float *x = gs_run_pointer(run, node->in[0]);
    float *y = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->out[0]->shape), chunks = (size + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t at = k * CHUNK;
        span(x + at, y + at, size - at < CHUNK ? size - at : CHUNK);
    }
}

static void binary(const gs_run *run, const gs_node *node,
                   void (*span)(const float *, const float *, float *, size_t)) {
    const float *a = gs_run_pointer(run, node->in[0]), *b = gs_run_pointer(run, node->in[1]);
    float *out = gs_run_pointer(run, node->out[0]);
    size_t size = gs__shape_size(node->out[0]->shape), chunks = (size + CHUNK - 1) / CHUNK;
#pragma omp parallel for schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t at = k * CHUNK;
        span(a + at, b + at, out + at, size - at < CHUNK ? size - at : CHUNK);
    }
}

gs_status gs__cpu_tanh(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    unary(run, node, tanh_span);
    return GS_OK;
}

gs_status gs__cpu_tanh_gradient(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    binary(run, node, tanh_gradient_span);
    return GS_OK;
}

gs_status gs__cpu_sigmoid(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    unary(run, node, sigmoid_span);
    return GS_OK;
}

gs_status gs__cpu_sigmoid_gradient(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    binary(run, node, sigmoid_gradient_span);
    return GS_OK;
}

/* ---- Average pooling: 3×3, stride 2, padding 1 not counted ------------------------------------
 */

/* The input rows (columns) of output row `o`: from … to-1. */
typedef struct window {
    int from, to;
} window;

static window window_of(int o, int size) {
    int from = 2 * o - 1, to = from + 3;
    return (window){from < 0 ? 0 : from, to > size ? size : to};
}

static void pool_pixel(const float *x, gs_shape in, window rows, window columns, float *y) {
    float scale = 1.0f / (float)((rows.to - rows.from) * (columns.to - columns.from));
    for (int c = 0; c < in.c; c++) {
        float total = 0;
        for (int h = rows.from; h < rows.to; h++)
            for (int w = columns.from; w < columns.to; w++)
                total += x[((size_t)h * (size_t)in.w + (size_t)w) * (size_t)in.c + (size_t)c];
        y[c] = total * scale;
    }
}

gs_status gs__cpu_average_pool(const gs_run *run, const gs_node *node, void *handle,
                               gs_error *err) {
    (void)handle, (void)err;
    gs_shape in = node->in[0]->shape, out = node->out[0]->shape;
    const float *x = gs_run_pointer(run, node->in[0]);
    float *y = gs_run_pointer(run, node->out[0]);
#pragma omp parallel for schedule(static)
    for (int row = 0; row < out.n * out.h; row++) {
        const float *image = x + (size_t)(row / out.h) * (size_t)in.h * (size_t)in.w * (size_t)in.c;
        for (int w = 0; w < out.w; w++)
            pool_pixel(image, in, window_of(row % out.h, in.h), window_of(w, in.w),
                       y + ((size_t)row * (size_t)out.w + (size_t)w) * (size_t)out.c);
    }
    return GS_OK;
}

static void spread_pixel(float *dx, gs_shape in, window rows, window columns, const float *dy) {
    float scale = 1.0f / (float)((rows.to - rows.from) * (columns.to - columns.from));
    for (int h = rows.from; h < rows.to; h++)
        for (int w = columns.from; w < columns.to; w++)
            for (int c = 0; c < in.c; c++)
                dx[((size_t)h * (size_t)in.w + (size_t)w) * (size_t)in.c + (size_t)c] +=
                    dy[c] * scale;
}

gs_status gs__cpu_average_pool_gradient(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    gs_shape in = node->out[0]->shape, out = node->in[0]->shape;
    const float *dy = gs_run_pointer(run, node->in[0]);
    float *dx = gs_run_pointer(run, node->out[0]);
    size_t image = (size_t)in.h * (size_t)in.w * (size_t)in.c;
#pragma omp parallel for schedule(static)
    for (int n = 0; n < in.n; n++) {
        float *to = dx + (size_t)n * image;
        memset(to, 0, image * sizeof *to);
        for (int h = 0; h < out.h; h++)
            for (int w = 0; w < out.w; w++)
                spread_pixel(
                    to, in, window_of(h, in.h), window_of(w, in.w),
                    dy + (((size_t)n * (size_t)out.h + (size_t)h) * (size_t)out.w + (size_t)w) *
                             (size_t)out.c);
    }
    return GS_OK;
}

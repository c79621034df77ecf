/* Border terms and their weights. */
#include "engine/backend/cuda/kernels/border.h"
#include "engine/backend/cuda/kernels/product.h"

/* ---- Weights: [O,C,5,5] and [4,5,C,O] ------------------------------------------------------- */

/* Tap t of a side is the kernel's (0,t), (4,t), (t,0) or (t,4). */
GS_DEVICE int side_tap(int side, int t) {
    int edge = side % 2 ? TAPS - 1 : 0;
    return side < 2 ? edge * TAPS + t : t * TAPS + edge;
}

typedef struct weight_job {
    const float *from;
    float *to;
    int outputs, channels;
    size_t count;
} weight_job;

GS_KERNEL border_weight_kernel(weight_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t outputs = (size_t)j.outputs, channels = (size_t)j.channels;
        size_t o = i % outputs, c = i / outputs % channels, tap = i / outputs / channels;
        int of_kernel = side_tap((int)tap / TAPS, (int)tap % TAPS);
        j.to[i] = j.from[(o * channels + c) * TAPS * TAPS + (size_t)of_kernel];
    }
}

gs_cuda_status gs__cuda_border_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                      float *border) {
    weight_job job = {weight, border, shape.n, shape.c,
                      (size_t)shape.n * (size_t)shape.c * SIDES * TAPS};
    return GS_LAUNCH(stream, border_weight_kernel, gs__element_blocks(job.count), job);
}

/* Corners of a kernel are taps of two sides, its inner taps of none. */
GS_KERNEL border_weight_gradient_kernel(weight_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t outputs = (size_t)j.outputs, channels = (size_t)j.channels;
        size_t c = i / (TAPS * TAPS) % channels, o = i / (TAPS * TAPS) / channels;
        int tap = (int)(i % (TAPS * TAPS));
        float total = 0;
        for (int k = 0; k < SIDES * TAPS; k++)
            if (side_tap(k / TAPS, k % TAPS) == tap)
                total += j.from[((size_t)k * channels + c) * outputs + o];
        j.to[i] = total;
    }
}

gs_cuda_status gs__cuda_border_weight_gradient(gs_cuda_stream stream, const float *border,
                                               gs_shape shape, float *weight) {
    weight_job job = {border, weight, shape.n, shape.c,
                      (size_t)shape.n * (size_t)shape.c * TAPS * TAPS};
    return GS_LAUNCH(stream, border_weight_gradient_kernel, gs__element_blocks(job.count), job);
}

/* ---- Terms: for each side of each sample, pixels × (taps · C) times (taps · C) × O ---------- */

typedef struct terms_job {
    gs_tiling tiling;
    gs_cuda_border p;
    gs_frame f;
    gs_divider channels;
} terms_job;

GS_DEVICE gs_product_size gs__size(const terms_job &j, size_t index) {
    return gs_product_size{gs__side_length(j.f, (int)(index % SIDES)), j.f.outputs,
                           TAPS * j.f.padded.c};
}

GS_DEVICE float gs__left(const terms_job &j, size_t index, int row, int k) {
    size_t c = (size_t)k, t = gs__split(&c, j.channels);
    return gs__strip_value(j.f, j.p.x, (int)(index / SIDES), (int)(index % SIDES), row + (int)t,
                           (int)c);
}

GS_DEVICE float gs__right(const terms_job &j, size_t index, int k, int column) {
    size_t row = index % SIDES * TAPS * j.channels.divisor + (size_t)k;
    return j.p.weight[row * (size_t)j.f.outputs + (size_t)column];
}

GS_DEVICE void gs__put(const terms_job &j, size_t index, int row, int column, float value) {
    size_t at = gs__term_at(j.f, (int)(index / SIDES), (int)(index % SIDES), row);
    gs__store(j.p.out, at + (size_t)column, value);
}

gs_cuda_status gs__cuda_border(gs_cuda_stream stream, const gs_cuda_border *p) {
    gs_frame f = gs__frame(p->shape, p->outputs);
    gs_tiling tiling = gs__tiling((size_t)p->shape.n * SIDES, gs__longest_side(f), p->outputs);
    terms_job job = {tiling, *p, f, gs__divider(p->shape.c)};
    return GS_LAUNCH(stream, gs__product_kernel<terms_job>, gs__tiling_blocks(tiling), job);
}

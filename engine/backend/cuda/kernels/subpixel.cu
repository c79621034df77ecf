/* Upsampling and convolution at once: weights and pixel shuffle. op_subpixel.c says what they are
 * for. */
#include "engine/backend/cuda/kernels/bias.h"
#include "engine/backend/cuda/kernels/map.h"

/* ---- Weights -------------------------------------------------------------------------------- */

/* Which tap of the small kernel the large one's tap t belongs to at phase 0 or 1. */
GS_DEVICE int folded_tap(int kernel, int phase, int t) {
    return (kernel == 5 ? t + phase : t + 1 - phase) / 2;
}

static int folded_kernel(int kernel) {
    return kernel == 5 ? 3 : 2;
}

typedef struct weight_job {
    const float *from;
    float *to;
    int outputs, kernel, folded; /* O, K, K' */
    gs_divider c, size, o;       /* of what is written: channels, kernel, O */
    size_t count;
} weight_job;

static weight_job weight_job_of(const float *from, gs_shape s, float *to) {
    weight_job job = {from,
                      to,
                      s.n,
                      s.h,
                      folded_kernel(s.h),
                      gs__divider(s.c),
                      gs__divider(s.h),
                      gs__divider(s.n),
                      gs__size_of(s)};
    return job;
}

/* folded[phase·O+o, c, p, q] */
GS_KERNEL fold_kernel(weight_job j) {
    GS_ELEMENTS (at, j.count) {
        size_t q = at, p = gs__split(&q, j.size), c = gs__split(&p, j.size);
        size_t o = gs__split(&c, j.c), phase = gs__split(&o, j.o);
        const float *from = j.from + (o * j.c.divisor + c) * (size_t)(j.kernel * j.kernel);
        float total = 0;
        for (int i = 0; i < j.kernel; i++)
            for (int k = 0; k < j.kernel; k++)
                if (folded_tap(j.kernel, (int)phase / 2, i) == (int)p &&
                    folded_tap(j.kernel, (int)phase % 2, k) == (int)q)
                    total += from[i * j.kernel + k];
        j.to[at] = total;
    }
}

gs_cuda_status gs__cuda_subpixel_weight(gs_cuda_stream stream, const float *weight, gs_shape shape,
                                        float *folded) {
    weight_job job = weight_job_of(weight, shape, folded);
    job.size = gs__divider(job.folded);
    job.count = 4 * (size_t)shape.n * (size_t)shape.c * (size_t)(job.folded * job.folded);
    return GS_LAUNCH(stream, fold_kernel, gs__element_blocks(job.count), job);
}

/* weight[o, c, i, k] */
GS_KERNEL unfold_kernel(weight_job j) {
    GS_ELEMENTS (at, j.count) {
        size_t k = at, i = gs__split(&k, j.size), c = gs__split(&i, j.size);
        size_t o = gs__split(&c, j.c);
        float total = 0;
        for (int phase = 0; phase < 4; phase++) {
            int p = folded_tap(j.kernel, phase / 2, (int)i);
            int q = folded_tap(j.kernel, phase % 2, (int)k);
            size_t row = ((size_t)(phase * j.outputs) + o) * j.c.divisor + c;
            total += j.from[row * (size_t)(j.folded * j.folded) + (size_t)(p * j.folded + q)];
        }
        j.to[at] = total;
    }
}

gs_cuda_status gs__cuda_subpixel_weight_gradient(gs_cuda_stream stream, const float *folded,
                                                 gs_shape shape, float *weight) {
    weight_job job = weight_job_of(folded, shape, weight);
    return GS_LAUNCH(stream, unfold_kernel, gs__element_blocks(job.count), job);
}

/* ---- Pixel shuffle -------------------------------------------------------------------------- */

/* phases [N,4·O,h+s,w+s], out [N,O+S,H,W]. */
typedef struct geometry {
    gs_shape phases, out;
    int outputs, h, w, shift;
} geometry;

static geometry geometry_of(gs_shape phases, gs_shape out) {
    int h = (out.h + 1) / 2, w = (out.w + 1) / 2;
    return geometry{phases, out, phases.c / 4, h, w, phases.h - h};
}

static gs_shape with(gs_shape s, int c, int h, int w) {
    return gs_shape{s.n, c, h, w};
}

/* The element of the phases that element (n,o,r,c) of the output is. */
GS_DEVICE size_t phase_at(const geometry &g, int n, int o, int r, int c) {
    int p = r % 2, q = c % 2;
    return gs__at(g.phases, n, (2 * p + q) * g.outputs + o, r / 2 + p * g.shift,
                  c / 2 + q * g.shift);
}

GS_DEVICE size_t border_at(const geometry &g, int n, int o, int k) {
    return gs__at(gs_shape{g.out.n, g.outputs, 1, 4 * g.w + 4 * g.h}, n, o, 0, k);
}

/* The border's terms: of the first and the last row, then of the first and the last column. */
GS_DEVICE float border_value(const gs_cuda_in &border, const geometry &g, const gs_place &at) {
    float total = 0;
    if (at.h == 0) total += gs__load(border, border_at(g, at.n, at.c, at.w));
    if (at.h == 2 * g.h - 1) total += gs__load(border, border_at(g, at.n, at.c, 2 * g.w + at.w));
    if (at.w == 0) total += gs__load(border, border_at(g, at.n, at.c, 4 * g.w + at.h));
    if (at.w == 2 * g.w - 1)
        total += gs__load(border, border_at(g, at.n, at.c, 4 * g.w + 2 * g.h + at.h));
    return total;
}

typedef struct shuffle_job {
    gs_cuda_pixel_shuffle p;
    gs_cuda_out to;
    geometry g;
    gs_extent extent; /* of the output */
    size_t count;
} shuffle_job;

GS_DEVICE float gs__value(const shuffle_job &j, size_t i) {
    const geometry &g = j.g;
    gs_place at = gs__place(i, j.extent);
    if (at.c >= g.outputs) {
        gs_shape beside = {g.out.n, g.out.c - g.outputs, g.out.h, g.out.w};
        return gs__load(j.p.beside, gs__at(beside, at.n, at.c - g.outputs, at.h, at.w));
    }
    float value = gs__load(j.p.phases, phase_at(g, at.n, at.c, at.h, at.w));
    gs_shape low = {g.out.n, g.outputs, g.h, g.w};
    if (j.p.bias) value += j.p.bias[at.c];
    if (j.p.low.values) value += gs__load(j.p.low, gs__at(low, at.n, at.c, at.h / 2, at.w / 2));
    if (j.p.border.values) value += border_value(j.p.border, g, at);
    return value;
}

gs_cuda_status gs__cuda_pixel_shuffle(gs_cuda_stream stream, const gs_cuda_pixel_shuffle *p) {
    return gs__launch_map(stream, shuffle_job{*p, p->out, geometry_of(p->phases_shape, p->shape),
                                              gs__extent(p->shape), gs__size_of(p->shape)});
}

/* ---- Its gradient --------------------------------------------------------------------------- */

/* What each of the outputs gathers. */
typedef enum gather_kind { GATHER_PHASES, GATHER_LOW, GATHER_BORDER, GATHER_BESIDE } gather_kind;

typedef struct gather_job {
    gather_kind kind;
    gs_cuda_in gradient;
    geometry g;
    gs_cuda_out to;
    gs_extent extent; /* of `to` */
    size_t count;
} gather_job;

/* 0 where the output does not reach. */
GS_DEVICE float gradient_at(const gather_job &j, int n, int c, int h, int w) {
    bool is_inside = h >= 0 && h < j.g.out.h && w >= 0 && w < j.g.out.w;
    return is_inside ? gs__load(j.gradient, gs__at(j.g.out, n, c, h, w)) : 0;
}

GS_DEVICE float of_phases(const gather_job &j, const gs_place &at) {
    int phase = at.c / j.g.outputs, o = at.c % j.g.outputs, p = phase / 2, q = phase % 2;
    return gradient_at(j, at.n, o, 2 * (at.h - p * j.g.shift) + p, 2 * (at.w - q * j.g.shift) + q);
}

GS_DEVICE float of_low(const gather_job &j, const gs_place &at) {
    float total = 0;
    for (int k = 0; k < 4; k++)
        total += gradient_at(j, at.n, at.c, 2 * at.h + k / 2, 2 * at.w + k % 2);
    return total;
}

GS_DEVICE float of_border(const gather_job &j, const gs_place &at) {
    const int row = 2 * j.g.w, column = 2 * j.g.h, k = at.w, along = k - 2 * row;
    if (along < 0) return gradient_at(j, at.n, at.c, k < row ? 0 : column - 1, k % row);
    return gradient_at(j, at.n, at.c, along % column, along < column ? 0 : row - 1);
}

GS_DEVICE float gs__value(const gather_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    switch (j.kind) {
    case GATHER_PHASES:
        return of_phases(j, at);
    case GATHER_LOW:
        return of_low(j, at);
    case GATHER_BORDER:
        return of_border(j, at);
    case GATHER_BESIDE:
        break;
    }
    return gradient_at(j, at.n, at.c + j.g.outputs, at.h, at.w);
}

static gs_cuda_status gather(gs_cuda_stream stream, const gs_cuda_pixel_shuffle_gradient *p,
                             gather_kind kind, gs_cuda_out to, gs_shape shape) {
    if (!to.values) return 0;
    return gs__launch_map(stream,
                          gather_job{kind, p->gradient, geometry_of(p->phases_shape, p->shape), to,
                                     gs__extent(shape), gs__size_of(shape)});
}

size_t gs__cuda_pixel_shuffle_gradient_scratch(gs_shape shape) {
    return gs__cuda_bias_gradient_scratch(shape);
}

gs_cuda_status gs__cuda_pixel_shuffle_gradient(gs_cuda_stream stream,
                                               const gs_cuda_pixel_shuffle_gradient *p,
                                               void *scratch) {
    geometry g = geometry_of(p->phases_shape, p->shape);
    gs_shape low = with(p->shape, g.outputs, g.h, g.w);
    gs_shape border = with(p->shape, g.outputs, 1, 4 * g.w + 4 * g.h);
    gs_shape beside = with(p->shape, p->shape.c - g.outputs, p->shape.h, p->shape.w);
    GS_CUDA_TRY(gather(stream, p, GATHER_PHASES, p->phases, p->phases_shape));
    GS_CUDA_TRY(gather(stream, p, GATHER_LOW, p->low, low));
    GS_CUDA_TRY(gather(stream, p, GATHER_BORDER, p->border, border));
    GS_CUDA_TRY(gather(stream, p, GATHER_BESIDE, p->beside, beside));
    if (!p->bias) return 0;
    return gs__first_channels_gradient(stream, p->gradient, p->shape, g.outputs, p->bias, scratch);
}

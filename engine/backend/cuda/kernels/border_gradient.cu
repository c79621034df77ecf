/* The gradient of border terms. */
#include "engine/backend/cuda/kernels/border.h"
#include "engine/backend/cuda/kernels/product.h"

/* ---- Of the strips -------------------------------------------------------------------------- */

/* For each side of each sample, (pixels + 4) × (taps · O) times (taps · O) × C. */
typedef struct strips_job {
    gs_tiling tiling;
    gs_cuda_border_gradient p;
    gs_frame f;
    gs_divider outputs;
    int longest;   /* elements of a strip's memory */
    float *strips; /* [N][4][longest][C] */
} strips_job;

GS_DEVICE gs_product_size gs__size(const strips_job &j, size_t index) {
    return gs_product_size{gs__side_length(j.f, (int)(index % SIDES)) + 2 * STRIP_PAD, j.f.padded.c,
                           TAPS * j.f.outputs};
}

GS_DEVICE float gs__left(const strips_job &j, size_t index, int row, int k) {
    size_t o = (size_t)k, t = gs__split(&o, j.outputs);
    int side = (int)(index % SIDES), pixel = row - (int)t;
    if (pixel < 0 || pixel >= gs__side_length(j.f, side)) return 0;
    return gs__load(j.p.gradient, gs__term_at(j.f, (int)(index / SIDES), side, pixel) + o);
}

GS_DEVICE float gs__right(const strips_job &j, size_t index, int k, int column) {
    size_t o = (size_t)k, t = gs__split(&o, j.outputs), channels = (size_t)j.f.padded.c;
    size_t row = (index % SIDES * TAPS + t) * channels + (size_t)column;
    return j.p.weight[row * j.outputs.divisor + o];
}

GS_DEVICE void gs__put(const strips_job &j, size_t index, int row, int column, float value) {
    size_t at = index * (size_t)j.longest + (size_t)row;
    j.strips[at * (size_t)j.f.padded.c + (size_t)column] = value;
}

/* ---- Of the map: every pixel gathers from the strips that it is in -------------------------- */

typedef struct gather_job {
    gs_cuda_out dx;
    gs_frame f;
    int longest;
    const float *strips;
    gs_extent extent;
    size_t count;
} gather_job;

/* What a side's strip holds of one line: the two elements of the pixel, and of the four beyond the
 * ends those that are copies of it. */
GS_DEVICE float strip_sum(const gather_job &j, const gs_place &at, int side, int along) {
    const int size = gs__side_length(j.f, side), first = 2 * (along - 1) + STRIP_PAD;
    const int elements[] = {first, first + 1, 0, 1, size + 2, size + 3};
    size_t channels = (size_t)j.f.padded.c, strip = (size_t)at.n * SIDES + (size_t)side;
    float total = 0;
    for (int i = 0; i < 6; i++) {
        bool is_inner = i < 2;
        if (!is_inner && gs__strip_line(j.f, side, elements[i]) != along) continue;
        size_t element = strip * (size_t)j.longest + (size_t)elements[i];
        total += j.strips[element * channels + (size_t)at.c];
    }
    return total;
}

GS_KERNEL gather_kernel(gather_job j) {
    GS_ELEMENTS (i, j.count) {
        gs_place at = gs__place(i, j.extent);
        float total = 0;
        for (int side = 0; side < SIDES; side++) {
            int across = side < 2 ? at.h : at.w, along = side < 2 ? at.w : at.h;
            bool is_inside = along >= 1 && along <= gs__side_length(j.f, side) / 2;
            if (is_inside && across == gs__plus_line(j.f, side))
                total += strip_sum(j, at, side, along);
            if (is_inside && across == gs__minus_line(j.f, side))
                total -= strip_sum(j, at, side, along);
        }
        gs__store(j.dx, i, total);
    }
}

/* ---- Of the weight -------------------------------------------------------------------------- */

/* For each side and tap, C × (samples · pixels) times (samples · pixels) × O. */
typedef struct weight_job {
    gs_tiling tiling;
    gs_cuda_border_gradient p;
    gs_frame f;
    gs_divider row, column; /* pixels of a side along rows and along columns */
} weight_job;

GS_DEVICE gs_product_size gs__size(const weight_job &j, size_t index) {
    return gs_product_size{j.f.padded.c, j.f.outputs,
                           j.f.padded.n * gs__side_length(j.f, (int)(index / TAPS))};
}

GS_DEVICE float gs__left(const weight_job &j, size_t index, int row, int k) {
    int side = (int)(index / TAPS), t = (int)(index % TAPS);
    size_t pixel = (size_t)k, n = gs__split(&pixel, side < 2 ? j.row : j.column);
    return gs__strip_value(j.f, j.p.x, (int)n, side, (int)pixel + t, row);
}

GS_DEVICE float gs__right(const weight_job &j, size_t index, int k, int column) {
    int side = (int)(index / TAPS);
    size_t pixel = (size_t)k, n = gs__split(&pixel, side < 2 ? j.row : j.column);
    size_t at = gs__term_at(j.f, (int)n, side, (int)pixel);
    return gs__load(j.p.gradient, at + (size_t)column);
}

GS_DEVICE void gs__put(const weight_job &j, size_t index, int row, int column, float value) {
    size_t at = index * (size_t)j.f.padded.c + (size_t)row;
    j.p.dweight[at * (size_t)j.f.outputs + (size_t)column] = value;
}

/* ---- Launch --------------------------------------------------------------------------------- */

static int longest_strip(const gs_frame &f) {
    return gs__longest_side(f) + 2 * STRIP_PAD;
}

size_t gs__cuda_border_gradient_scratch(gs_shape shape) {
    gs_frame f = gs__frame(shape, 0);
    return (size_t)shape.n * SIDES * (size_t)longest_strip(f) * (size_t)shape.c * sizeof(float);
}

static gs_cuda_status map_gradient(gs_cuda_stream stream, const gs_cuda_border_gradient *p,
                                   float *strips) {
    gs_frame f = gs__frame(p->shape, p->outputs);
    int longest = longest_strip(f);
    gs_tiling tiling = gs__tiling((size_t)p->shape.n * SIDES, longest, p->shape.c);
    strips_job job = {tiling, *p, f, gs__divider(p->outputs), longest, strips};
    GS_CUDA_TRY(GS_LAUNCH(stream, gs__product_kernel<strips_job>, gs__tiling_blocks(tiling), job));
    gather_job gather = {p->dx, f, longest, strips, gs__extent(p->shape), gs__size_of(p->shape)};
    return GS_LAUNCH(stream, gather_kernel, gs__element_blocks(gather.count), gather);
}

gs_cuda_status gs__cuda_border_gradient(gs_cuda_stream stream, const gs_cuda_border_gradient *p,
                                        void *scratch) {
    if (p->dx.values) GS_CUDA_TRY(map_gradient(stream, p, (float *)scratch));
    if (!p->dweight) return 0;
    gs_frame f = gs__frame(p->shape, p->outputs);
    gs_tiling tiling = gs__tiling((size_t)SIDES * TAPS, p->shape.c, p->outputs);
    weight_job job = {tiling, *p, f, gs__divider(2 * f.w), gs__divider(2 * f.h)};
    return GS_LAUNCH(stream, gs__product_kernel<weight_job>, gs__tiling_blocks(tiling), job);
}

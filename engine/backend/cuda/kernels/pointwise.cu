/* tanh, sigmoid, 3×3 average pooling (stride 2, padding 1 that is not counted), and gradients. */
#include "engine/backend/cuda/kernels/map.h"

/* ---- Functions ------------------------------------------------------------------------------ */

typedef struct tanh_job {
    gs_cuda_in x;
    gs_cuda_out to;
    size_t count;
} tanh_job;

GS_DEVICE float gs__value(const tanh_job &j, size_t i) {
    return tanhf(gs__load(j.x, i));
}

gs_cuda_status gs__cuda_tanh(gs_cuda_stream stream, gs_cuda_in x, gs_cuda_out y, size_t count) {
    return gs__launch_map(stream, tanh_job{x, y, count});
}

typedef struct sigmoid_job {
    gs_cuda_in x;
    gs_cuda_out to;
    size_t count;
} sigmoid_job;

GS_DEVICE float gs__value(const sigmoid_job &j, size_t i) {
    return 1 / (1 + expf(-gs__load(j.x, i)));
}

gs_cuda_status gs__cuda_sigmoid(gs_cuda_stream stream, gs_cuda_in x, gs_cuda_out y, size_t count) {
    return gs__launch_map(stream, sigmoid_job{x, y, count});
}

typedef struct tanh_gradient_job {
    gs_cuda_in y, dy;
    gs_cuda_out to;
    size_t count;
} tanh_gradient_job;

GS_DEVICE float gs__value(const tanh_gradient_job &j, size_t i) {
    float y = gs__load(j.y, i);
    return gs__load(j.dy, i) * (1 - y * y);
}

gs_cuda_status gs__cuda_tanh_gradient(gs_cuda_stream stream, gs_cuda_in y, gs_cuda_in dy,
                                      gs_cuda_out dx, size_t count) {
    return gs__launch_map(stream, tanh_gradient_job{y, dy, dx, count});
}

typedef struct sigmoid_gradient_job {
    gs_cuda_in y, dy;
    gs_cuda_out to;
    size_t count;
} sigmoid_gradient_job;

GS_DEVICE float gs__value(const sigmoid_gradient_job &j, size_t i) {
    float y = gs__load(j.y, i);
    return gs__load(j.dy, i) * y * (1 - y);
}

gs_cuda_status gs__cuda_sigmoid_gradient(gs_cuda_stream stream, gs_cuda_in y, gs_cuda_in dy,
                                         gs_cuda_out dx, size_t count) {
    return gs__launch_map(stream, sigmoid_gradient_job{y, dy, dx, count});
}

/* ---- Average pooling ------------------------------------------------------------------------ */

typedef struct pool_job {
    gs_cuda_in x;
    gs_cuda_out to;
    gs_shape shape;   /* of x */
    gs_extent extent; /* of the pooled map */
    size_t count;
} pool_job;

/* Rows (columns) of the large map, [from, to), that row `at` of the small one is the mean of. */
typedef struct window {
    int from, to;
} window;

GS_DEVICE window window_of(int at, int size) {
    int from = 2 * at - 1, to = 2 * at + 2;
    return window{from < 0 ? 0 : from, to > size ? size : to};
}

GS_DEVICE float gs__value(const pool_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    window rows = window_of(at.h, j.shape.h), columns = window_of(at.w, j.shape.w);
    float total = 0;
    for (int h = rows.from; h < rows.to; h++)
        for (int w = columns.from; w < columns.to; w++)
            total += gs__load(j.x, gs__at(j.shape, at.n, at.c, h, w));
    return total / (float)((rows.to - rows.from) * (columns.to - columns.from));
}

gs_cuda_status gs__cuda_average_pool(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                     gs_cuda_out y, gs_shape pooled) {
    return gs__launch_map(stream, pool_job{x, y, shape, gs__extent(pooled), gs__size_of(pooled)});
}

typedef struct pool_gradient_job {
    gs_cuda_in dy;
    gs_cuda_out to;
    gs_shape shape, pooled; /* of dx and of dy */
    gs_extent extent;       /* of dx */
    size_t count;
} pool_gradient_job;

/* Row h of the large map is in the windows of h/2 and, where h is odd, of the next. */
GS_DEVICE float gs__value(const pool_gradient_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    float total = 0;
    for (int r = at.h / 2; r <= (at.h + 1) / 2 && r < j.pooled.h; r++)
        for (int q = at.w / 2; q <= (at.w + 1) / 2 && q < j.pooled.w; q++) {
            window rows = window_of(r, j.shape.h), columns = window_of(q, j.shape.w);
            int count = (rows.to - rows.from) * (columns.to - columns.from);
            total += gs__load(j.dy, gs__at(j.pooled, at.n, at.c, r, q)) / (float)count;
        }
    return total;
}

gs_cuda_status gs__cuda_average_pool_gradient(gs_cuda_stream stream, gs_cuda_in dy, gs_shape pooled,
                                              gs_cuda_out dx, gs_shape shape) {
    return gs__launch_map(
        stream, pool_gradient_job{dy, dx, shape, pooled, gs__extent(shape), gs__size_of(shape)});
}

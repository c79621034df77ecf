/* tanh, sigmoid, 3×3 average pooling (stride 2, padding 1 that is not counted), and gradients. */
#include "engine/backend/cuda/kernels/device.h"

/* ---- Functions ------------------------------------------------------------------------------ */

typedef struct function_job {
    gs_cuda_in x;
    gs_cuda_out y;
    size_t count;
} function_job;

GS_KERNEL tanh_kernel(function_job j) {
    GS_ELEMENTS (i, j.count) gs__store(j.y, i, tanhf(gs__load(j.x, i)));
}

gs_cuda_status gs__cuda_tanh(gs_cuda_stream stream, gs_cuda_in x, gs_cuda_out y, size_t count) {
    function_job job = {x, y, count};
    return GS_LAUNCH(stream, tanh_kernel, gs__element_blocks(count), job);
}

GS_KERNEL sigmoid_kernel(function_job j) {
    GS_ELEMENTS (i, j.count) gs__store(j.y, i, 1 / (1 + expf(-gs__load(j.x, i))));
}

gs_cuda_status gs__cuda_sigmoid(gs_cuda_stream stream, gs_cuda_in x, gs_cuda_out y, size_t count) {
    function_job job = {x, y, count};
    return GS_LAUNCH(stream, sigmoid_kernel, gs__element_blocks(count), job);
}

typedef struct function_gradient_job {
    gs_cuda_in y, dy;
    gs_cuda_out dx;
    size_t count;
} function_gradient_job;

GS_KERNEL tanh_gradient_kernel(function_gradient_job j) {
    GS_ELEMENTS (i, j.count) {
        float y = gs__load(j.y, i);
        gs__store(j.dx, i, gs__load(j.dy, i) * (1 - y * y));
    }
}

gs_cuda_status gs__cuda_tanh_gradient(gs_cuda_stream stream, gs_cuda_in y, gs_cuda_in dy,
                                      gs_cuda_out dx, size_t count) {
    function_gradient_job job = {y, dy, dx, count};
    return GS_LAUNCH(stream, tanh_gradient_kernel, gs__element_blocks(count), job);
}

GS_KERNEL sigmoid_gradient_kernel(function_gradient_job j) {
    GS_ELEMENTS (i, j.count) {
        float y = gs__load(j.y, i);
        gs__store(j.dx, i, gs__load(j.dy, i) * y * (1 - y));
    }
}

gs_cuda_status gs__cuda_sigmoid_gradient(gs_cuda_stream stream, gs_cuda_in y, gs_cuda_in dy,
                                         gs_cuda_out dx, size_t count) {
    function_gradient_job job = {y, dy, dx, count};
    return GS_LAUNCH(stream, sigmoid_gradient_kernel, gs__element_blocks(count), job);
}

/* ---- Average pooling ------------------------------------------------------------------------ */

typedef struct pool_job {
    gs_cuda_in in;
    gs_cuda_out out;
    gs_shape shape, pooled; /* of the large map and of the small one */
    gs_extent extent;       /* of `out` */
    size_t count;           /* its elements */
} pool_job;

/* Rows (columns) of the large map, [from, to), that row `at` of the small one is the mean of. */
typedef struct window {
    int from, to;
} window;

GS_DEVICE window window_of(int at, int size) {
    int from = 2 * at - 1, to = 2 * at + 2;
    return window{from < 0 ? 0 : from, to > size ? size : to};
}

GS_KERNEL average_pool_kernel(pool_job j) {
    GS_ELEMENTS (i, j.count) {
        gs_place at = gs__place(i, j.extent);
        window rows = window_of(at.h, j.shape.h), columns = window_of(at.w, j.shape.w);
        float total = 0;
        for (int h = rows.from; h < rows.to; h++)
            for (int w = columns.from; w < columns.to; w++)
                total += gs__load(j.in, gs__at(j.shape, at.n, at.c, h, w));
        int count = (rows.to - rows.from) * (columns.to - columns.from);
        gs__store(j.out, i, total / (float)count);
    }
}

gs_cuda_status gs__cuda_average_pool(gs_cuda_stream stream, gs_cuda_in x, gs_shape shape,
                                     gs_cuda_out y, gs_shape pooled) {
    pool_job job = {x, y, shape, pooled, gs__extent(pooled), gs__size_of(pooled)};
    return GS_LAUNCH(stream, average_pool_kernel, gs__element_blocks(job.count), job);
}

/* Row h of the large map is in the windows of h/2 and, where h is odd, of the next. */
GS_KERNEL average_pool_gradient_kernel(pool_job j) {
    GS_ELEMENTS (i, j.count) {
        gs_place at = gs__place(i, j.extent);
        float total = 0;
        for (int r = at.h / 2; r <= (at.h + 1) / 2 && r < j.pooled.h; r++)
            for (int q = at.w / 2; q <= (at.w + 1) / 2 && q < j.pooled.w; q++) {
                window rows = window_of(r, j.shape.h), columns = window_of(q, j.shape.w);
                int count = (rows.to - rows.from) * (columns.to - columns.from);
                total += gs__load(j.in, gs__at(j.pooled, at.n, at.c, r, q)) / (float)count;
            }
        gs__store(j.out, i, total);
    }
}

gs_cuda_status gs__cuda_average_pool_gradient(gs_cuda_stream stream, gs_cuda_in dy, gs_shape pooled,
                                              gs_cuda_out dx, gs_shape shape) {
    pool_job job = {dy, dx, shape, pooled, gs__extent(shape), gs__size_of(shape)};
    return GS_LAUNCH(stream, average_pool_gradient_kernel, gs__element_blocks(job.count), job);
}

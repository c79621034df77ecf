/* Preparation of a convolution's input in one pass: normalise, activate, upsample, crop, pad. */
#include "engine/backend/cuda/kernels/map.h"
#include "engine/backend/cuda/kernels/normalize.h"

typedef struct prepare_job {
    gs_cuda_in x;
    gs_shape shape; /* of x */
    const int *rows, *columns;
    gs_cuda_normalizer normalizer;
    float slope;
    gs_cuda_out to;
    gs_extent extent; /* of y */
    size_t count;
} prepare_job;

/* Padding by zeros reads a pixel all the same: no branch keeps several elements from being read at
 * once. */
GS_DEVICE float gs__value(const prepare_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    int h = j.rows[at.h], w = j.columns[at.w];
    gs_channel_norm norm = gs__channel_norm(j.normalizer, j.shape.c, at.n, at.c);
    float x = gs__load(j.x, gs__at(j.shape, at.n, at.c, h < 0 ? 0 : h, w < 0 ? 0 : w));
    float z = gs__normalize(norm, x), y = z > 0 ? z : j.slope * z;
    return h < 0 || w < 0 ? 0 : y;
}

gs_cuda_status gs__cuda_prepare(gs_cuda_stream stream, const gs_cuda_prepare *p) {
    gs_shape out = {p->shape.n, p->shape.c, p->rows.out, p->columns.out};
    return gs__launch_map(stream, prepare_job{p->x, p->shape, p->rows.source, p->columns.source,
                                              p->normalizer, p->slope, p->y, gs__extent(out),
                                              gs__size_of(out)});
}

/* Preparation of a convolution's input in one pass: normalise, activate, upsample, crop, pad. */
#include "engine/backend/cuda/kernels/normalize.h"

typedef struct prepare_job {
    gs_cuda_prepare p;
    gs_extent extent; /* of y */
    size_t count;
} prepare_job;

GS_KERNEL prepare_kernel(prepare_job j) {
    GS_ELEMENTS (i, j.count) {
        gs_place at = gs__place(i, j.extent);
        int h = j.p.rows.source[at.h], w = j.p.columns.source[at.w];
        float y = 0;
        if (h >= 0 && w >= 0) {
            gs_channel_norm norm = gs__channel_norm(j.p.normalizer, j.p.shape.c, at.n, at.c);
            float x = gs__load(j.p.x, gs__at(j.p.shape, at.n, at.c, h, w));
            float z = gs__normalize(norm, x);
            y = z > 0 ? z : j.p.slope * z;
        }
        gs__store(j.p.y, i, y);
    }
}

gs_cuda_status gs__cuda_prepare(gs_cuda_stream stream, const gs_cuda_prepare *p) {
    gs_shape out = p->shape;
    out.h = p->rows.out, out.w = p->columns.out;
    prepare_job job = {*p, gs__extent(out), gs__size_of(out)};
    return GS_LAUNCH(stream, prepare_kernel, gs__element_blocks(job.count), job);
}

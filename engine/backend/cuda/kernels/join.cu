/* Adding, joining and cutting activations: every element of the output is read from where it comes
 * from. */
#include "engine/backend/cuda/kernels/device.h"

typedef struct add_job {
    gs_cuda_in a, b;
    gs_cuda_out out;
    size_t count;
} add_job;

GS_KERNEL add_kernel(add_job j) {
    GS_ELEMENTS (i, j.count) gs__store(j.out, i, gs__load(j.a, i) + gs__load(j.b, i));
}

gs_cuda_status gs__cuda_add(gs_cuda_stream stream, gs_cuda_in a, gs_cuda_in b, gs_cuda_out out,
                            size_t count) {
    add_job job = {a, b, out, count};
    return GS_LAUNCH(stream, add_kernel, gs__element_blocks(count), job);
}

/* ---- Sum ------------------------------------------------------------------------------------ */

typedef struct sum_job {
    gs_cuda_sum p;
    gs_extent extent;
    size_t count;
} sum_job;

GS_DEVICE bool is_whole(const gs_cuda_part &part, const gs_shape &s) {
    return part.shape.n == s.n && part.shape.c == s.c;
}

/* What a part adds to the output's element at this place. */
GS_DEVICE float part_value(const gs_cuda_part &part, const gs_place &at) {
    int n = at.n - part.from_sample, c = at.c - part.from_channel;
    bool is_inside = n >= 0 && n < part.shape.n && c >= 0 && c < part.shape.c;
    return is_inside ? gs__load(part.in, gs__at(part.shape, n, c, at.h, at.w)) : 0;
}

GS_KERNEL sum_kernel(sum_job j) {
    GS_ELEMENTS (i, j.count) {
        gs_place at = gs__place(i, j.extent);
        float total = 0;
        for (int k = 0; k < j.p.count; k++) {
            const gs_cuda_part &part = j.p.parts[k];
            total += is_whole(part, j.p.shape) ? gs__load(part.in, i) : part_value(part, at);
        }
        gs__store(j.p.out, i, total);
    }
}

gs_cuda_status gs__cuda_sum(gs_cuda_stream stream, const gs_cuda_sum *p) {
    sum_job job = {*p, gs__extent(p->shape), gs__size_of(p->shape)};
    return GS_LAUNCH(stream, sum_kernel, gs__element_blocks(job.count), job);
}

/* ---- Joining -------------------------------------------------------------------------------- */

typedef struct concat_channels_job {
    gs_cuda_concat_channels p;
    gs_divider channels; /* of the output */
    size_t count;
} concat_channels_job;

GS_KERNEL concat_channels_kernel(concat_channels_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t c = i, pixel = gs__split(&c, j.channels);
        size_t from_a = (size_t)j.p.a_channels, from_b = (size_t)j.p.b_channels;
        gs__store(j.p.out, i,
                  c < from_a ? gs__load(j.p.a, pixel * from_a + c)
                             : gs__load(j.p.b, pixel * from_b + c - from_a));
    }
}

gs_cuda_status gs__cuda_concat_channels(gs_cuda_stream stream, const gs_cuda_concat_channels *p) {
    int channels = p->a_channels + p->b_channels;
    concat_channels_job job = {*p, gs__divider(channels), p->pixels * (size_t)channels};
    return GS_LAUNCH(stream, concat_channels_kernel, gs__element_blocks(job.count), job);
}

typedef struct slice_channels_job {
    gs_cuda_slice_channels p;
    gs_divider channels; /* of the output */
    size_t count;
} slice_channels_job;

GS_KERNEL slice_channels_kernel(slice_channels_job j) {
    GS_ELEMENTS (i, j.count) {
        size_t c = i, pixel = gs__split(&c, j.channels);
        size_t from = pixel * (size_t)j.p.x_channels + (size_t)j.p.from + c;
        gs__store(j.p.out, i, gs__load(j.p.x, from));
    }
}

gs_cuda_status gs__cuda_slice_channels(gs_cuda_stream stream, const gs_cuda_slice_channels *p) {
    slice_channels_job job = {*p, gs__divider(p->channels), p->pixels * (size_t)p->channels};
    return GS_LAUNCH(stream, slice_channels_kernel, gs__element_blocks(job.count), job);
}

GS_KERNEL concat_batch_kernel(gs_cuda_concat_batch j) {
    GS_ELEMENTS (i, j.a_count + j.b_count)
        gs__store(j.out, i, i < j.a_count ? gs__load(j.a, i) : gs__load(j.b, i - j.a_count));
}

gs_cuda_status gs__cuda_concat_batch(gs_cuda_stream stream, const gs_cuda_concat_batch *p) {
    gs_cuda_concat_batch job = *p;
    return GS_LAUNCH(stream, concat_batch_kernel, gs__element_blocks(job.a_count + job.b_count),
                     job);
}

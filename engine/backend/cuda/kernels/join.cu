/* Adding, joining and cutting activations: every element of the output is read from where it comes
 * from. */
#include "engine/backend/cuda/kernels/map.h"

typedef struct add_job {
    gs_cuda_in a, b;
    gs_cuda_out to;
    size_t count;
} add_job;

GS_DEVICE float gs__value(const add_job &j, size_t i) {
    return gs__load(j.a, i) + gs__load(j.b, i);
}

gs_cuda_status gs__cuda_add(gs_cuda_stream stream, gs_cuda_in a, gs_cuda_in b, gs_cuda_out out,
                            size_t count) {
    return gs__launch_map(stream, add_job{a, b, out, count});
}

/* ---- Sum ------------------------------------------------------------------------------------ */

typedef struct sum_job {
    gs_cuda_part parts[GS_CUDA_MAX_PARTS];
    int part_count;
    gs_cuda_out to;
    gs_shape shape;
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

GS_DEVICE float gs__value(const sum_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    float total = 0;
    for (int k = 0; k < j.part_count; k++) {
        const gs_cuda_part &part = j.parts[k];
        total += is_whole(part, j.shape) ? gs__load(part.in, i) : part_value(part, at);
    }
    return total;
}

gs_cuda_status gs__cuda_sum(gs_cuda_stream stream, const gs_cuda_sum *p) {
    sum_job job = {{}, p->count, p->out, p->shape, gs__extent(p->shape), gs__size_of(p->shape)};
    for (int i = 0; i < p->count; i++) job.parts[i] = p->parts[i];
    return gs__launch_map(stream, job);
}

/* ---- Joining -------------------------------------------------------------------------------- */

typedef struct concat_channels_job {
    gs_cuda_in a, b;
    size_t a_channels, b_channels;
    gs_cuda_out to;
    gs_divider channels; /* of the output */
    size_t count;
} concat_channels_job;

GS_DEVICE float gs__value(const concat_channels_job &j, size_t i) {
    size_t c = i, pixel = gs__split(&c, j.channels);
    return c < j.a_channels ? gs__load(j.a, pixel * j.a_channels + c)
                            : gs__load(j.b, pixel * j.b_channels + c - j.a_channels);
}

gs_cuda_status gs__cuda_concat_channels(gs_cuda_stream stream, const gs_cuda_concat_channels *p) {
    int channels = p->a_channels + p->b_channels;
    return gs__launch_map(
        stream, concat_channels_job{p->a, p->b, (size_t)p->a_channels, (size_t)p->b_channels,
                                    p->out, gs__divider(channels), p->pixels * (size_t)channels});
}

typedef struct slice_channels_job {
    gs_cuda_in x;
    size_t x_channels, from;
    gs_cuda_out to;
    gs_divider channels; /* of the output */
    size_t count;
} slice_channels_job;

GS_DEVICE float gs__value(const slice_channels_job &j, size_t i) {
    size_t c = i, pixel = gs__split(&c, j.channels);
    return gs__load(j.x, pixel * j.x_channels + j.from + c);
}

gs_cuda_status gs__cuda_slice_channels(gs_cuda_stream stream, const gs_cuda_slice_channels *p) {
    return gs__launch_map(stream, slice_channels_job{p->x, (size_t)p->x_channels, (size_t)p->from,
                                                     p->out, gs__divider(p->channels),
                                                     p->pixels * (size_t)p->channels});
}

typedef struct concat_batch_job {
    gs_cuda_in a, b;
    size_t a_count;
    gs_cuda_out to;
    size_t count;
} concat_batch_job;

GS_DEVICE float gs__value(const concat_batch_job &j, size_t i) {
    return i < j.a_count ? gs__load(j.a, i) : gs__load(j.b, i - j.a_count);
}

gs_cuda_status gs__cuda_concat_batch(gs_cuda_stream stream, const gs_cuda_concat_batch *p) {
    return gs__launch_map(
        stream, concat_batch_job{p->a, p->b, p->a_count, p->out, p->a_count + p->b_count});
}

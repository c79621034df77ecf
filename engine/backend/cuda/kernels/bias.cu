/* The gradient of a convolution's bias: the sum of each channel of the output's gradient.
 *
 * Summed in double precision from the first value on. Where a sum cancels exactly in theory (the
 * last biases of a discriminator whose hinges are all active), single precision leaves some 1e-8,
 * and AMSGrad, blind to a gradient's size, would make a whole step of it. */
#include "engine/backend/cuda/kernels/bias.h"
#include "engine/backend/cuda/kernels/column_sums.h"

static const size_t rows_of_thread = 32;

typedef struct bias_gradient_job {
    gs_cut cut;
    gs_cuda_in gradient;
    size_t channels; /* of the map; the first of them are summed */
    double *partial; /* [chunks][C] */
} bias_gradient_job;

GS_KERNEL bias_gradient_kernel(bias_gradient_job j) {
    GS_SHARED(double, sums, BLOCK);
    gs_chunk chunk = gs__chunk(j.cut);
    GS_PHASE () {
        if (!gs__has_column(j.cut, chunk)) continue;
        size_t c = gs__column(j.cut, chunk);
        double total = 0;
        for (size_t p = chunk.from + (size_t)gs__lane(j.cut); p < chunk.to;
             p += (size_t)j.cut.lanes)
            total += (double)gs__load(j.gradient, p * j.channels + c);
        sums[gs__thread()] = total;
    }
    gs__add_lanes(j.cut, sums);
    GS_PHASE () {
        if (gs__lane(j.cut) != 0 || !gs__has_column(j.cut, chunk)) continue;
        j.partial[chunk.chunk * j.cut.columns + gs__column(j.cut, chunk)] = sums[gs__thread()];
    }
}

static gs_cut cut_of(gs_shape shape, int channels) {
    return gs__cut(1, gs__pixels_of(shape), (size_t)channels, rows_of_thread);
}

/* Fewer channels are cut into fewer chunks: enough for the first of them too. */
size_t gs__cuda_bias_gradient_scratch(gs_shape shape) {
    return cut_of(shape, shape.c).chunks * (size_t)shape.c * sizeof(double);
}

gs_cuda_status gs__first_channels_gradient(gs_cuda_stream stream, gs_cuda_in gradient,
                                           gs_shape shape, int channels, float *out,
                                           void *scratch) {
    bias_gradient_job job = {cut_of(shape, channels), gradient, (size_t)shape.c, (double *)scratch};
    GS_CUDA_TRY(GS_LAUNCH(stream, bias_gradient_kernel, gs__cut_blocks(&job.cut), job));
    gs_column_sums sums = gs__column_sums(job.partial, 1, job.cut.chunks, job.cut.columns);
    sums.floats = out;
    return GS_LAUNCH(stream, gs__column_sums_kernel, gs__cut_blocks(&sums.cut), sums);
}

gs_cuda_status gs__cuda_bias_gradient(gs_cuda_stream stream, gs_cuda_in gradient, gs_shape shape,
                                      float *out, void *scratch) {
    return gs__first_channels_gradient(stream, gradient, shape, shape.c, out, scratch);
}

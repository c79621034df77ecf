/* Mean and deviation of a map's channels, in one pass over it.
 *
 * A thread sums what its few values differ from the first of them, and those values' squares; all
 * that follows joins means and sums of squared differences in double precision. So nothing cancels,
 * whatever the mean is, and a constant map has exactly its value as mean and a variance of 0. */
#include "engine/backend/cuda/kernels/channels.h"

static const size_t rows_of_thread = 32;

/* Of `count` values: mean, and the sum of squared differences from it. */
typedef struct moments {
    double count, mean, squares;
} moments;

GS_DEVICE moments joined(const moments &a, const moments &b) {
    if (b.count == 0) return a;
    if (a.count == 0) return b;
    double count = a.count + b.count, difference = b.mean - a.mean, share = b.count / count;
    return moments{count, a.mean + difference * share,
                   a.squares + b.squares + difference * difference * a.count * share};
}

typedef struct moments_job {
    gs_cut cut;
    gs_cuda_in x;
    moments *partial; /* [segments][chunks][C] */
} moments_job;

/* Of the thread's values of a column. */
GS_DEVICE moments moments_of_lane(const moments_job &j, const gs_chunk &chunk) {
    size_t step = (size_t)j.cut.lanes, p = chunk.from + (size_t)gs__lane(j.cut);
    if (p >= chunk.to) return moments{0, 0, 0};
    size_t at = chunk.segment * j.cut.rows * j.cut.columns + gs__column(j.cut, chunk);
    float first = gs__load(j.x, at + p * j.cut.columns), sum = 0, squares = 0;
    int count = 1;
    for (p += step; p < chunk.to; p += step, count++) {
        float d = gs__load(j.x, at + p * j.cut.columns) - first;
        sum += d;
        squares += d * d;
    }
    double mean = (double)sum / count, rest = (double)squares - mean * (double)sum;
    /* Not fmax, which would hide a NaN. */
    return moments{(double)count, (double)first + mean, rest < 0 ? 0 : rest};
}

GS_KERNEL moments_kernel(moments_job j) {
    GS_SHARED(moments, all, BLOCK);
    gs_chunk chunk = gs__chunk(j.cut);
    GS_PHASE () {
        if (gs__has_column(j.cut, chunk)) all[gs__thread()] = moments_of_lane(j, chunk);
    }
    for (int left = j.cut.lanes; left > 1; left = (left + 1) / 2) {
        int half = (left + 1) / 2;
        GS_PHASE () {
            int t = gs__thread();
            if (gs__lane(j.cut) + half < left && gs__has_column(j.cut, chunk))
                all[t] = joined(all[t], all[t + half * j.cut.width]);
        }
    }
    GS_PHASE () {
        if (gs__lane(j.cut) != 0 || !gs__has_column(j.cut, chunk)) continue;
        size_t piece = chunk.segment * j.cut.chunks + chunk.chunk;
        j.partial[piece * j.cut.columns + gs__column(j.cut, chunk)] = all[gs__thread()];
    }
}

/* A block for every group of channels of every segment. */
typedef struct join_job {
    const moments *partial; /* [segments][chunks][C] */
    size_t chunks, channels, groups;
    int repeats; /* samples that a segment's statistics are for */
    float *out;  /* [segments · repeats][2 · groups] */
} join_job;

GS_KERNEL join_kernel(join_job j) {
    GS_SHARED(moments, all, BLOCK);
    size_t segment = gs__block() / j.groups, group = gs__block() % j.groups;
    size_t channels = j.channels / j.groups, first = group * channels;
    GS_PHASE () {
        const moments *partial = j.partial + segment * j.chunks * j.channels;
        moments mine = {0, 0, 0};
        for (size_t k = (size_t)gs__thread(); k < j.chunks * channels; k += BLOCK)
            mine = joined(mine, partial[k / channels * j.channels + first + k % channels]);
        all[gs__thread()] = mine;
    }
    for (int half = BLOCK / 2; half > 0; half /= 2)
        GS_PHASE () {
            int t = gs__thread();
            if (t < half) all[t] = joined(all[t], all[t + half]);
        }
    GS_PHASE () {
        float inverse = (float)(1 / sqrt(all[0].squares / all[0].count + GS_NORM_EPSILON));
        for (int k = gs__thread(); k < j.repeats; k += BLOCK) {
            float *out = j.out + (segment * (size_t)j.repeats + (size_t)k) * 2 * j.groups + group;
            out[0] = (float)all[0].mean;
            out[j.groups] = inverse;
        }
    }
}

/* A batch is one segment, else each sample is. */
static gs_cut cut_of(gs_shape s, gs_norm norm) {
    size_t segments = norm == GS_NORM_BATCH ? 1 : (size_t)s.n;
    return gs__cut(segments, gs__pixels_of(s) / segments, (size_t)s.c, rows_of_thread);
}

size_t gs__cuda_statistics_scratch(gs_shape shape, gs_norm norm) {
    gs_cut cut = cut_of(shape, norm);
    return cut.segments * cut.chunks * cut.columns * sizeof(moments);
}

gs_cuda_status gs__cuda_statistics(gs_cuda_stream stream, const gs_cuda_statistics *p,
                                   void *scratch) {
    moments_job job = {cut_of(p->shape, p->norm), p->x, (moments *)scratch};
    GS_CUDA_TRY(GS_LAUNCH(stream, moments_kernel, gs__cut_blocks(&job.cut), job));
    size_t groups = p->norm == GS_NORM_LAYER ? 1 : job.cut.columns;
    join_job join = {job.partial,
                     job.cut.chunks,
                     job.cut.columns,
                     groups,
                     p->norm == GS_NORM_BATCH ? p->shape.n : 1,
                     p->out};
    return GS_LAUNCH(stream, join_kernel, job.cut.segments * groups, join);
}

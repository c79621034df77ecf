/* The gradient of a prepared map.
 *
 * g = d objective / d z is what came to an element of x through all its copies, times act'(z); with
 * A and B the means over the norm's group of γg and γg·x̂: dx = inverse·(γg - A - x̂·B). Summing and
 * combining each gather g anew from dy, which takes less memory traffic than keeping it. */
#include "engine/backend/cuda/kernels/column_sums.h"
#include "engine/backend/cuda/kernels/map.h"
#include "engine/backend/cuda/kernels/normalize.h"

static const size_t rows_of_thread = 32;

GS_DEVICE float gathered(const gs_cuda_prepare_gradient &p, int n, int c, int h, int w) {
    const gs_cuda_axis &rows = p.rows, &columns = p.columns;
    gs_shape prepared = {p.shape.n, p.shape.c, rows.out, columns.out};
    float total = 0;
    for (int r = rows.first[h]; r < rows.first[h + 1]; r++)
        for (int q = columns.first[w]; q < columns.first[w + 1]; q++)
            total += gs__load(p.dy, gs__at(prepared, n, c, rows.uses[r], columns.uses[q]));
    return total;
}

/* At z = 0 the slope's side counts, as in PyTorch. */
GS_DEVICE float activation_gradient(const gs_cuda_prepare_gradient &p, const gs_channel_norm &norm,
                                    float x) {
    return gs__normalize(norm, x) > 0 ? 1.0f : p.slope;
}

/* ---- Σ g and Σ g·x̂ per sample and channel -------------------------------------------------- */

typedef struct sums_job {
    gs_cut cut; /* segments are samples, rows pixels */
    gs_cuda_prepare_gradient p;
    gs_divider width; /* W */
    double *partial;  /* [N][chunks][2][C] */
} sums_job;

/* In single precision over a thread's few pixels. */
GS_DEVICE void sum_lane(const sums_job &j, const gs_chunk &chunk, double *sum, double *along) {
    int n = (int)chunk.segment, c = (int)gs__column(j.cut, chunk);
    gs_channel_norm norm = gs__channel_norm(j.p.normalizer, j.p.shape.c, n, c);
    float total = 0, total_along = 0;
    for (size_t p = chunk.from + (size_t)gs__lane(j.cut); p < chunk.to; p += (size_t)j.cut.lanes) {
        size_t w = p, h = gs__split(&w, j.width);
        float x = gs__load(j.p.x, gs__at(j.p.shape, n, c, (int)h, (int)w));
        float g = gathered(j.p, n, c, (int)h, (int)w) * activation_gradient(j.p, norm, x);
        total += g;
        total_along += g * gs__standardize(norm, x);
    }
    *sum = (double)total, *along = (double)total_along;
}

GS_KERNEL sums_kernel(sums_job j) {
    GS_SHARED(double, sums, BLOCK);
    GS_SHARED(double, sums_along, BLOCK);
    gs_chunk chunk = gs__chunk(j.cut);
    GS_PHASE () {
        int t = gs__thread();
        if (gs__has_column(j.cut, chunk)) sum_lane(j, chunk, &sums[t], &sums_along[t]);
    }
    gs__add_lanes(j.cut, sums);
    gs__add_lanes(j.cut, sums_along);
    GS_PHASE () {
        if (gs__lane(j.cut) != 0 || !gs__has_column(j.cut, chunk)) continue;
        size_t piece = chunk.segment * j.cut.chunks + chunk.chunk;
        double *to = j.partial + piece * 2 * j.cut.columns + gs__column(j.cut, chunk);
        to[0] = sums[gs__thread()];
        to[j.cut.columns] = sums_along[gs__thread()];
    }
}

/* ---- What a sample's elements have in common ------------------------------------------------ */

typedef struct factors_job {
    gs_cuda_prepare_gradient p;
    const double *totals; /* [N][2][C] */
    float *factors;       /* [N][3][C]: γ·inverse, A·inverse, B·inverse */
} factors_job;

/* A block for each sample. */
GS_KERNEL factors_kernel(factors_job j) {
    GS_SHARED(double, of_g, BLOCK);
    GS_SHARED(double, of_along, BLOCK);
    const int n = (int)gs__block(), channels = j.p.shape.c;
    const bool is_layer = j.p.normalizer.norm == GS_NORM_LAYER;
    const bool is_given = j.p.normalizer.norm == GS_NORM_BATCH; /* then A = B = 0 */
    const double pixels = (double)j.p.shape.h * (double)j.p.shape.w;
    const double *totals = j.totals + (size_t)n * 2 * (size_t)channels;
    float *factors = j.factors + (size_t)n * 3 * (size_t)channels;
    GS_PHASE () {
        double g = 0, along = 0;
        for (int c = gs__thread(); is_layer && c < channels; c += BLOCK) {
            double gamma = (double)gs__channel_norm(j.p.normalizer, channels, n, c).gamma;
            g += gamma * totals[c];
            along += gamma * totals[channels + c];
        }
        of_g[gs__thread()] = g, of_along[gs__thread()] = along;
    }
    gs__add_up(of_g);
    gs__add_up(of_along);
    GS_PHASE () {
        for (int c = gs__thread(); c < channels; c += BLOCK) {
            gs_channel_norm norm = gs__channel_norm(j.p.normalizer, channels, n, c);
            double gamma = (double)norm.gamma, inverse = (double)norm.inverse;
            double a = gamma * totals[c] / pixels, b = gamma * totals[channels + c] / pixels;
            if (is_layer) a = of_g[0] / (pixels * channels), b = of_along[0] / (pixels * channels);
            if (is_given) a = b = 0;
            factors[c] = norm.gamma * norm.inverse;
            factors[channels + c] = (float)(a * inverse);
            factors[2 * channels + c] = (float)(b * inverse);
        }
    }
}

/* ---- Results -------------------------------------------------------------------------------- */

typedef struct combine_job {
    gs_cuda_prepare_gradient p;
    gs_cuda_out to;
    const float *factors; /* NULL: no norm */
    gs_extent extent;
    size_t count;
} combine_job;

GS_DEVICE float gs__value(const combine_job &j, size_t i) {
    gs_place at = gs__place(i, j.extent);
    gs_channel_norm norm = gs__channel_norm(j.p.normalizer, j.p.shape.c, at.n, at.c);
    float x = gs__load(j.p.x, i);
    float g = gathered(j.p, at.n, at.c, at.h, at.w) * activation_gradient(j.p, norm, x);
    if (!j.factors) return g;
    size_t channels = (size_t)j.p.shape.c;
    const float *f = j.factors + (size_t)at.n * 3 * channels + (size_t)at.c;
    return g * f[0] - f[channels] - gs__standardize(norm, x) * f[2 * channels];
}

typedef struct affine_job {
    const double *totals; /* [N][2][C] */
    int samples, channels;
    float *dgamma, *dbeta;
} affine_job;

GS_KERNEL affine_kernel(affine_job j) {
    GS_ELEMENTS (c, (size_t)j.channels) {
        double g = 0, along = 0;
        for (int n = 0; n < j.samples; n++) {
            const double *totals = j.totals + (size_t)n * 2 * (size_t)j.channels;
            g += totals[c];
            along += totals[(size_t)j.channels + c];
        }
        if (j.dgamma) j.dgamma[c] = (float)along;
        if (j.dbeta) j.dbeta[c] = (float)g;
    }
}

/* ---- Launch --------------------------------------------------------------------------------- */

static gs_cut cut_of(gs_shape s) {
    return gs__cut((size_t)s.n, (size_t)s.h * (size_t)s.w, (size_t)s.c, rows_of_thread);
}

size_t gs__cuda_prepare_gradient_scratch(gs_shape shape, gs_norm norm) {
    if (norm == GS_NORM_NONE) return 0;
    gs_cut cut = cut_of(shape);
    size_t vectors = cut.segments * cut.columns; /* [N][C] */
    return vectors * (2 * (cut.chunks + 1) * sizeof(double) + 3 * sizeof(float));
}

static gs_cuda_status combine(gs_cuda_stream stream, const gs_cuda_prepare_gradient *p,
                              const float *factors) {
    return gs__launch_map(
        stream, combine_job{*p, p->dx, factors, gs__extent(p->shape), gs__size_of(p->shape)});
}

gs_cuda_status gs__cuda_prepare_gradient(gs_cuda_stream stream, const gs_cuda_prepare_gradient *p,
                                         void *scratch) {
    if (p->normalizer.norm == GS_NORM_NONE) return p->dx.values ? combine(stream, p, NULL) : 0;
    gs_cut cut = cut_of(p->shape);
    double *partial = (double *)scratch;
    double *totals = partial + cut.segments * cut.chunks * 2 * cut.columns;
    float *factors = (float *)(totals + cut.segments * 2 * cut.columns);
    sums_job sums = {cut, *p, gs__divider(p->shape.w), partial};
    GS_CUDA_TRY(GS_LAUNCH(stream, sums_kernel, gs__cut_blocks(&cut), sums));
    gs_column_sums fold = gs__column_sums(partial, cut.segments, cut.chunks, 2 * cut.columns);
    fold.doubles = totals;
    GS_CUDA_TRY(GS_LAUNCH(stream, gs__column_sums_kernel, gs__cut_blocks(&fold.cut), fold));
    if (p->dgamma || p->dbeta) {
        affine_job affine = {totals, p->shape.n, p->shape.c, p->dgamma, p->dbeta};
        GS_CUDA_TRY(GS_LAUNCH(stream, affine_kernel, gs__element_blocks(cut.columns), affine));
    }
    if (!p->dx.values) return 0;
    factors_job common = {*p, totals, factors};
    GS_CUDA_TRY(GS_LAUNCH(stream, factors_kernel, cut.segments, common));
    return combine(stream, p, factors);
}

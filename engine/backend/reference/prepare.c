/* Preparation of a convolution's input: statistics, the map itself, and the gradient of both.
 *
 * x̂ = (x - mean)·inverse, z = γ x̂ + β (where there is no γ and β: 1 and 0; no norm: z = x), a =
 * act(z), and out(n,c,r,q) = a(n, c, rows.source[r], columns.source[q]), or 0 where a source is
 * negative.
 */
#include "engine/backend/reference/reference_internal.h"

#include <math.h>
#include <string.h>

/* Channels that share one mean and variance: one (instance) or all (layer). */
typedef struct group_range {
    int from, to;
} group_range;

static group_range group_channels(gs_norm norm, int group, int channels) {
    if (norm == GS_NORM_LAYER) return (group_range){0, channels};
    return (group_range){group, group + 1};
}

static int group_count(gs_norm norm, int channels) {
    return norm == GS_NORM_LAYER ? 1 : channels;
}

/* Mean over sample n and a group of: x (about == NULL), or (x - *about)². */
static double mean_over_group(const double *x, gs_shape s, int n, group_range range,
                              const double *about) {
    double total = 0;
    for (int c = range.from; c < range.to; c++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                double value = x[gs__map_at(s, n, c, h, w)];
                total += about ? (value - *about) * (value - *about) : value;
            }
    return total / ((double)(range.to - range.from) * (double)s.h * (double)s.w);
}

gs_status gs__reference_norm_statistics(const gs_run *run, const gs_node *node, void *handle,
                                        gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[0]->shape;
    gs_norm norm = node->as.prepare.norm;
    const double *x = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]);
    int groups = group_count(norm, s.c);
    for (int n = 0; n < s.n; n++)
        for (int g = 0; g < groups; g++) {
            group_range range = group_channels(norm, g, s.c);
            double mean = mean_over_group(x, s, n, range, NULL);
            double variance = mean_over_group(x, s, n, range, &mean);
            double *of_sample = out + (size_t)n * 2 * (size_t)groups;
            of_sample[g] = mean;
            of_sample[groups + g] = 1 / sqrt(variance + GS_NORM_EPSILON);
        }
    return GS_OK;
}

/* What the forward and the gradient node read besides x; `first` is where the statistics are in
 * node->in. Pointers are NULL where the norm has no such part. */
typedef struct normalizer {
    gs_norm norm;
    int channels;
    const double *statistics, *gamma, *beta;
} normalizer;

static normalizer normalizer_of(const gs_run *run, const gs_node *node, const gs_tensor *x,
                                int first) {
    return (normalizer){.norm = node->as.prepare.norm,
                        .channels = x->shape.c,
                        .statistics = gs_run_pointer(run, node->in[first]),
                        .gamma = gs_run_pointer(run, node->in[first + 1]),
                        .beta = gs_run_pointer(run, node->in[first + 2])};
}

static const double *mean_of(const normalizer *k, int n, int c) {
    int groups = group_count(k->norm, k->channels);
    return k->statistics + (size_t)n * 2 * (size_t)groups + (groups == 1 ? 0 : c);
}

static double inverse_of(const normalizer *k, int n, int c) {
    return mean_of(k, n, c)[group_count(k->norm, k->channels)];
}

static double gamma_of(const normalizer *k, int c) {
    return k->gamma ? k->gamma[c] : 1;
}

/* x̂ */
static double standardize(const normalizer *k, int n, int c, double x) {
    return (x - *mean_of(k, n, c)) * inverse_of(k, n, c);
}

/* z */
static double normalize(const normalizer *k, int n, int c, double x) {
    if (k->norm == GS_NORM_NONE) return x;
    return standardize(k, n, c, x) * gamma_of(k, c) + (k->beta ? k->beta[c] : 0);
}

gs_status gs__reference_prepare(const gs_run *run, const gs_node *node, void *handle,
                                gs_error *err) {
    (void)handle, (void)err;
    gs_shape in = node->in[0]->shape, s = node->out[0]->shape;
    const gs_axis_map *rows = &node->as.prepare.rows, *columns = &node->as.prepare.columns;
    normalizer k = normalizer_of(run, node, node->in[0], 1);
    const double *x = gs_run_pointer(run, node->in[0]);
    double *out = gs_run_pointer(run, node->out[0]);
    double slope = node->as.prepare.activate ? (double)node->as.prepare.slope : 1;
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int r = 0; r < s.h; r++)
                for (int q = 0; q < s.w; q++) {
                    int h = rows->source[r], w = columns->source[q];
                    double *to = &out[gs__map_at(s, n, c, r, q)];
                    *to = 0;
                    if (h < 0 || w < 0) continue;
                    double z = normalize(&k, n, c, x[gs__map_at(in, n, c, h, w)]);
                    *to = z > 0 ? z : slope * z;
                }
    return GS_OK;
}

/* g = d objective / d z: what came to each element of x through all its copies, times act'(z). At
 * z = 0 the slope's side counts, as in PyTorch. */
static void gradient_of_normalized(const gs_node *node, const normalizer *k, const double *dy,
                                   const double *x, double *g) {
    gs_shape in = node->in[1]->shape, s = node->in[0]->shape;
    const gs_axis_map *rows = &node->as.prepare.rows, *columns = &node->as.prepare.columns;
    memset(g, 0, gs__shape_size(in) * sizeof *g);
    for (int n = 0; n < s.n; n++)
        for (int c = 0; c < s.c; c++)
            for (int r = 0; r < s.h; r++)
                for (int q = 0; q < s.w; q++) {
                    int h = rows->source[r], w = columns->source[q];
                    if (h < 0 || w < 0) continue;
                    g[gs__map_at(in, n, c, h, w)] += dy[gs__map_at(s, n, c, r, q)];
                }
    if (!node->as.prepare.activate) return;
    for (int n = 0; n < in.n; n++)
        for (int c = 0; c < in.c; c++)
            for (int h = 0; h < in.h; h++)
                for (int w = 0; w < in.w; w++) {
                    size_t at = gs__map_at(in, n, c, h, w);
                    if (!(normalize(k, n, c, x[at]) > 0)) g[at] *= (double)node->as.prepare.slope;
                }
}

/* With e = γ g: dx = inverse · (e - mean(e) - x̂ · mean(e x̂)), means over the group. Statistics of a
 * batch norm are given: dx = inverse · e. */
static void gradient_of_group(const normalizer *k, gs_shape s, int n, group_range range,
                              const double *g, const double *x, double *dx) {
    double sum = 0, sum_along = 0;
    double count = (double)(range.to - range.from) * (double)s.h * (double)s.w;
    for (int c = range.from; c < range.to; c++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                size_t at = gs__map_at(s, n, c, h, w);
                double e = gamma_of(k, c) * g[at];
                if (k->norm == GS_NORM_BATCH) continue;
                sum += e;
                sum_along += e * standardize(k, n, c, x[at]);
            }
    for (int c = range.from; c < range.to; c++)
        for (int h = 0; h < s.h; h++)
            for (int w = 0; w < s.w; w++) {
                size_t at = gs__map_at(s, n, c, h, w);
                double e = gamma_of(k, c) * g[at], standard = standardize(k, n, c, x[at]);
                dx[at] = inverse_of(k, n, c) * (e - sum / count - standard * sum_along / count);
            }
}

/* dγ = Σ g x̂, dβ = Σ g over samples and pixels; either may be NULL. */
static void gradient_of_affine(const normalizer *k, gs_shape s, const double *g, const double *x,
                               double *gamma, double *beta) {
    for (int c = 0; c < s.c; c++) {
        double sum = 0, sum_along = 0;
        for (int n = 0; n < s.n; n++)
            for (int h = 0; h < s.h; h++)
                for (int w = 0; w < s.w; w++) {
                    size_t at = gs__map_at(s, n, c, h, w);
                    sum += g[at];
                    sum_along += g[at] * standardize(k, n, c, x[at]);
                }
        if (gamma) gamma[c] = sum_along;
        if (beta) beta[c] = sum;
    }
}

gs_status gs__reference_prepare_gradient(const gs_run *run, const gs_node *node, void *handle,
                                         gs_error *err) {
    (void)handle, (void)err;
    gs_shape s = node->in[1]->shape;
    const double *dy = gs_run_pointer(run, node->in[0]), *x = gs_run_pointer(run, node->in[1]);
    double *dx = gs_run_pointer(run, node->out[0]), *g = run->scratch;
    normalizer k = normalizer_of(run, node, node->in[1], 2);
    gradient_of_normalized(node, &k, dy, x, g);
    if (k.norm == GS_NORM_NONE) {
        if (dx) memcpy(dx, g, gs__shape_size(s) * sizeof *dx);
        return GS_OK;
    }
    for (int n = 0; dx && n < s.n; n++)
        for (int group = 0; group < group_count(k.norm, s.c); group++)
            gradient_of_group(&k, s, n, group_channels(k.norm, group, s.c), g, x, dx);
    if (k.gamma)
        gradient_of_affine(&k, s, g, x, gs_run_pointer(run, node->out[1]),
                           gs_run_pointer(run, node->out[2]));
    return GS_OK;
}

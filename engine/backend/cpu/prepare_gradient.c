/* The gradient of preparation.
 *
 * With a norm it takes two passes over a sample, as every value's gradient depends on sums over the
 * group: nothing is written in the first, and the second follows while the sample is in the cache.
 * So threads share a large sample, and take small ones each their own. */
#include "engine/backend/cpu/channel_tiles.h"

#include <omp.h>
#include <string.h>

enum {
    LARGE = 1 << 18, /* floats of a sample that threads share */
    BLOCK = 32768,   /* floats that are summed up in single precision */
};

/* The longest run of columns that are used once each, one after the other: their gradients are read
 * where they are. Those around them, at reflected edges, are made in a row of their own. */
typedef struct column_run {
    int first, count; /* count 0: there is none worth it */
    int use;          /* of the first */
} column_run;

typedef struct gradient_job {
    const gs_node *node;
    const float *dy, *x;
    float *dx;
    gs_flat_map map;
    gs_norm_inputs norm;
    float slope;
    column_run run;
    double *sums;    /* [samples·chunks][2·C]: Σ g and Σ g·x̂ */
    double *threads; /* of thread_doubles each */
} gradient_job;

/* A thread's memory. */
typedef struct workspace {
    double *totals;                            /* [2·C]: of a sample */
    float *norm, *sum_g, *sum_gx, *of_x, *one; /* tiles */
    float *padded, *row;
} workspace;

enum { TILES = GS_NORM_TILES + 4 };

static size_t padded_floats(const gradient_job *job) {
    return (size_t)job->node->as.prepare.columns.out * (size_t)job->map.channels;
}

static size_t thread_doubles(const gradient_job *job) {
    size_t floats = TILES * job->map.tile + padded_floats(job) + job->map.row;
    return 2 * (size_t)job->map.channels + (floats + 1) / 2;
}

static workspace workspace_of(const gradient_job *job, int thread) {
    double *totals = job->threads + (size_t)thread * thread_doubles(job);
    float *tiles = (float *)(totals + 2 * job->map.channels);
    size_t tile = job->map.tile;
    workspace w = {.totals = totals, .norm = tiles, .sum_g = tiles + GS_NORM_TILES * tile};
    w.sum_gx = w.sum_g + tile, w.of_x = w.sum_gx + tile, w.one = w.of_x + tile;
    w.padded = w.one + tile, w.row = w.padded + padded_floats(job);
    return w;
}

/* How many columns from c on are used once each, one after the other. */
static int run_length(const gs_axis_map *columns, int c) {
    const int *uses = columns->uses + columns->first[c];
    int length = 0;
    while (c + length < columns->in &&
           columns->first[c + length + 1] == columns->first[c] + length + 1 &&
           uses[length] == uses[0] + length)
        length++;
    return length;
}

static column_run longest_run(const gs_axis_map *columns) {
    column_run best = {.count = 0};
    for (int c = 0, length; c<columns->in; c += length> 0 ? length : 1) {
        length = run_length(columns, c);
        if (length > best.count && 2 * length > columns->in)
            best = (column_run){c, length, columns->uses[columns->first[c]]};
    }
    return best;
}

static gradient_job job_of(const gs_node *node, int threads, void *scratch) {
    gs_shape shape = node->in[1]->shape;
    gradient_job job = {.node = node,
                        .map = gs__flat_map(shape, threads),
                        .slope = node->as.prepare.activate ? node->as.prepare.slope : 1,
                        .run = longest_run(&node->as.prepare.columns)};
    if ((size_t)shape.h * job.map.row > LARGE)
        job.map.chunks = threads < shape.h ? threads : shape.h;
    job.sums = scratch;
    job.threads =
        job.sums + (size_t)(job.map.samples * job.map.chunks) * 2 * (size_t)job.map.channels;
    return job;
}

gs_status gs__cpu_prepare_gradient_scratch(void *opaque, const gs_node *node, void **handle_out,
                                           size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    double origin; /* only differences of addresses are used */
    gradient_job job = job_of(node, state->threads, &origin);
    *scratch_bytes_out =
        ((size_t)(job.threads - &origin) + (size_t)state->threads * thread_doubles(&job)) *
        sizeof(double);
    return GS_OK;
}

/* ---- Folding: the gradient of a row, from all rows and columns made of it ------------------- */

GS_VECTORIZED static void add_into(float *restrict to, const float *restrict from, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] += from[i];
}

/* Sums the padded columns made from each of the columns from..to. */
static void fold_columns(const float *row, const gs_axis_map *columns, int from, int to,
                         size_t channels, float *out) {
    for (int c = from; c < to; c++) {
        const int *uses = columns->uses + columns->first[c];
        int count = columns->first[c + 1] - columns->first[c];
        float *sum = out + (size_t)c * channels;
        memset(sum, 0, channels * sizeof *sum);
        for (int u = 0; u < count; u++) add_into(sum, row + (size_t)uses[u] * channels, channels);
    }
}

/* What reaches a row: three pieces of it, each wherever it is. */
enum { PIECES = 3 };

typedef struct folded_row {
    const float *piece[PIECES];
    size_t at[PIECES + 1]; /* where in the row each begins, in floats; at last the row's length */
} folded_row;

/* The padded rows made from row r of sample n: the one in dy, or their sum in `padded`. */
static const float *fold_rows(const gradient_job *job, int n, int r, float *padded) {
    const gs_axis_map *rows = &job->node->as.prepare.rows;
    size_t length = padded_floats(job);
    const float *image = job->dy + (size_t)n * (size_t)rows->out * length;
    int first = rows->first[r], last = rows->first[r + 1];
    if (last - first == 1) return image + (size_t)rows->uses[first] * length;
    memset(padded, 0, length * sizeof *padded);
    for (int k = first; k < last; k++)
        add_into(padded, image + (size_t)rows->uses[k] * length, length);
    return padded;
}

/* What is not in a run of columns is made in its place in `to`. */
static folded_row fold_row(const gradient_job *job, int n, int r, float *padded, float *to) {
    const gs_axis_map *columns = &job->node->as.prepare.columns;
    size_t channels = (size_t)job->map.channels;
    const float *row = fold_rows(job, n, r, padded);
    int first = job->run.first, end = first + job->run.count;
    fold_columns(row, columns, 0, first, channels, to);
    fold_columns(row, columns, end, columns->in, channels, to);
    size_t before = (size_t)first * channels, after = (size_t)end * channels;
    return (folded_row){{to, row + (size_t)job->run.use * channels, to + after},
                        {0, before, after, job->map.row}};
}

/* ---- Without a norm -------------------------------------------------------------------------- */

GS_VECTORIZED static void activation_gradient(const float *g, const float *restrict x, float slope,
                                              float *dx, size_t count) {
#pragma omp simd
    for (size_t i = 0; i < count; i++) dx[i] = x[i] > 0 ? g[i] : g[i] * slope;
}

static void plain_row(const gradient_job *job, int i, workspace *w) {
    size_t start = (size_t)i * job->map.row;
    folded_row g = fold_row(job, i / job->map.rows, i % job->map.rows, w->padded, job->dx + start);
    for (int p = 0; p < PIECES; p++) {
        float *dx = job->dx + start + g.at[p];
        size_t count = g.at[p + 1] - g.at[p];
        if (job->slope != 1)
            activation_gradient(g.piece[p], job->x + start + g.at[p], job->slope, dx, count);
        else if (g.piece[p] != dx)
            memcpy(dx, g.piece[p], count * sizeof *dx);
    }
}

/* ---- With one -------------------------------------------------------------------------------- */

static inline float before_activation(float g, float z, float slope) {
    return z > 0 ? g : g * slope;
}

GS_VECTORIZED static void add_gradients(const float *restrict dy, const float *restrict x,
                                        const gs_norm_tiles *t, float slope, size_t tile,
                                        float *restrict sum_g, float *restrict sum_gx,
                                        size_t count) {
    const float *restrict scale = t->scale, *restrict shift = t->shift;
    const float *restrict inverse = t->inverse, *restrict centre = t->centre;
    for (size_t at = 0; at < count; at += tile) {
        size_t length = count - at < tile ? count - at : tile;
        for (size_t i = 0; i < length; i++) {
            float value = x[at + i];
            float g = before_activation(dy[at + i], value * scale[i] + shift[i], slope);
            sum_g[i] += g;
            sum_gx[i] += g * (value * inverse[i] + centre[i]);
        }
    }
}

/* dx = g·scale + x·of_x + one */
GS_VECTORIZED static void combine(const float *restrict dy, const float *restrict x,
                                  const gs_norm_tiles *t, float slope, const float *restrict of_x,
                                  const float *restrict one, size_t tile, float *restrict dx,
                                  size_t count) {
    const float *restrict scale = t->scale, *restrict shift = t->shift;
    for (size_t at = 0; at < count; at += tile) {
        size_t length = count - at < tile ? count - at : tile;
        for (size_t i = 0; i < length; i++) {
            float value = x[at + i];
            float g = before_activation(dy[at + i], value * scale[i] + shift[i], slope);
            dx[at + i] = g * scale[i] + value * of_x[i] + one[i];
        }
    }
}

static double *chunk_sums(const gradient_job *job, int n, int chunk) {
    return job->sums + (size_t)(n * job->map.chunks + chunk) * 2 * (size_t)job->map.channels;
}

static void sum_chunk(const gradient_job *job, int n, int chunk, const gs_norm_tiles *tiles,
                      workspace *w) {
    const gs_flat_map *map = &job->map;
    double *sums = chunk_sums(job, n, chunk);
    memset(sums, 0, 2 * (size_t)map->channels * sizeof *sums);
    int together = (int)(BLOCK / map->row) + 1, end = gs__chunk_start(map, chunk + 1);
    for (int from = gs__chunk_start(map, chunk); from < end; from += together) {
        memset(w->sum_g, 0, 2 * map->tile * sizeof *w->sum_g); /* and sum_gx */
        for (int r = from; r < end && r < from + together; r++) {
            const float *x = job->x + ((size_t)n * (size_t)map->rows + (size_t)r) * map->row;
            folded_row g = fold_row(job, n, r, w->padded, w->row);
            for (int p = 0; p < PIECES; p++)
                add_gradients(g.piece[p], x + g.at[p], tiles, job->slope, map->tile, w->sum_g,
                              w->sum_gx, g.at[p + 1] - g.at[p]);
        }
        gs__add_tile(map, w->sum_g, sums);
        gs__add_tile(map, w->sum_gx, sums + map->channels);
    }
}

/* With A and B the means over the norm's group of γg and γg·x̂:
 * dx = inverse·(γg - A - x̂·B) = g·scale + x·of_x + one. Fills those tiles for sample n. */
static void fill_factors(const gradient_job *job, int n, const gs_norm_tiles *t, workspace *w) {
    int channels = job->map.channels;
    size_t count = 2 * (size_t)channels;
    double *sums = w->totals;
    memset(sums, 0, count * sizeof *sums);
    for (int k = 0; k < job->map.chunks; k++)
        for (size_t i = 0; i < count; i++) sums[i] += chunk_sums(job, n, k)[i];
    bool is_layer = job->node->as.prepare.norm == GS_NORM_LAYER;
    bool is_given = job->node->as.prepare.norm == GS_NORM_BATCH; /* dx = inverse·γg */
    double pixels = (double)job->map.rows * (double)(job->map.row / (size_t)channels), a = 0, b = 0;
    for (int c = 0; is_layer && c < channels; c++) {
        a += (double)job->norm.gamma[c] * sums[c];
        b += (double)job->norm.gamma[c] * sums[channels + c];
    }
    double of_all = pixels * (double)channels;
    for (int c = 0; c < channels; c++) {
        double gamma = job->norm.gamma ? (double)job->norm.gamma[c] : 1;
        double mean_g = is_layer ? a / of_all : gamma * sums[c] / pixels;
        double mean_gx = is_layer ? b / of_all : gamma * sums[channels + c] / pixels;
        if (is_given) mean_g = mean_gx = 0;
        double inverse = (double)t->inverse[c];
        w->of_x[c] = (float)(-inverse * inverse * mean_gx);
        w->one[c] = (float)(-inverse * (mean_g + (double)t->centre[c] * mean_gx));
    }
    gs__fill_tile(&job->map, w->of_x);
    gs__fill_tile(&job->map, w->one);
}

static void write_chunk(const gradient_job *job, int n, int chunk, const gs_norm_tiles *tiles,
                        workspace *w) {
    const gs_flat_map *map = &job->map;
    for (int r = gs__chunk_start(map, chunk); r < gs__chunk_start(map, chunk + 1); r++) {
        size_t at = ((size_t)n * (size_t)map->rows + (size_t)r) * map->row;
        folded_row g = fold_row(job, n, r, w->padded, w->row);
        for (int p = 0; p < PIECES; p++)
            combine(g.piece[p], job->x + at + g.at[p], tiles, job->slope, w->of_x, w->one,
                    map->tile, job->dx + at + g.at[p], g.at[p + 1] - g.at[p]);
    }
}

/* One thread's part of samples from..to: all of them alone, or some chunks of each. */
static void normalized_samples(const gradient_job *job, int from, int to, int first, int step,
                               workspace *w) {
    for (int n = from; n < to; n++) {
        gs_norm_tiles tiles = gs__norm_tiles(&job->map, &job->norm, n, w->norm);
        for (int k = first; k < job->map.chunks; k += step) sum_chunk(job, n, k, &tiles, w);
        if (job->map.chunks > 1) {
#pragma omp barrier
        }
        fill_factors(job, n, &tiles, w);
        for (int k = first; k < job->map.chunks; k += step) write_chunk(job, n, k, &tiles, w);
    }
}

/* dγ = Σ g·x̂ and dβ = Σ g over the samples. */
static void affine_gradients(const gradient_job *job, float *gamma, float *beta) {
    int channels = job->map.channels;
    for (int c = 0; c < channels; c++) {
        double g = 0, gx = 0;
        for (int i = 0; i < job->map.samples * job->map.chunks; i++) {
            const double *sums = job->sums + (size_t)i * 2 * (size_t)channels;
            g += sums[c];
            gx += sums[channels + c];
        }
        if (gamma) gamma[c] = (float)gx;
        if (beta) beta[c] = (float)g;
    }
}

gs_status gs__cpu_prepare_gradient(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    gradient_job job = job_of(node, run->threads, run->scratch);
    job.dy = gs_run_pointer(run, node->in[0]);
    job.x = gs_run_pointer(run, node->in[1]);
    job.dx = gs_run_pointer(run, node->out[0]);
    job.norm = gs__norm_inputs(run, node, 2);
#pragma omp parallel if (gs__is_worth_threads(&job.map))
    {
        int thread = omp_get_thread_num(), threads = omp_get_num_threads();
        workspace w = workspace_of(&job, thread);
        int samples = job.map.samples;
        if (!job.norm.statistics) {
#pragma omp for schedule(static)
            for (int i = 0; i < samples * job.map.rows; i++) plain_row(&job, i, &w);
        } else if (job.map.chunks > 1) {
            normalized_samples(&job, 0, samples, thread, threads, &w);
        } else {
            normalized_samples(&job, samples * thread / threads, samples * (thread + 1) / threads,
                               0, 1, &w);
        }
    }
    if (node->in[3])
        affine_gradients(&job, gs_run_pointer(run, node->out[1]),
                         gs_run_pointer(run, node->out[2]));
    return GS_OK;
}

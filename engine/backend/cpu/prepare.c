/* Preparation of a convolution's input and its gradient, and the statistics both need.
 *
 * Rows are flat: a row of W pixels with C channels is W·C consecutive floats, and per-channel
 * factors are repeated W times into "tiles", so that the inner loops run over whole rows whatever C
 * is. Work is shared out in chunks of rows of one sample; sums go per chunk into the scratch and
 * are added in order, so the result depends on the number of threads only through the number of
 * chunks. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/cpu_internal.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#define NORM_EPSILON 1e-5

/* How a map is cut: `chunks` pieces of rows per sample. */
typedef struct split {
    int samples, rows, chunks, channels;
    size_t row; /* floats of a row */
} split;

static split split_of(gs_shape s, int threads) {
    split p = {s.n, s.h, 1, s.c, (size_t)s.w * (size_t)s.c};
    if (s.n % threads != 0) p.chunks = threads;
    if (p.chunks > s.h) p.chunks = s.h;
    return p;
}

static int chunk_start(split p, int chunk) {
    return (int)((int64_t)p.rows * chunk / p.chunks);
}

/* ---- Statistics ------------------------------------------------------------------------------ */

GS_VECTORIZED static void accumulate(float *restrict sum, const float *restrict x, size_t count) {
    for (size_t i = 0; i < count; i++) sum[i] += x[i];
}

GS_VECTORIZED static void accumulate_squares(float *restrict sum, const float *restrict x,
                                             const float *restrict mean, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float d = x[i] - mean[i];
        sum[i] += d * d;
    }
}

/* Adds up a flat row per channel. */
static void fold_row(const float *row, size_t count, int channels, double *per_channel) {
    for (int c = 0; c < channels; c++) per_channel[c] = 0;
    for (size_t at = 0; at < count; at += (size_t)channels)
        for (int c = 0; c < channels; c++) per_channel[c] += (double)row[at + (size_t)c];
}

static void tile(float *to, const float *per_channel, int channels, size_t count) {
    for (size_t at = 0; at < count; at += (size_t)channels)
        memcpy(to + at, per_channel, (size_t)channels * sizeof *to);
}

/* Scratch of the statistics: doubles [samples·chunks][C], then per thread two rows. */
gs_status gs__cpu_norm_statistics_scratch(void *opaque, const gs_node *node, void **handle_out,
                                          size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    split p = split_of(node->in[0]->shape, state->threads);
    *scratch_bytes_out = (size_t)(p.samples * p.chunks * p.channels) * sizeof(double) +
                         (size_t)state->threads * 2 * p.row * sizeof(float);
    return GS_OK;
}

typedef struct moments {
    const float *x;
    float *out; /* [N, 2·groups]: means, then inverse standard deviations */
    double *partial;
    float *rows; /* [threads][2·row] */
    split p;
    int groups;
} moments;

/* Sums of one chunk: of x (mean unknown) or of squared differences from the mean. */
static void sum_chunk(const moments *m, int index, gs_norm norm, bool about_mean) {
    split p = m->p;
    int n = index / p.chunks, chunk = index % p.chunks;
    float *sums = m->rows + (size_t)omp_get_thread_num() * 2 * p.row, *means = sums + p.row;
    memset(sums, 0, p.row * sizeof *sums);
    if (about_mean) {
        const float *mean = m->out + (size_t)n * 2 * (size_t)m->groups;
        if (norm == GS_NORM_INSTANCE)
            tile(means, mean, p.channels, p.row);
        else
            for (size_t i = 0; i < p.row; i++) means[i] = *mean;
    }
    const float *x = m->x + (size_t)n * (size_t)p.rows * p.row;
    for (int r = chunk_start(p, chunk); r < chunk_start(p, chunk + 1); r++) {
        if (about_mean)
            accumulate_squares(sums, x + (size_t)r * p.row, means, p.row);
        else
            accumulate(sums, x + (size_t)r * p.row, p.row);
    }
    fold_row(sums, p.row, p.channels, m->partial + (size_t)index * (size_t)p.channels);
}

/* The mean over a group of what the chunks of sample n summed. */
static double group_mean(const moments *m, int n, int group) {
    split p = m->p;
    double total = 0;
    int from = m->groups == 1 ? 0 : group, to = m->groups == 1 ? p.channels : group + 1;
    for (int k = 0; k < p.chunks; k++)
        for (int c = from; c < to; c++)
            total += m->partial[(size_t)(n * p.chunks + k) * (size_t)p.channels + (size_t)c];
    return total / ((double)p.rows * (double)(p.row / (size_t)p.channels) * (double)(to - from));
}

gs_status gs__cpu_norm_statistics(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    gs_norm norm = node->as.prepare.norm;
    split p = split_of(node->in[0]->shape, run->threads);
    moments m = {.x = gs_run_pointer(run, node->in[0]),
                 .out = gs_run_pointer(run, node->out[0]),
                 .partial = run->scratch,
                 .p = p,
                 .groups = norm == GS_NORM_INSTANCE ? p.channels : 1};
    m.rows = (float *)(m.partial + (size_t)(p.samples * p.chunks * p.channels));
    size_t stride = 2 * (size_t)m.groups;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (int i = 0; i < p.samples * p.chunks; i++) sum_chunk(&m, i, norm, false);
#pragma omp for schedule(static)
        for (int n = 0; n < p.samples; n++)
            for (int g = 0; g < m.groups; g++)
                m.out[(size_t)n * stride + (size_t)g] = (float)group_mean(&m, n, g);
#pragma omp for schedule(static)
        for (int i = 0; i < p.samples * p.chunks; i++) sum_chunk(&m, i, norm, true);
#pragma omp for schedule(static)
        for (int n = 0; n < p.samples; n++)
            for (int g = 0; g < m.groups; g++)
                m.out[(size_t)n * stride + (size_t)(m.groups + g)] =
                    (float)(1 / sqrt(group_mean(&m, n, g) + NORM_EPSILON));
    }
    return GS_OK;
}

/* ---- Tiles ----------------------------------------------------------------------------------- */

/* Per sample, each a flat row: z = x·scale + shift is the normalised value before activation, and
 * x̂ = x·inverse + centre the one without gamma and beta. */
typedef struct tiles {
    float *scale, *shift, *inverse, *centre;
} tiles;

enum { TILE_ROWS = 4 };

static tiles tiles_of(float *memory, size_t row, int sample) {
    float *at = memory + (size_t)sample * TILE_ROWS * row;
    return (tiles){at, at + row, at + 2 * row, at + 3 * row};
}

typedef struct norm_inputs {
    const float *statistics, *gamma, *beta; /* NULL where the norm has none */
    int groups;
} norm_inputs;

static norm_inputs norm_inputs_of(const gs_run *run, const gs_node *node, int first) {
    gs_tensor *const *in = node->in + first; /* statistics, gamma, beta */
    return (norm_inputs){gs_run_pointer(run, in[0]), gs_run_pointer(run, in[1]),
                         gs_run_pointer(run, in[2]), in[0] ? in[0]->shape.c / 2 : 0};
}

/* Fills the tiles of one sample: the first pixel from the statistics, the rest by copying it. */
static void fill_tiles(tiles t, const norm_inputs *in, int sample, int channels, size_t row) {
    const float *mean = in->statistics + (size_t)sample * 2 * (size_t)in->groups;
    const float *inverse = mean + in->groups;
    for (int c = 0; c < channels; c++) {
        int g = in->groups == 1 ? 0 : c;
        float gamma = in->gamma ? in->gamma[c] : 1, beta = in->beta ? in->beta[c] : 0;
        t.inverse[c] = inverse[g];
        t.centre[c] = -mean[g] * inverse[g];
        t.scale[c] = gamma * inverse[g];
        t.shift[c] = beta - mean[g] * t.scale[c];
    }
    float *all[] = {t.scale, t.shift, t.inverse, t.centre};
    for (size_t at = (size_t)channels; at < row; at += (size_t)channels)
        for (int i = 0; i < TILE_ROWS; i++)
            memcpy(all[i] + at, all[i], (size_t)channels * sizeof(float));
}

static void fill_all_tiles(float *memory, const norm_inputs *in, const split *p) {
#pragma omp for schedule(static)
    for (int n = 0; n < p->samples; n++)
        fill_tiles(tiles_of(memory, p->row, n), in, n, p->channels, p->row);
}

/* ---- Forward --------------------------------------------------------------------------------- */

/* Scratch: tiles of every sample, then one row per thread. */
/* A thread's row of x and, where the output is bfloat16, one of the output before it is that. */
static size_t thread_floats(const gs_node *node, const split *p) {
    size_t out_row = (size_t)node->as.prepare.columns.out * (size_t)p->channels;
    return p->row + (node->out[0]->is_bfloat16 ? out_row : 0);
}

gs_status gs__cpu_prepare_scratch(void *opaque, const gs_node *node, void **handle_out,
                                  size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    split p = split_of(node->in[0]->shape, state->threads);
    size_t tile_floats = (size_t)p.samples * TILE_ROWS * p.row;
    *scratch_bytes_out =
        (tile_floats + (size_t)state->threads * thread_floats(node, &p)) * sizeof(float);
    return GS_OK;
}

GS_VECTORIZED static void normalize_activate(const float *restrict x, const tiles *t, float slope,
                                             float *restrict y, size_t count) {
    const float *restrict scale = t->scale, *restrict shift = t->shift;
    for (size_t i = 0; i < count; i++) {
        float z = x[i] * scale[i] + shift[i];
        y[i] = z > 0 ? z : z * slope;
    }
}

GS_VECTORIZED static void activate_only(const float *restrict x, float slope, float *restrict y,
                                        size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = x[i] > 0 ? x[i] : x[i] * slope;
}

/* Spreads a row of x to the columns of the prepared map. */
static void place_columns(const float *from, const gs_axis_map *columns, int channels, float *to) {
    size_t bytes = (size_t)channels * sizeof *to;
    int c = 0;
    while (c < columns->out) {
        int source = columns->source[c], run = 1;
        if (source < 0) {
            memset(to + (size_t)c * (size_t)channels, 0, bytes);
            c++;
            continue;
        }
        while (c + run < columns->out && columns->source[c + run] == source + run) run++;
        const float *pixels = from + (size_t)source * (size_t)channels;
        float *at = to + (size_t)c * (size_t)channels;
        if (run > 1)
            memcpy(at, pixels, (size_t)run * bytes);
        else
            for (int k = 0; k < channels; k++) at[k] = pixels[k];
        c += run;
    }
}

typedef struct prepare_job {
    const gs_node *node;
    const float *x;
    char *y;
    float *tiles, *rows;
    split p;
    size_t value; /* bytes of one of y */
} prepare_job;

/* Makes every row of the output that comes from row r of sample n: the first by computing it, the
 * others by copying that one. */
static void prepare_row(const prepare_job *job, int n, int r) {
    const gs_axis_map *rows = &job->node->as.prepare.rows,
                      *columns = &job->node->as.prepare.columns;
    int first = rows->first[r], last = rows->first[r + 1];
    if (first == last) return; /* cropped away */
    size_t row = job->p.row, out_row = (size_t)columns->out * (size_t)job->p.channels;
    const float *x = job->x + ((size_t)n * (size_t)job->p.rows + (size_t)r) * row;
    char *image = job->y + (size_t)n * (size_t)rows->out * out_row * job->value;
    float *normalized =
        job->rows + (size_t)omp_get_thread_num() * thread_floats(job->node, &job->p);
    float slope = job->node->as.prepare.activate ? job->node->as.prepare.slope : 1;
    if (job->node->as.prepare.norm != GS_NORM_NONE) {
        tiles t = tiles_of(job->tiles, row, n);
        normalize_activate(x, &t, slope, normalized, row);
        x = normalized;
    } else if (slope != 1) {
        activate_only(x, slope, normalized, row);
        x = normalized;
    }
    char *made = image + (size_t)rows->uses[first] * out_row * job->value;
    bool is_bfloat16 = job->node->out[0]->is_bfloat16;
    float *floats = is_bfloat16 ? normalized + row : (float *)(void *)made;
    place_columns(x, columns, job->p.channels, floats);
    if (is_bfloat16) gs__cpu_to_bfloat16(floats, out_row, (uint16_t *)(void *)made);
    for (int k = first + 1; k < last; k++)
        memcpy(image + (size_t)rows->uses[k] * out_row * job->value, made, out_row * job->value);
}

static void clear_padding_rows(const prepare_job *job, int n) {
    const gs_axis_map *rows = &job->node->as.prepare.rows;
    size_t row = (size_t)job->node->as.prepare.columns.out * (size_t)job->p.channels;
    for (int r = 0; r < rows->out; r++)
        if (rows->source[r] < 0)
            memset(job->y + ((size_t)n * (size_t)rows->out + (size_t)r) * row * job->value, 0,
                   row * job->value);
}

/* What lies behind the values of a bfloat16 map is read, and multiplied by zero. */
static void clear_tail(const prepare_job *job) {
    const gs_tensor *y = job->node->out[0];
    size_t values = gs__shape_size(y->shape) * job->value;
    memset(job->y + values, 0, gs__tensor_bytes(&gs_backend_cpu, y) - values);
}

gs_status gs__cpu_prepare(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    split p = split_of(node->in[0]->shape, run->threads);
    prepare_job job = {node,
                       gs_run_pointer(run, node->in[0]),
                       gs_run_pointer(run, node->out[0]),
                       run->scratch,
                       NULL,
                       p,
                       node->out[0]->is_bfloat16 ? sizeof(uint16_t) : sizeof(float)};
    job.rows = job.tiles + (size_t)p.samples * TILE_ROWS * p.row;
    norm_inputs in = norm_inputs_of(run, node, 1);
    clear_tail(&job);
#pragma omp parallel
    {
        if (in.statistics) fill_all_tiles(job.tiles, &in, &p);
#pragma omp for schedule(static) nowait
        for (int i = 0; i < p.samples * p.rows; i++) prepare_row(&job, i / p.rows, i % p.rows);
#pragma omp for schedule(static)
        for (int n = 0; n < p.samples; n++) clear_padding_rows(&job, n);
    }
    return GS_OK;
}

/* ---- Gradient -------------------------------------------------------------------------------- */

/* Scratch: tiles, per-chunk sums Σ g and Σ g·x̂ (doubles [samples·chunks][2·C]), the three factors
 * of the last pass per sample, and per thread a padded row, and three rows. */
typedef struct gradient_job {
    const gs_node *node;
    const float *dy, *x;
    float *dx;
    split p;
    norm_inputs norm;
    double *partial;
    float *tiles, *factors, *rows;
    size_t thread_row; /* floats per thread in `rows` */
} gradient_job;

enum { FACTOR_ROWS = 3 };

/* Lays the job out in the scratch and returns the bytes that it takes. */
static size_t gradient_layout(gradient_job *job, void *scratch, int threads) {
    split p = job->p;
    size_t doubles = (size_t)(p.samples * p.chunks) * 2 * (size_t)p.channels;
    size_t padded = (size_t)job->node->as.prepare.columns.out * (size_t)p.channels;
    job->partial = scratch;
    job->tiles = (float *)(job->partial + doubles);
    job->factors = job->tiles + (size_t)p.samples * TILE_ROWS * p.row;
    job->rows = job->factors + (size_t)p.samples * FACTOR_ROWS * p.row;
    job->thread_row = padded + 2 * p.row;
    float *end = job->rows + (size_t)threads * job->thread_row;
    return (size_t)((char *)end - (char *)scratch);
}

gs_status gs__cpu_prepare_gradient_scratch(void *opaque, const gs_node *node, void **handle_out,
                                           size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    gradient_job job = {.node = node, .p = split_of(node->in[1]->shape, state->threads)};
    char origin; /* only differences of addresses are used */
    *scratch_bytes_out = gradient_layout(&job, &origin, state->threads);
    return GS_OK;
}

GS_VECTORIZED static void add_into(float *restrict to, const float *restrict from, size_t count) {
    for (size_t i = 0; i < count; i++) to[i] += from[i];
}

static void add_pixels(const float *restrict from, int uses, int channels, float *restrict to) {
    for (int k = 0; k < channels; k++) to[k] = from[k];
    for (int u = 1; u < uses; u++)
        for (int k = 0; k < channels; k++) to[k] += from[(size_t)u * (size_t)channels + (size_t)k];
}

/* Sums the padded columns made from column c, or copies a run of columns used once each; returns
 * how many columns it did. */
static int fold_columns(const float *from, const gs_axis_map *columns, int c, int channels,
                        float *out) {
    const int *uses = columns->uses + columns->first[c];
    int count = columns->first[c + 1] - columns->first[c], run = 1;
    float *to = out + (size_t)c * (size_t)channels;
    if (count == 0) memset(to, 0, (size_t)channels * sizeof *to);
    if (count == 0) return 1;
    const float *pixel = from + (size_t)uses[0] * (size_t)channels;
    if (count == 1) {
        while (c + run < columns->in &&
               columns->first[c + run + 1] - columns->first[c + run] == 1 &&
               uses[run] == uses[0] + run)
            run++;
        memcpy(to, pixel, (size_t)run * (size_t)channels * sizeof *to);
        return run;
    }
    /* Upsampling makes two neighbours; reflection adds columns elsewhere. */
    int together = uses[1] == uses[0] + 1 ? 2 : 1;
    add_pixels(pixel, together, channels, to);
    for (int u = together; u < count; u++) {
        pixel = from + (size_t)uses[u] * (size_t)channels;
        for (int k = 0; k < channels; k++) to[k] += pixel[k];
    }
    return 1;
}

/* The gradient of row r before the activation's: all rows and columns made from it are summed. */
static void fold_padded_row(const gradient_job *job, int n, int r, float *padded, float *out) {
    const gs_axis_map *rows = &job->node->as.prepare.rows,
                      *columns = &job->node->as.prepare.columns;
    size_t out_row = (size_t)columns->out * (size_t)job->p.channels;
    const float *image = job->dy + (size_t)n * (size_t)rows->out * out_row, *from = padded;
    int first = rows->first[r], last = rows->first[r + 1], channels = job->p.channels;
    if (last - first == 1)
        from = image + (size_t)rows->uses[first] * out_row;
    else
        memset(padded, 0, out_row * sizeof *padded);
    for (int k = first; k < last && last - first > 1; k++)
        add_into(padded, image + (size_t)rows->uses[k] * out_row, out_row);
    for (int c = 0; c < columns->in;) c += fold_columns(from, columns, c, channels, out);
}

/* g = dy·act'(z); sums of g and g·x̂. */
GS_VECTORIZED static void activate_gradient(float *restrict g, const float *restrict x,
                                            const tiles *t, float slope, float *restrict sum_g,
                                            float *restrict sum_gx, size_t count) {
    const float *restrict scale = t->scale, *restrict shift = t->shift;
    const float *restrict inverse = t->inverse, *restrict centre = t->centre;
    for (size_t i = 0; i < count; i++) {
        float z = x[i] * scale[i] + shift[i];
        float gradient = z > 0 ? g[i] : g[i] * slope;
        g[i] = gradient;
        sum_g[i] += gradient;
        sum_gx[i] += gradient * (x[i] * inverse[i] + centre[i]);
    }
}

GS_VECTORIZED static void activate_gradient_only(float *restrict g, const float *restrict x,
                                                 float slope, size_t count) {
    for (size_t i = 0; i < count; i++) g[i] = x[i] > 0 ? g[i] : g[i] * slope;
}

static void gradient_chunk(const gradient_job *job, int index) {
    split p = job->p;
    int n = index / p.chunks, chunk = index % p.chunks;
    float *padded = job->rows + (size_t)omp_get_thread_num() * job->thread_row;
    float *sum_g = padded + (job->thread_row - 2 * p.row), *sum_gx = sum_g + p.row;
    float slope = job->node->as.prepare.activate ? job->node->as.prepare.slope : 1;
    memset(sum_g, 0, 2 * p.row * sizeof *sum_g);
    tiles t = tiles_of(job->tiles, p.row, n);
    for (int r = chunk_start(p, chunk); r < chunk_start(p, chunk + 1); r++) {
        size_t at = ((size_t)n * (size_t)p.rows + (size_t)r) * p.row;
        fold_padded_row(job, n, r, padded, job->dx + at);
        if (job->norm.statistics)
            activate_gradient(job->dx + at, job->x + at, &t, slope, sum_g, sum_gx, p.row);
        else if (slope != 1)
            activate_gradient_only(job->dx + at, job->x + at, slope, p.row);
    }
    double *partial = job->partial + (size_t)index * 2 * (size_t)p.channels;
    fold_row(sum_g, p.row, p.channels, partial);
    fold_row(sum_gx, p.row, p.channels, partial + p.channels);
}

/* Adds the chunks' sums of sample n into its first chunk's. */
static double *sample_sums(const gradient_job *job, int n) {
    size_t count = 2 * (size_t)job->p.channels;
    double *total = job->partial + (size_t)n * (size_t)job->p.chunks * count;
    for (int k = 1; k < job->p.chunks; k++)
        for (size_t i = 0; i < count; i++) total[i] += total[(size_t)k * count + i];
    return total;
}

/* With A and B the means over the norm's group of γg and γg·x̂:
 * dx = inverse·(γg - A - x̂·B) = g·f0 + x·f1 + f2. Fills the rows of f0, f1, f2 for sample n. */
static void fill_factors(const gradient_job *job, int n) {
    split p = job->p;
    const double *sums = sample_sums(job, n);
    float *f = job->factors + (size_t)n * FACTOR_ROWS * p.row;
    tiles t = tiles_of(job->tiles, p.row, n);
    bool is_layer = job->node->as.prepare.norm == GS_NORM_LAYER;
    bool is_given = job->node->as.prepare.norm == GS_NORM_BATCH; /* dx = inverse·γg */
    double pixels = (double)p.rows * (double)(p.row / (size_t)p.channels), a = 0, b = 0;
    for (int c = 0; is_layer && c < p.channels; c++) {
        a += (double)job->norm.gamma[c] * sums[c];
        b += (double)job->norm.gamma[c] * sums[p.channels + c];
    }
    double of_all = pixels * (double)p.channels;
    for (int c = 0; c < p.channels; c++) {
        double gamma = job->norm.gamma ? (double)job->norm.gamma[c] : 1;
        double mean_g = is_layer ? a / of_all : gamma * sums[c] / pixels;
        double mean_gx = is_layer ? b / of_all : gamma * sums[p.channels + c] / pixels;
        if (is_given) mean_g = mean_gx = 0;
        double inverse = (double)t.inverse[c];
        f[c] = t.scale[c];
        f[p.row + (size_t)c] = (float)(-inverse * inverse * mean_gx);
        f[2 * p.row + (size_t)c] = (float)(-inverse * (mean_g + (double)t.centre[c] * mean_gx));
    }
    for (size_t at = (size_t)p.channels; at < p.row; at += (size_t)p.channels)
        for (int i = 0; i < FACTOR_ROWS; i++)
            memcpy(f + (size_t)i * p.row + at, f + (size_t)i * p.row,
                   (size_t)p.channels * sizeof *f);
}

GS_VECTORIZED static void combine(float *restrict g, const float *restrict x,
                                  const float *restrict f, size_t count) {
    const float *restrict f1 = f + count, *restrict f2 = f1 + count;
    for (size_t i = 0; i < count; i++) g[i] = g[i] * f[i] + x[i] * f1[i] + f2[i];
}

/* dγ = Σ g·x̂ and dβ = Σ g over the samples; call once the samples' sums are complete. */
static void affine_gradients(const gradient_job *job, float *gamma, float *beta) {
    split p = job->p;
    for (int c = 0; c < p.channels; c++) {
        double g = 0, gx = 0;
        for (int n = 0; n < p.samples; n++) {
            const double *sums = job->partial + (size_t)(n * p.chunks) * 2 * (size_t)p.channels;
            g += sums[c];
            gx += sums[p.channels + c];
        }
        if (gamma) gamma[c] = (float)gx;
        if (beta) beta[c] = (float)g;
    }
}

gs_status gs__cpu_prepare_gradient(const gs_run *run, const gs_node *node, void *handle,
                                   gs_error *err) {
    (void)handle, (void)err;
    gradient_job job = {.node = node,
                        .dy = gs_run_pointer(run, node->in[0]),
                        .x = gs_run_pointer(run, node->in[1]),
                        .dx = gs_run_pointer(run, node->out[0]),
                        .p = split_of(node->in[1]->shape, run->threads),
                        .norm = norm_inputs_of(run, node, 2)};
    gradient_layout(&job, run->scratch, run->threads);
    split p = job.p;
    bool has_norm = job.norm.statistics != NULL;
#pragma omp parallel
    {
        if (has_norm) fill_all_tiles(job.tiles, &job.norm, &p);
#pragma omp for schedule(static)
        for (int i = 0; i < p.samples * p.chunks; i++) gradient_chunk(&job, i);
        if (has_norm) {
#pragma omp for schedule(static)
            for (int n = 0; n < p.samples; n++) fill_factors(&job, n);
#pragma omp for schedule(static)
            for (int i = 0; i < p.samples * p.rows; i++)
                combine(job.dx + (size_t)i * p.row, job.x + (size_t)i * p.row,
                        job.factors + (size_t)(i / p.rows) * FACTOR_ROWS * p.row, p.row);
        }
    }
    if (node->in[3])
        affine_gradients(&job, gs_run_pointer(run, node->out[1]),
                         gs_run_pointer(run, node->out[2]));
    return GS_OK;
}

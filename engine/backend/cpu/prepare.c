/* Preparation of a convolution's input: normalise, activate, upsample, crop and pad in one pass.
 *
 * Every row of x is read once and written, as what is asked for, straight to its place: the stretch
 * of columns that is x in order is made there, and what pads it is copied from it. */
#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/channel_tiles.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

/* The longest run of columns that come from one column of x after the other. */
typedef struct stretch {
    int column, source, count;
} stretch;

static stretch longest_stretch(const gs_axis_map *columns) {
    stretch longest = {0};
    for (int c = 0, run; c < columns->out; c += run) {
        int source = columns->source[c];
        for (run = 1; source >= 0 && c + run < columns->out; run++)
            if (columns->source[c + run] != source + run) break;
        if (source >= 0 && run > longest.count) longest = (stretch){c, source, run};
    }
    return longest;
}

typedef struct prepare_job {
    const gs_node *node;
    const float *x;
    char *y;
    gs_flat_map map;
    gs_norm_inputs norm;
    stretch direct; /* columns that are made in place; none: rows are made apart */
    float slope;
    bool is_bfloat16;
    size_t value, pixel, out_row; /* bytes of y's */
} prepare_job;

/* Whether all columns come from the stretch, as they do but for upsampled maps. */
static bool covers_all(const stretch *s, const gs_axis_map *columns) {
    for (int c = 0; c < columns->out; c++) {
        int source = columns->source[c];
        if (source >= 0 && (source < s->source || source >= s->source + s->count)) return false;
    }
    return true;
}

static prepare_job job_of(const gs_run *run, const gs_node *node) {
    prepare_job job = {.node = node,
                       .x = gs_run_pointer(run, node->in[0]),
                       .y = gs_run_pointer(run, node->out[0]),
                       .map = gs__flat_map(node->in[0]->shape, run->threads),
                       .norm = gs__norm_inputs(run, node, 1),
                       .slope = node->as.prepare.activate ? node->as.prepare.slope : 1,
                       .is_bfloat16 = node->out[0]->is_bfloat16};
    const gs_axis_map *columns = &node->as.prepare.columns;
    job.value = job.is_bfloat16 ? sizeof(uint16_t) : sizeof(float);
    job.pixel = (size_t)job.map.channels * job.value;
    job.out_row = (size_t)columns->out * job.pixel;
    job.direct = longest_stretch(columns);
    if (!covers_all(&job.direct, columns)) job.direct.count = 0;
    return job;
}

/* Per thread: the tiles, and a row of x as y has it. */
static size_t thread_floats(const gs_flat_map *map) {
    return GS_NORM_TILES * map->tile + map->row;
}

gs_status gs__cpu_prepare_scratch(void *opaque, const gs_node *node, void **handle_out,
                                  size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    gs_flat_map map = gs__flat_map(node->in[0]->shape, state->threads);
    *scratch_bytes_out = (size_t)state->threads * thread_floats(&map) * sizeof(float);
    return GS_OK;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static inline float activated(float z, float slope) {
    return z > 0 ? z : z * slope;
}

GS_VECTORIZED static void normalize(const float *restrict x, const gs_norm_tiles *t, size_t tile,
                                    float slope, float *restrict y, size_t count) {
    const float *restrict scale = t->scale, *restrict shift = t->shift;
    for (size_t at = 0; at < count; at += tile) {
        size_t length = count - at < tile ? count - at : tile;
        for (size_t i = 0; i < length; i++)
            y[at + i] = activated(x[at + i] * scale[i] + shift[i], slope);
    }
}

GS_VECTORIZED static void normalize_to_bfloat16(const float *restrict x, const gs_norm_tiles *t,
                                                size_t tile, float slope, uint16_t *restrict y,
                                                size_t count) {
    const float *restrict scale = t->scale, *restrict shift = t->shift;
    for (size_t at = 0; at < count; at += tile) {
        size_t length = count - at < tile ? count - at : tile;
        for (size_t i = 0; i < length; i++)
            y[at + i] = gs__bfloat16(activated(x[at + i] * scale[i] + shift[i], slope));
    }
}

GS_VECTORIZED static void activate(const float *restrict x, float slope, float *restrict y,
                                   size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = activated(x[i], slope);
}

GS_VECTORIZED static void activate_to_bfloat16(const float *restrict x, float slope,
                                               uint16_t *restrict y, size_t count) {
    for (size_t i = 0; i < count; i++) y[i] = gs__bfloat16(activated(x[i], slope));
}

/* Some pixels of x, from the start of a tile on, as y has them. */
static void make_values(const prepare_job *job, const float *x, const gs_norm_tiles *tiles,
                        size_t count, char *to) {
    uint16_t *halves = (uint16_t *)(void *)to;
    float *floats = (float *)(void *)to;
    if (job->norm.statistics && job->is_bfloat16)
        normalize_to_bfloat16(x, tiles, job->map.tile, job->slope, halves, count);
    else if (job->norm.statistics)
        normalize(x, tiles, job->map.tile, job->slope, floats, count);
    else if (job->is_bfloat16)
        activate_to_bfloat16(x, job->slope, halves, count);
    else if (job->slope != 1)
        activate(x, job->slope, floats, count);
    else
        memcpy(floats, x, count * sizeof *floats);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Columns from..to of a row, of the pixels of x from `first` on. */
static void place_columns(const prepare_job *job, const char *pixels, int first, int from, int to,
                          char *row) {
    for (int c = from; c < to; c++) {
        int source = job->node->as.prepare.columns.source[c];
        char *at = row + (size_t)c * job->pixel;
        if (source < 0)
            memset(at, 0, job->pixel);
        else
            memcpy(at, pixels + (size_t)(source - first) * job->pixel, job->pixel);
    }
}

static void make_row(const prepare_job *job, const float *x, const gs_norm_tiles *tiles,
                     char *apart, char *row) {
    stretch s = job->direct;
    int columns = job->node->as.prepare.columns.out;
    if (s.count == 0) {
        make_values(job, x, tiles, job->map.row, apart);
        place_columns(job, apart, 0, 0, columns, row);
        return;
    }
    size_t channels = (size_t)job->map.channels;
    char *start = row + (size_t)s.column * job->pixel;
    make_values(job, x + (size_t)s.source * channels, tiles, (size_t)s.count * channels, start);
    place_columns(job, start, s.source, 0, s.column, row);
    place_columns(job, start, s.source, s.column + s.count, columns, row);
}

/* All rows of the output that come from row r of sample n: the first is made, the others are copies
 * of it. */
static void prepare_row(const prepare_job *job, int n, int r, const gs_norm_tiles *tiles,
                        char *apart) {
    const gs_axis_map *rows = &job->node->as.prepare.rows;
    int first = rows->first[r], last = rows->first[r + 1];
    if (first == last) return; /* cropped away */
    const float *x = job->x + ((size_t)n * (size_t)rows->in + (size_t)r) * job->map.row;
    char *image = job->y + (size_t)n * (size_t)rows->out * job->out_row;
    char *made = image + (size_t)rows->uses[first] * job->out_row;
    make_row(job, x, tiles, apart, made);
    for (int k = first + 1; k < last; k++)
        memcpy(image + (size_t)rows->uses[k] * job->out_row, made, job->out_row);
}

static void clear_padding_rows(const prepare_job *job) {
    const gs_axis_map *rows = &job->node->as.prepare.rows;
    for (int r = 0; r < rows->out; r++)
        for (int n = 0; rows->source[r] < 0 && n < job->map.samples; n++)
            memset(job->y + ((size_t)n * (size_t)rows->out + (size_t)r) * job->out_row, 0,
                   job->out_row);
}

/* What lies behind the values of a bfloat16 map is read, and multiplied by zero. */
static void clear_tail(const prepare_job *job) {
    const gs_tensor *y = job->node->out[0];
    size_t values = gs__shape_size(y->shape) * job->value;
    memset(job->y + values, 0, gs__tensor_bytes(&gs_backend_cpu, y) - values);
}

/* Rows from..to of all samples' rows. */
static void prepare_rows(const prepare_job *job, int from, int to, float *memory) {
    int rows = job->map.rows, filled = -1;
    gs_norm_tiles tiles = {0};
    for (int i = from; i < to; i++) {
        int n = i / rows;
        if (job->norm.statistics && n != filled)
            tiles = gs__norm_tiles(&job->map, &job->norm, n, memory);
        filled = n;
        prepare_row(job, n, i % rows, &tiles, (char *)(memory + GS_NORM_TILES * job->map.tile));
    }
}

gs_status gs__cpu_prepare(const gs_run *run, const gs_node *node, void *handle, gs_error *err) {
    (void)handle, (void)err;
    prepare_job job = job_of(run, node);
    int rows = job.map.samples * job.map.rows, parts = run->threads < rows ? run->threads : rows;
    float *memory = run->scratch;
    clear_tail(&job);
    clear_padding_rows(&job);
#pragma omp parallel for schedule(static) if (gs__is_worth_threads(&job.map))
    for (int k = 0; k < parts; k++)
        prepare_rows(&job, (int)((int64_t)rows * k / parts), (int)((int64_t)rows * (k + 1) / parts),
                     memory + (size_t)omp_get_thread_num() * thread_floats(&job.map));
    return GS_OK;
}

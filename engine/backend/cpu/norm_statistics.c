/* Statistics of norms: means and inverse standard deviations per sample, of each channel or of all.
 *
 * A map is read from memory once: of each block of rows, small enough to stay in the cache, the
 * mean is taken, then the squares about it; blocks, chunks and channels are joined in double
 * precision by the formula of Chan, Golub and LeVeque. */
#include "engine/backend/cpu/channel_tiles.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define NORM_EPSILON 1e-5

enum { BLOCK = 16384 /* floats */ };

/* Of `count` values of each channel: their mean, and the squared differences from it, summed. */
typedef struct moments {
    double count;
    double *means, *squares; /* [C] */
} moments;

/* What a thread needs for a block. */
typedef struct workspace {
    moments block;
    float *tile, *means;
} workspace;

typedef struct statistics {
    const float *x;
    float *out; /* [N, 2·groups]: means, then inverse standard deviations */
    gs_flat_map map;
    int groups;
    double *chunks; /* [samples·chunks][2][C] */
    double *workspaces;
} statistics;

static size_t moments_doubles(const gs_flat_map *map) {
    return 2 * (size_t)map->channels;
}

static size_t workspace_doubles(const gs_flat_map *map) {
    return moments_doubles(map) + map->tile /* for two tiles of floats */;
}

static moments moments_at(const gs_flat_map *map, double *memory) {
    return (moments){.means = memory, .squares = memory + map->channels};
}

static workspace workspace_at(const gs_flat_map *map, double *memory) {
    float *tile = (float *)(memory + moments_doubles(map));
    return (workspace){moments_at(map, memory), tile, tile + map->tile};
}

gs_status gs__cpu_norm_statistics_scratch(void *opaque, const gs_node *node, void **handle_out,
                                          size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    const gs_cpu_state *state = opaque;
    gs_flat_map map = gs__flat_map(node->in[0]->shape, state->threads);
    size_t chunks = (size_t)(map.samples * map.chunks), threads = (size_t)state->threads;
    *scratch_bytes_out =
        (chunks * moments_doubles(&map) + threads * workspace_doubles(&map)) * sizeof(double);
    return GS_OK;
}

GS_VECTORIZED static void join(moments *restrict all, const moments *restrict part, int channels) {
    double count = all->count + part->count;
    double share = part->count / count, weight = all->count * share;
    double *restrict means = all->means, *restrict squares = all->squares;
    const double *restrict part_means = part->means, *restrict part_squares = part->squares;
    for (int c = 0; c < channels; c++) {
        double apart = part_means[c] - means[c];
        squares[c] += part_squares[c] + apart * apart * weight;
        means[c] += apart * share;
    }
    all->count = count;
}

GS_VECTORIZED static void add_values(float *restrict sums, const float *restrict x, size_t tile,
                                     size_t count) {
    for (size_t at = 0; at < count; at += tile) {
        size_t length = count - at < tile ? count - at : tile;
        for (size_t i = 0; i < length; i++) sums[i] += x[at + i];
    }
}

GS_VECTORIZED static void add_squares(float *restrict sums, const float *restrict x,
                                      const float *restrict means, size_t tile, size_t count) {
    for (size_t at = 0; at < count; at += tile) {
        size_t length = count - at < tile ? count - at : tile;
        for (size_t i = 0; i < length; i++) {
            float apart = x[at + i] - means[i];
            sums[i] += apart * apart;
        }
    }
}

/* The moments of some rows, which lie one behind the other. */
static void measure_block(const gs_flat_map *map, const float *x, int rows, workspace *w) {
    size_t count = (size_t)rows * map->row;
    moments *m = &w->block;
    m->count = (double)(count / (size_t)map->channels);
    memset(m->means, 0, moments_doubles(map) * sizeof *m->means);
    memset(w->tile, 0, map->tile * sizeof *w->tile);
    add_values(w->tile, x, map->tile, count);
    gs__add_tile(map, w->tile, m->means);
    for (int c = 0; c < map->channels; c++) m->means[c] /= m->count;
    for (int c = 0; c < map->channels; c++) w->means[c] = (float)m->means[c];
    gs__fill_tile(map, w->means);
    memset(w->tile, 0, map->tile * sizeof *w->tile);
    add_squares(w->tile, x, w->means, map->tile, count);
    gs__add_tile(map, w->tile, m->squares);
}

static double pixels_of_chunk(const gs_flat_map *map, int chunk) {
    int rows = gs__chunk_start(map, chunk + 1) - gs__chunk_start(map, chunk);
    return (double)rows * (double)(map->row / (size_t)map->channels);
}

static moments chunk_moments(const statistics *s, int index) {
    return moments_at(&s->map, s->chunks + (size_t)index * moments_doubles(&s->map));
}

static void measure_chunk(const statistics *s, int index) {
    const gs_flat_map *map = &s->map;
    int n = index / map->chunks, chunk = index % map->chunks;
    size_t thread = (size_t)omp_get_thread_num();
    workspace w = workspace_at(map, s->workspaces + thread * workspace_doubles(map));
    moments all = chunk_moments(s, index);
    memset(all.means, 0, moments_doubles(map) * sizeof *all.means);
    const float *x = s->x + (size_t)n * (size_t)map->rows * map->row;
    int together = (int)(BLOCK / map->row) + 1, end = gs__chunk_start(map, chunk + 1);
    for (int r = gs__chunk_start(map, chunk); r < end; r += together) {
        measure_block(map, x + (size_t)r * map->row, together < end - r ? together : end - r, &w);
        join(&all, &w.block, map->channels);
    }
}

static float inverse_deviation(double variance) {
    return (float)(1 / sqrt(variance + NORM_EPSILON));
}

/* Joins the chunks of a sample, and its channels where they are one group. */
static void finish_sample(const statistics *s, int n) {
    int channels = s->map.channels;
    moments all = chunk_moments(s, n * s->map.chunks);
    all.count = pixels_of_chunk(&s->map, 0);
    for (int k = 1; k < s->map.chunks; k++) {
        moments part = chunk_moments(s, n * s->map.chunks + k);
        part.count = pixels_of_chunk(&s->map, k);
        join(&all, &part, channels);
    }
    float *out = s->out + (size_t)n * 2 * (size_t)s->groups;
    for (int c = 0; s->groups > 1 && c < channels; c++) {
        out[c] = (float)all.means[c];
        out[s->groups + c] = inverse_deviation(all.squares[c] / all.count);
    }
    if (s->groups > 1) return;
    double mean = 0, squares = 0;
    for (int c = 0; c < channels; c++) mean += all.means[c] / channels;
    for (int c = 0; c < channels; c++) {
        double apart = all.means[c] - mean;
        squares += all.squares[c] + apart * apart * all.count;
    }
    out[0] = (float)mean;
    out[1] = inverse_deviation(squares / (all.count * channels));
}

gs_status gs__cpu_norm_statistics(const gs_run *run, const gs_node *node, void *handle,
                                  gs_error *err) {
    (void)handle, (void)err;
    gs_flat_map map = gs__flat_map(node->in[0]->shape, run->threads);
    statistics s = {.x = gs_run_pointer(run, node->in[0]),
                    .out = gs_run_pointer(run, node->out[0]),
                    .map = map,
                    .groups = node->as.prepare.norm == GS_NORM_INSTANCE ? map.channels : 1,
                    .chunks = run->scratch};
    s.workspaces = s.chunks + (size_t)(map.samples * map.chunks) * moments_doubles(&map);
    bool is_shared = map.chunks > 1; /* then samples are complete only after the loop */
#pragma omp parallel for schedule(static) if (gs__is_worth_threads(&map))
    for (int i = 0; i < map.samples * map.chunks; i++) {
        measure_chunk(&s, i);
        if (!is_shared) finish_sample(&s, i);
    }
    for (int n = 0; is_shared && n < map.samples; n++) finish_sample(&s, n);
    return GS_OK;
}

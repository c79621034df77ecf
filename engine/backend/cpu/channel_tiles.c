#include "engine/backend/cpu/channel_tiles.h"

#include <string.h>

/* Enough for loops to be fast; six of them are 6 KiB. */
enum { LEAST_TILE = 256 };

gs_flat_map gs__flat_map(gs_shape s, int threads) {
    gs_flat_map map = {.samples = s.n,
                       .rows = s.h,
                       .channels = s.c,
                       .chunks = s.n % threads == 0 ? 1
                                 : threads < s.h    ? threads
                                                    : s.h,
                       .row = (size_t)s.w * (size_t)s.c};
    map.tile = (LEAST_TILE + (size_t)s.c - 1) / (size_t)s.c * (size_t)s.c;
    if (map.tile > map.row) map.tile = map.row;
    return map;
}

void gs__fill_tile(const gs_flat_map *map, float *tile) {
    size_t channels = (size_t)map->channels;
    for (size_t at = channels; at < map->tile; at += channels)
        memcpy(tile + at, tile, channels * sizeof *tile);
}

GS_VECTORIZED static void add_pixel(double *restrict sums, const float *restrict pixel,
                                    int channels) {
    for (int c = 0; c < channels; c++) sums[c] += (double)pixel[c];
}

void gs__add_tile(const gs_flat_map *map, const float *tile, double *sums) {
    for (size_t at = 0; at < map->tile; at += (size_t)map->channels)
        add_pixel(sums, tile + at, map->channels);
}

gs_norm_inputs gs__norm_inputs(const gs_run *run, const gs_node *node, int first) {
    gs_tensor *const *in = node->in + first;
    return (gs_norm_inputs){gs_run_pointer(run, in[0]), gs_run_pointer(run, in[1]),
                            gs_run_pointer(run, in[2]), in[0] ? in[0]->shape.c / 2 : 0};
}

gs_norm_tiles gs__norm_tiles(const gs_flat_map *map, const gs_norm_inputs *in, int sample,
                             float *memory) {
    gs_norm_tiles t = {memory, memory + map->tile, memory + 2 * map->tile, memory + 3 * map->tile};
    const float *mean = in->statistics + (size_t)sample * 2 * (size_t)in->groups;
    const float *inverse = mean + in->groups;
    for (int c = 0; c < map->channels; c++) {
        int g = in->groups == 1 ? 0 : c;
        float gamma = in->gamma ? in->gamma[c] : 1, beta = in->beta ? in->beta[c] : 0;
        t.inverse[c] = inverse[g];
        t.centre[c] = -mean[g] * inverse[g];
        t.scale[c] = gamma * inverse[g];
        t.shift[c] = beta - mean[g] * t.scale[c];
    }
    for (int i = 0; i < GS_NORM_TILES; i++) gs__fill_tile(map, memory + (size_t)i * map->tile);
    return t;
}

/* What is given per channel, for loops over flat rows.
 *
 * A row of W pixels with C channels is W·C consecutive floats. Whatever C is, loops over it fill
 * vectors: what is given per channel is repeated in a "tile" of a few pixels, short enough for the
 * first-level cache, and a row is gone through in pieces of a tile. Sums per channel are taken in
 * tiles too and added up at the end. */
#ifndef GS_ENGINE_BACKEND_CPU_CHANNEL_TILES_H
#define GS_ENGINE_BACKEND_CPU_CHANNEL_TILES_H

#include "engine/backend/cpu/cpu_internal.h"

/* A map for such loops. Samples are cut into `chunks` of rows, which threads share. */
typedef struct gs_flat_map {
    int samples, rows, channels, chunks;
    size_t row, tile; /* floats of each: the tile is whole pixels, at most a row */
} gs_flat_map;

/* With as many chunks as threads where samples cannot be shared out evenly, else one. */
gs_flat_map gs__flat_map(gs_shape shape, int threads);

/* The first row of a chunk; that of chunk `chunks` is the number of rows. */
static inline int gs__chunk_start(const gs_flat_map *map, int chunk) {
    return (int)((int64_t)map->rows * chunk / map->chunks);
}

/* Whether a loop over so many floats is worth a second thread. */
static inline bool gs__is_worth_threads(const gs_flat_map *map) {
    return (size_t)map->samples * (size_t)map->rows * map->row > 32768;
}

/* Repeats the tile's first pixel. */
void gs__fill_tile(const gs_flat_map *map, float *tile);

/* sums[C] += the tile's values of every channel. */
void gs__add_tile(const gs_flat_map *map, const float *tile, double *sums);

/* ---- Normalisation --------------------------------------------------------------------------- */

typedef struct gs_norm_inputs {
    const float *statistics; /* [N, 2·groups]: means, then inverse deviations; NULL without norm */
    const float *gamma, *beta; /* [C], NULL where the norm has none */
    int groups;
} gs_norm_inputs;

/* Of the node's inputs from `first` on: statistics, gamma, beta. */
gs_norm_inputs gs__norm_inputs(const gs_run *run, const gs_node *node, int first);

/* z = x·scale + shift is the normalised value before activation, x̂ = x·inverse + centre the one
 * without gamma and beta. */
typedef struct gs_norm_tiles {
    float *scale, *shift, *inverse, *centre;
} gs_norm_tiles;

enum { GS_NORM_TILES = 4 };

/* Lays the tiles out in GS_NORM_TILES·tile floats of memory and fills them for one sample. */
gs_norm_tiles gs__norm_tiles(const gs_flat_map *map, const gs_norm_inputs *in, int sample,
                             float *memory);

#endif

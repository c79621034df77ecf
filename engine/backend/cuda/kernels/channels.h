/* Sums per channel. A channels-last map is a matrix [pixels][channels]; a block has some columns of
 * it, at most BLOCK, and its threads share out the rows: thread t has column t % width and the rows
 * lane, lane + lanes, … of the block's, lane = t / width. So neighbours read neighbours, however
 * many channels there are. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_CHANNELS_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_CHANNELS_H

#include "engine/backend/cuda/kernels/device.h"

/* How matrices [segments][rows][columns] are cut: each segment into chunks of rows, the columns
 * into tiles; a block for every chunk of every tile. */
typedef struct gs_cut {
    size_t segments, rows, columns;
    size_t chunk_rows, chunks;
    int width, lanes, tiles;
} gs_cut;

static inline gs_cut gs__cut(size_t segments, size_t rows, size_t columns, size_t rows_of_thread) {
    gs_cut cut = {segments, rows, columns, 0, 0, 0, 0, 0};
    cut.width = columns < BLOCK ? (int)columns : (int)BLOCK;
    cut.lanes = BLOCK / cut.width;
    cut.tiles = (int)gs__pieces(columns, (size_t)cut.width);
    cut.chunk_rows = (size_t)cut.lanes * rows_of_thread;
    cut.chunks = gs__pieces(rows, cut.chunk_rows);
    return cut;
}

static inline size_t gs__cut_blocks(const gs_cut *cut) {
    return cut->segments * cut->chunks * (size_t)cut->tiles;
}

/* What the running block has. */
typedef struct gs_chunk {
    size_t segment, chunk;
    size_t first_column, from, to; /* rows, of the segment */
} gs_chunk;

GS_DEVICE gs_chunk gs__chunk(const gs_cut &cut) {
    size_t index = gs__block(), tile = index % (size_t)cut.tiles, piece = index / (size_t)cut.tiles;
    size_t chunk = piece % cut.chunks, from = chunk * cut.chunk_rows, to = from + cut.chunk_rows;
    return gs_chunk{piece / cut.chunks, chunk, tile * (size_t)cut.width, from,
                    to < cut.rows ? to : cut.rows};
}

/* The running thread's. */
GS_DEVICE int gs__lane(const gs_cut &cut) {
    return gs__thread() / cut.width;
}
GS_DEVICE size_t gs__column(const gs_cut &cut, const gs_chunk &chunk) {
    return chunk.first_column + (size_t)(gs__thread() % cut.width);
}
GS_DEVICE bool gs__has_column(const gs_cut &cut, const gs_chunk &chunk) {
    return gs__lane(cut) < cut.lanes && gs__column(cut, chunk) < cut.columns;
}

/* Adds up the lanes of every column: values[t] of lane 0 become the sums. */
GS_DEVICE void gs__add_lanes(const gs_cut &cut, double *values) {
    for (int left = cut.lanes; left > 1; left = (left + 1) / 2) {
        int half = (left + 1) / 2;
        GS_PHASE () {
            int t = gs__thread();
            if (gs__lane(cut) + half < left) values[t] += values[t + half * cut.width];
        }
    }
}

#endif

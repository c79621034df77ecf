/* Products of matrices that are not stored as such: left [rows, depth] · right [depth, columns],
 * many at once. For a structure P that describes them its file defines, before it includes nothing
 * more, gs_product_size gs__size(const P &, size_t index)   sizes of the index-th product, float
 * gs__left(const P &, size_t index, int row, int k), float gs__right(const P &, size_t index, int
 * k, int column), void gs__put(const P &, size_t index, int row, int column, float value), and
 * launches gs__product_kernel<P> with `tile_rows`, `tile_columns` of P filled in. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_PRODUCT_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_PRODUCT_H

#include "engine/backend/cuda/kernels/device.h"

/* A block computes TILE × TILE results, a thread TILE_SUMS of one column. */
enum { TILE = 32, TILE_ROWS_APART = 8, TILE_SUMS = 4 };
static_assert((int)TILE * TILE_ROWS_APART == (int)BLOCK, "each thread has a column and a row");

typedef struct gs_product_size {
    int rows, columns, depth;
} gs_product_size;

/* Tiles of the largest of the products. */
typedef struct gs_tiling {
    size_t products, tile_rows, tile_columns;
} gs_tiling;

static inline gs_tiling gs__tiling(size_t products, int rows, int columns) {
    return gs_tiling{products, gs__pieces((size_t)rows, TILE), gs__pieces((size_t)columns, TILE)};
}

static inline size_t gs__tiling_blocks(const gs_tiling &t) {
    return t.products * t.tile_rows * t.tile_columns;
}

template <class P> GS_KERNEL gs__product_kernel(P j) {
    GS_SHARED(float, left, TILE *(TILE + 1)); /* a column more: rows are in different banks */
    GS_SHARED(float, right, TILE *TILE);
    GS_LOCAL(float, sums, TILE_SUMS);
    const size_t block = gs__block(), tile = block / j.tiling.tile_columns;
    const size_t index = tile / j.tiling.tile_rows;
    const int first_column = (int)(block % j.tiling.tile_columns) * TILE;
    const int first_row = (int)(tile % j.tiling.tile_rows) * TILE;
    const gs_product_size size = gs__size(j, index);
    GS_PHASE () {
        for (int i = 0; i < TILE_SUMS; i++) sums[i] = 0;
    }
    for (int first_k = 0; first_k < size.depth; first_k += TILE) {
        GS_PHASE () {
            for (int e = gs__thread(); e < TILE * TILE; e += BLOCK) {
                int slow = e / TILE, fast = e % TILE, row = first_row + slow;
                int k = first_k + fast, column = first_column + fast;
                bool has_left = row < size.rows && k < size.depth;
                left[slow * (TILE + 1) + fast] = has_left ? gs__left(j, index, row, k) : 0;
                k = first_k + slow;
                bool has_right = k < size.depth && column < size.columns;
                right[slow * TILE + fast] = has_right ? gs__right(j, index, k, column) : 0;
            }
        }
        GS_PHASE () {
            int column = gs__thread() % TILE, row = gs__thread() / TILE;
            for (int k = 0; k < TILE; k++)
                for (int i = 0; i < TILE_SUMS; i++)
                    sums[i] += left[(row + i * TILE_ROWS_APART) * (TILE + 1) + k] *
                               right[k * TILE + column];
        }
    }
    GS_PHASE () {
        int column = first_column + gs__thread() % TILE, row = first_row + gs__thread() / TILE;
        for (int i = 0; i < TILE_SUMS; i++, row += TILE_ROWS_APART)
            if (row < size.rows && column < size.columns) gs__put(j, index, row, column, sums[i]);
    }
}

#endif

/* Owns the weights of resampling. Must not know what the planes show. */
#include "engine/data/resample.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>

enum { MAX_WEIGHTS = 1 << 20 };

/* The part of [low, high) that lies in old pixel i. */
static double overlap(double low, double high, int i) {
    return fmax(fmin(high, i + 1.0) - fmax(low, i), 0.0);
}

/* The triangle of a line between neighbours, around the middle of old pixel i. */
static double nearness(double at, int i) {
    return fmax(1 - fabs(at - (i + 0.5)), 0.0);
}

static void fill_weights(const gs_axis_map *map, int old_count, int n, double low, double high) {
    bool is_area = high - low > 1;
    double at = 0.5 * (low + high);
    int first = (int)floor(is_area ? low : at - 0.5);
    if (first > old_count - map->taps) first = old_count - map->taps;
    if (first < 0) first = 0;
    map->first[n] = first;
    for (int k = 0; k < map->taps; k++) {
        double part =
            is_area ? overlap(low, high, first + k) / (high - low) : nearness(at, first + k);
        map->weights[(ptrdiff_t)n * map->taps + k] = first + k < old_count ? (float)part : 0.0f;
    }
}

/* Whether positions are copies of single old ones, as where pixels keep their size. */
static bool find_copies(const gs_axis_map *map, int *only) {
    for (int n = 0; n < map->count; n++) {
        const float *weights = map->weights + (ptrdiff_t)n * map->taps;
        only[n] = -1;
        for (int k = 0; k < map->taps; k++) {
            if (weights[k] == 0) continue;
            if (weights[k] != 1) return false;
            only[n] = map->first[n] + k;
        }
    }
    return true;
}

gs_status gs_axis_map_init(int old_count, double start, double step, int count, gs_axis_map *out,
                           gs_error *err) {
    double size = fabs(step);
    if (fabs(size - 1) < 1e-3) { /* the same pixels: copied, not blurred by a shift below one */
        step = step < 0 ? -1 : 1;
        start = round(start);
        size = 1;
    }
    double most = size > 1 ? ceil(size) + 1 : 2;
    if (!(most <= MAX_WEIGHTS) || count < 1 || old_count < 1 || most * count > MAX_WEIGHTS)
        return gs_fail(err, GS_TOO_LARGE, "%d pixels to be made of %g old ones each", count, most);
    gs_axis_map map = {.count = count, .taps = (int)fmin(most, old_count)};
    map.first = gs_alloc((size_t)count, sizeof *map.first);
    map.weights = gs_alloc((size_t)count * (size_t)map.taps, sizeof *map.weights);
    map.only = gs_alloc((size_t)count, sizeof *map.only);
    if (!map.first || !map.weights || !map.only) {
        gs_axis_map_deinit(&map);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to resample to %d pixels", count);
    }
    for (int n = 0; n < count; n++) {
        double low = start + n * step, high = low + step;
        fill_weights(&map, old_count, n, fmin(low, high), fmax(low, high));
    }
    if (!find_copies(&map, map.only)) {
        gs_free(map.only);
        map.only = NULL;
    }
    *out = map;
    return GS_OK;
}

void gs_axis_map_deinit(gs_axis_map *map) {
    gs_free(map->first);
    gs_free(map->weights);
    gs_free(map->only);
    *map = (gs_axis_map){0};
}

/* What the loops of gs_resample give where every weight is 0 or 1; the sum turns -0 into 0. */
static void copy_pixels(const float *from, ptrdiff_t row_stride, const gs_axis_map *rows,
                        const gs_axis_map *columns, float *to) {
    for (int y = 0; y < rows->count; y++) {
        const float *row = rows->only[y] < 0 ? NULL : from + rows->only[y] * row_stride;
        for (int x = 0; x < columns->count; x++)
            *to++ = row && columns->only[x] >= 0 ? 0.0f + row[columns->only[x]] : 0.0f;
    }
}

void gs_resample(const float *from, ptrdiff_t row_stride, const gs_axis_map *rows,
                 const gs_axis_map *columns, float *to) {
    if (rows->only && columns->only) {
        copy_pixels(from, row_stride, rows, columns, to);
        return;
    }
    for (int y = 0; y < rows->count; y++)
        for (int x = 0; x < columns->count; x++) {
            const float *row_weights = rows->weights + (ptrdiff_t)y * rows->taps;
            const float *weights = columns->weights + (ptrdiff_t)x * columns->taps;
            float sum = 0;
            for (int j = 0; j < rows->taps; j++) {
                if (row_weights[j] == 0) continue;
                const float *row = from + (rows->first[y] + j) * row_stride + columns->first[x];
                float line = 0;
                for (int i = 0; i < columns->taps; i++) line += weights[i] * row[i];
                sum += row_weights[j] * line;
            }
            to[(ptrdiff_t)y * columns->count + x] = sum;
        }
}

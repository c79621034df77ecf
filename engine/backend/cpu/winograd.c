/* A block of tiles at a time: the tiles' inputs are transformed into n·n matrices V [tiles, depth],
 * each is multiplied with its part of the transformed weight into M [tiles, outputs], and M is
 * transformed into pixels. A block is small enough that V and M stay in the second-level cache
 * where depth and outputs are few; where they are many, the products take far longer than what is
 * read and written around them.
 *
 * Tiles at the border of a map read zeros outside, and of what they compute only the pixels that
 * exist are stored: both by way of a patch of memory that has the whole tile. */
#include "engine/backend/cpu/winograd_internal.h"

#include <omp.h>
#include <stdbool.h>
#include <string.h>

enum {
    FEWEST_TILES = 36,
    CHUNK_WORDS = 4096
}; /* of a panel: 16 KiB, which stay in the first-level cache */

/* ---- Memory ---------------------------------------------------------------------------------- */

/* Words from one number's matrix to the next. */
static size_t v_step(const gs_winograd *p) {
    return gs__odd_lines((size_t)p->block * gs__winograd_depth_words(p));
}

static size_t m_row(const gs_winograd *p) {
    return (size_t)(p->to.groups * gs__winograd_padded_values(p));
}

static size_t m_step(const gs_winograd *p) {
    return gs__odd_lines((size_t)p->block * m_row(p));
}

/* Of inputs, in floats or bfloat16, or of outputs. */
static size_t patch_floats(const gs_winograd *p) {
    size_t in = (size_t)gs__winograd_numbers(p) * (size_t)p->from.values;
    size_t out = (size_t)(p->filter->outputs * p->filter->outputs * gs__winograd_padded_values(p));
    return gs__odd_lines(in > out ? in : out);
}

static size_t thread_floats(const gs_winograd *p) {
    return (size_t)gs__winograd_numbers(p) * (v_step(p) + m_step(p)) + patch_floats(p);
}

size_t gs__winograd_scratch(const gs_winograd *p, int threads) {
    return ((size_t)threads * thread_floats(p) + gs__odd_lines(m_row(p))) * sizeof(float);
}

/* One thread's work: some panels of one block of tiles. */
typedef struct job {
    int first_tile, tiles, first_panel, end_panel;
    uint32_t *v;
    float *m, *patch;
    const float *bias; /* [groups][padded values] */
} job;

/* ---- Inputs ---------------------------------------------------------------------------------- */

typedef struct tile_place {
    int sample, row, column; /* of its first output */
} tile_place;

static tile_place place_of(const gs_winograd *p, int tile) {
    int column = tile % p->tile_columns, row = tile / p->tile_columns;
    return (tile_place){row / p->tile_rows, row % p->tile_rows * p->filter->outputs,
                        column * p->filter->outputs};
}

static bool covers(const gs_winograd_map *map, int row, int column, int size) {
    return row >= 0 && column >= 0 && row + size <= map->rows && column + size <= map->columns;
}

static size_t from_bytes(const gs_winograd *p) {
    return p->conv.from_bfloat16 ? sizeof(uint16_t) : sizeof(float);
}

/* n·n pixels from a row and column on, zeros where there are none. */
static void copy_inputs(const gs_winograd *p, const char *from, int row, int column, char *to) {
    const gs_winograd_map *map = &p->from;
    size_t value = from_bytes(p), bytes = (size_t)map->values * value;
    for (int i = row; i < row + p->filter->points; i++)
        for (int j = column; j < column + p->filter->points; j++, to += bytes)
            if (covers(map, i, j, 1))
                memcpy(to, from + ((size_t)i * map->row + (size_t)j * map->pixel) * value, bytes);
            else
                memset(to, 0, bytes);
}

/* Where a tile's first transformed number is; the others lie v_step words apart. */
static char *transformed(const gs_winograd *p, const job *j, int tile) {
    return (char *)(j->v + (size_t)tile * gs__winograd_depth_words(p));
}

/* The half of a last word that is of no value meets a zero, so it must be finite. */
static void clear_rest(const gs_winograd *p, char *v) {
    size_t value = sizeof(uint32_t) / (size_t)p->conv.kernel->word_values;
    size_t used = p->depth * value, bytes = gs__winograd_depth_words(p) * sizeof(uint32_t);
    for (int i = 0; used < bytes && i < gs__winograd_numbers(p); i++)
        memset(v + (size_t)i * v_step(p) * sizeof(uint32_t) + used, 0, bytes - used);
}

static void transform_inputs(const gs_winograd *p, const void *from, const job *j) {
    const gs_winograd_map *map = &p->from;
    size_t count = (size_t)map->values, value = from_bytes(p);
    size_t to_value = sizeof(uint32_t) / (size_t)p->conv.kernel->word_values;
    size_t step = v_step(p) * (size_t)p->conv.kernel->word_values;
    gs_grid whole = {map->row, map->pixel}, patch = {(size_t)p->filter->points * count, count};
    const gs_winograd_filter *f = p->filter;
    void (*transform)(const void *, gs_grid, size_t, void *, size_t) =
        p->conv.from_bfloat16 ? f->input_halves : f->input;
    for (int t = 0; t < j->tiles; t++) {
        tile_place at = place_of(p, j->first_tile + t);
        int row = at.row - p->zeros, column = at.column - p->zeros;
        bool is_whole = covers(map, row, column, f->points);
        const char *sample = (const char *)from + (size_t)at.sample * map->sample * value;
        char *v = transformed(p, j, t);
        clear_rest(p, v);
        for (int g = 0; g < map->groups; g++) {
            size_t first = (size_t)row * map->row + (size_t)column * map->pixel;
            if (is_whole) {
                transform(sample + first * value, whole, count, v, step);
            } else {
                copy_inputs(p, sample, row, column, (char *)j->patch);
                transform(j->patch, patch, count, v, step);
            }
            sample += map->group * value, v += count * to_value;
        }
    }
}

/* ---- Products -------------------------------------------------------------------------------- */

/* Where a panel's outputs are in a row of M. */
static size_t panel_column(const gs_winograd *p, int panel) {
    return (size_t)(panel / gs__winograd_group_panels(p) * gs__winograd_padded_values(p) +
                    panel % gs__winograd_group_panels(p) * gs__winograd_panel(p));
}

/* A piece of the depth of one panel times all tiles of the block. */
static void multiply_panel(const gs_winograd *p, const job *j, int panel, gs_gemm_tile *t,
                           const uint32_t *v, float *m) {
    int pixels = p->conv.kernel->pixels;
    /* What follows this piece of the panel; of the last panel, the next number's first. */
    size_t depth = gs__winograd_depth_words(p);
    size_t width = (size_t)gs__winograd_panel_width(p, panel);
    t->next = t->b + (t->length < depth ? depth : t->length) * width;
    for (int i = 0; i < j->tiles; i += pixels, t->next += t->length * GEMM_LINE) {
        for (int k = 0; k < pixels; k++) {
            int row = gs__smaller(i + k, j->tiles - 1);
            t->a[k] = (const char *)(v + (size_t)row * gs__winograd_depth_words(p));
            t->c[k] = m + (size_t)(i + k) * m_row(p);
        }
        if (gs__winograd_panel_width(p, panel) == gs__winograd_panel(p))
            p->conv.kernel->full(t);
        else
            p->conv.kernel->half(t);
    }
}

static void multiply_number(const gs_winograd *p, const job *j, int number, const uint32_t *words) {
    static const float zeros[GEMM_MOST_PANEL];
    const uint32_t *v = j->v + (size_t)number * v_step(p);
    float *m = j->m + (size_t)number * m_step(p);
    size_t depth = gs__winograd_depth_words(p), chunk = CHUNK_WORDS / (size_t)gs__winograd_panel(p);
    words += (size_t)number * gs__winograd_matrix_words(p);
    for (size_t done = 0; done < depth;) {
        size_t left = depth - done, pieces = (left + chunk - 1) / chunk;
        gs_gemm_tile t = {
            .start = done == 0 ? zeros : NULL, .length = (left + pieces - 1) / pieces, .runs = 1};
        for (int panel = j->first_panel; panel < j->end_panel; panel++) {
            t.b = words + gs__winograd_panel_start(p, panel) +
                  done * (size_t)gs__winograd_panel_width(p, panel);
            multiply_panel(p, j, panel, &t, v + done, m + panel_column(p, panel));
        }
        done += t.length;
    }
}

/* ---- Outputs --------------------------------------------------------------------------------- */

/* Outputs of one piece of a pixel. */
typedef struct columns {
    int group, first, count;
} columns;

/* How many of the columns a pixel has: a last pixel of stride 2 may be half outside. */
static int existing_columns(const gs_winograd *p, const columns *c, int row, int column) {
    gs_shape s = p->conv.op == GS_OP_CONV ? p->conv.y : p->conv.x;
    int left = s.w * s.c - column * p->to.values - c->first;
    if (row * p->to.groups + c->group >= s.h || left < 0) return 0;
    return gs__smaller(left, c->count);
}

/* Of a tile whose first pixel is at `first`. */
static void store_existing(const gs_winograd *p, const columns *c, const tile_place *at,
                           const float *patch, size_t pixel, float *to, size_t first) {
    int m = p->filter->outputs;
    for (int i = 0; i < m; i++)
        for (int k = 0; k < m; k++, patch += pixel) {
            int count = existing_columns(p, c, at->row + i, at->column + k);
            if (count > 0)
                memcpy(to + first + (size_t)i * p->to.row + (size_t)k * p->to.pixel, patch,
                       (size_t)count * sizeof *to);
        }
}

static void transform_columns(const gs_winograd *p, const job *j, const columns *c, float *to) {
    const gs_winograd_map *map = &p->to;
    int last = p->filter->outputs - 1;
    size_t column = (size_t)(c->group * gs__winograd_padded_values(p) + c->first);
    size_t padded = (size_t)gs__round_up(c->count, p->conv.kernel->lanes);
    gs_grid whole = {map->row, map->pixel}, patch = {padded * (size_t)p->filter->outputs, padded};
    for (int t = 0; t < j->tiles; t++) {
        tile_place at = place_of(p, j->first_tile + t);
        const float *m = j->m + (size_t)t * m_row(p) + column;
        size_t first = (size_t)at.sample * map->sample + (size_t)c->group * map->group +
                       (size_t)at.row * map->row + (size_t)at.column * map->pixel +
                       (size_t)c->first;
        if (c->count >= p->conv.kernel->lanes &&
            existing_columns(p, c, at.row + last, at.column + last) == c->count) {
            p->filter->output(m, m_step(p), j->bias + column, (size_t)c->count, to + first, whole);
        } else {
            p->filter->output(m, m_step(p), j->bias + column, padded, j->patch, patch);
            store_existing(p, c, &at, j->patch, padded, to, first);
        }
    }
}

static void transform_outputs(const gs_winograd *p, const job *j, float *to) {
    int panels = gs__winograd_group_panels(p);
    for (int g = 0; g < p->to.groups; g++) {
        int from = j->first_panel > g * panels ? j->first_panel - g * panels : 0;
        int end = gs__smaller(j->end_panel - g * panels, panels);
        columns c = {.group = g, .first = from * gs__winograd_panel(p)};
        c.count = gs__smaller(end * gs__winograd_panel(p), p->to.values) - c.first;
        if (end > from) transform_columns(p, j, &c, to);
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

static void copy_bias(const gs_winograd *p, const float *bias, float *to) {
    memset(to, 0, m_row(p) * sizeof *to);
    if (bias) memcpy(to, bias, (size_t)p->to.values * sizeof *to);
}

static void run_job(const gs_winograd *p, const void *from, const uint32_t *words, float *to,
                    const job *j) {
    transform_inputs(p, from, j);
    for (int i = 0; i < gs__winograd_numbers(p); i++) multiply_number(p, j, i, words);
    transform_outputs(p, j, to);
}

void gs__winograd_run(const gs_winograd *p, const void *from, const uint32_t *words,
                      const float *bias, float *to, void *scratch, int threads) {
    float *biases = scratch, *own = biases + gs__odd_lines(m_row(p));
    int tiles = gs__winograd_tiles(p), panels = p->to.groups * gs__winograd_group_panels(p);
    int size = p->block, count = gs__divide_up(tiles, size), parts = 1;
    if (count < 4 * threads && count % threads != 0) {
        int even = gs__divide_up(tiles, gs__round_up(count, threads));
        /* Few blocks: as many for each thread, or, of few tiles, shares of the panels. */
        if (even >= FEWEST_TILES)
            size = gs__round_up(even, p->conv.kernel->pixels);
        else
            parts = gs__smaller(panels, threads);
        count = gs__divide_up(tiles, size);
    }
    copy_bias(p, bias, biases);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < count * parts; i++) {
        int first = i % count * size, part = i / count;
        float *memory = own + (size_t)omp_get_thread_num() * thread_floats(p);
        size_t numbers = (size_t)gs__winograd_numbers(p);
        job j = {.first_tile = first,
                 .tiles = gs__smaller(tiles - first, size),
                 .first_panel = panels * part / parts,
                 .end_panel = panels * (part + 1) / parts,
                 .v = (uint32_t *)(void *)memory,
                 .m = memory + numbers * v_step(p),
                 .patch = memory + numbers * (v_step(p) + m_step(p)),
                 .bias = biases};
        run_job(p, from, words, to, &j);
    }
}

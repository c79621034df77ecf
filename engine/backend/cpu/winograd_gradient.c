/* A job is a thread's share: all units of panels of some of the tiles, or some of the units of all.
 * It takes a block of tiles at a time: transforms what it reads of x and dy into matrices of its
 * own, and adds their products to its sums. */
#include "engine/backend/cpu/winograd_gradient.h"

#include "engine/backend/cpu/winograd_internal.h"

#include <stdbool.h>
#include <string.h>

enum {
    MOST_VECTORS = 2, /* of a panel */
    MOST_WIDTH = MOST_VECTORS * GEMM_MOST_LANES,
    /* Words of a block: few, so that what is transformed stays in the second-level cache with the
     * sums; many, where the sums do not fit there and are better read seldom. */
    FEW_WORDS = 32,
    MANY_WORDS = 128,
    LARGE_SUMS = 4 * 1024 * 1024, /* floats */
    UNITS_PER_GROUP = 4,
};

/* ---- Plan ------------------------------------------------------------------------------------ */

static int numbers(const gs_winograd_gradient *p) {
    return p->filter->points * p->filter->points;
}

static int tiles(const gs_winograd_gradient *p) {
    return p->g.dy.n * p->tile_rows * p->tile_columns;
}

static int width(const gs_winograd_gradient *p) {
    return p->vectors * p->kernel->lanes;
}

/* The kernel's taps as a filter of stride 1 sees them; 0: no filter does. */
static int taps_of(const gs_weight_gradient *g) {
    if (g->weight.h != g->weight.w) return 0;
    if (g->stride == 2 && g->weight.h == 4) return 2;
    return g->stride == 1 && (g->weight.h == 2 || g->weight.h == 3) ? g->weight.h : 0;
}

gs_winograd_gradient gs__winograd_gradient_plan_filter(const gs_weight_gradient *g,
                                                       gs_winograd_kind kind) {
    const gs_winograd_filter *filters = gs__winograd_filters(g->isa, g->bf16);
    gs_winograd_gradient p = {.g = *g, .kernel = gs__tile_kernel(g->isa, g->bf16)};
    int lanes = p.kernel->lanes, values = g->x.c * g->stride;
    if (!filters || filters[kind].outputs != taps_of(g) || values < lanes || g->dy.c < lanes)
        return p;
    if (g->bf16 != GS_BF16_NONE && filters[kind].points > 4) return p; /* see winograd_plan.c */
    p.filter = &filters[kind];
    p.word_tiles = g->bf16 == GS_BF16_NONE ? 1 : 2;
    p.x = gs__winograd_map_of(g->x, g->stride);
    p.tile_rows = gs__divide_up(g->dy.h, p.filter->taps);
    p.tile_columns = gs__divide_up(g->dy.w, p.filter->taps);
    p.vectors = gs__smaller(values / lanes, MOST_VECTORS);
    p.group_units = gs__divide_up(values, p.vectors * lanes);
    p.units = p.group_units * p.x.groups;
    p.output_tiles = gs__divide_up(g->dy.c, p.kernel->outputs);
    size_t sums = (size_t)(numbers(&p) * p.units * width(&p)) * (size_t)g->dy.c;
    p.block = (sums > LARGE_SUMS ? MANY_WORDS : FEW_WORDS) * p.word_tiles;
    p.block = gs__smaller(p.block, gs__round_up(tiles(&p), p.word_tiles));
    bool has_units = p.units >= UNITS_PER_GROUP * g->threads;
    p.groups = has_units ? g->threads : 1;
    p.parts = has_units ? 1 : gs__smaller(g->threads, gs__divide_up(tiles(&p), p.block));
    return p;
}

/* Estimates in clock cycles as in winograd_plan.c. */
static double product_cycles(const gs_winograd_gradient *p) {
    double words = gs__divide_up(tiles(p), p->word_tiles);
    double vectors = (double)p->g.x.c * p->g.stride * p->x.groups / p->kernel->lanes;
    return numbers(p) * words * p->g.dy.c * (vectors + 0.4 * p->x.groups) * 0.6;
}

static double transform_cycles(const gs_winograd_gradient *p) {
    static const double of_points[] = {[3] = 30, [4] = 60, [6] = 170};
    double x = (double)p->units * p->vectors, dy = gs__divide_up(p->g.dy.c, p->kernel->lanes);
    double pairing = p->word_tiles == 2 ? 1.6 : 1;
    return tiles(p) * (100 + of_points[p->filter->points] * pairing * (x + 1.5 * dy * p->groups));
}

static double sums_cycles(const gs_winograd_gradient *p) {
    return (double)numbers(p) * p->g.dy.c * p->units * width(p) * (1.1 + 0.4 * p->parts);
}

static double direct_cycles(const gs_weight_gradient *g, const tile_kernel *kernel) {
    double pixels = (double)g->dy.n * g->dy.h * g->dy.w, pairs = g->bf16 == GS_BF16_NONE ? 1 : 2;
    double values = (double)g->weight.c * g->weight.h * g->weight.w;
    return pixels * values * g->weight.n / (2.0 * kernel->lanes * pairs) *
           (g->bf16 == GS_BF16_NONE ? 1.35 : 1.8);
}

gs_winograd_gradient gs__winograd_gradient_plan(const gs_weight_gradient *g) {
    gs_winograd_gradient best = {.g = *g};
    double fewest = direct_cycles(g, gs__tile_kernel(g->isa, g->bf16));
    for (int kind = 0; kind < GS_WINOGRAD_KINDS; kind++) {
        gs_winograd_gradient p = gs__winograd_gradient_plan_filter(g, (gs_winograd_kind)kind);
        if (!p.filter) continue;
        double cycles = product_cycles(&p) + transform_cycles(&p) + sums_cycles(&p);
        if (cycles < fewest) fewest = cycles, best = p;
    }
    return best;
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t block_words(const gs_winograd_gradient *p) {
    return (size_t)(p->block / p->word_tiles);
}

/* Words of one number's matrix of x, [unit][block words][width]: of the units of one group. */
static size_t x_step(const gs_winograd_gradient *p) {
    size_t units = (size_t)gs__divide_up(p->units, p->groups);
    return gs__odd_lines(units * block_words(p) * (size_t)width(p));
}

static int output_start(const gs_winograd_gradient *p, int tile) {
    return (int)((int64_t)p->g.dy.c * tile / p->output_tiles);
}

static int tile_outputs(const gs_winograd_gradient *p, int tile) {
    return output_start(p, tile + 1) - output_start(p, tile);
}

/* Where an output tile is in the same of dy, [output tile][block words][outputs]: behind each is
 * room for what storing a word takes too much. */
static size_t dy_tile(const gs_winograd_gradient *p, int tile) {
    return (size_t)output_start(p, tile) * block_words(p) + (size_t)(tile * TILE_MOST_OUTPUTS);
}

static size_t dy_step(const gs_winograd_gradient *p) {
    return gs__odd_lines(dy_tile(p, p->output_tiles));
}

/* Floats of one number's sums [outputs][units · width], of all units. */
static size_t sums_row(const gs_winograd_gradient *p) {
    return (size_t)(p->units * width(p));
}

static size_t sums_step(const gs_winograd_gradient *p) {
    return gs__odd_lines((size_t)p->g.dy.c * sums_row(p));
}

static size_t sums_size(const gs_winograd_gradient *p) {
    return (size_t)numbers(p) * sums_step(p);
}

/* Transforms of two tiles, pixels copied for one, and words of both transforms. */
static size_t patch_size(const gs_winograd_gradient *p) {
    size_t values = (size_t)(p->g.dy.c > MOST_WIDTH ? p->g.dy.c : MOST_WIDTH);
    return gs__odd_lines((size_t)numbers(p) * values + TILE_MOST_OUTPUTS);
}

static size_t job_size(const gs_winograd_gradient *p) {
    return (size_t)numbers(p) * (x_step(p) + dy_step(p)) + 4 * patch_size(p);
}

size_t gs__winograd_gradient_scratch(const gs_winograd_gradient *p) {
    size_t jobs = (size_t)(p->parts * p->groups);
    return ((size_t)p->parts * sums_size(p) + jobs * job_size(p)) * sizeof(float);
}

typedef struct job {
    const gs_winograd_gradient *p;
    const void *x;
    const float *dy;
    uint32_t *x_words, *dy_words;
    uint32_t *transformed[2], *patch, *pairs;
    float *sums;
    int first_tile, end_tile, first_unit, end_unit;
    int tile, count; /* of the block */
    bool is_first;   /* block of its sums */
} job;

static job job_of(const gs_winograd_gradient *p, const void *x, const float *dy, float *scratch,
                  int index) {
    int part = index % p->parts, group = index / p->parts;
    uint32_t *own =
        (uint32_t *)(void *)scratch + (size_t)p->parts * sums_size(p) + (size_t)index * job_size(p);
    job j = {.p = p, .x = x, .dy = dy, .x_words = own};
    j.dy_words = own + (size_t)numbers(p) * x_step(p);
    j.transformed[0] = j.dy_words + (size_t)numbers(p) * dy_step(p);
    j.transformed[1] = j.transformed[0] + patch_size(p);
    j.patch = j.transformed[1] + patch_size(p);
    j.pairs = j.patch + patch_size(p);
    j.sums = scratch + (size_t)part * sums_size(p);
    /* Whole words in every part. */
    int words = gs__divide_up(tiles(p), p->word_tiles);
    j.first_tile = (int)((int64_t)words * part / p->parts) * p->word_tiles;
    j.end_tile =
        gs__smaller((int)((int64_t)words * (part + 1) / p->parts) * p->word_tiles, tiles(p));
    j.first_unit = p->units * group / p->groups;
    j.end_unit = p->units * (group + 1) / p->groups;
    return j;
}

/* ---- Units ----------------------------------------------------------------------------------- */

/* Some channels of one piece of a pixel of x. */
typedef struct unit {
    int group, first, vectors;
} unit;

/* The last unit of a piece ends where that does, and repeats sums of the one before. */
static unit unit_at(const gs_winograd_gradient *p, int index) {
    int lanes = p->kernel->lanes, at = index % p->group_units * width(p);
    int vectors = gs__smaller(gs__divide_up(p->x.values - at, lanes), p->vectors);
    return (unit){index / p->group_units, gs__smaller(at, p->x.values - vectors * lanes), vectors};
}

/* ---- Transforms ------------------------------------------------------------------------------ */

typedef struct tile_place {
    int sample, row, column;
} tile_place;

static tile_place place_of(const gs_winograd_gradient *p, int tile) {
    int column = tile % p->tile_columns, row = tile / p->tile_columns, m = p->filter->taps;
    return (tile_place){row / p->tile_rows, row % p->tile_rows * m, column * m};
}

/* `size`·`size` pixels of `bytes` from a row and column of a map on, zeros where it has none. */
typedef struct region {
    const char *map; /* of the first value wanted */
    int rows, columns;
    size_t row, column; /* bytes from one to the next */
} region;

static void copy_region(const region *r, const tile_place *at, int size, size_t bytes, char *to) {
    for (int i = at->row; i < at->row + size; i++)
        for (int j = at->column; j < at->column + size; j++, to += bytes)
            if (i < r->rows && j < r->columns)
                memcpy(to, r->map + (size_t)i * r->row + (size_t)j * r->column, bytes);
            else
                memset(to, 0, bytes);
}

typedef void transform(const void *from, gs_grid grid, size_t count, void *to, size_t step);

/* A tile's pixels, in place or from the patch, through a transform into to[n·n], `step` apart. */
static void transform_tile(const job *j, const region *r, const tile_place *at, int size,
                           size_t count, size_t value, transform *run, void *to, size_t step) {
    if (at->row + size <= r->rows && at->column + size <= r->columns) {
        run(r->map + (size_t)at->row * r->row + (size_t)at->column * r->column,
            (gs_grid){r->row / value, r->column / value}, count, to, step);
        return;
    }
    copy_region(r, at, size, count * value, (char *)j->patch);
    run(j->patch, (gs_grid){(size_t)size * count, count}, count, to, step);
}

/* The tiles of word `word` of the block: one or two. */
static int tiles_of_word(const job *j, int word) {
    return gs__smaller(j->p->word_tiles, j->count - word * j->p->word_tiles);
}

/* Words of both tiles' transforms, zeros for a second that does not exist. */
static void pair_tiles(const job *j, int present, size_t count, uint32_t *to, size_t step) {
    size_t values = (size_t)numbers(j->p) * count;
    if (present == 1) memset(j->transformed[1], 0, values * sizeof(uint16_t));
    j->p->filter->pair((const uint16_t *)j->transformed[0], (const uint16_t *)j->transformed[1],
                       count, to, step);
}

static void transform_x(const job *j, int index, int word) {
    const gs_winograd_gradient *p = j->p;
    unit u = unit_at(p, index);
    size_t value = p->word_tiles == 1 ? sizeof(float) : sizeof(uint16_t);
    size_t count = (size_t)(u.vectors * p->kernel->lanes), panel = (size_t)width(p);
    uint32_t *to =
        j->x_words + ((size_t)(index - j->first_unit) * block_words(p) + (size_t)word) * panel;
    int present = tiles_of_word(j, word);
    for (int k = 0; k < present; k++) {
        tile_place at = place_of(p, j->tile + word * p->word_tiles + k);
        size_t from = (size_t)at.sample * p->x.sample + (size_t)u.group * p->x.group;
        region r = {(const char *)j->x + (from + (size_t)u.first) * value, p->x.rows, p->x.columns,
                    p->x.row * value, p->x.pixel * value};
        if (p->word_tiles == 1)
            transform_tile(j, &r, &at, p->filter->points, count, value, p->filter->input, to,
                           x_step(p));
        else
            transform_tile(j, &r, &at, p->filter->points, count, value, p->filter->input_halves,
                           j->transformed[k], count);
    }
    if (p->word_tiles == 2) pair_tiles(j, present, count, to, x_step(p));
}

/* Asks for the pixels of x under a tile that its neighbour to the left does not see. (Not inlined,
 * it would be dropped as a function of no effect.) */
static inline __attribute__((always_inline)) void prefetch_x(const job *j, int tile) {
    enum { LINE = 64 };
    const gs_winograd_gradient *p = j->p;
    if (tile >= j->end_tile) return;
    tile_place at = place_of(p, tile);
    size_t value = p->word_tiles == 1 ? sizeof(float) : sizeof(uint16_t);
    int n = p->filter->points, first = at.column + n - p->filter->taps;
    int end = gs__smaller(at.column + n, p->x.columns);
    if (at.row + n > p->x.rows || first >= end) return;
    size_t bytes = (size_t)(end - first) * p->x.pixel * value;
    for (int g = 0; g < p->x.groups; g++)
        for (int i = 0; i < n; i++) {
            const char *from = (const char *)j->x +
                               ((size_t)at.sample * p->x.sample + (size_t)g * p->x.group +
                                (size_t)(at.row + i) * p->x.row + (size_t)first * p->x.pixel) *
                                   value;
            for (size_t b = 0; b < bytes; b += LINE) __builtin_prefetch(from + b);
        }
}

/* A word's outputs go to their tiles. Each takes as many as the largest has, for speed: what is too
 * much lies where the next word will be, or behind the last. */
static void store_dy(const job *j, int word, const uint32_t *words) {
    const gs_winograd_gradient *p = j->p;
    for (int tile = 0; tile < p->output_tiles; tile++) {
        const uint32_t *from = words + output_start(p, tile);
        uint32_t *to = j->dy_words + dy_tile(p, tile) + (size_t)(word * tile_outputs(p, tile));
        size_t step = dy_step(p);
        for (int i = 0; i < numbers(p); i++, from += p->g.dy.c, to += step)
            memcpy(to, from, TILE_MOST_OUTPUTS * sizeof *to);
    }
}

static void transform_dy(const job *j, int word) {
    const gs_winograd_gradient *p = j->p;
    size_t outputs = (size_t)p->g.dy.c, row = (size_t)p->g.dy.w * outputs;
    int present = tiles_of_word(j, word);
    for (int k = 0; k < present; k++) {
        tile_place at = place_of(p, j->tile + word * p->word_tiles + k);
        region r = {(const char *)(j->dy + (size_t)at.sample * (size_t)p->g.dy.h * row), p->g.dy.h,
                    p->g.dy.w, row * sizeof(float), outputs * sizeof(float)};
        transform_tile(j, &r, &at, p->filter->taps, outputs, sizeof(float),
                       p->filter->taps_of_pixels, j->transformed[k], outputs);
    }
    if (p->word_tiles == 2) pair_tiles(j, present, outputs, j->pairs, outputs);
    store_dy(j, word, p->word_tiles == 2 ? j->pairs : j->transformed[0]);
}

/* ---- Products -------------------------------------------------------------------------------- */

static void multiply_number(const job *j, int number, int words) {
    const gs_winograd_gradient *p = j->p;
    const pixel_run all = {0, words};
    float *sums = j->sums + (size_t)number * sums_step(p);
    for (int index = j->first_unit; index < j->end_unit; index++) {
        size_t panel = (size_t)(index - j->first_unit) * block_words(p) * (size_t)width(p);
        tile_sum t = {.x = j->x_words + (size_t)number * x_step(p) + panel,
                      .x_step = (size_t)width(p),
                      .runs = &all,
                      .run_count = 1,
                      .vectors = unit_at(p, index).vectors,
                      .replaces = j->is_first,
                      .sums_step = sums_row(p)};
        for (int tile = 0; tile < p->output_tiles; tile++) {
            size_t start = (size_t)output_start(p, tile);
            t.outputs = tile_outputs(p, tile);
            t.dy = j->dy_words + (size_t)number * dy_step(p) + dy_tile(p, tile);
            t.dy_step = (size_t)t.outputs;
            t.sums = sums + start * sums_row(p) + (size_t)(index * width(p));
            p->kernel->run(&t);
        }
    }
}

static void run_job(job *j) {
    const gs_winograd_gradient *p = j->p;
    j->is_first = true;
    for (j->tile = j->first_tile; j->tile < j->end_tile; j->tile += p->block) {
        j->count = gs__smaller(p->block, j->end_tile - j->tile);
        int words = gs__divide_up(j->count, p->word_tiles);
        for (int word = 0; word < words; word++) {
            for (int k = 0; k < p->word_tiles; k++)
                prefetch_x(j, j->tile + (word + 1) * p->word_tiles + k);
            transform_dy(j, word);
            for (int index = j->first_unit; index < j->end_unit; index++)
                transform_x(j, index, word);
        }
        for (int i = 0; i < numbers(p); i++) multiply_number(j, i, words);
        j->is_first = false;
    }
}

/* ---- Results --------------------------------------------------------------------------------- */

static void add_parts(const gs_winograd_gradient *p, float *sums, size_t at, size_t count) {
    for (int part = 1; part < p->parts; part++) {
        const float *more = sums + (size_t)part * sums_size(p) + at;
        for (size_t i = 0; i < count; i++) sums[at + i] += more[i];
    }
}

/* taps[r·r][count] of an output's channels of unit `u` go to their places in dw [C,K,K]. */
static void store_taps(const gs_winograd_gradient *p, const unit *u, const float *taps, int count,
                       float *dw) {
    int r = p->filter->outputs, s = p->g.stride, k = p->g.weight.w;
    for (int l = 0; l < count; l++) {
        int c = (u->first + l) % p->g.x.c, phase = (u->first + l) / p->g.x.c;
        float *to = dw + (size_t)c * (size_t)(k * k) + (size_t)(u->group * k + phase);
        for (int i = 0; i < r; i++)
            for (int j = 0; j < r; j++)
                to[(size_t)(i * s * k + j * s)] = taps[(size_t)((i * r + j) * count + l)];
    }
}

static void collect_output(const gs_winograd_gradient *p, float *sums, int o, float *dw) {
    static const float zeros[MOST_WIDTH];
    float taps[WINOGRAD_MOST_OUTPUTS * WINOGRAD_MOST_OUTPUTS * MOST_WIDTH];
    size_t row = (size_t)o * sums_row(p), r = (size_t)p->filter->outputs;
    for (int i = 0; i < numbers(p); i++)
        add_parts(p, sums, (size_t)i * sums_step(p) + row, sums_row(p));
    for (int index = 0; index < p->units; index++) {
        unit u = unit_at(p, index);
        size_t count = (size_t)(u.vectors * p->kernel->lanes);
        p->filter->output(sums + row + (size_t)(index * width(p)), sums_step(p), zeros, count, taps,
                          (gs_grid){r * count, count});
        store_taps(p, &u, taps, (int)count, dw);
    }
}

void gs__winograd_gradient_run(const gs_winograd_gradient *p, const void *x, const float *dy,
                               void *scratch, float *dw) {
    size_t output_size = (size_t)(p->g.weight.c * p->g.weight.h * p->g.weight.w);
#pragma omp parallel for schedule(static)
    for (int index = 0; index < p->parts * p->groups; index++) {
        job j = job_of(p, x, dy, scratch, index);
        run_job(&j);
    }
#pragma omp parallel for schedule(static)
    for (int o = 0; o < p->g.weight.n; o++)
        collect_output(p, scratch, o, dw + (size_t)o * output_size);
}

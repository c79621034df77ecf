/* The gradient of a convolution's weight: for x [N,C,H,W] and dy [N,O,OH,OW], channels-last,
 *   dw(o,c,i,j) = Σ_n,r,q dy(n,o,r,q) · x(n, c, r·stride + i, q·stride + j).
 *
 * In channels-last memory the values of x that one kernel row i meets at an output pixel follow
 * each other: (j,c) is one index m = j·C + c of KW·C values. So dw is KH products of matrices
 * [O, pixels] x [pixels, m], read where they lie, and few channels fill vectors too. A unit is one
 * kernel row and as many m as a tile of sums is wide; tile_sum adds one unit and a few outputs over
 * a block of pixels, few enough that what they read of x stays in the first cache.
 *
 * Where weights are large, what a unit reads lies in few sets of that cache (strides are powers of
 * two). It is copied into a panel then, which pays because every value is used for many outputs.
 * Where a kernel row has few values, whole windows of all rows are copied, as if the kernel had one
 * row.
 *
 * With bfloat16 both maps are copied, and the values of two pixels go side by side into one word of
 * four bytes: what the processor multiplies and adds at once. dy becomes bfloat16 on the way.
 *
 * Many channels and outputs: by filters of fewer multiplications (winograd_gradient.h).
 *
 * Threads: jobs = parts of the pixels x groups of units. Each part has sums of its own, added in
 * order when they are transposed into dw. So the number of threads decides the result's bits. */
#include "engine/backend/cpu/weight_gradient.h"

#include "engine/backend/cpu/bfloat16.h"
#include "engine/backend/cpu/winograd_gradient.h"

#include <string.h>

enum {
    BLOCK = 128,          /* pixels */
    PANEL = 4096,         /* words of x in a panel */
    BLOCK_OUTPUTS = 264,  /* whose dy is copied at a time; it stays in the second cache */
    UNITS_PER_GROUP = 16, /* at least, before pixels are divided: each group copies dy */
    CHANNELS = 16,        /* transposed together */
    WINDOW_ROW = 16,      /* values of a window's row that are copied, needed or not */
};

typedef enum reading { IN_PLACE, PANELS, WINDOWS } reading;

typedef struct work {
    gs_weight_gradient g;
    const tile_kernel *kernel;
    reading reading;
    size_t pixels;                  /* of dy */
    int rows, row_values, row_taps; /* kernel rows, values of x in each, kernel columns in each */
    int padded_values;              /* WINDOWS: to whole vectors, the last with zeros */
    int vectors, width;             /* of a unit: at most, in vectors and in words */
    bool copies_dy;
    int word_pixels; /* whose values are in one word of a copy: 1, or 2 of bfloat16 */
    int row_units, units;
    int output_tiles, block_tiles; /* tiles of outputs, and how many of them have one copy of dy */
    int block, parts, groups;
} work;

/* Memory of one job. */
typedef struct job {
    pixel_run *runs; /* [block] */
    int run_count, pixels;
    /* Copies, a word for every one or two pixels of the block: PANELS [block][width], WINDOWS
     * [block][padded_values]; [block][O]. */
    uint32_t *x, *dy;
    float *sums; /* of its part */
    int first_unit, end_unit;
    int first_tile, end_tile; /* of outputs, that are summed now */
    bool is_first_block;
} job;

static int divide_up(int a, int b) {
    return (a + b - 1) / b;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* ---- Division of the work -------------------------------------------------------------------- */

/* A value of x is used for O sums and one of dy for C·KH·KW: few of either do not pay for copies.
 */
static reading reading_of(const work *w) {
    gs_shape k = w->g.weight;
    if (k.w * k.c < w->kernel->lanes || (w->word_pixels == 2 && k.w * k.c <= WINDOW_ROW))
        return WINDOWS;
    bool is_large = k.n >= 128 && k.c * k.h * k.w >= 1024;
    return is_large || w->word_pixels > 1 ? PANELS : IN_PLACE;
}

static void choose_tiles(work *w) {
    int outputs = w->g.weight.n, most_outputs = w->kernel->outputs;
    int most_vectors = outputs <= most_outputs / 2 ? 4 : 2;
    w->vectors = smaller(most_vectors, w->padded_values / w->kernel->lanes);
    if (w->vectors == 1) most_outputs = TILE_MOST_OUTPUTS;
    w->width = w->vectors * w->kernel->lanes;
    w->row_units = divide_up(w->row_values, w->width);
    w->units = w->rows * w->row_units;
    w->output_tiles = divide_up(outputs, most_outputs);
    w->copies_dy = w->reading == PANELS || w->word_pixels > 1;
    w->block_tiles = w->copies_dy ? BLOCK_OUTPUTS / w->kernel->outputs : w->output_tiles;
}

/* Fewest parts that leave every group enough units, and divide the threads. */
static void divide_among_threads(work *w) {
    int threads = w->g.threads, parts = 1;
    while (parts < threads &&
           (threads % parts != 0 || w->units * parts < UNITS_PER_GROUP * threads))
        parts++;
    size_t blocks = (w->pixels + (size_t)w->block - 1) / (size_t)w->block;
    w->parts = blocks < (size_t)parts ? (int)blocks : parts;
    w->groups = smaller(threads / w->parts, w->units);
}

static work work_of(const gs_weight_gradient *g) {
    work w = {.g = *g,
              .kernel = gs__tile_kernel(g->isa, g->bf16),
              .word_pixels = g->bf16 == GS_BF16_NONE ? 1 : 2,
              .pixels = (size_t)g->dy.n * (size_t)g->dy.h * (size_t)g->dy.w};
    w.reading = reading_of(&w);
    w.rows = w.reading == WINDOWS ? 1 : g->weight.h;
    w.row_taps = w.reading == WINDOWS ? g->weight.h * g->weight.w : g->weight.w;
    w.row_values = w.padded_values = w.row_taps * g->weight.c;
    if (w.reading == WINDOWS)
        w.padded_values = divide_up(w.row_values, w.kernel->lanes) * w.kernel->lanes;
    choose_tiles(&w);
    w.block = w.reading == PANELS ? PANEL / w.width * w.word_pixels : BLOCK;
    divide_among_threads(&w);
    return w;
}

/* Tiles differ by at most one output. */
static int tile_start(const work *w, int tile) {
    return (int)((int64_t)w->g.weight.n * tile / w->output_tiles);
}

/* Vectors of a unit: the last one of a row may need fewer. */
static int unit_vectors(const work *w, int unit) {
    int left = w->padded_values - unit % w->row_units * w->width;
    return smaller(divide_up(left, w->kernel->lanes), w->vectors);
}

/* The first value of a unit within its row. The last unit ends where the row does, so that nothing
 * is read beyond a map; it repeats sums of the one before, which nobody reads. */
static int unit_start(const work *w, int unit) {
    int last = w->padded_values - unit_vectors(w, unit) * w->kernel->lanes;
    return smaller(unit % w->row_units * w->width, last);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static size_t whole_lines(size_t floats) {
    return (floats + 15) / 16 * 16;
}

/* Sums of a part: [output tile][unit][output of the tile][width]. */
static size_t sums_size(const work *w) {
    return whole_lines((size_t)w->g.weight.n * (size_t)w->units * (size_t)w->width);
}

static float *sums_of(const work *w, float *sums, int tile, int unit) {
    size_t start = (size_t)tile_start(w, tile), outputs = (size_t)tile_start(w, tile + 1) - start;
    return sums + (start * (size_t)w->units + (size_t)unit * outputs) * (size_t)w->width;
}

/* Words of a copy that a value of every pixel takes. */
static size_t pixel_words(const work *w, int pixels) {
    return (size_t)divide_up(pixels, w->word_pixels);
}

static size_t x_copy_size(const work *w) {
    size_t block = pixel_words(w, w->block);
    if (w->reading == IN_PLACE) return 0;
    if (w->reading == PANELS) return block * (size_t)w->width;
    return whole_lines(block * (size_t)w->padded_values + WINDOW_ROW);
}

static size_t dy_copy_size(const work *w) {
    size_t outputs = (size_t)smaller(w->g.weight.n, BLOCK_OUTPUTS);
    size_t behind = (size_t)smaller(w->output_tiles, w->block_tiles) * TILE_MOST_OUTPUTS;
    return w->copies_dy ? whole_lines(pixel_words(w, w->block) * outputs + behind) : 0;
}

static size_t runs_size(const work *w) {
    return whole_lines((size_t)w->block * sizeof(pixel_run) / sizeof(float));
}

static size_t job_size(const work *w) {
    return x_copy_size(w) + dy_copy_size(w) + runs_size(w);
}

size_t gs__cpu_weight_gradient_scratch(const gs_weight_gradient *g) {
    gs_winograd_gradient filtered = gs__winograd_gradient_plan(g);
    if (filtered.filter) return gs__winograd_gradient_scratch(&filtered);
    work w = work_of(g);
    size_t parts = (size_t)w.parts, jobs = parts * (size_t)w.groups;
    return (parts * sums_size(&w) + jobs * job_size(&w)) * sizeof(float);
}

static job job_of(const work *w, float *scratch, int index) {
    int part = index % w->parts, group = index / w->parts;
    uint32_t *own =
        (uint32_t *)(void *)scratch + (size_t)w->parts * sums_size(w) + (size_t)index * job_size(w);
    return (job){.x = own,
                 .dy = own + x_copy_size(w),
                 .runs = (void *)(own + x_copy_size(w) + dy_copy_size(w)),
                 .sums = scratch + (size_t)part * sums_size(w),
                 .first_unit = (int)((int64_t)w->units * group / w->groups),
                 .end_unit = (int)((int64_t)w->units * (group + 1) / w->groups)};
}

/* ---- Copies ---------------------------------------------------------------------------------- */

static size_t pixel_step(const work *w) {
    return (size_t)w->g.stride * (size_t)w->g.x.c;
}

static void list_runs(const work *w, size_t pixel, job *j) {
    gs_shape x = w->g.x, dy = w->g.dy;
    size_t stride = (size_t)w->g.stride;
    j->run_count = 0;
    for (int left = j->pixels; left > 0;) {
        size_t column = pixel % (size_t)dy.w, row = pixel / (size_t)dy.w;
        size_t sample = row / (size_t)dy.h, y = row % (size_t)dy.h * stride;
        int count = smaller(left, dy.w - (int)column);
        size_t at = ((sample * (size_t)x.h + y) * (size_t)x.w + column * stride) * (size_t)x.c;
        j->runs[j->run_count++] = (pixel_run){at, count};
        pixel += (size_t)count, left -= count;
    }
}

/* Where the block's pixel i begins in x, and whether it has one: the last word may be of one pixel.
 */
typedef struct pixel_cursor {
    const pixel_run *run, *end;
    int i;
} pixel_cursor;

static const uint16_t *next_pixel(const work *w, pixel_cursor *at, const uint16_t *x) {
    if (at->run < at->end && at->i == at->run->count) at->run++, at->i = 0;
    if (at->run == at->end) return NULL;
    return x + at->run->x + (size_t)at->i++ * pixel_step(w);
}

/* to[i] = the values of two pixels; `second` NULL: zero. */
GS_VECTORIZED static void pair_values(const uint16_t *restrict first,
                                      const uint16_t *restrict second, size_t count,
                                      uint32_t *restrict to) {
    if (second)
        for (size_t i = 0; i < count; i++) to[i] = first[i] | (uint32_t)second[i] << 16;
    else
        for (size_t i = 0; i < count; i++) to[i] = first[i];
}

/* A unit's values of every two pixels. */
static void copy_panel_pairs(const work *w, const uint16_t *x, int vectors, job *j) {
    pixel_cursor at = {.run = j->runs, .end = j->runs + j->run_count};
    uint32_t *to = j->x;
    for (size_t pair = 0; pair < pixel_words(w, j->pixels); pair++, to += w->width) {
        const uint16_t *first = next_pixel(w, &at, x), *second = next_pixel(w, &at, x);
        pair_values(first, second, (size_t)(vectors * w->kernel->lanes), to);
    }
}

/* A window: `rows` rows of `values` values that lie `step` apart follow each other. Whole vectors
 * are copied, of which what is too much lies where the next row will be, or is of no value. */
typedef struct window {
    size_t rows, values, step;
} window;

/* Whole vectors are copied, of which what is too much lies where the next row will be, or is of no
 * value. */
GS_VECTORIZED static void copy_window_pairs(const uint16_t *first, const uint16_t *second, window v,
                                            uint32_t *to) {
    for (size_t k = 0; k < v.rows; k++, first += v.step, second += v.step, to += v.values)
        for (size_t i = 0; i < WINDOW_ROW; i++) to[i] = first[i] | (uint32_t)second[i] << 16;
}

static window window_of(const work *w) {
    gs_shape k = w->g.weight;
    return (window){(size_t)k.h, (size_t)(k.w * k.c), (size_t)w->g.x.w * (size_t)w->g.x.c};
}

/* Whether the map goes on behind a window as far as whole vectors do. */
static bool has_room(const work *w, size_t offset) {
    window v = window_of(w);
    size_t values = (size_t)w->g.x.n * (size_t)w->g.x.h * v.step;
    return offset + (v.rows - 1) * v.step + WINDOW_ROW <= values;
}

static void copy_windows(const work *w, const uint32_t *x, job *j) {
    window v = window_of(w);
    uint32_t *to = j->x;
    for (int r = 0; r < j->run_count; r++)
        for (int i = 0; i < j->runs[r].count; i++, to += w->padded_values) {
            const uint32_t *from = x + j->runs[r].x + (size_t)i * pixel_step(w);
            for (size_t k = 0; k < v.rows; k++)
                for (size_t m = 0; m < v.values; m++) to[k * v.values + m] = from[k * v.step + m];
        }
}

static void copy_windows_pairs(const work *w, const uint16_t *x, job *j) {
    pixel_cursor at = {.run = j->runs, .end = j->runs + j->run_count};
    window v = window_of(w);
    uint32_t *to = j->x;
    for (size_t pair = 0; pair < pixel_words(w, j->pixels); pair++, to += w->padded_values) {
        const uint16_t *first = next_pixel(w, &at, x), *second = next_pixel(w, &at, x);
        if (second && has_room(w, (size_t)(second - x)))
            copy_window_pairs(first, second, v, to);
        else
            for (size_t k = 0; k < v.rows; k++)
                pair_values(first + k * v.step, second ? second + k * v.step : NULL, v.values,
                            to + k * v.values);
    }
}

static void copy_panel(const work *w, const uint32_t *x, int vectors, job *j) {
    size_t bytes = (size_t)(vectors * w->kernel->lanes) * sizeof *x;
    uint32_t *to = j->x;
    for (int r = 0; r < j->run_count; r++) {
        const uint32_t *from = x + j->runs[r].x;
        for (int i = 0; i < j->runs[r].count; i++, from += pixel_step(w), to += w->width)
            memcpy(to, from, bytes);
    }
}

/* Where the copy of a tile's outputs begins: behind each is room for what is copied too much. */
static size_t dy_tile(const work *w, const job *j, int tile) {
    size_t before = (size_t)(tile_start(w, tile) - tile_start(w, j->first_tile));
    return before * pixel_words(w, j->pixels) + (size_t)(tile - j->first_tile) * TILE_MOST_OUTPUTS;
}

/* dy of the job's tiles: each tile's outputs of all pixels together. */
static void copy_dy(const work *w, const uint32_t *dy, job *j) {
    for (int tile = j->first_tile; tile < j->end_tile; tile++) {
        int start = tile_start(w, tile), outputs = tile_start(w, tile + 1) - start;
        const uint32_t *from = dy + start;
        uint32_t *to = j->dy + dy_tile(w, j, tile);
        for (int i = 0; i < j->pixels; i++, from += w->g.weight.n)
            for (int o = 0; o < outputs; o++) *to++ = from[o];
    }
}

static void copy_dy_pairs(const work *w, const float *dy, job *j) {
    uint32_t words[BLOCK_OUTPUTS + TILE_MOST_OUTPUTS];
    struct {
        size_t first, outputs, at;
    } tiles[BLOCK_OUTPUTS];
    size_t step = (size_t)w->g.weight.n, start = (size_t)tile_start(w, j->first_tile);
    size_t count = (size_t)tile_start(w, j->end_tile) - start;
    int tile_count = j->end_tile - j->first_tile;
    for (int i = 0; i < tile_count; i++) {
        int tile = j->first_tile + i;
        tiles[i].first = (size_t)tile_start(w, tile) - start;
        tiles[i].outputs = (size_t)(tile_start(w, tile + 1) - tile_start(w, tile));
        tiles[i].at = dy_tile(w, j, tile);
    }
    for (int i = 0; i < j->pixels; i += 2) {
        const float *from = dy + (size_t)i * step + start;
        gs__cpu_to_bfloat16_pairs(from, i + 1 < j->pixels ? from + step : NULL, count, words);
        for (int k = 0; k < tile_count; k++) {
            memcpy(j->dy + tiles[k].at, words + tiles[k].first, TILE_MOST_OUTPUTS * sizeof *words);
            tiles[k].at += tiles[k].outputs;
        }
    }
}

/* ---- Sums ------------------------------------------------------------------------------------ */

/* Where a unit's values of x are, and the unit's part of `t` that all its tiles share. */
static tile_sum describe_unit(const work *w, const void *x, int unit, job *j,
                              const pixel_run *whole) {
    size_t offset =
        (size_t)(unit / w->row_units) * (size_t)(w->g.x.w * w->g.x.c) + (size_t)unit_start(w, unit);
    const uint32_t *first = (const uint32_t *)x + offset;
    tile_sum t = {.x = first,
                  .x_step = pixel_step(w),
                  .runs = j->runs,
                  .run_count = j->run_count,
                  .vectors = unit_vectors(w, unit),
                  .replaces = j->is_first_block,
                  .sums_step = (size_t)w->width};
    if (w->reading == IN_PLACE) return t;
    if (w->reading == PANELS && w->word_pixels == 1) copy_panel(w, first, t.vectors, j);
    if (w->reading == PANELS && w->word_pixels == 2)
        copy_panel_pairs(w, (const uint16_t *)x + offset, t.vectors, j);
    t.x = w->reading == PANELS ? j->x : j->x + unit_start(w, unit);
    t.x_step = (size_t)(w->reading == PANELS ? w->width : w->padded_values);
    t.runs = whole;
    t.run_count = 1;
    return t;
}

/* The job's tiles of one unit. */
static void sum_unit(const work *w, const uint32_t *dy, int unit, const job *j, tile_sum t) {
    for (int tile = j->first_tile; tile < j->end_tile; tile++) {
        int start = tile_start(w, tile);
        t.outputs = tile_start(w, tile + 1) - start;
        t.dy = w->copies_dy ? j->dy + dy_tile(w, j, tile) : dy + start;
        t.dy_step = (size_t)(w->copies_dy ? t.outputs : w->g.weight.n);
        t.sums = sums_of(w, j->sums, tile, unit);
        w->kernel->run(&t);
    }
}

static void sum_block(const work *w, const void *x, const float *dy, size_t pixel, job *j) {
    pixel_run whole = {0, (int)pixel_words(w, j->pixels)};
    dy += pixel * (size_t)w->g.weight.n;
    const uint32_t *dy_words = (const void *)dy;
    list_runs(w, pixel, j);
    if (w->reading == WINDOWS && w->word_pixels == 1) copy_windows(w, x, j);
    if (w->reading == WINDOWS && w->word_pixels == 2) copy_windows_pairs(w, x, j);
    for (int tile = 0; tile < w->output_tiles; tile += w->block_tiles) {
        j->first_tile = tile;
        j->end_tile = smaller(tile + w->block_tiles, w->output_tiles);
        if (w->copies_dy && w->word_pixels == 1) copy_dy(w, dy_words, j);
        if (w->word_pixels == 2) copy_dy_pairs(w, dy, j);
        for (int unit = j->first_unit; unit < j->end_unit; unit++)
            sum_unit(w, dy_words, unit, j, describe_unit(w, x, unit, j, &whole));
    }
}

static void run_job(const work *w, const void *x, const float *dy, float *scratch, int index) {
    job j = job_of(w, scratch, index);
    size_t block = (size_t)w->block, blocks = (w->pixels + block - 1) / block;
    size_t part = (size_t)(index % w->parts), parts = (size_t)w->parts;
    size_t first = blocks * part / parts * block, end = blocks * (part + 1) / parts * block;
    if (end > w->pixels) end = w->pixels;
    for (size_t pixel = first; pixel < end; pixel += block) {
        j.pixels = (int)(end - pixel < block ? end - pixel : block);
        j.is_first_block = pixel == first;
        sum_block(w, x, dy, pixel, &j);
    }
}

/* ---- Into PyTorch's layout ------------------------------------------------------------------- */

/* The first part's sums of one output and one kernel row. */
typedef struct row_sums {
    const float *first;
    size_t step; /* from a unit to the next */
} row_sums;

/* dw of `count` channels at one tap, from the row's value on: the parts' sums in order. */
static void collect(const work *w, row_sums row, int value, int count, float *dw) {
    size_t taps = (size_t)(w->g.weight.h * w->g.weight.w);
    while (count > 0) {
        int unit = value / w->width, lane = value - unit_start(w, unit);
        int here = smaller(count, (unit + 1) * w->width - value);
        const float *from = row.first + (size_t)unit * row.step + lane;
        for (int i = 0; i < here; i++) dw[(size_t)i * taps] = from[i];
        for (int p = 1; p < w->parts; p++)
            for (int i = 0; i < here; i++)
                dw[(size_t)i * taps] += from[(size_t)p * sums_size(w) + (size_t)i];
        dw += (size_t)here * taps, value += here, count -= here;
    }
}

/* Few channels at a time, all their taps: what is written stays in the first cache. */
static void collect_output(const work *w, float *sums, int tile, int o, float *dw) {
    int start = tile_start(w, tile), outputs = tile_start(w, tile + 1) - start;
    int channels = w->g.weight.c, taps = w->row_taps * w->rows;
    row_sums row = {.step = (size_t)outputs * (size_t)w->width};
    dw += (size_t)o * (size_t)channels * (size_t)taps;
    for (int c = 0; c < channels; c += CHANNELS, dw += CHANNELS * taps)
        for (int tap = 0; tap < taps; tap++) {
            row.first = sums_of(w, sums, tile, tap / w->row_taps * w->row_units) +
                        (size_t)(o - start) * (size_t)w->width;
            collect(w, row, tap % w->row_taps * channels + c, smaller(CHANNELS, channels - c),
                    dw + tap);
        }
}

void gs__cpu_weight_gradient(const gs_weight_gradient *g, const void *x, const float *dy,
                             void *scratch, float *dw) {
    gs_winograd_gradient filtered = gs__winograd_gradient_plan(g);
    if (filtered.filter) {
        gs__winograd_gradient_run(&filtered, x, dy, scratch, dw);
        return;
    }
    const work w = work_of(g);
    float *sums = scratch;
#pragma omp parallel for schedule(static) if (w.parts * w.groups > 1)
    for (int index = 0; index < w.parts * w.groups; index++) run_job(&w, x, dy, sums, index);
#pragma omp parallel for schedule(static)
    for (int tile = 0; tile < w.output_tiles; tile++)
        for (int o = tile_start(&w, tile); o < tile_start(&w, tile + 1); o++)
            collect_output(&w, sums, tile, o, dw);
}

/* ---- The backend's kernel -------------------------------------------------------------------- */

static gs_weight_gradient gradient_of(const gs_cpu_state *state, const gs_node *node) {
    return (gs_weight_gradient){.x = node->in[0]->shape,
                                .dy = node->in[1]->shape,
                                .weight = node->out[0]->shape,
                                .stride = node->as.conv.stride,
                                .threads = state->threads,
                                .isa = state->isa,
                                .bf16 = node->in[0]->is_bfloat16 ? state->bf16 : GS_BF16_NONE};
}

/* The bias has its turn in the same scratch when the weight is done. */
gs_status gs__cpu_conv_gradient_weight_scratch(void *state, const gs_node *node, void **handle_out,
                                               size_t *scratch_bytes_out, gs_error *err) {
    (void)handle_out, (void)err;
    gs_weight_gradient g = gradient_of(state, node);
    size_t bias = gs__cpu_bias_gradient_scratch(g.dy), weight = gs__cpu_weight_gradient_scratch(&g);
    *scratch_bytes_out = weight > bias ? weight : bias;
    return GS_OK;
}

gs_status gs__cpu_conv_gradient_weight(const gs_run *run, const gs_node *node, void *handle,
                                       gs_error *err) {
    (void)handle, (void)err;
    gs_weight_gradient g = gradient_of(run->state, node);
    const float *dy = gs_run_pointer(run, node->in[1]);
    gs__cpu_weight_gradient(&g, gs_run_pointer(run, node->in[0]), dy, run->scratch,
                            gs_run_pointer(run, node->out[0]));
    if (node->out[1])
        gs__cpu_bias_gradient(dy, g.dy, run->scratch, gs_run_pointer(run, node->out[1]));
    return GS_OK;
}

/* Owns panel.png: for each method, what its best seed at the smallest fraction makes of the same
 * few test slices. A block per method, a row per slice:
 *
 *   input  truth  mask  [healthy  residual]     [absence  sample 1  sample 2  sample 3  sample 4]
 */
#include "engine/experiment/report.h"

#include "base/memory.h"
#include "engine/experiment/figure.h"
#include "engine/image/image.h"
#include "engine/image/mask.h"
#include "engine/session.h"
#include "engine/train/evaluate.h"

#include <math.h>
#include <stdio.h>

enum {
    ROWS = 4,
    SAMPLES = 4,
    PRESENCE_COLUMNS = 5,
    TILE = 128, /* the longer side of a tile */
    GAP = 8,
    APART = 36, /* between presence and absence */
    MARGIN = 20,
    TITLE = 34,
    HEADER = 46, /* of a block: whose it is, and the columns' names */
    SCALE = 34   /* below a block: the residual's colours */
};

typedef struct picture {
    const gs_experiment_state *state;
    gs_figure figure;
    uint32_t presence[ROWS], absence[ROWS]; /* rows of the dataset */
    size_t presence_count, absence_count;
    size_t image, pixels;     /* floats of an image, of a channel */
    float *inputs, *absences; /* [ROWS,C,H,W] each, normalised */
    float *maps[3];           /* the same: what a session gives */
    float *mask;              /* [ROWS,H,W] */
    float low, high;          /* of the first channel of all inputs */
    double tile_width, tile_height;
} picture;

/* ---- Which slices -----------------------------------------------------------------------------
 */

static bool has_target(const gs_dataset *dataset, size_t i) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    const uint8_t *mask = gs_dataset_mask(dataset, i);
    for (size_t p = 0; mask && p < (size_t)info->height * (size_t)info->width; p++)
        if (mask[p] == GS_MASK_TARGET) return true;
    return false;
}

static bool is_candidate(const gs_dataset *dataset, size_t i, gs_label label) {
    const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
    if (slice->split != GS_SPLIT_TEST || slice->label != label) return false;
    return label == GS_LABEL_ABSENCE || has_target(dataset, i);
}

/* At most ROWS, evenly spread over the candidates, and away from the first and the last. */
static size_t choose(const gs_dataset *dataset, gs_label label, uint32_t chosen[ROWS]) {
    size_t candidates = 0, seen = 0, taken = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++)
        candidates += is_candidate(dataset, i, label);
    size_t wanted = candidates < ROWS ? candidates : ROWS;
    for (uint32_t i = 0; i < gs_dataset_count(dataset) && taken < wanted; i++) {
        if (!is_candidate(dataset, i, label)) continue;
        if (seen++ == (2 * taken + 1) * candidates / (2 * wanted)) chosen[taken++] = i;
    }
    return taken;
}

static gs_status read_inputs(picture *p, gs_error *err) {
    const gs_dataset *dataset = p->state->dataset;
    p->low = INFINITY, p->high = -INFINITY;
    for (size_t i = 0; i < p->presence_count + p->absence_count; i++) {
        bool is_presence = i < p->presence_count;
        size_t at = is_presence ? i : i - p->presence_count;
        float *image = (is_presence ? p->inputs : p->absences) + at * p->image, low, high;
        GS_TRY(gs_dataset_read_normalized(dataset, is_presence ? p->presence[at] : p->absence[at],
                                          image, err));
        gs_image_range(image, p->pixels, &low, &high);
        p->low = fminf(p->low, low), p->high = fmaxf(p->high, high);
    }
    return GS_OK;
}

/* ---- Tiles ------------------------------------------------------------------------------------
 */

static gs_status draw_tile(const picture *p, double x, double y, const float *values,
                           gs_map_colors colors, float low, float high, gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(p->state->dataset);
    const gs_map map = {.values = values,
                        .height = info->height,
                        .width = info->width,
                        .colors = colors,
                        .low = low,
                        .high = high};
    cairo_t *cr = p->figure.cr;
    GS_TRY(gs_draw_map(cr, x, y, p->tile_width, p->tile_height, &map, err));
    gs_set_color(cr, gs_grid_ink);
    cairo_set_dash(cr, NULL, 0, 0);
    cairo_set_line_width(cr, 1);
    cairo_rectangle(cr, x - 0.5, y - 0.5, p->tile_width + 1, p->tile_height + 1);
    cairo_stroke(cr);
    return GS_OK;
}

static gs_status draw_gray(const picture *p, double x, double y, const float *values,
                           gs_error *err) {
    return draw_tile(p, x, y, values, GS_MAP_GRAY, p->low, p->high, err);
}

static double column_x(const picture *p, int column) {
    return MARGIN + column * (p->tile_width + GAP);
}

static double row_y(const picture *p, double top, size_t row) {
    return top + HEADER + (double)row * (p->tile_height + GAP);
}

static void draw_names(const picture *p, double x, double y, const char *const *names, int count) {
    const gs_text_style style = {.size = 12, .align = 0.5, .color = gs_pale_ink};
    for (int i = 0; i < count; i++)
        gs_draw_text(p->figure.cr, x + i * (p->tile_width + GAP) + p->tile_width / 2, y, style,
                     names[i]);
}

/* ---- A block ----------------------------------------------------------------------------------
 */

static gs_status draw_masks(picture *p, gs_session *session, double top, gs_error *err) {
    GS_TRY(gs_session_segment(session, p->presence_count, p->inputs, p->mask, err));
    for (size_t i = 0; i < p->presence_count; i++) {
        float *mask = p->mask + i * p->pixels;
        double y = row_y(p, top, i);
        for (size_t k = 0; k < p->pixels; k++) mask[k] = mask[k] >= 0.5f ? 1 : 0;
        GS_TRY(draw_gray(p, column_x(p, 0), y, p->inputs + i * p->image, err));
        GS_TRY(draw_tile(p, column_x(p, 2), y, mask, GS_MAP_GRAY, 0, 1, err));
        const uint8_t *truth = gs_dataset_mask(p->state->dataset, p->presence[i]);
        for (size_t k = 0; k < p->pixels; k++) mask[k] = (float)truth[k] / GS_MASK_TARGET;
        GS_TRY(draw_tile(p, column_x(p, 1), y, mask, GS_MAP_GRAY, 0, 1, err));
    }
    return GS_OK;
}

/* The colours of the residual, below its column. */
static void draw_scale(const picture *p, double top, float limit) {
    const gs_text_style style = {.size = 10, .align = 0.5, .color = gs_pale_ink};
    enum { STEPS = 65 };
    float ramp[STEPS];
    char text[32];
    double x = column_x(p, 4), y = row_y(p, top, p->presence_count);
    gs_error ignored; /* only a failure of memory, which the next tile would report */
    for (int i = 0; i < STEPS; i++) ramp[i] = (float)i;
    const gs_map map = {ramp, 1, STEPS, GS_MAP_DIVERGING, 0, STEPS - 1};
    if (gs_draw_map(p->figure.cr, x, y, p->tile_width, 8, &map, &ignored) != GS_OK) return;
    snprintf(text, sizeof text, "\xE2\x88\x92%.2g \xE2\x80\xA6 +%.2g", (double)limit,
             (double)limit);
    gs_draw_text(p->figure.cr, x + p->tile_width / 2, y + 21, style, text);
}

static gs_status draw_translations(picture *p, gs_session *session, double top, gs_error *err) {
    float *healthy = p->maps[0], *residual = p->maps[1], limit = 1e-6f;
    GS_TRY(gs_session_remove(session, p->presence_count, p->inputs, healthy, residual, p->maps[2],
                             err));
    for (size_t i = 0; i < p->presence_count; i++)
        for (size_t k = 0; k < p->pixels; k++)
            limit = fmaxf(limit, fabsf(residual[i * p->image + k]));
    for (size_t i = 0; i < p->presence_count; i++) {
        double y = row_y(p, top, i);
        GS_TRY(draw_gray(p, column_x(p, 3), y, healthy + i * p->image, err));
        GS_TRY(draw_tile(p, column_x(p, 4), y, residual + i * p->image, GS_MAP_DIVERGING, -limit,
                         limit, err));
    }
    draw_scale(p, top, limit);
    return GS_OK;
}

static gs_status draw_samples(picture *p, gs_session *session, double top, gs_error *err) {
    static const char *const names[] = {"absence", "sample 1", "sample 2", "sample 3", "sample 4"};
    double left = column_x(p, PRESENCE_COLUMNS) - GAP + APART, step = p->tile_width + GAP;
    if (p->absence_count == 0) return GS_OK;
    draw_names(p, left, top + HEADER - 8, names, SAMPLES + 1);
    for (size_t i = 0; i < p->absence_count; i++)
        GS_TRY(draw_gray(p, left, row_y(p, top, i), p->absences + i * p->image, err));
    for (int sample = 1; sample <= SAMPLES; sample++) {
        uint64_t seeds[ROWS];
        for (int i = 0; i < ROWS; i++) seeds[i] = (uint64_t)sample;
        GS_TRY(gs_session_insert(session, p->absence_count, p->absences, seeds, p->maps[0],
                                 p->maps[1], p->maps[2], err));
        for (size_t i = 0; i < p->absence_count; i++)
            GS_TRY(draw_gray(p, left + sample * step, row_y(p, top, i), p->maps[2] + i * p->image,
                             err));
    }
    return GS_OK;
}

static gs_status draw_block(picture *p, const gs_trial *run, const gs_model *model,
                            gs_session *session, double top, gs_error *err) {
    static const char *const names[] = {"input", "truth", "mask", "healthy", "residual"};
    const gs_text_style bold = {.size = 14, .bold = true, .color = gs_ink};
    const gs_text_style style = {.size = 12, .color = gs_pale_ink};
    const gs_experiment *e = p->state->experiment;
    bool translates = gs_model_translates(model);
    char text[160], fraction[GS_EXPERIMENT_FRACTION_TEXT];
    gs__fraction_text(e->fractions[run->fraction], fraction);
    double x =
        MARGIN + gs_draw_text(p->figure.cr, MARGIN, top + 16, bold, e->methods[run->method].name);
    snprintf(text, sizeof text, "seed %llu, fraction of masks %s, test Dice %.3f",
             (unsigned long long)e->seeds[run->seed], fraction, gs__trial_number(run, "test.dice"));
    gs_draw_text(p->figure.cr, x + 12, top + 16, style, text);
    draw_names(p, MARGIN, top + HEADER - 8, names, translates ? 5 : 3);
    GS_TRY(draw_masks(p, session, top, err));
    if (translates) GS_TRY(draw_translations(p, session, top, err));
    return gs_model_inserts(model) ? draw_samples(p, session, top, err) : GS_OK;
}

static double block_height(const picture *p) {
    size_t rows = p->presence_count > p->absence_count ? p->presence_count : p->absence_count;
    return HEADER + (double)rows * (p->tile_height + GAP) + SCALE;
}

static gs_status draw_run(picture *p, const gs_trial *run, double top, gs_error *err) {
    const gs_experiment_options *o = p->state->options;
    const gs_session_options options = {
        .engine = o->engine, .threads = o->threads, .max_batch = ROWS};
    gs_model *model = NULL;
    gs_session *session = NULL;
    char *path = gs_format("%s/model.safetensors", run->folder);
    gs_status status = path ? gs_model_load(path, &model, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to draw");
    if (status == GS_OK) status = gs_session_open(model, &options, &session, err);
    if (status == GS_OK) status = draw_block(p, run, model, session, top, err);
    gs_session_close(session);
    gs_model_release(model);
    gs_free(path);
    return status;
}

/* ---- The figure -------------------------------------------------------------------------------
 */

static gs_status allocate(picture *p, gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(p->state->dataset);
    p->pixels = (size_t)info->height * (size_t)info->width;
    p->image = p->pixels * (size_t)info->channels;
    p->inputs = gs_alloc(ROWS * p->image, sizeof(float));
    p->absences = gs_alloc(ROWS * p->image, sizeof(float));
    p->mask = gs_alloc(ROWS * p->pixels, sizeof(float));
    bool has_all = p->inputs && p->absences && p->mask;
    for (int i = 0; i < 3; i++) {
        p->maps[i] = gs_alloc(ROWS * p->image, sizeof(float));
        has_all = has_all && p->maps[i];
    }
    return has_all ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to draw slices");
}

static gs_status draw_title(picture *p, gs_error *err) {
    const gs_text_style bold = {.size = 16, .bold = true, .color = gs_ink};
    const gs_dataset_info *info = gs_dataset_get_info(p->state->dataset);
    char text[300];
    if (info->channels > 1)
        snprintf(text, sizeof text, "%.200s: test slices, the first of %d channels",
                 p->state->experiment->name, info->channels);
    else
        snprintf(text, sizeof text, "%.200s: test slices", p->state->experiment->name);
    gs_draw_text_within(p->figure.cr, MARGIN, MARGIN + 12, p->figure.width - 2 * MARGIN, bold,
                        text);
    return read_inputs(p, err);
}

static gs_status draw(picture *p, const char *path, gs_error *err) {
    const gs_experiment *e = p->state->experiment;
    const gs_dataset_info *info = gs_dataset_get_info(p->state->dataset);
    size_t fraction = gs__smallest_fraction(e), blocks = 0;
    double zoom = (double)TILE / (info->height > info->width ? info->height : info->width);
    p->tile_width = zoom * info->width, p->tile_height = zoom * info->height;
    p->presence_count = choose(p->state->dataset, GS_LABEL_PRESENCE, p->presence);
    p->absence_count = choose(p->state->dataset, GS_LABEL_ABSENCE, p->absence);
    for (size_t m = 0; m < e->method_count; m++)
        blocks += gs__best_trial(p->state, m, fraction) != 0;
    if (blocks == 0 || p->presence_count == 0) return GS_OK; /* nothing to show */
    GS_TRY(allocate(p, err));
    double width = column_x(p, PRESENCE_COLUMNS + 1 + SAMPLES) - GAP - GAP + APART + MARGIN;
    GS_TRY(
        gs_figure_init(width, MARGIN + TITLE + (double)blocks * block_height(p), &p->figure, err));
    GS_TRY(draw_title(p, err));
    double top = MARGIN + TITLE;
    for (size_t m = 0; m < e->method_count; m++) {
        const gs_trial *run = gs__best_trial(p->state, m, fraction);
        if (!run) continue;
        GS_TRY(draw_run(p, run, top, err));
        top += block_height(p);
    }
    return gs_figure_save(&p->figure, path, err);
}

gs_status gs__write_panel(const gs_experiment_state *s, gs_error *err) {
    picture p = {.state = s};
    char *path = gs__experiment_path(s, "panel.png");
    gs_status status =
        path ? draw(&p, path, err) : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to draw slices");
    gs_figure_deinit(&p.figure);
    gs_free(p.inputs), gs_free(p.absences), gs_free(p.mask);
    for (int i = 0; i < 3; i++) gs_free(p.maps[i]);
    gs_free(path);
    return status;
}

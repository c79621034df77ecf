/* Owns the look of curves.png: a panel of validation Dice per fraction, then the losses of one run
 * of the first method. */
#include "engine/experiment/report.h"

#include "base/memory.h"
#include "engine/experiment/curves.h"
#include "engine/experiment/figure.h"
#include "engine/train/history.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    PANEL_WIDTH = 500,
    PANEL_HEIGHT = 360,
    LEGEND_ROW = 22,
    MARGIN = 20,
    LEFT = 62,  /* of a panel, to its axes */
    RIGHT = 18, /* and on the other sides */
    TOP = 40,
    BOTTOM = 50,
    LOSS_BINS = 150 /* points of a loss curve: means of what lies between */
};

typedef struct drawing {
    const gs_experiment_state *state;
    gs_curves *curves; /* of each run; empty for those unfinished */
    cairo_t *cr;
    double last_step, highest_dice;
} drawing;

/* ---- Over the seeds ---------------------------------------------------------------------------
 */

typedef struct band_point {
    double step;
    gs_statistic dice;
} band_point;

static const gs_dice_point *find_step(const gs_curves *c, uint64_t step) {
    size_t low = 0, high = c->dice_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c->dice[middle].step < step)
            low = middle + 1;
        else
            high = middle;
    }
    return low < c->dice_count && c->dice[low].step == step ? &c->dice[low] : NULL;
}

/* Whether the run is finished, and of this method and fraction. A failed run is left out, as it is
 * of the table: its collapse would be all that the others' mean and deviation show. */
static bool is_of(const gs_trial *run, size_t method, size_t fraction) {
    return run->result && !gs__trial_has_failed(run) && run->method == method &&
           run->fraction == fraction;
}

/* The mean and deviation at each step that all these seeds have validated at; points has room for
 * those of the first of them. */
static size_t make_band(const drawing *d, size_t method, size_t fraction, band_point *points) {
    const gs_experiment_state *s = d->state;
    const gs_curves *first = NULL;
    size_t count = 0;
    for (size_t i = 0; i < s->run_count && !first; i++)
        if (is_of(&s->runs[i], method, fraction)) first = &d->curves[i];
    for (size_t p = 0; first && p < first->dice_count; p++) {
        double values[GS_EXPERIMENT_SEEDS];
        size_t have = 0, seeds = 0;
        for (size_t i = 0; i < s->run_count; i++) {
            if (!is_of(&s->runs[i], method, fraction)) continue;
            const gs_dice_point *point = find_step(&d->curves[i], first->dice[p].step);
            if (point && isfinite(point->dice)) values[have++] = point->dice;
            seeds++;
        }
        if (have == seeds)
            points[count++] =
                (band_point){(double)first->dice[p].step, gs_statistic_of(values, have)};
    }
    return count;
}

static void draw_band(cairo_t *cr, const gs_axes *a, const band_point *points, size_t count,
                      size_t method) {
    gs_color color = gs_series_color(method);
    if (count == 0) return;
    cairo_save(cr);
    cairo_rectangle(cr, a->left, a->top, a->width, a->height);
    cairo_clip(cr);
    if (points[0].dice.count > 1) {
        for (size_t i = 0; i < count; i++)
            cairo_line_to(cr, gs_axes_x(a, points[i].step),
                          gs_axes_y(a, points[i].dice.mean + points[i].dice.deviation));
        for (size_t i = count; i-- > 0;)
            cairo_line_to(cr, gs_axes_x(a, points[i].step),
                          gs_axes_y(a, points[i].dice.mean - points[i].dice.deviation));
        cairo_set_source_rgba(cr, color.red, color.green, color.blue, 0.18);
        cairo_fill(cr);
    }
    gs_set_color(cr, color);
    cairo_set_line_width(cr, 2);
    gs_series_dash(cr, method);
    for (size_t i = 0; i < count; i++)
        cairo_line_to(cr, gs_axes_x(a, points[i].step), gs_axes_y(a, points[i].dice.mean));
    cairo_stroke(cr);
    if (count == 1) { /* a line of one point shows nothing */
        cairo_arc(cr, gs_axes_x(a, points[0].step), gs_axes_y(a, points[0].dice.mean), 3, 0, 7);
        cairo_fill(cr);
    }
    cairo_restore(cr);
}

/* ---- Panels -----------------------------------------------------------------------------------
 */

static gs_axes axes_at(double x, double y) {
    return (gs_axes){.left = x + LEFT,
                     .top = y + TOP,
                     .width = PANEL_WIDTH - LEFT - RIGHT,
                     .height = PANEL_HEIGHT - TOP - BOTTOM,
                     .x_high = 1,
                     .y_high = 1};
}

static void draw_title(cairo_t *cr, const gs_axes *a, const char *title) {
    const gs_text_style style = {.size = 13, .bold = true, .color = gs_ink};
    gs_draw_text_within(cr, a->left, a->top - 14, a->width, style, title);
}

static gs_status draw_dice(const drawing *d, double x, double y, size_t fraction, gs_error *err) {
    const gs_experiment *e = d->state->experiment;
    gs_axes a = axes_at(x, y);
    size_t longest = 1;
    char title[80], text[GS_EXPERIMENT_FRACTION_TEXT];
    for (size_t i = 0; i < d->state->run_count; i++)
        if (d->curves[i].dice_count > longest) longest = d->curves[i].dice_count;
    band_point *points = gs_alloc(longest, sizeof *points);
    if (!points) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to draw curves");
    a.x_high = d->last_step;
    a.y_high = d->highest_dice;
    gs__fraction_text(e->fractions[fraction], text);
    snprintf(title, sizeof title, "Validation Dice, fraction of masks %s", text);
    draw_title(d->cr, &a, title);
    gs_draw_axes(d->cr, &a, "step", "Dice");
    for (size_t method = 0; method < e->method_count; method++) {
        size_t count = make_band(d, method, fraction, points);
        draw_band(d->cr, &a, points, count, method);
    }
    gs_free(points);
    return GS_OK;
}

/* Means over equal parts of the steps; returns how many have any. */
static size_t bin_losses(const gs_curves *c, gs_term term, double last, double *steps,
                         double *means) {
    double sums[LOSS_BINS] = {0}, at[LOSS_BINS] = {0};
    int counts[LOSS_BINS] = {0};
    size_t used = 0;
    for (size_t i = 0; i < c->loss_count; i++) {
        double value = c->losses[i].losses[term], step = (double)c->losses[i].step;
        if (!isfinite(value)) continue;
        int bin = (int)fmin(step / last * LOSS_BINS, LOSS_BINS - 1);
        sums[bin] += value, at[bin] += step, counts[bin]++;
    }
    for (int b = 0; b < LOSS_BINS; b++) {
        if (counts[b] == 0) continue;
        steps[used] = at[b] / counts[b];
        means[used++] = sums[b] / counts[b];
    }
    return used;
}

/* One term's curve in a strip of its own, whose range is written beside it. */
static void draw_strip(cairo_t *cr, gs_axes a, const char *name, const double *steps,
                       const double *means, size_t count) {
    const gs_text_style label = {.size = 11, .align = 1, .bold = true, .color = gs_ink};
    const gs_text_style range = {.size = 9, .color = gs_pale_ink};
    char text[40];
    a.y_low = a.y_high = means[0];
    for (size_t i = 1; i < count; i++)
        a.y_low = fmin(a.y_low, means[i]), a.y_high = fmax(a.y_high, means[i]);
    gs_draw_text(cr, a.left - 8, a.top + a.height / 2 + 4, label, name);
    snprintf(text, sizeof text, "%.3g", a.y_high);
    gs_draw_text(cr, a.left + a.width + 5, a.top + 8, range, text);
    snprintf(text, sizeof text, "%.3g", a.y_low);
    gs_draw_text(cr, a.left + a.width + 5, a.top + a.height, range, text);
    if (!(a.y_high > a.y_low)) a.y_high = a.y_low + 1;
    gs_set_color(cr, gs_series_color(0));
    cairo_set_dash(cr, NULL, 0, 0);
    cairo_set_line_width(cr, 1.5);
    for (size_t i = 0; i < count; i++)
        cairo_line_to(cr, gs_axes_x(&a, steps[i]), gs_axes_y(&a, means[i]));
    cairo_stroke(cr);
}

static void draw_losses(const drawing *d, double x, double y, const gs_trial *run,
                        const gs_curves *c) {
    enum { RANGE_WIDTH = 40 };
    gs_axes a = axes_at(x, y);
    double steps[LOSS_BINS], means[LOSS_BINS];
    char title[160];
    int terms = 0, drawn = 0;
    a.width -= RANGE_WIDTH;
    a.x_high = d->last_step;
    snprintf(title, sizeof title, "Losses of %s, each in its own range", run->name);
    draw_title(d->cr, &a, title);
    for (gs_term k = 0; k < GS_TERM_COUNT; k++)
        terms += bin_losses(c, k, d->last_step, steps, means) > 0;
    gs_draw_x_axis(d->cr, &a, "step");
    for (gs_term k = 0; k < GS_TERM_COUNT; k++) {
        size_t count = bin_losses(c, k, d->last_step, steps, means);
        if (count == 0) continue;
        gs_axes strip = a;
        double height = a.height / terms;
        strip.top = a.top + drawn++ * height + 3;
        strip.height = height - 8;
        draw_strip(d->cr, strip, gs_term_name(k), steps, means, count);
    }
}

/* ---- The legend -------------------------------------------------------------------------------
 */

static size_t seeds_of(const gs_experiment_state *s, size_t method) {
    size_t most = 0;
    for (size_t fraction = 0; fraction < s->experiment->fraction_count; fraction++) {
        size_t count = 0;
        for (size_t i = 0; i < s->run_count; i++) count += is_of(&s->runs[i], method, fraction);
        if (count > most) most = count;
    }
    return most;
}

/* Places the entries in rows of `width`, draws them when `draws`; returns the rows. */
static int lay_legend(const gs_experiment_state *s, cairo_t *cr, double width, bool draws) {
    enum { SAMPLE = 28, GAP = 24 };
    const gs_text_style style = {.size = 13, .color = gs_ink};
    double x = 0;
    int row = 0;
    for (size_t method = 0; method < s->experiment->method_count; method++) {
        char text[GS_EXPERIMENT_NAME + 64];
        size_t seeds = seeds_of(s, method);
        if (seeds == 0) continue;
        snprintf(text, sizeof text, seeds == 1 ? "%s" : "%s, mean \xC2\xB1 s.d. over %zu seeds",
                 s->experiment->methods[method].name, seeds);
        double needed = SAMPLE + 8 + gs_text_width(cr, style, text);
        if (x > 0 && x + needed > width) x = 0, row++;
        double left = MARGIN + x, y = MARGIN + 30 + row * LEGEND_ROW;
        x += needed + GAP;
        if (!draws) continue;
        gs_set_color(cr, gs_series_color(method));
        cairo_set_line_width(cr, 3);
        gs_series_dash(cr, method);
        cairo_move_to(cr, left, y);
        cairo_line_to(cr, left + SAMPLE, y);
        cairo_stroke(cr);
        gs_draw_text(cr, left + SAMPLE + 8, y + 4, style, text);
    }
    return row + 1;
}

/* ---- The figure -------------------------------------------------------------------------------
 */

static gs_status read_curves(drawing *d, gs_error *err) {
    const gs_experiment_state *s = d->state;
    double highest = 0;
    for (size_t i = 0; i < s->run_count; i++) {
        if (!s->runs[i].result) continue;
        char *path = gs_format("%s/%s", s->runs[i].folder, GS_HISTORY_FILE);
        if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to draw curves");
        gs_status status = gs_curves_read(path, &d->curves[i], err);
        gs_free(path);
        if (status != GS_OK) return status;
        const gs_curves *c = &d->curves[i];
        for (size_t p = 0; p < c->dice_count; p++) {
            if (isfinite(c->dice[p].dice)) highest = fmax(highest, c->dice[p].dice);
            d->last_step = fmax(d->last_step, (double)c->dice[p].step);
        }
    }
    if (d->last_step < 1) d->last_step = 1;
    d->highest_dice = fmin(fmax(ceil(highest * 10 + 0.2) / 10, 0.1), 1);
    return GS_OK;
}

static gs_status draw_panels(const drawing *d, int columns, double top, gs_error *err) {
    const gs_experiment *e = d->state->experiment;
    const gs_trial *run = gs__best_trial(d->state, 0, gs__smallest_fraction(e));
    for (size_t i = 0; i <= e->fraction_count; i++) {
        double x = MARGIN + (double)((int)i % columns) * PANEL_WIDTH;
        double y = top + (double)((int)i / columns) * PANEL_HEIGHT;
        if (i < e->fraction_count)
            GS_TRY(draw_dice(d, x, y, i, err));
        else if (run)
            draw_losses(d, x, y, run, &d->curves[run - d->state->runs]);
    }
    return GS_OK;
}

static gs_status draw(drawing *d, const char *path, gs_error *err) {
    const gs_experiment *e = d->state->experiment;
    const gs_text_style title = {.size = 16, .bold = true, .color = gs_ink};
    gs_figure figure = {0}, measure = {0};
    int panels = (int)e->fraction_count + 1, columns = panels == 2 || panels == 4 ? 2 : 3;
    double width = columns * PANEL_WIDTH + 2 * MARGIN;
    GS_TRY(read_curves(d, err));
    GS_TRY(gs_figure_init(1, 1, &measure, err));
    double top =
        MARGIN + 24 + lay_legend(d->state, measure.cr, width - 2 * MARGIN, false) * LEGEND_ROW;
    gs_figure_deinit(&measure);
    double rows = (double)((panels + columns - 1) / columns);
    GS_TRY(gs_figure_init(width, top + rows * PANEL_HEIGHT + MARGIN, &figure, err));
    d->cr = figure.cr;
    gs_draw_text_within(d->cr, MARGIN, MARGIN + 10, width - 2 * MARGIN, title, e->name);
    (void)lay_legend(d->state, d->cr, width - 2 * MARGIN, true);
    gs_status status = draw_panels(d, columns, top, err);
    if (status == GS_OK) status = gs_figure_save(&figure, path, err);
    gs_figure_deinit(&figure);
    return status;
}

gs_status gs__write_curves(const gs_experiment_state *s, gs_error *err) {
    drawing d = {.state = s, .curves = gs_alloc(s->run_count, sizeof *d.curves)};
    char *path = gs__experiment_path(s, "curves.png");
    gs_status status = d.curves && path ? draw(&d, path, err)
                                        : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for curves");
    for (size_t i = 0; d.curves && i < s->run_count; i++) gs_curves_deinit(&d.curves[i]);
    gs_free(d.curves), gs_free(path);
    return status;
}

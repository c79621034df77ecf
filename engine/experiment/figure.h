/* Drawing: a white sheet in units of CSS pixels (two image pixels each), text, axes, gray and
 * coloured maps, written as PNG. Colours can be told apart by the colour-blind (Okabe and Ito,
 * "Color universal design", 2008). Threads: a figure belongs to one at a time. */
#ifndef GS_ENGINE_EXPERIMENT_FIGURE_H
#define GS_ENGINE_EXPERIMENT_FIGURE_H

#include "base/status.h"

#include <cairo.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct gs_figure {
    cairo_surface_t *surface;
    cairo_t *cr;
    double width, height;
} gs_figure;

typedef struct gs_color {
    double red, green, blue;
} gs_color;

extern const gs_color gs_ink, gs_pale_ink, gs_grid_ink;

/* Of the n-th method; eight, then again from the first. */
gs_color gs_series_color(size_t n);
/* Dashes of the n-th method: none for the first eight, so that those after can be told from them.
 */
void gs_series_dash(cairo_t *cr, size_t n);

/* OUT_OF_MEMORY, or TOO_LARGE beyond 8000 units. Caller deinits. */
GS_MUST_CHECK gs_status gs_figure_init(double width, double height, gs_figure *out, gs_error *err);
void gs_figure_deinit(gs_figure *figure); /* zeroed is allowed */

/* PNG, whole or not at all. */
GS_MUST_CHECK gs_status gs_figure_save(const gs_figure *figure, const char *path, gs_error *err);

void gs_set_color(cairo_t *cr, gs_color color);

typedef struct gs_text_style {
    double size, align; /* align: 0 = x is the left end, 0.5 the middle, 1 the right end */
    bool bold;
    gs_color color;
} gs_text_style;

/* y is the baseline. Returns the width. */
double gs_draw_text(cairo_t *cr, double x, double y, gs_text_style style, const char *text);
double gs_text_width(cairo_t *cr, gs_text_style style, const char *text);

/* As much of the text as fits into `width`, with an ellipsis where it is cut. */
void gs_draw_text_within(cairo_t *cr, double x, double y, double width, gs_text_style style,
                         const char *text);

/* A plot's frame on the sheet and what it spans. */
typedef struct gs_axes {
    double left, top, width, height; /* on the sheet */
    double x_low, x_high, y_low, y_high;
} gs_axes;

double gs_axes_x(const gs_axes *axes, double x);
double gs_axes_y(const gs_axes *axes, double y);

/* The step of about `count` round ticks over a range of this size: 1, 2 or 5 times a power of ten.
 */
double gs_tick_step(double range, int count);

/* Vertical grid lines with numbers, the line at the bottom, and what it is. */
void gs_draw_x_axis(cairo_t *cr, const gs_axes *axes, const char *title);

/* The same in both directions. */
void gs_draw_axes(cairo_t *cr, const gs_axes *axes, const char *x_title, const char *y_title);

typedef enum gs_map_colors {
    GS_MAP_GRAY,     /* low black, high white */
    GS_MAP_DIVERGING /* low blue, middle white, high red */
} gs_map_colors;

typedef struct gs_map {
    const float *values; /* [height,width] */
    int height, width;
    gs_map_colors colors;
    float low, high;
} gs_map;

/* Fills the rectangle; pixels stay squares where they grow. */
GS_MUST_CHECK gs_status gs_draw_map(cairo_t *cr, double x, double y, double width, double height,
                                    const gs_map *map, gs_error *err);

#endif

#include "engine/experiment/figure.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { IMAGE_PIXELS = 2 /* per unit */, LARGEST = 8000 /* units */ };

const gs_color gs_ink = {0.13, 0.13, 0.15}, gs_pale_ink = {0.40, 0.40, 0.43},
               gs_grid_ink = {0.88, 0.88, 0.90};

enum { COLORS = 8 };

gs_color gs_series_color(size_t n) {
    static const gs_color colors[COLORS] = {
        {0.000, 0.447, 0.698}, {0.835, 0.369, 0.000}, {0.000, 0.620, 0.451}, {0.800, 0.475, 0.655},
        {0.902, 0.624, 0.000}, {0.337, 0.706, 0.914}, {0.400, 0.400, 0.400}, {0.580, 0.170, 0.120}};
    return colors[n % COLORS];
}

void gs_series_dash(cairo_t *cr, size_t n) {
    static const double dashes[] = {6, 3};
    cairo_set_dash(cr, dashes, n < COLORS ? 0 : 2, 0);
}

/* ---- The sheet --------------------------------------------------------------------------------
 */

gs_status gs_figure_init(double width, double height, gs_figure *out, gs_error *err) {
    if (!(width > 0 && height > 0 && width <= LARGEST && height <= LARGEST))
        return gs_fail(err, GS_TOO_LARGE, "a figure of %.0f x %.0f is larger than %d", width,
                       height, LARGEST);
    gs_figure f = {.width = width, .height = height};
    f.surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)ceil(width) * IMAGE_PIXELS,
                                           (int)ceil(height) * IMAGE_PIXELS);
    f.cr = cairo_create(f.surface);
    if (cairo_status(f.cr) != CAIRO_STATUS_SUCCESS) {
        gs_figure_deinit(&f);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a figure of %.0f x %.0f", width,
                       height);
    }
    cairo_scale(f.cr, IMAGE_PIXELS, IMAGE_PIXELS);
    cairo_set_source_rgb(f.cr, 1, 1, 1);
    cairo_paint(f.cr);
    cairo_set_line_join(f.cr, CAIRO_LINE_JOIN_ROUND);
    *out = f;
    return GS_OK;
}

void gs_figure_deinit(gs_figure *f) {
    if (f->cr) cairo_destroy(f->cr);
    if (f->surface) cairo_surface_destroy(f->surface);
    *f = (gs_figure){0};
}

typedef struct png_bytes {
    unsigned char *bytes;
    size_t size, capacity;
} png_bytes;

static cairo_status_t append(void *context, const unsigned char *more, unsigned size) {
    png_bytes *png = context;
    if (png->capacity - png->size < size) {
        size_t capacity = 2 * (png->size + size);
        unsigned char *grown = gs_resize(png->bytes, capacity, 1);
        if (!grown) return CAIRO_STATUS_NO_MEMORY;
        png->bytes = grown, png->capacity = capacity;
    }
    memcpy(png->bytes + png->size, more, size);
    png->size += size;
    return CAIRO_STATUS_SUCCESS;
}

gs_status gs_figure_save(const gs_figure *f, const char *path, gs_error *err) {
    png_bytes png = {0};
    cairo_surface_flush(f->surface);
    cairo_status_t drawn = cairo_status(f->cr);
    if (drawn == CAIRO_STATUS_SUCCESS)
        drawn = cairo_surface_write_to_png_stream(f->surface, append, &png);
    gs_status status;
    if (drawn == CAIRO_STATUS_SUCCESS) {
        const gs_file_piece piece = {png.bytes, png.size};
        status = gs_file_replace(path, &piece, 1, err);
    } else {
        status = gs_fail(err, drawn == CAIRO_STATUS_NO_MEMORY ? GS_OUT_OF_MEMORY : GS_INTERNAL,
                         "cannot draw %s: %s", path, cairo_status_to_string(drawn));
    }
    gs_free(png.bytes);
    return status;
}

void gs_set_color(cairo_t *cr, gs_color color) {
    cairo_set_source_rgb(cr, color.red, color.green, color.blue);
}

/* ---- Text -------------------------------------------------------------------------------------
 */

static void choose_font(cairo_t *cr, gs_text_style style) {
    cairo_select_font_face(cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cr, style.size);
}

double gs_text_width(cairo_t *cr, gs_text_style style, const char *text) {
    cairo_text_extents_t extents;
    choose_font(cr, style);
    cairo_text_extents(cr, text, &extents);
    return extents.x_advance;
}

double gs_draw_text(cairo_t *cr, double x, double y, gs_text_style style, const char *text) {
    double width = gs_text_width(cr, style, text);
    gs_set_color(cr, style.color);
    cairo_move_to(cr, x - style.align * width, y);
    cairo_show_text(cr, text);
    cairo_new_path(cr); /* or the next line would begin at the text's end */
    return width;
}

void gs_draw_text_within(cairo_t *cr, double x, double y, double width, gs_text_style style,
                         const char *text) {
    char shown[256];
    int length = snprintf(shown, sizeof shown, "%s", text);
    if (length >= (int)sizeof shown) length = (int)sizeof shown - 1;
    while (length > 1 && gs_text_width(cr, style, shown) > width) {
        do {
            length--;
        } while (length > 1 && ((unsigned char)text[length] & 0xC0) == 0x80); /* within a letter */
        snprintf(shown, sizeof shown, "%.*s\xE2\x80\xA6", length > 250 ? 250 : length, text);
    }
    gs_draw_text(cr, x, y, style, shown);
}

/* ---- Axes -------------------------------------------------------------------------------------
 */

double gs_axes_x(const gs_axes *a, double x) {
    return a->left + a->width * (x - a->x_low) / (a->x_high - a->x_low);
}

double gs_axes_y(const gs_axes *a, double y) {
    return a->top + a->height * (1 - (y - a->y_low) / (a->y_high - a->y_low));
}

double gs_tick_step(double range, int count) {
    double raw = range / count, power = pow(10, floor(log10(raw))), part = raw / power;
    double factor = part <= 1.0001 ? 1 : part <= 2.0001 ? 2 : part <= 5.0001 ? 5 : 10;
    return factor * power;
}

/* 1500 -> "1500", 20000 -> "20k". */
static void print_tick(char *text, size_t size, double value, double step) {
    if (fabs(value) < step / 1000) value = 0;
    if (step >= 1000)
        snprintf(text, size, "%.10gk", value / 1000);
    else
        snprintf(text, size, "%.10g", value);
}

static void line(cairo_t *cr, double x0, double y0, double x1, double y1) {
    cairo_move_to(cr, x0, y0);
    cairo_line_to(cr, x1, y1);
    cairo_stroke(cr);
}

static const gs_text_style tick_style = {
    .size = 11, .align = 0.5, .color = {0.40, 0.40, 0.43} /* gs_pale_ink */};

static void draw_x_ticks(cairo_t *cr, const gs_axes *a) {
    double step = gs_tick_step(a->x_high - a->x_low, 6);
    for (double x = ceil(a->x_low / step - 1e-9) * step; x <= a->x_high + step * 1e-9; x += step) {
        char text[32];
        double at = gs_axes_x(a, x);
        gs_set_color(cr, gs_grid_ink);
        line(cr, at, a->top, at, a->top + a->height);
        print_tick(text, sizeof text, x, step);
        gs_draw_text(cr, at, a->top + a->height + 16, tick_style, text);
    }
}

static void draw_y_ticks(cairo_t *cr, const gs_axes *a) {
    double step = gs_tick_step(a->y_high - a->y_low, 5);
    gs_text_style style = tick_style;
    style.align = 1;
    for (double y = ceil(a->y_low / step - 1e-9) * step; y <= a->y_high + step * 1e-9; y += step) {
        char text[32];
        double at = gs_axes_y(a, y);
        gs_set_color(cr, gs_grid_ink);
        line(cr, a->left, at, a->left + a->width, at);
        print_tick(text, sizeof text, y, step);
        gs_draw_text(cr, a->left - 7, at + 4, style, text);
    }
}

void gs_draw_x_axis(cairo_t *cr, const gs_axes *a, const char *title) {
    const gs_text_style style = {.size = 12, .align = 0.5, .color = gs_ink};
    cairo_set_dash(cr, NULL, 0, 0);
    cairo_set_line_width(cr, 1);
    draw_x_ticks(cr, a);
    gs_set_color(cr, gs_pale_ink);
    line(cr, a->left, a->top + a->height, a->left + a->width, a->top + a->height);
    gs_draw_text(cr, a->left + a->width / 2, a->top + a->height + 36, style, title);
}

void gs_draw_axes(cairo_t *cr, const gs_axes *a, const char *x_title, const char *y_title) {
    const gs_text_style style = {.size = 12, .align = 0.5, .color = gs_ink};
    cairo_set_dash(cr, NULL, 0, 0);
    cairo_set_line_width(cr, 1);
    draw_y_ticks(cr, a);
    gs_draw_x_axis(cr, a, x_title);
    cairo_save(cr);
    cairo_translate(cr, a->left - 42, a->top + a->height / 2);
    cairo_rotate(cr, -acos(0.0)); /* a quarter to the left */
    gs_draw_text(cr, 0, 0, style, y_title);
    cairo_restore(cr);
}

/* ---- Maps -------------------------------------------------------------------------------------
 */

/* 0xRRGGBB of a value in [0, 1]. */
static uint32_t color_of(gs_map_colors colors, double t) {
    static const gs_color blue = {0.129, 0.400, 0.675}, red = {0.698, 0.094, 0.169};
    gs_color c = {t, t, t};
    if (colors == GS_MAP_DIVERGING) {
        double away = fabs(2 * t - 1);
        gs_color end = t < 0.5 ? blue : red;
        c = (gs_color){1 + away * (end.red - 1), 1 + away * (end.green - 1),
                       1 + away * (end.blue - 1)};
    }
    return (uint32_t)lround(255 * c.red) << 16 | (uint32_t)lround(255 * c.green) << 8 |
           (uint32_t)lround(255 * c.blue);
}

static void fill_map(cairo_surface_t *surface, const gs_map *map) {
    unsigned char *bytes = cairo_image_surface_get_data(surface);
    ptrdiff_t stride = cairo_image_surface_get_stride(surface);
    double range = map->high > map->low ? (double)(map->high - map->low) : 1;
    for (int y = 0; y < map->height; y++)
        for (int x = 0; x < map->width; x++) {
            float value = map->values[(ptrdiff_t)y * map->width + x];
            double t = fmin(fmax((double)(value - map->low) / range, 0), 1);
            uint32_t color = color_of(map->colors, t);
            memcpy(bytes + y * stride + (ptrdiff_t)x * 4, &color, sizeof color);
        }
    cairo_surface_mark_dirty(surface);
}

gs_status gs_draw_map(cairo_t *cr, double x, double y, double width, double height,
                      const gs_map *map, gs_error *err) {
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, map->width, map->height);
    if (cairo_surface_status(surface) != CAIRO_STATUS_SUCCESS) {
        cairo_surface_destroy(surface);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to draw %d x %d pixels", map->height,
                       map->width);
    }
    cairo_surface_flush(surface);
    fill_map(surface, map);
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_scale(cr, width / map->width, height / map->height);
    cairo_set_source_surface(cr, surface, 0, 0);
    bool shrinks = width * IMAGE_PIXELS < map->width;
    cairo_pattern_set_filter(cairo_get_source(cr),
                             shrinks ? CAIRO_FILTER_GOOD : CAIRO_FILTER_NEAREST);
    cairo_pattern_set_extend(cairo_get_source(cr), CAIRO_EXTEND_PAD);
    cairo_rectangle(cr, 0, 0, map->width, map->height);
    cairo_fill(cr);
    cairo_restore(cr);
    cairo_surface_destroy(surface);
    return GS_OK;
}

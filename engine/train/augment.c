#include "engine/train/augment.h"

#include "base/random.h"
#include "engine/train/spline_warp.h"

#include <math.h>
#include <string.h>

#define MAX_ROTATION (3.0 * M_PI / 180.0)
#define MAX_ZOOM 0.1
#define MAX_INTENSITY 0.1
#define WARP_PIXELS 5.0 /* standard deviation of the warp's vectors, … */
#define WARP_PART 24.0  /* … which is for sides of at least 120: smaller images get less */

/* Where the pixel (y, x) of the result comes from: matrix · (pixel - centre) + centre + warp. */
typedef struct mapping {
    double yy, yx, xy, xx, centre_y, centre_x;
    gs_spline_warp warp;
} mapping;

static double symmetric(gs_rng *rng, double limit) {
    return (2 * gs_rng_uniform(rng) - 1) * limit;
}

static void draw_warp(gs_rng *rng, int height, int width, gs_spline_warp *out) {
    double y[GS_WARP_GRID][GS_WARP_GRID], x[GS_WARP_GRID][GS_WARP_GRID];
    double side = height < width ? height : width, sigma = fmin(WARP_PIXELS, side / WARP_PART);
    for (int i = 0; i < GS_WARP_GRID; i++)
        for (int k = 0; k < GS_WARP_GRID; k++) {
            y[i][k] = sigma * gs_rng_normal(rng);
            x[i][k] = sigma * gs_rng_normal(rng);
        }
    gs_spline_warp_init(out, y, x);
}

static mapping draw_mapping(gs_rng *rng, int height, int width) {
    double flip_y = gs_rng_uniform(rng) < 0.5 ? -1 : 1, flip_x = gs_rng_uniform(rng) < 0.5 ? -1 : 1;
    double angle = symmetric(rng, MAX_ROTATION), zoom = 1 / (1 + symmetric(rng, MAX_ZOOM));
    mapping m = {.centre_y = (height - 1) / 2.0, .centre_x = (width - 1) / 2.0};
    m.yy = zoom * cos(angle) * flip_y;
    m.yx = -zoom * sin(angle) * flip_x;
    m.xy = zoom * sin(angle) * flip_y;
    m.xx = zoom * cos(angle) * flip_x;
    draw_warp(rng, height, width, &m.warp);
    return m;
}

/* Reflects a coordinate into [0, size-1]; it may lie at most a few sizes outside. */
static double reflected(double at, int size) {
    double period = 2.0 * (size - 1);
    if (at >= 0 && at <= size - 1) return at; /* nearly all, and fmod is slow */
    if (size == 1) return 0;
    at = fmod(fabs(at), period);
    return at > size - 1 ? period - at : at;
}

/* Where each pixel comes from, for image and mask: the row in sources[2i], the column in
 * sources[2i + 1]. */
static void find_sources(const gs_augment_target *t, const mapping *m) {
    double *sources = t->sources;
    gs_warp_weights *rows = (gs_warp_weights *)(sources + 2 * t->height * t->width);
    gs_warp_weights *columns = rows + t->height;
    gs_spline_warp_weights(t->height, rows);
    gs_spline_warp_weights(t->width, columns);
    for (int y = 0; y < t->height; y++)
        for (int x = 0; x < t->width; x++, sources += 2) {
            double dy = y - m->centre_y, dx = x - m->centre_x, warp_y, warp_x;
            gs_spline_warp_at(&m->warp, rows[y], columns[x], &warp_y, &warp_x);
            sources[0] = reflected(m->yy * dy + m->yx * dx + m->centre_y + warp_y, t->height);
            sources[1] = reflected(m->xy * dy + m->xx * dx + m->centre_x + warp_x, t->width);
        }
}

static float bilinear(const float *plane, int height, int width, double y, double x) {
    int y0 = (int)y, x0 = (int)x;
    int y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    double fy = y - y0, fx = x - x0;
    double top = (1 - fx) * (double)plane[y0 * width + x0] + fx * (double)plane[y0 * width + x1];
    double bottom = (1 - fx) * (double)plane[y1 * width + x0] + fx * (double)plane[y1 * width + x1];
    return (float)((1 - fy) * top + fy * bottom);
}

static void warp_image(const gs_augment_target *t) {
    size_t plane = (size_t)t->height * (size_t)t->width;
    memcpy(t->room, t->image, (size_t)t->channels * plane * sizeof *t->room);
    for (size_t c = 0; c < (size_t)t->channels; c++)
        for (size_t i = 0; i < plane; i++)
            t->image[c * plane + i] = bilinear(t->room + c * plane, t->height, t->width,
                                               t->sources[2 * i], t->sources[2 * i + 1]);
}

static void warp_mask(const gs_augment_target *t) {
    uint8_t *copy = (uint8_t *)t->room; /* the image no longer needs it */
    size_t plane = (size_t)t->height * (size_t)t->width;
    memcpy(copy, t->mask, plane);
    for (size_t i = 0; i < plane; i++)
        t->mask[i] =
            copy[(int)(t->sources[2 * i] + 0.5) * t->width + (int)(t->sources[2 * i + 1] + 0.5)];
}

/* Within the channel's range, so that what is normalised to a range stays in it. */
static void shift_intensity(float *pixels, size_t count, double part) {
    float least = pixels[0], most = pixels[0];
    for (size_t i = 1; i < count; i++) {
        least = fminf(least, pixels[i]);
        most = fmaxf(most, pixels[i]);
    }
    float shift = (float)part * (most - least);
    for (size_t i = 0; i < count; i++) pixels[i] = fminf(fmaxf(pixels[i] + shift, least), most);
}

size_t gs_augment_sources(int height, int width) {
    size_t h = (size_t)height, w = (size_t)width;
    return 2 * h * w + GS_WARP_GRID * (h + w);
}

void gs_augment(const gs_augment_target *t, uint64_t seed, uint64_t stream) {
    gs_rng rng = {.seed = seed, .stream = stream};
    size_t plane = (size_t)t->height * (size_t)t->width;
    mapping m = draw_mapping(&rng, t->height, t->width);
    find_sources(t, &m);
    warp_image(t);
    if (t->mask) warp_mask(t);
    for (int c = 0; c < t->channels; c++)
        shift_intensity(t->image + (size_t)c * plane, plane, symmetric(&rng, MAX_INTENSITY));
}

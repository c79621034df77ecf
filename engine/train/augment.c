#include "engine/train/augment.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

#define MAX_ROTATION (3.0 * M_PI / 180.0)
#define MAX_ZOOM 0.1
#define MAX_SHIFT 0.04
#define MAX_CONTRAST 0.1

/* Where the pixel (y, x) of the result comes from: source = matrix · (pixel - centre) + offset. */
typedef struct mapping {
    double yy, yx, xy, xx, centre_y, centre_x, offset_y, offset_x;
} mapping;

static double symmetric(gs_rng *rng, double limit) {
    return (2 * gs_rng_uniform(rng) - 1) * limit;
}

static mapping draw_mapping(gs_rng *rng, int height, int width) {
    double flip_y = gs_rng_uniform(rng) < 0.5 ? -1 : 1, flip_x = gs_rng_uniform(rng) < 0.5 ? -1 : 1;
    double angle = symmetric(rng, MAX_ROTATION), zoom = 1 / (1 + symmetric(rng, MAX_ZOOM));
    mapping m = {.centre_y = (height - 1) / 2.0, .centre_x = (width - 1) / 2.0};
    m.yy = zoom * cos(angle) * flip_y;
    m.yx = -zoom * sin(angle) * flip_x;
    m.xy = zoom * sin(angle) * flip_y;
    m.xx = zoom * cos(angle) * flip_x;
    m.offset_y = m.centre_y + symmetric(rng, MAX_SHIFT * height);
    m.offset_x = m.centre_x + symmetric(rng, MAX_SHIFT * width);
    return m;
}

/* Reflects a coordinate into [0, size-1]; it may lie at most a few sizes outside. */
static double reflected(double at, int size) {
    double period = 2.0 * (size - 1);
    if (size == 1) return 0;
    at = fmod(fabs(at), period);
    return at > size - 1 ? period - at : at;
}

static void source_of(const mapping *m, int y, int x, int height, int width, double *sy,
                      double *sx) {
    double dy = y - m->centre_y, dx = x - m->centre_x;
    *sy = reflected(m->yy * dy + m->yx * dx + m->offset_y, height);
    *sx = reflected(m->xy * dy + m->xx * dx + m->offset_x, width);
}

static float bilinear(const float *plane, int height, int width, double y, double x) {
    int y0 = (int)y, x0 = (int)x;
    int y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    double fy = y - y0, fx = x - x0;
    double top = (1 - fx) * (double)plane[y0 * width + x0] + fx * (double)plane[y0 * width + x1];
    double bottom = (1 - fx) * (double)plane[y1 * width + x0] + fx * (double)plane[y1 * width + x1];
    return (float)((1 - fy) * top + fy * bottom);
}

static void warp_image(const gs_augment_target *t, const mapping *m) {
    size_t plane = (size_t)t->height * (size_t)t->width;
    memcpy(t->room, t->image, (size_t)t->channels * plane * sizeof *t->room);
    for (int y = 0; y < t->height; y++)
        for (int x = 0; x < t->width; x++) {
            double sy, sx;
            source_of(m, y, x, t->height, t->width, &sy, &sx);
            for (int c = 0; c < t->channels; c++)
                t->image[(size_t)c * plane + (size_t)(y * t->width + x)] =
                    bilinear(t->room + (size_t)c * plane, t->height, t->width, sy, sx);
        }
}

static void warp_mask(const gs_augment_target *t, const mapping *m) {
    uint8_t *copy = (uint8_t *)t->room; /* the image no longer needs it */
    memcpy(copy, t->mask, (size_t)t->height * (size_t)t->width);
    for (int y = 0; y < t->height; y++)
        for (int x = 0; x < t->width; x++) {
            double sy, sx;
            source_of(m, y, x, t->height, t->width, &sy, &sx);
            t->mask[y * t->width + x] = copy[(int)(sy + 0.5) * t->width + (int)(sx + 0.5)];
        }
}

/* Scales the distance from the darkest value, so that a dark background stays what it is. */
static void change_contrast(const gs_augment_target *t, double factor) {
    size_t plane = (size_t)t->height * (size_t)t->width;
    for (int c = 0; c < t->channels; c++) {
        float *pixels = t->image + (size_t)c * plane, darkest = pixels[0];
        for (size_t i = 1; i < plane; i++) darkest = fminf(darkest, pixels[i]);
        for (size_t i = 0; i < plane; i++)
            pixels[i] = darkest + (float)factor * (pixels[i] - darkest);
    }
}

void gs_augment(const gs_augment_target *t, uint64_t seed, uint64_t stream) {
    gs_rng rng = {.seed = seed, .stream = stream};
    mapping m = draw_mapping(&rng, t->height, t->width);
    double contrast = 1 + symmetric(&rng, MAX_CONTRAST);
    warp_image(t, &m);
    if (t->mask) warp_mask(t, &m);
    change_contrast(t, contrast);
}

/* Owns the layout of the contact sheet. Must not know how slices are made. */
#include "engine/data/preview.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/image/mask.h"
#include "engine/image/png.h"

#include <string.h>

enum { COLUMNS = 12, SHOWN = 24, MAX_TILE_SIDE = GS_MAX_SIDE / COLUMNS };

typedef struct sheet {
    const gs_dataset *dataset;
    int height, width, zoom, rows; /* of a tile, in the dataset's pixels; sheet pixels per pixel */
    int channels;                  /* that are shown, one below the other */
    int bands;                     /* rows of slices per label */
    float low, high;
    uint8_t *pixels; /* [rows * height * zoom, COLUMNS * width * zoom] */
} sheet;

/* Up to `most` slices of the label, with a mask if they are presence slices, evenly spread. */
static size_t choose(const gs_dataset *dataset, gs_label label, size_t most, size_t chosen[SHOWN]) {
    size_t fitting = 0, taken = 0, seen = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < gs_dataset_count(dataset) && taken < most; i++) {
            if (gs_dataset_get_slice(dataset, i)->label != label) continue;
            if (label == GS_LABEL_PRESENCE && !gs_dataset_mask(dataset, i)) continue;
            if (pass == 0)
                fitting++;
            else if (fitting <= most || seen++ * most / fitting >= taken)
                chosen[taken++] = i;
        }
    return taken;
}

/* Whether the mask's edge runs along this pixel of it. */
static bool is_outline(const uint8_t *mask, int y, int x, int height, int width) {
    const uint8_t *at = mask + (ptrdiff_t)y * width + x;
    if (*at != GS_MASK_TARGET) return false;
    if (y == 0 || x == 0 || y == height - 1 || x == width - 1) return true;
    return at[-1] != *at || at[1] != *at || at[-width] != *at || at[width] != *at;
}

static void draw(sheet *s, int row, int column, size_t slice, int channel, const uint8_t *mask) {
    const float *image =
        gs_dataset_image(s->dataset, slice) + (ptrdiff_t)channel * s->height * s->width;
    ptrdiff_t stride = (ptrdiff_t)COLUMNS * s->width * s->zoom;
    for (int y = 0; y < s->height * s->zoom; y++) {
        uint8_t *to = s->pixels + ((ptrdiff_t)row * s->height * s->zoom + y) * stride +
                      (ptrdiff_t)column * s->width * s->zoom;
        for (int x = 0; x < s->width * s->zoom; x++) {
            int from_y = y / s->zoom, from_x = x / s->zoom;
            float value = image[(ptrdiff_t)from_y * s->width + from_x];
            to[x] = (uint8_t)(230.0f * (value - s->low) / (s->high - s->low) + 0.5f);
            if (mask && is_outline(mask, from_y, from_x, s->height, s->width)) to[x] = 255;
        }
    }
}

static void widen_window(sheet *s, const size_t *chosen, size_t count) {
    size_t values = (size_t)s->height * (size_t)s->width * (size_t)s->channels;
    for (size_t i = 0; i < count; i++) {
        const float *image = gs_dataset_image(s->dataset, chosen[i]);
        for (size_t k = 0; k < values; k++) {
            if (image[k] < s->low) s->low = image[k];
            if (image[k] > s->high) s->high = image[k];
        }
    }
}

static gs_status write_sheet(const sheet *s, const char *path, gs_error *err) {
    gs_png_options options = {.height = s->rows * s->height * s->zoom,
                              .width = COLUMNS * s->width * s->zoom};
    char *bytes;
    size_t size;
    GS_TRY(gs_png_encode_u8(s->pixels, &options, &bytes, &size, err));
    gs_file_piece piece = {bytes, size};
    gs_status status = gs_file_replace(path, &piece, 1, err);
    gs_free(bytes);
    return status;
}

/* A band of presence slices: every channel, then the first once more with the mask's outline. */
static void draw_presence(sheet *s, const size_t *slices, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int row = (int)(i / COLUMNS) * (s->channels + 1), column = (int)(i % COLUMNS);
        for (int c = 0; c < s->channels; c++) draw(s, row + c, column, slices[i], c, NULL);
        draw(s, row + s->channels, column, slices[i], 0, gs_dataset_mask(s->dataset, slices[i]));
    }
}

static void draw_absence(sheet *s, const size_t *slices, size_t count) {
    int first = s->bands * (s->channels + 1);
    for (size_t i = 0; i < count; i++)
        for (int c = 0; c < s->channels; c++)
            draw(s, first + (int)(i / COLUMNS) * s->channels + c, (int)(i % COLUMNS), slices[i], c,
                 NULL);
}

static gs_status check_sheet(const gs_dataset_info *info, size_t slices, gs_error *err) {
    if (slices == 0)
        return gs_fail(err, GS_UNUSABLE, "%s has no annotated presence and no absence slices",
                       info->name);
    if (info->height > MAX_TILE_SIDE || info->width > MAX_TILE_SIDE)
        return gs_fail(err, GS_TOO_LARGE, "no contact sheet of slices over %d pixels",
                       MAX_TILE_SIDE);
    return GS_OK;
}

static sheet plan_sheet(const gs_dataset *dataset) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    sheet s = {.dataset = dataset,
               .height = info->height,
               .width = info->width,
               .zoom = info->width < 100 ? 2 : 1,
               .channels = info->channels,
               .bands = info->channels == 1 ? SHOWN / COLUMNS : 1,
               .low = 1e30f,
               .high = -1e30f};
    while (s.channels > 1 && s.height * s.bands * (2 * s.channels + 1) > GS_MAX_SIDE) s.channels--;
    s.rows = s.bands * (2 * s.channels + 1);
    if (s.height * s.zoom * s.rows > GS_MAX_SIDE) s.zoom = 1;
    return s;
}

gs_status gs_dataset_preview(const gs_dataset *dataset, const char *path, gs_error *err) {
    size_t present[SHOWN], absent[SHOWN];
    sheet s = plan_sheet(dataset);
    size_t most = (size_t)s.bands * COLUMNS;
    size_t presents = choose(dataset, GS_LABEL_PRESENCE, most, present);
    size_t absents = choose(dataset, GS_LABEL_ABSENCE, most, absent);
    GS_TRY(check_sheet(gs_dataset_get_info(dataset), presents + absents, err));
    widen_window(&s, present, presents);
    widen_window(&s, absent, absents);
    if (!(s.high > s.low)) s.high = s.low + 1;
    size_t area = (size_t)s.height * (size_t)s.width * (size_t)(s.zoom * s.zoom);
    s.pixels = gs_alloc(area, (size_t)s.rows * COLUMNS); /* at most GS_MAX_SIDE squared */
    if (!s.pixels) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a contact sheet");
    draw_presence(&s, present, presents);
    draw_absence(&s, absent, absents);
    gs_status status = write_sheet(&s, path, err);
    gs_free(s.pixels);
    return status;
}

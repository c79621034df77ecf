/* Owns the meaning of PNG samples: scaling, channel order, windows. Must not know libpng. */
#include "engine/image/png.h"

#include "engine/image/png_io.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* ---- decoding ---- */

typedef struct image_sink {
    gs_image image;
    int bits;
} image_sink;

static void take_image_row(void *context, int y, const uint8_t *row) {
    image_sink *sink = context;
    const int channels = sink->image.channels, width = sink->image.width;
    for (int c = 0; c < channels; c++) {
        float *to = gs_image_channel(&sink->image, c) + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++) {
            const size_t i = (size_t)x * (size_t)channels + (size_t)c;
            to[x] = sink->bits == 8 ? (float)row[i] / 255.0f
                                    : (float)(row[2 * i] << 8 | row[2 * i + 1]) / 65535.0f;
        }
    }
}

gs_status gs_png_decode(const char *bytes, size_t size, const gs_image_limits *limits,
                        gs_image *out, gs_error *err) {
    gs_png_header header;
    GS_TRY(gs__png_check(bytes, size, limits, &header, err));
    image_sink sink = {.bits = header.bits};
    GS_TRY(gs_image_init(header.channels, header.height, header.width, limits, &sink.image, err));
    gs_status status = gs__png_read(bytes, size, &header, take_image_row, &sink, err);
    if (status != GS_OK) {
        gs_image_deinit(&sink.image);
        return status;
    }
    *out = sink.image;
    return GS_OK;
}

/* ---- encoding ---- */

static bool text_is_ascii(const char *text, char lowest) {
    for (; *text; text++)
        if (*text < lowest || *text > '~') return false; /* bytes above 127 are negative or large */
    return true;
}

static gs_status check_text(const gs_png_text *text, gs_error *err) {
    const size_t key_size = strnlen(text->key, 80);
    if (key_size < 1 || key_size > 79 || !text_is_ascii(text->key, ' ') || text->key[0] == ' ' ||
        text->key[key_size - 1] == ' ' || strstr(text->key, "  "))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "\"%.80s\" cannot be a PNG text's key: 1 to 79 printable ASCII characters, "
                       "no space at either end or twice",
                       text->key);
    if (strnlen(text->value, GS_PNG_MAX_TEXT_BYTES + 1) > GS_PNG_MAX_TEXT_BYTES)
        return gs_fail(err, GS_INVALID_ARGUMENT, "the PNG text \"%s\" is longer than %d bytes",
                       text->key, GS_PNG_MAX_TEXT_BYTES);
    if (!text_is_ascii(text->value, '\n'))
        return gs_fail(err, GS_INVALID_ARGUMENT, "the PNG text \"%s\" is not ASCII", text->key);
    return GS_OK;
}

static gs_status check_options(const gs_png_options *options, gs_error *err) {
    if (options->height < 1 || options->height > GS_MAX_SIDE || options->width < 1 ||
        options->width > GS_MAX_SIDE)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "a PNG of %d rows and %d columns; a side is 1 to %d", options->height,
                       options->width, GS_MAX_SIDE);
    if (options->text_count > GS_PNG_MAX_TEXTS)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%zu PNG texts, the limit is %d",
                       options->text_count, GS_PNG_MAX_TEXTS);
    for (size_t i = 0; i < options->text_count; i++) GS_TRY(check_text(&options->texts[i], err));
    return GS_OK;
}

/* What the rows are taken from: `pixels` has the type that the giver knows. */
typedef struct plane {
    const void *pixels;
    const gs_png_options *options;
} plane;

static void give_float_row(const void *context, int y, uint8_t *row) {
    const plane *from = context;
    const size_t width = (size_t)from->options->width;
    const float *pixels = (const float *)from->pixels + (size_t)y * width;
    const double low = (double)from->options->low, high = (double)from->options->high;
    for (size_t x = 0; x < width; x++) {
        const double value = (double)pixels[x];
        if (value <= low)
            row[x] = 0;
        else if (value >= high)
            row[x] = 255;
        else
            row[x] = (uint8_t)lround(255 * (value - low) / (high - low));
    }
}

static void give_u8_row(const void *context, int y, uint8_t *row) {
    const plane *from = context;
    const size_t width = (size_t)from->options->width;
    memcpy(row, (const uint8_t *)from->pixels + (size_t)y * width, width);
}

static void give_u16_row(const void *context, int y, uint8_t *row) {
    const plane *from = context;
    const size_t width = (size_t)from->options->width;
    const uint16_t *pixels = (const uint16_t *)from->pixels + (size_t)y * width;
    for (size_t x = 0; x < width; x++) {
        row[2 * x] = (uint8_t)(pixels[x] >> 8);
        row[2 * x + 1] = (uint8_t)(pixels[x] & 0xff);
    }
}

gs_status gs_png_encode_float(const float *pixels, const gs_png_options *options, char **bytes_out,
                              size_t *size_out, gs_error *err) {
    GS_TRY(check_options(options, err));
    if (!(isfinite(options->low) && isfinite(options->high) && options->low <= options->high))
        return gs_fail(err, GS_INVALID_ARGUMENT, "a PNG window from %g to %g", (double)options->low,
                       (double)options->high);
    const gs_image view = {1, options->height, options->width, (float *)pixels};
    GS_TRY(gs_image_check_finite(&view, err));
    const plane from = {pixels, options};
    return gs__png_write(options, 8, give_float_row, &from, bytes_out, size_out, err);
}

gs_status gs_png_encode_u8(const uint8_t *pixels, const gs_png_options *options, char **bytes_out,
                           size_t *size_out, gs_error *err) {
    GS_TRY(check_options(options, err));
    const plane from = {pixels, options};
    return gs__png_write(options, 8, give_u8_row, &from, bytes_out, size_out, err);
}

gs_status gs_png_encode_u16(const uint16_t *pixels, const gs_png_options *options, char **bytes_out,
                            size_t *size_out, gs_error *err) {
    GS_TRY(check_options(options, err));
    const plane from = {pixels, options};
    return gs__png_write(options, 16, give_u16_row, &from, bytes_out, size_out, err);
}

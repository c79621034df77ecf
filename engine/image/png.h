/* PNG in memory: decoded to gs_image, encoded from gray planes. Thread-safe.
 *
 * Only what carries exact samples is taken: gray, gray+alpha, RGB or RGBA of 8 or 16 bits, not
 * interlaced. Samples are scaled to [0, 1] (value / 255 or / 65535) and nothing else: gamma, colour
 * profiles, colour-key transparency and text are ignored, alpha is a channel like the others. */
#ifndef GS_ENGINE_IMAGE_PNG_H
#define GS_ENGINE_IMAGE_PNG_H

#include "engine/image/image.h"

#include <stdint.h>

/* Memory that libpng may take for one file beside the pixels; what a hostile file can cost. */
#define GS_PNG_MAX_LIBRARY_BYTES ((size_t)8 << 20)

/* channels = 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA. MALFORMED, UNSUPPORTED (palette, interlaced,
 * 1, 2 or 4 bits) and TOO_LARGE are found in the header before memory is allocated; MALFORMED for
 * wrong magic, a zero side, truncation, a bad checksum, or bytes after the end. Caller deinits. */
GS_MUST_CHECK gs_status gs_png_decode(const char *bytes, size_t size, const gs_image_limits *limits,
                                      gs_image *out, gs_error *err);

/* One tEXt entry: key of 1 to 79 printable ASCII characters, value in ASCII. */
typedef struct gs_png_text {
    const char *key, *value;
} gs_png_text;

enum { GS_PNG_MAX_TEXTS = 16, GS_PNG_MAX_TEXT_BYTES = 4096 /* of one value */ };

typedef struct gs_png_options {
    int height, width;        /* 1 to GS_MAX_SIDE */
    float low, high;          /* float planes only: what becomes 0 and 255; finite, low <= high */
    const gs_png_text *texts; /* written before the pixels, in order */
    size_t text_count;        /* at most GS_PNG_MAX_TEXTS */
} gs_png_options;

/* One gray plane, [H,W]. The same input gives the same bytes. INVALID_ARGUMENT for options out of
 * range. Caller frees *bytes_out with gs_free. */

/* 8 bits; a value v becomes round(255 * (v - low) / (high - low)), clamped; if low == high, 0 up to
 * there and 255 above. NUMERIC for a pixel that is not finite. */
GS_MUST_CHECK gs_status gs_png_encode_float(const float *pixels, const gs_png_options *options,
                                            char **bytes_out, size_t *size_out, gs_error *err);
GS_MUST_CHECK gs_status gs_png_encode_u8(const uint8_t *pixels, const gs_png_options *options,
                                         char **bytes_out, size_t *size_out, gs_error *err);
GS_MUST_CHECK gs_status gs_png_encode_u16(const uint16_t *pixels, const gs_png_options *options,
                                          char **bytes_out, size_t *size_out, gs_error *err);

#endif

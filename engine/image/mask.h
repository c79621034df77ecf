/* An annotation: for every pixel background, target or not annotated. Thread-safe. */
#ifndef GS_ENGINE_IMAGE_MASK_H
#define GS_ENGINE_IMAGE_MASK_H

#include "engine/image/png.h"

#include <stdbool.h>
#include <stdint.h>

enum { GS_MASK_BACKGROUND = 0, GS_MASK_UNKNOWN = 127, GS_MASK_TARGET = 255 };

typedef struct gs_mask {
    int height, width;
    uint8_t *values; /* [H,W], each one of the three above; owned */
} gs_mask;

/* All background. UNUSABLE, TOO_LARGE or OUT_OF_MEMORY as gs_image_init. Caller deinits. */
GS_MUST_CHECK gs_status gs_mask_init(int height, int width, const gs_image_limits *limits,
                                     gs_mask *out, gs_error *err);
void gs_mask_deinit(gs_mask *mask); /* a zeroed mask is allowed; leaves a zeroed mask */

size_t gs_mask_count(const gs_mask *mask, uint8_t value);

/* Whether some pixel is GS_MASK_UNKNOWN. */
bool gs_mask_is_partial(const gs_mask *mask);

/* UNUSABLE, naming the first value (row by row) that is none of the three, and its row and column.
 */
GS_MUST_CHECK gs_status gs_mask_check(const gs_mask *mask, gs_error *err);

/* Target where value > threshold, else background. values: [H,W]. Caller deinits. */
GS_MUST_CHECK gs_status gs_mask_init_above(const float *values, int height, int width,
                                           float threshold, gs_mask *out, gs_error *err);

/* An 8-bit gray PNG with the values 0, 127 and 255. UNSUPPORTED for another kind of PNG, UNUSABLE
 * for another value (see gs_mask_check), and as gs_png_decode. Caller deinits. */
GS_MUST_CHECK gs_status gs_mask_decode_png(const char *bytes, size_t size,
                                           const gs_image_limits *limits, gs_mask *out,
                                           gs_error *err);

/* Caller frees *bytes_out. */
GS_MUST_CHECK gs_status gs_mask_encode_png(const gs_mask *mask, char **bytes_out, size_t *size_out,
                                           gs_error *err);
/* As that, with texts that say where the mask comes from (gs_png_options). */
GS_MUST_CHECK gs_status gs_mask_encode_marked_png(const gs_mask *mask, const gs_png_text *texts,
                                                  size_t text_count, char **bytes_out,
                                                  size_t *size_out, gs_error *err);

#endif

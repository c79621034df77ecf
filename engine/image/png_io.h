/* Private to engine/image: PNG files as rows of samples, in and out. Thread-safe. */
#ifndef GS_ENGINE_IMAGE_PNG_IO_H
#define GS_ENGINE_IMAGE_PNG_IO_H

#include "engine/image/png.h"

typedef struct gs_png_header {
    int height, width, channels; /* within the limits */
    int bits;                    /* of one sample: 8 or 16 */
} gs_png_header;

/* Walks all chunks of the file without libpng: signature, sizes, checksums, order of the first and
 * last, and the kind of image. Fails as gs_png_decode. */
GS_MUST_CHECK gs_status gs__png_check(const char *bytes, size_t size, const gs_image_limits *limits,
                                      gs_png_header *out, gs_error *err);

/* row: channels * width samples, interleaved; 16-bit samples have their high byte first. */
typedef void gs_png_take_row(void *context, int y, const uint8_t *row);
typedef void gs_png_give_row(const void *context, int y, uint8_t *row);

/* Hands every row to `take`, top to bottom, for a file and header of gs__png_check. After a failure
 * some rows may have been handed out. */
GS_MUST_CHECK gs_status gs__png_read(const char *bytes, size_t size, const gs_png_header *header,
                                     gs_png_take_row *take, void *context, gs_error *err);

/* Writes a gray image of 8 or 16 bits whose rows `give` fills. Caller frees *bytes_out. */
GS_MUST_CHECK gs_status gs__png_write(const gs_png_options *options, int bits,
                                      gs_png_give_row *give, const void *context, char **bytes_out,
                                      size_t *size_out, gs_error *err);

#endif

#include "engine/image/mask.h"

#include "base/memory.h"
#include "engine/image/png_io.h"

#include <string.h>

static size_t pixel_count(const gs_mask *mask) {
    return (size_t)mask->height * (size_t)mask->width;
}

gs_status gs_mask_init(int height, int width, const gs_image_limits *limits, gs_mask *out,
                       gs_error *err) {
    GS_TRY(gs_image_check_size(1, height, width, limits, err));
    gs_mask mask = {.height = height, .width = width};
    mask.values = gs_alloc(pixel_count(&mask), 1);
    if (!mask.values)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask of %d x %d pixels", height,
                       width);
    *out = mask;
    return GS_OK;
}

void gs_mask_deinit(gs_mask *mask) {
    gs_free(mask->values);
    *mask = (gs_mask){0};
}

size_t gs_mask_count(const gs_mask *mask, uint8_t value) {
    size_t count = 0;
    for (size_t i = 0; i < pixel_count(mask); i++) count += mask->values[i] == value;
    return count;
}

bool gs_mask_is_partial(const gs_mask *mask) {
    return memchr(mask->values, GS_MASK_UNKNOWN, pixel_count(mask)) != NULL;
}

gs_status gs_mask_check(const gs_mask *mask, gs_error *err) {
    for (size_t i = 0; i < pixel_count(mask); i++) {
        const int value = mask->values[i];
        if (value == GS_MASK_BACKGROUND || value == GS_MASK_UNKNOWN || value == GS_MASK_TARGET)
            continue;
        return gs_fail(err, GS_UNUSABLE,
                       "the mask's value at row %zu, column %zu is %d; a mask has only 0 "
                       "(background), 255 (target) and 127 (not annotated)",
                       i / (size_t)mask->width, i % (size_t)mask->width, value);
    }
    return GS_OK;
}

gs_status gs_mask_init_above(const float *values, int height, int width, float threshold,
                             gs_mask *out, gs_error *err) {
    gs_mask mask;
    GS_TRY(gs_mask_init(height, width, NULL, &mask, err));
    for (size_t i = 0; i < pixel_count(&mask); i++)
        mask.values[i] = values[i] > threshold ? GS_MASK_TARGET : GS_MASK_BACKGROUND;
    *out = mask;
    return GS_OK;
}

static void take_mask_row(void *context, int y, const uint8_t *row) {
    gs_mask *mask = context;
    memcpy(mask->values + (size_t)y * (size_t)mask->width, row, (size_t)mask->width);
}

gs_status gs_mask_decode_png(const char *bytes, size_t size, const gs_image_limits *limits,
                             gs_mask *out, gs_error *err) {
    gs_png_header header;
    GS_TRY(gs__png_check(bytes, size, limits, &header, err));
    if (header.channels != 1 || header.bits != 8)
        return gs_fail(err, GS_UNSUPPORTED,
                       "a mask is an 8-bit gray PNG; this one has %d channels of %d bits",
                       header.channels, header.bits);
    gs_mask mask;
    GS_TRY(gs_mask_init(header.height, header.width, limits, &mask, err));
    gs_status status = gs__png_read(bytes, size, &header, take_mask_row, &mask, err);
    if (status == GS_OK) status = gs_mask_check(&mask, err);
    if (status != GS_OK) {
        gs_mask_deinit(&mask);
        return status;
    }
    *out = mask;
    return GS_OK;
}

gs_status gs_mask_encode_png(const gs_mask *mask, char **bytes_out, size_t *size_out,
                             gs_error *err) {
    return gs_mask_encode_marked_png(mask, NULL, 0, bytes_out, size_out, err);
}

gs_status gs_mask_encode_marked_png(const gs_mask *mask, const gs_png_text *texts,
                                    size_t text_count, char **bytes_out, size_t *size_out,
                                    gs_error *err) {
    const gs_png_options options = {
        .height = mask->height, .width = mask->width, .texts = texts, .text_count = text_count};
    return gs_png_encode_u8(mask->values, &options, bytes_out, size_out, err);
}

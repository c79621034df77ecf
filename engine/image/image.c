/* Owns the image value type and its limits. Must not know any file format. */
#include "engine/image/image.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

static long long bound(long long wanted, long long hard) {
    return wanted > 0 && wanted < hard ? wanted : hard;
}

gs_status gs_image_check_size(long long channels, long long height, long long width,
                              const gs_image_limits *limits, gs_error *err) {
    const gs_image_limits none = {0};
    if (!limits) limits = &none;
    const long long max_channels = bound(limits->channels, GS_MAX_CHANNELS);
    const long long max_side = bound(limits->side, GS_MAX_SIDE);
    const long long max_values = limits->values > 0 && limits->values < GS_IMAGE_MAX_VALUES
                                     ? (long long)limits->values
                                     : (long long)GS_IMAGE_MAX_VALUES;
    if (channels < 1 || height < 1 || width < 1)
        return gs_fail(err, GS_UNUSABLE,
                       "an image of %lld channels, %lld rows and %lld columns has no pixels",
                       channels, height, width);
    if (channels > max_channels)
        return gs_fail(err, GS_TOO_LARGE, "an image of %lld channels, the limit is %lld", channels,
                       max_channels);
    if (height > max_side || width > max_side)
        return gs_fail(err, GS_TOO_LARGE,
                       "an image of %lld rows and %lld columns, the limit of a side is %lld",
                       height, width, max_side);
    if (channels * height * width > max_values) /* below 2^63: each factor is bounded above */
        return gs_fail(err, GS_TOO_LARGE,
                       "an image of %lld x %lld x %lld values, the limit is %lld", channels, height,
                       width, max_values);
    return GS_OK;
}

gs_status gs_image_init(int channels, int height, int width, const gs_image_limits *limits,
                        gs_image *out, gs_error *err) {
    GS_TRY(gs_image_check_size(channels, height, width, limits, err));
    gs_image image = {.channels = channels, .height = height, .width = width};
    image.pixels = gs_alloc(gs_image_values(&image), sizeof(float));
    if (!image.pixels)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for an image of %d x %d x %d values",
                       channels, height, width);
    *out = image;
    return GS_OK;
}

void gs_image_deinit(gs_image *image) {
    gs_free(image->pixels);
    *image = (gs_image){0};
}

size_t gs_image_plane(const gs_image *image) {
    return (size_t)image->height * (size_t)image->width;
}

size_t gs_image_values(const gs_image *image) {
    return (size_t)image->channels * gs_image_plane(image);
}

float *gs_image_channel(const gs_image *image, int channel) {
    gs_assert(channel >= 0 && channel < image->channels);
    return image->pixels + (size_t)channel * gs_image_plane(image);
}

gs_status gs_image_check_finite(const gs_image *image, gs_error *err) {
    const size_t count = gs_image_values(image), width = (size_t)image->width;
    for (size_t i = 0; i < count; i++) {
        if (isfinite(image->pixels[i])) continue;
        size_t at = i % gs_image_plane(image);
        return gs_fail(err, GS_NUMERIC, "the pixel at channel %zu, row %zu, column %zu is %s",
                       i / gs_image_plane(image), at / width, at % width,
                       isnan(image->pixels[i]) ? "not a number" : "infinite");
    }
    return GS_OK;
}

void gs_image_range(const float *values, size_t count, float *low_out, float *high_out) {
    gs_assert(count > 0);
    float low = values[0], high = values[0];
    for (size_t i = 1; i < count; i++) {
        if (values[i] < low) low = values[i];
        if (values[i] > high) high = values[i];
    }
    *low_out = low;
    *high_out = high;
}

gs_status gs_image_stack(const gs_image *images, size_t count, const gs_image_limits *limits,
                         gs_image *out, gs_error *err) {
    if (count == 0) return gs_fail(err, GS_INVALID_ARGUMENT, "no images to stack");
    for (size_t i = 0; i < count; i++) {
        if (images[i].channels != 1)
            return gs_fail(err, GS_SHAPE_MISMATCH,
                           "image %zu has %d channels; one is needed of each that is stacked", i,
                           images[i].channels);
        if (images[i].height != images[0].height || images[i].width != images[0].width)
            return gs_fail(err, GS_SHAPE_MISMATCH,
                           "image %zu has %d rows and %d columns, image 0 has %d and %d", i,
                           images[i].height, images[i].width, images[0].height, images[0].width);
    }
    if (count > GS_MAX_CHANNELS)
        return gs_fail(err, GS_TOO_LARGE, "an image of %zu channels, the limit is %d", count,
                       GS_MAX_CHANNELS);
    gs_image stacked;
    GS_TRY(gs_image_init((int)count, images[0].height, images[0].width, limits, &stacked, err));
    const size_t plane = gs_image_plane(&stacked);
    for (size_t i = 0; i < count; i++)
        memcpy(gs_image_channel(&stacked, (int)i), images[i].pixels, plane * sizeof(float));
    *out = stacked;
    return GS_OK;
}

/* One image: float32, C channels of H x W pixels, and the limits every decoder keeps.
 *
 * Shapes: C channels, H height (rows, top to bottom), W width (columns, left to right); [C,H,W],
 * rows contiguous, no padding. Threads: an image that is not being changed may be read by any
 * number. */
#ifndef GS_ENGINE_IMAGE_IMAGE_H
#define GS_ENGINE_IMAGE_IMAGE_H

#include "base/status.h"
#include "engine/model/config.h"

#include <stddef.h>

/* Values (C*H*W) of one image: 128 MiB of float32. */
#define GS_IMAGE_MAX_VALUES ((size_t)1 << 25)

/* What a decoder accepts. A zero field (or a NULL pointer to the struct) means the hard limit,
 * which no field can raise. */
typedef struct gs_image_limits {
    int channels;  /* at most GS_MAX_CHANNELS */
    int side;      /* pixels along H or W, at most GS_MAX_SIDE */
    size_t values; /* C*H*W, at most GS_IMAGE_MAX_VALUES */
} gs_image_limits;

typedef struct gs_image {
    int channels, height, width;
    float *pixels; /* [C,H,W], owned */
} gs_image;

/* Checks a size before anything is allocated for it: UNUSABLE for a side or channel count below 1,
 * TOO_LARGE beyond the limits. The values are long long so that a file's own numbers fit. */
GS_MUST_CHECK gs_status gs_image_check_size(long long channels, long long height, long long width,
                                            const gs_image_limits *limits, gs_error *err);

/* Zero pixels. Fails as gs_image_check_size, or OUT_OF_MEMORY. Caller deinits. */
GS_MUST_CHECK gs_status gs_image_init(int channels, int height, int width,
                                      const gs_image_limits *limits, gs_image *out, gs_error *err);
void gs_image_deinit(gs_image *image); /* a zeroed image is allowed; leaves a zeroed image */

/* H*W and C*H*W. */
size_t gs_image_plane(const gs_image *image);
size_t gs_image_values(const gs_image *image);

/* Channel c's pixels, [H,W]. Borrowed from the image. */
float *gs_image_channel(const gs_image *image, int channel);

/* NUMERIC, naming channel, row and column of the first pixel that is NaN or infinite. */
GS_MUST_CHECK gs_status gs_image_check_finite(const gs_image *image, gs_error *err);

/* The smallest and largest of `count` > 0 finite values. */
void gs_image_range(const float *values, size_t count, float *low_out, float *high_out);

/* Single-channel images of one size become the channels of one image, in order. SHAPE_MISMATCH
 * names the first image that has several channels or another size; TOO_LARGE for more than the
 * limits' channels; INVALID_ARGUMENT for none. The inputs stay the caller's. Caller deinits *out.
 */
GS_MUST_CHECK gs_status gs_image_stack(const gs_image *images, size_t count,
                                       const gs_image_limits *limits, gs_image *out, gs_error *err);

#endif

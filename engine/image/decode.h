/* From the bytes of a request or a file to an image, by content type. Thread-safe. */
#ifndef GS_ENGINE_IMAGE_DECODE_H
#define GS_ENGINE_IMAGE_DECODE_H

#include "engine/image/image.h"

#include <stdbool.h>

/* The content types that gs_image_decode takes; NULL beyond the last. Static storage. */
const char *gs_image_type(size_t n);

/* Whether `content_type` is one of them; case and parameters ("; charset=…") do not matter. */
bool gs_image_type_is_known(const char *content_type);

/* image/png (engine/image/png.h), application/x-npy (npy.h), application/x-nifti (nifti_slice.h;
 * with the parameter axes=stored its axes are not turned).
 * `limits` may be NULL. Every pixel of *out is finite.
 *   MALFORMED    bytes that do not parse: wrong magic, truncated, trailing bytes, a lying header
 *   UNSUPPORTED  an unknown content type, or a kind of file that is not taken (palette, float64
 * npy, …) UNUSABLE     no pixels TOO_LARGE    beyond the limits; found before memory is allocated
 *   NUMERIC      a pixel that is NaN or infinite
 * Caller deinits. */
GS_MUST_CHECK gs_status gs_image_decode(const char *content_type, const char *bytes, size_t size,
                                        const gs_image_limits *limits, gs_image *out,
                                        gs_error *err);

#endif

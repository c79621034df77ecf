/* From pixels as stored to pixels as a model takes them (gs_normalization). Thread-safe. */
#ifndef GS_ENGINE_IMAGE_NORMALIZE_H
#define GS_ENGINE_IMAGE_NORMALIZE_H

#include "engine/image/image.h"

#include <stdbool.h>

/* In place. GS_NORMALIZE_FOREGROUND takes mean and standard deviation (of the population) over the
 * nonzero pixels of each channel, in double. A channel without nonzero pixels stays zero; one whose
 * nonzero pixels are all alike becomes zero. NUMERIC (image unchanged) for a pixel that is not
 * finite. */
GS_MUST_CHECK gs_status gs_normalize(gs_image *image, gs_normalization normalization,
                                     gs_error *err);

/* What GS_NORMALIZE_FOREGROUND makes of a channel of `count` pixels: nonzero ones become
 * (pixel - mean) / (5 * deviation), or 0 when the deviation is 0. False without nonzero pixels. */
bool gs_foreground_measure(const float *pixels, size_t count, double *mean_out,
                           double *deviation_out);

/* "none", "unit" or "foreground". Static storage. */
const char *gs_normalization_name(gs_normalization normalization);

/* INVALID_ARGUMENT names an unknown name and lists those there are. */
GS_MUST_CHECK gs_status gs_normalization_parse(const char *name, gs_normalization *out,
                                               gs_error *err);

#endif

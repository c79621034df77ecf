/* A stored slice as a model takes it. */
#ifndef GS_API_SLICE_INPUT_H
#define GS_API_SLICE_INPUT_H

#include "api/handler.h"
#include "store/slice.h"

/* The normalization that makes the slice's values what any model takes, or NULL where the model's
 * own does. Slices of a volume that its preset normalised are the data set's: another model's
 * normalization would be applied on top. Borrowed from the record. */
const char *gs_slice_normalization(const gs_slice_record *slice);

/* Decodes the slice's content, normalised where the model must not do it; *pixels_out says which.
 * limits as in gs_image_decode. Caller gs_image_deinits. */
GS_MUST_CHECK gs_status gs_slice_input_decode(const gs_slice_record *slice, const void *bytes,
                                              size_t size, const gs_image_limits *limits,
                                              gs_image *image_out, gs_pixels *pixels_out,
                                              gs_error *err);

#endif

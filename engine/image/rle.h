/* COCO run-length encoding of masks. Thread-safe.
 *
 * Runs go down the columns, left to right, and alternate between background and target, starting
 * with background (its run may be 0). A compressed `counts` string writes each run as groups of 5
 * bits, least significant first, as characters from '0'; from the fourth run on, as the difference
 * to the run two before (cocoapi, common/maskApi.c). */
#ifndef GS_ENGINE_IMAGE_RLE_H
#define GS_ENGINE_IMAGE_RLE_H

#include "engine/image/mask.h"

#include <jansson.h>

/* The compressed string. Target pixels are 1, all others (also GS_MASK_UNKNOWN, see
 * gs_mask_is_partial) are 0. Caller frees. */
GS_MUST_CHECK gs_status gs_rle_encode(const gs_mask *mask, char **counts_out, gs_error *err);

/* MALFORMED for a character outside the code, an unfinished or overlong number; SHAPE_MISMATCH for
 * runs that are negative or do not sum to height * width. Caller deinits. */
GS_MUST_CHECK gs_status gs_rle_decode(const char *counts, int height, int width,
                                      const gs_image_limits *limits, gs_mask *out, gs_error *err);

/* {"size": [height, width], "counts": "…"}. *json_out: the caller owns one reference. */
GS_MUST_CHECK gs_status gs_rle_to_json(const gs_mask *mask, json_t **json_out, gs_error *err);

/* As gs_rle_to_json writes it; `counts` may also be the uncompressed array of run lengths.
 * MALFORMED for a missing, superfluous or wrongly typed member, else as gs_rle_decode. Caller
 * deinits. */
GS_MUST_CHECK gs_status gs_rle_from_json(const json_t *json, const gs_image_limits *limits,
                                         gs_mask *out, gs_error *err);

#endif

/* NIfTI-1 in memory: one slice, plain (.nii) or gzip-compressed (.nii.gz). Thread-safe.
 *
 * The file's first axis (i, fastest) becomes the columns, left to right; its second axis (j) the
 * rows, top to bottom; its fourth axis (t) the channels. The axes are taken as stored: the
 * orientation (qform, sform) is not applied, so a slice cut from a volume in RAS order appears with
 * the front of the head at the bottom. Values are slope * stored + intercept when scl_slope is a
 * number other than 0. */
#ifndef GS_ENGINE_IMAGE_NIFTI_SLICE_H
#define GS_ENGINE_IMAGE_NIFTI_SLICE_H

#include "engine/image/image.h"

/* Largest vox_offset: header, its extensions and padding before the first voxel. */
enum { GS_NIFTI_MAX_OFFSET = 1 << 20 };

/* Dimensions nx, ny, 1[, channels]. int8, uint8, int16, uint16, int32, uint32, float32 and float64
 * voxels of either byte order; others, ANALYZE, NIfTI-2, a header without its voxels (.hdr) and
 * more than one slice are UNSUPPORTED. MALFORMED for a wrong magic, truncation, trailing bytes or a
 * broken gzip stream; no more is inflated than the header accounts for. NUMERIC for a voxel that
 * is not finite as float32. Caller deinits. */
GS_MUST_CHECK gs_status gs_nifti_slice_decode(const char *bytes, size_t size,
                                              const gs_image_limits *limits, gs_image *out,
                                              gs_error *err);

#endif

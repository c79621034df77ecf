/* NIfTI-1 in memory: one slice, plain (.nii) or gzip-compressed (.nii.gz). Thread-safe.
 *
 * The header's orientation (sform, else qform) says which way up the slice is, and it is shown as
 * radiologists do: columns run from the patient's right to the left (of a sagittal slice from the
 * front to the back), rows from the front to the back (of a sagittal or coronal slice from the top
 * down). An oblique slice is turned along the nearest axes. Without an orientation the file's first
 * axis becomes the columns, left to right, and its second the rows, top to bottom. The fourth axis
 * (t) is the channels. Values are slope * stored + intercept when scl_slope is a number other than
 * 0. */
#ifndef GS_ENGINE_IMAGE_NIFTI_SLICE_H
#define GS_ENGINE_IMAGE_NIFTI_SLICE_H

#include "engine/image/image.h"

/* Dimensions nx, ny, 1[, channels]. Integers of 8, 16, 32 and 64 bits, with and without sign,
 * float32 and float64, of either byte order; others, ANALYZE, NIfTI-2, a header without its voxels
 * (.hdr) and more than one slice are UNSUPPORTED. MALFORMED for a wrong magic, a degenerate
 * orientation, truncation, trailing bytes or a broken gzip stream; no more is inflated than the
 * header accounts for. NUMERIC for a voxel that is not finite as float32. Caller deinits. */
GS_MUST_CHECK gs_status gs_nifti_slice_decode(const char *bytes, size_t size,
                                              const gs_image_limits *limits, gs_image *out,
                                              gs_error *err);

/* The same with the axes as stored, whatever the orientation: how slices were read before it was
 * looked at, so that the masks drawn on those still fit. */
GS_MUST_CHECK gs_status gs_nifti_slice_decode_stored(const char *bytes, size_t size,
                                                     const gs_image_limits *limits, gs_image *out,
                                                     gs_error *err);

#endif

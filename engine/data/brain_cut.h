/* The half-slices of the brain task (docs/datasets.md), from planes and back. Shared by the BraTS
 * importer and volumes that are uploaded.
 *
 * Frame: 240 x 240 mm around the middle of the brain's bounding box; rows from front to back,
 * columns from the patient's left to the right. Halves show the midline at their right edge. */
#ifndef GS_ENGINE_DATA_BRAIN_CUT_H
#define GS_ENGINE_DATA_BRAIN_CUT_H

#include "engine/data/levels.h"
#include "engine/data/resample.h"

enum { GS__BRAIN_FRAME_MM = 240 };

/* brain: 1 where some channel is not 0, else 0. One plane. */
GS_MUST_CHECK gs_status gs__brain_mark(const gs__levels *levels, int level, float *brain,
                                       gs_error *err);

/* UNUSABLE for channels without brain, without background, or of one value. NUMERIC and what else
 * reading gives. */
GS_MUST_CHECK gs_status gs__brain_measure(const gs__levels *levels, gs__measures *out,
                                          gs_error *err);

/* One axial plane in the frame; all [frame, frame]. */
typedef struct gs__brain_plane {
    int frame, channels;
    gs_axis_map rows, columns;           /* from voxels to the frame */
    gs_axis_map back_rows, back_columns; /* and back */
    double mean[GS_MAX_CHANNELS], deviation[GS_MAX_CHANNELS];
    float *brain;                    /* fraction of the pixel */
    float *tumour;                   /* as well; 0 without labels */
    float *channel[GS_MAX_CHANNELS]; /* normalised; meaningful in the brain only */
    float *source;                   /* scratch of the volume's plane */
    float *memory;
} gs__brain_plane;

/* pixel_mm: of the frame, which has 240 / pixel_mm pixels. Deinit also after a failure of a zeroed
 * plane. */
GS_MUST_CHECK gs_status gs__brain_plane_init(gs__brain_plane *plane, const gs__levels *levels,
                                             const gs__measures *measures, int pixel_mm,
                                             gs_error *err);
void gs__brain_plane_deinit(gs__brain_plane *plane);

/* brain: as gs__brain_mark; labels: tumour where not 0, NULL: no truth. The volume's plane. */
GS_MUST_CHECK gs_status gs__brain_plane_fill(gs__brain_plane *plane, const gs__levels *levels,
                                             int level, const float *brain, const float *labels,
                                             gs_error *err);

/* Kept are halves of which 25 % are brain. */
gs__verdict gs__brain_judge(const gs__brain_plane *plane, bool is_right, bool has_truth);

/* image [channels, frame, frame / 2], mask [frame, frame / 2] or NULL. */
void gs__brain_half(const gs__brain_plane *plane, bool is_right, gs_normalization normalization,
                    float *image, uint8_t *mask);

/* Puts a map of a half [frame, frame / 2] where it lies in the frame. */
void gs__brain_unfold(const gs__brain_plane *plane, bool is_right, const float *half, float *frame);

#endif

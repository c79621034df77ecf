/* The slices of the liver task (docs/datasets.md), from planes and back. Shared by the LiTS
 * importer and volumes that are uploaded.
 *
 * A slice is the square, in millimetres, around the liver of its plane: rows from front to back,
 * columns from the patient's right to the left; 0 outside the liver. */
#ifndef GS_ENGINE_DATA_LIVER_CUT_H
#define GS_ENGINE_DATA_LIVER_CUT_H

#include "engine/data/levels.h"
#include "engine/data/resample.h"

enum { GS__LIVER_SIDE = 256, GS__LIVER = 1, GS__LIVER_LESION = 2 };

/* Of the voxels where volume `region` (GS__LABELS or GS__ORGAN) is not 0. UNUSABLE without any, or
 * when they have one value. The box is not measured: every plane has its own. */
GS_MUST_CHECK gs_status gs__liver_measure(const gs__levels *levels, int region, gs__measures *out,
                                          gs_error *err);

/* One axial plane. */
typedef struct gs__liver_plane {
    int side, channels;
    double mean[GS_MAX_CHANNELS], deviation[GS_MAX_CHANNELS];
    gs_axis_map rows, columns, back_rows, back_columns; /* of the plane found last */
    int low[2], high[2], pixels;                        /* the liver's box and size, in voxels */
    bool has_lesion;
    float *liver, *lesion;           /* [side, side]: fractions of the pixel */
    float *channel[GS_MAX_CHANNELS]; /* [side, side] */
    float *source;                   /* the volume's plane */
    uint8_t *seen;                   /* as source */
    int *stack;
    float *memory;
} gs__liver_plane;

/* Deinit also after a failure of a zeroed plane. */
GS_MUST_CHECK gs_status gs__liver_plane_init(gs__liver_plane *plane, const gs__levels *levels,
                                             const gs__measures *measures, int side, gs_error *err);
void gs__liver_plane_deinit(gs__liver_plane *plane);

/* Finds the liver of a plane: where region is not 0. labels (GS__LIVER_LESION are lesions) may be
 * NULL. Where there is a liver, it maps the square around it. */
GS_MUST_CHECK gs_status gs__liver_find(gs__liver_plane *plane, const gs__levels *levels,
                                       const float *region, const float *labels, gs_error *err);

/* Of the plane found last. Kept are planes of which 6 % are liver; presence: a lesion min_width
 * voxels wide. */
gs__verdict gs__liver_judge(gs__liver_plane *plane, const gs__levels *levels, const float *labels,
                            int min_width);

/* Makes the slice of the plane found last. image [channels, side, side], mask [side, side]. */
GS_MUST_CHECK gs_status gs__liver_square(gs__liver_plane *plane, const gs__levels *levels,
                                         int level, const float *region, const float *labels,
                                         gs_normalization normalization, float *image,
                                         uint8_t *mask, gs_error *err);

/* The largest extent, in pixels along rows or columns, of the connected parts (8 neighbours) of
 * labels[height, width] that equal `label`; 0: none. `stack` has room for height * width. */
int gs__widest_part(const float *labels, int height, int width, float label, uint8_t *seen,
                    int *stack);

#endif

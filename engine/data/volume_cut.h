/* A volume in files, cut into the slices that a data set stores and a model takes, and what a model
 * makes of them put back in the volume's own pixels. Memory: some planes, whatever the volume.
 *
 * Presets (docs/volumes.md):
 *   brain  half-slices of 240 x 120 mm without skull, normalised by the brain (brain_cut.h)
 *   liver  the square around the liver, normalised by it (liver_cut.h); the label volume has 1 for
 *          liver and 2 for lesions, or a volume `organ` says where the liver is
 *   plain  axial slices as they are, rows from front to back, columns from right to left
 * Labels other than 0 are the target (liver: 2).
 *
 * Shapes: C channels of H x W pixels; planes as in volume_file.h. Threads: a cutter belongs to one
 * at a time. */
#ifndef GS_ENGINE_DATA_VOLUME_CUT_H
#define GS_ENGINE_DATA_VOLUME_CUT_H

#include "engine/data/dataset.h"
#include "engine/data/volume_file.h"

#include <stdbool.h>

typedef enum gs_volume_preset {
    GS_VOLUME_BRAIN,
    GS_VOLUME_LIVER,
    GS_VOLUME_PLAIN,
    GS_VOLUME_PRESETS
} gs_volume_preset;

enum { GS_VOLUME_SLICE_PARTS = 2, GS_VOLUME_MAX_SCALE = 8 };

/* "brain", "liver", "plain". Static storage. */
const char *gs_volume_preset_name(gs_volume_preset preset);
/* False when no preset is called that. */
bool gs_volume_preset_find(const char *name, gs_volume_preset *out);

/* Whether the preset normalises a volume as a whole: gs_normalize with the form's normalization
 * then makes its slices the same values in [-1, 1] whatever the form, and no other one does. */
bool gs_volume_preset_normalizes(gs_volume_preset preset);

/* The files of one volume. Borrowed by everything below. */
typedef struct gs_volume_files {
    const gs_volume_file *channels[GS_MAX_CHANNELS];
    int channel_count;
    const gs_volume_file *labels; /* NULL: no truth */
    const gs_volume_file *organ;  /* liver: not 0 where it is; NULL: labels say it */
} gs_volume_files;

/* Slices a data set stores or a model takes. */
typedef struct gs_volume_form {
    gs_normalization normalization;
    int height, width;
} gs_volume_form;

/* The size of slices at 1/scale of the preset's height and width (plain: of the volume; scale 1).
 */
void gs_volume_form_size(gs_volume_preset preset, const gs_volume_files *files, int scale,
                         gs_volume_form *form);

/* Whether the preset can give slices of the form's size, of a volume with these sides. */
bool gs_volume_preset_gives(gs_volume_preset preset, const int side[3], const gs_volume_form *form);

typedef struct gs_volume_cutter gs_volume_cutter;

/* Checks that all files have one grid and measures them: every voxel of every channel and label is
 * read. SHAPE_MISMATCH for grids that differ, or a form that the preset cannot give; UNUSABLE for a
 * normalization it cannot give, labels that are no small whole numbers, no brain or liver, one
 * value throughout; NUMERIC. Caller closes, before the files. */
GS_MUST_CHECK gs_status gs_volume_cutter_open(gs_volume_preset preset, const gs_volume_files *files,
                                              const gs_volume_form *form, gs_volume_cutter **out,
                                              gs_error *err);
/* As that for gs_volume_cutter_restore_map alone, which needs no values but those that say where
 * slices lie: of a liver and of plain slices none are read. */
GS_MUST_CHECK gs_status gs_volume_cutter_open_to_place(gs_volume_preset preset,
                                                       const gs_volume_files *files,
                                                       const gs_volume_form *form,
                                                       gs_volume_cutter **out, gs_error *err);
void gs_volume_cutter_close(gs_volume_cutter *cutter); /* NULL is allowed */

int gs_volume_cutter_levels(const gs_volume_cutter *cutter);
/* Slices of one level: 2 for halves, else 1. */
int gs_volume_cutter_parts(const gs_volume_cutter *cutter);
/* "left", "right" or "". Static storage. */
const char *gs_volume_cutter_part_name(const gs_volume_cutter *cutter, int part);

typedef struct gs_volume_slice {
    bool is_empty; /* nothing of the brain or liver; plain: one value in every channel */
    bool is_kept; /* worth storing: large enough a part of it is brain or liver; plain: not empty */
    gs_label label; /* UNKNOWN without truth, or between presence and absence */
} gs_volume_slice;

/* image [C,H,W] in the form's normalization, not yet what gs_normalize makes of it; mask [H,W]. An
 * empty slice is not made. */
GS_MUST_CHECK gs_status gs_volume_cutter_cut(gs_volume_cutter *cutter, int level, int part,
                                             float *image, uint8_t *mask, gs_volume_slice *out,
                                             gs_error *err);

/* truth: 1 where the target is, else 0; the volume has labels. */
GS_MUST_CHECK gs_status gs_volume_cutter_truth(gs_volume_cutter *cutter, int level, float *truth,
                                               gs_error *err);

/* What a model made of a level's slices, maps [H,W] by part (NULL: it was empty), to the volume's
 * plane. Pixels that no slice shows are 0. */
GS_MUST_CHECK gs_status gs_volume_cutter_restore_map(gs_volume_cutter *cutter, int level,
                                                     const float *const maps[GS_VOLUME_SLICE_PARTS],
                                                     float *plane, gs_error *err);

/* The same for one channel of an image in the model's own range: in the units of the channel, and
 * where no slice shows brain or liver, the channel's own values. */
GS_MUST_CHECK gs_status gs_volume_cutter_restore_image(
    gs_volume_cutter *cutter, int level, int channel,
    const float *const images[GS_VOLUME_SLICE_PARTS], float *plane, gs_error *err);

/* The same for a residual: a difference in the units of the channel, 0 where no slice shows brain
 * or liver. */
GS_MUST_CHECK gs_status gs_volume_cutter_restore_residual(
    gs_volume_cutter *cutter, int level, int channel,
    const float *const residuals[GS_VOLUME_SLICE_PARTS], float *plane, gs_error *err);

#endif

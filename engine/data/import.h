/* Folders of public data sets, cut into slices as the method's tasks are, to dataset directories
 * (engine/data/dataset.h). What is done to the images is told in docs/datasets.md.
 *
 * A case that is not what its layout says (a file is missing or broken, grids differ, a label is
 * none of the layout's) is left out and named in a note, and so is one that finds no memory though
 * no other case is being read; the others are imported. The bytes written depend on the files and
 * the options alone, not on the number of threads.
 *
 * Shapes: images [C,H,W]; volumes as in engine/data/volume.h. */
#ifndef GS_ENGINE_DATA_IMPORT_H
#define GS_ENGINE_DATA_IMPORT_H

#include "engine/data/report.h"
#include "engine/model/config.h"

#include <stddef.h>
#include <stdint.h>

enum { GS_IMPORT_MAX_SCALE = 8, GS_IMPORT_MAX_CASES = 100000 };

typedef struct gs_import_options {
    const char *in;      /* the folder */
    const char *healthy; /* brain: a folder of the phantom's lesion-free volumes, whose pixels are
                            taken; all else is that of `in`. NULL: the pixels of `in` too */
    const char *made_by; /* for dataset.json: the command */
    const char *name;    /* of the dataset; NULL: the layout's */
    double annotated;    /* fraction of the training cases with presence slices that keep their
                            masks, at least one case unless it is 0 */
    double validation, test;        /* fractions of the cases */
    int scale;                      /* images get 1/scale of the task's height and width */
    int min_width;                  /* liver: pixels across the widest lesion of a presence slice */
    gs_normalization normalization; /* NONE: as the method has them, in [-1,1]; UNIT: the same
                                       mapped to [0,1] */
    uint64_t seed;                  /* of splits and annotated cases */
    int threads;                    /* 0 = all processors */
    size_t memory_bytes; /* that cases take at once, for which threads wait; 0 = half of what is
                            free. The case whose turn it is may exceed it */
    gs_data_report report;
} gs_import_options;

/* BraTS 2017, 2018 and 2020: one folder per case, at any place up to three levels below `in`, with
 * *_flair, *_t1, *_t1ce, *_t2 and *_seg, .nii or .nii.gz; labels 0, 1, 2, 4. Folders above the
 * cases (HGG, LGG) are groups, which every split gets its share of.
 *
 * Per sequence the brain's mean is subtracted and the result divided by 5 standard deviations
 * (brain voxels: any sequence not 0), cut to [-1,1]; background is -1. The middle of the brain's
 * bounding box is the middle of a frame of 240 x 240 mm, cropped or padded; pixels of another size
 * than `scale` mm are resampled. Axial slices, as stored, become halves: 4 channels (FLAIR, T1,
 * T1CE, T2), 240/scale x 120/scale, rows from front to back, columns from the side of the head to
 * the midline, the right half mirrored onto that. Kept are halves of which 25 % are brain.
 * Presence: tumour on 1 % of the brain's pixels; absence: no tumour at all; the rest is left out.
 *
 * UNUSABLE when no case can be used, when a split lacks presence or absence slices or when nothing
 * is annotated though something should be; INVALID_ARGUMENT for options out of range; failures of
 * the file system as base/file.h; CANCELLED. Nothing is left in `folder` then. */
GS_MUST_CHECK gs_status gs_import_brats(const char *folder, const gs_import_options *options,
                                        gs_error *err);

/* LiTS: volume-N and segmentation-N, .nii or .nii.gz, in `in` or folders up to two levels below;
 * labels 0, 1 (liver), 2 (lesion).
 *
 * The liver's mean (lesions included) is subtracted and the result divided by 5 standard
 * deviations, cut to [-1,1]. Kept are axial slices, as stored, of which 6 % are liver. Presence: a
 * lesion at least min_width pixels wide in the slice, from left to right or from front to back;
 * absence: none at all; the rest is left out. The liver is cut out with a square around it
 * (millimetres, so that its shape is kept), 0 outside the liver, and resampled to 256/scale x
 * 256/scale; rows from front to back, columns from the patient's right to the left. `index` is the
 * slice in the volume, from the feet up; engine/train/sampler.h draws absence slices by it. Fails
 * as gs_import_brats. */
GS_MUST_CHECK gs_status gs_import_lits(const char *folder, const gs_import_options *options,
                                       gs_error *err);

#endif

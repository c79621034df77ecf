/* Simulated patients as folders in the layouts of public data sets, so that importers, training and
 * the demo run without restricted data. Nothing in them is a patient, and nothing made from them is
 * for clinical use.
 *
 * A case is a function of (seed, its number, the options) alone, whichever thread makes it. On
 * another machine the last digits may differ: they are the C library's `exp` and `cos`. */
#ifndef GS_ENGINE_DATA_PHANTOM_H
#define GS_ENGINE_DATA_PHANTOM_H

#include "base/status.h"
#include "engine/data/report.h"

#include <stdint.h>

/* Where Debian's package mricron-data puts the healthy brain. */
#define GS_PHANTOM_SOURCE "/usr/share/mricron/templates/ch2bet.nii.gz"

enum { GS_PHANTOM_MAX_CASES = 9999, GS_PHANTOM_MAX_SCALE = 4 };

typedef struct gs_phantom_options {
    const char *source;  /* brain: a skull-stripped T1 volume; NULL = GS_PHANTOM_SOURCE */
    const char *healthy; /* brain: another folder, for the same cases without lesions; NULL: none */
    int cases;
    int scale; /* voxels are this much larger: brain in all directions, liver in a slice */
    uint64_t seed;
    int threads; /* 0 = all processors */
    gs_data_report report;
} gs_phantom_options;

/* Brains in the layout of BraTS: HGG/ and LGG/, a folder per case with *_flair, *_t1, *_t1ce, *_t2
 * and *_seg.nii.gz; 240/scale x 240/scale x 155/scale voxels of `scale` mm. Each is the source,
 * deformed, in four contrasts that follow from its T1 levels, with a bias field and Rician noise,
 * and one or two tumours that push the tissue around them: a necrotic core (1), an enhancing rim
 * (4; only in HGG, where LGG has solid tumour, 1), oedema (2). `healthy` gets
 * GROUP/CASE/CASE_healthy_SEQUENCE.nii.gz: the same head, bias and noise before the tumour grew.
 *
 * CONFLICT when a folder exists and is not empty, or another run writes it; INVALID_ARGUMENT for
 * options out of range; UNUSABLE or MALFORMED for the source; failures of the file system as
 * base/file.h; CANCELLED. The folders appear whole at the end, or not at all. */
GS_MUST_CHECK gs_status gs_phantom_brain(const char *folder, const gs_phantom_options *options,
                                         gs_error *err);

/* Abdomens in the layout of LiTS: volume-N.nii.gz and segmentation-N.nii.gz from N = 0, 512/scale x
 * 512/scale x 72 voxels of 0.75*scale x 0.75*scale x 3 mm, in Hounsfield units. The liver (1)
 * varies in shape, has a texture, enhanced vessels and 0 to 6 lesions (2); around it are spleen,
 * kidneys, stomach, spine, great vessels, lungs, muscle and fat. `source` and `healthy` are not
 * used. Fails as gs_phantom_brain. */
GS_MUST_CHECK gs_status gs_phantom_liver(const char *folder, const gs_phantom_options *options,
                                         gs_error *err);

#endif

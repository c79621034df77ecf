/* The demo population: one real healthy T1 brain, deformed, re-contrasted and made noisy into many
 * cases, half of them with simulated lesions, cut into axial half-slices as method.md's brain task
 * is. Nothing in it is a patient, and nothing made from it is for clinical use. */
#ifndef GS_ENGINE_DATA_DEMO_H
#define GS_ENGINE_DATA_DEMO_H

#include "base/status.h"
#include "engine/model/config.h"

#include <stdint.h>

/* Where Debian's package mricron-data puts the source image. */
#define GS_DEMO_SOURCE "/usr/share/mricron/templates/ch2bet.nii.gz"

enum {
    GS_DEMO_MIN_CASES = 2,
    GS_DEMO_MAX_CASES = 100000,
    GS_DEMO_MAX_SCALE = 4,
};

typedef struct gs_demo_options {
    const char *source;  /* a skull-stripped T1 volume; NULL = GS_DEMO_SOURCE */
    const char *made_by; /* for dataset.json: the command */
    int cases;           /* half of them (rounded down) get lesions */
    double annotated;    /* fraction of the training cases with lesions that keep their masks */
    int scale;           /* pixel size in mm: images are 240/scale x 120/scale */
    gs_normalization normalization; /* see gs_demo_write */
    uint64_t seed;
    int threads; /* 0 = all processors */
    /* NULL, or called after each case, by one thread at a time, cases in order. */
    void (*progress)(void *context, int done, int total);
    void *context;
} gs_demo_options;

/* Writes the population as a dataset directory (engine/data/dataset.h). The bytes depend on the
 * options and the source alone, not on the number of threads.
 *
 * Frame: rows from front to back, columns from the side of the head to the midline, which is the
 * right edge; the right hemisphere is mirrored onto that. Kept are halves of which at least 25 %
 * are brain. A presence slice has lesion on at least 1 % of its brain pixels, an absence slice none
 * at all (it may come from a case with lesions elsewhere); what lies between is dropped.
 *
 * Pixels, GS_NORMALIZE_NONE: per volume minus the brain's mean, divided by 5 standard deviations,
 * cut to [-1,1]; background is -1. GS_NORMALIZE_UNIT: the same mapped to [0,1], so that a PNG holds
 * it; background is 0. GS_NORMALIZE_FOREGROUND: intensities in (0,1], background 0, for
 * readers that normalise each slice.
 *
 * Cases: 70 % train, 15 % validation, 15 % test, alike for those with and without lesions. In
 * validation and test every presence slice has its mask, in train those of the annotated cases. */
GS_MUST_CHECK gs_status gs_demo_write(const char *folder, const gs_demo_options *options,
                                      gs_error *err);

#endif

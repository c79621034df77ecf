/* The synthetic task: digits of MNIST in clutter made of digits.
 *
 * An image is noise N(0, 0.01^2), on it pieces of clutter (10 x 10 crops of random digits of its
 * own fold), and, if it is a presence image, one whole digit, all at random places. Where a pasted
 * pixel and what is there add up to more than 1 the larger is kept, else a pixel other than 0
 * replaces what is there. Pixels are 0 (background) to 1, with GS_NORMALIZE_NONE: a digit is as far
 * from the background as the residual decoder's tanh reaches, and no farther. The mask: the digit's pixels over 0.5. Every image is a case of its own.
 *
 * Folds: the test images are MNIST's test file; validation images are the last of its training file
 * in a seeded order, training images the first. Every digit of a fold is at most once the whole
 * digit of an image; there are as many absence as presence images. */
#ifndef GS_ENGINE_DATA_SYNTHETIC_H
#define GS_ENGINE_DATA_SYNTHETIC_H

#include "engine/data/report.h"
#include "engine/model/config.h"

#include <stdint.h>

typedef enum gs_synthetic_variant {
    GS_SYNTHETIC_SIMPLE, /* 48 x 48, 8 pieces of clutter */
    GS_SYNTHETIC_HARD,   /* 48 x 48, 24 */
    GS_SYNTHETIC_LARGE,  /* 128 x 128, 80 */
} gs_synthetic_variant;

/* INVALID_ARGUMENT names the three. */
GS_MUST_CHECK gs_status gs_synthetic_parse(const char *name, gs_synthetic_variant *out,
                                           gs_error *err);

typedef struct gs_synthetic_options {
    const char *mnist; /* folder with the four files: {train,t10k}-{images-idx3,labels-idx1}-ubyte,
                          also with a dot for the second hyphen, also .gz */
    const char *made_by; /* for dataset.json: the command */
    gs_synthetic_variant variant;
    int train, validation, test;    /* presence images of each split; -1: all there are */
    double annotated;               /* masks, as a fraction of the training presence images */
    unsigned annotated_digits;      /* bit d: digit d may be annotated */
    uint64_t seed;
    int threads; /* 0 = all processors */
    gs_data_report report;
} gs_synthetic_options;

/* Writes the task as a dataset directory. The bytes depend on the files and the options alone.
 * Noise is not cut off where it leaves the range of the pixels.
 *
 * In validation and test every presence image has its mask. In training, annotated * presence
 * images have one, chosen by the seed from those of the allowed digits, or all of these when there
 * are fewer; a note says how many. INVALID_ARGUMENT for options out of range, UNUSABLE when MNIST
 * has too few digits or none may be annotated though some should be; and as gs_idx_load and the
 * writer of datasets; CANCELLED. */
GS_MUST_CHECK gs_status gs_synthetic_write(const char *folder, const gs_synthetic_options *options,
                                           gs_error *err);

#endif

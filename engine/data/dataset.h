/* The dataset directory of docs/dataset-format.md: a validating reader and a streaming writer.
 *
 * Shapes: C channels, H height, W width of the whole dataset; float32, rows contiguous. Pixels are
 * as stored: whoever reads them applies the dataset's normalization (engine/image/normalize.h).
 * Threads: an open dataset is immutable but for gs_dataset_assign_splits and
 * gs_dataset_keep_annotations and may be shared otherwise; a writer belongs to one thread at a
 * time. */
#ifndef GS_ENGINE_DATA_DATASET_H
#define GS_ENGINE_DATA_DATASET_H

#include "base/status.h"
#include "engine/model/config.h"

#include <stddef.h>
#include <stdint.h>

enum {
    GS_DATASET_MAX_TEXT = 512, /* bytes of a name, a case or a file's path in the directory */
    GS_DATASET_MAX_SLICES = 1 << 24,
    GS_DATASET_MAX_JSON_MIB = 1024, /* of dataset.json */
};

typedef enum gs_label { GS_LABEL_UNKNOWN, GS_LABEL_PRESENCE, GS_LABEL_ABSENCE } gs_label;
typedef enum gs_split {
    GS_SPLIT_NONE,
    GS_SPLIT_TRAIN,
    GS_SPLIT_VALIDATION,
    GS_SPLIT_TEST
} gs_split;

/* "presence", "validation", …; "" for GS_SPLIT_NONE. Static storage. */
const char *gs_label_name(gs_label label);
const char *gs_split_name(gs_split split);

typedef struct gs_dataset_info {
    const char *name, *made_by;
    gs_normalization normalization;
    int channels, height, width;
} gs_dataset_info;

typedef struct gs_dataset_slice {
    const char *case_name, *name;
    int64_t index; /* position within the case, as the maker counts */
    gs_label label;
    gs_split split;
    uint32_t case_number; /* equal for slices of one case, dense from 0 in order of appearance; the
                             writer ignores it */
    int64_t extent[2]; /* the lowest and the highest index in the case at which its organ is seen,
                          whether there is a slice or not; equal: not said */
} gs_dataset_slice;

/* ---- reading ---- */

typedef struct gs_dataset gs_dataset;

/* Validates everything but the pixels' values: MALFORMED for JSON or .npy that do not parse, are
 * truncated or have bytes too many; UNSUPPORTED for another format, type or order; SHAPE_MISMATCH
 * for files that contradict each other; UNUSABLE for a case in two splits; NOT_FOUND without
 * dataset.json. The files are mapped, not read: they must not be cut while the dataset is open. */
GS_MUST_CHECK gs_status gs_dataset_open(const char *folder, gs_dataset **out, gs_error *err);
void gs_dataset_close(gs_dataset *dataset); /* NULL is allowed */

/* NUMERIC for a pixel that is not finite, UNUSABLE for a mask value other than the three; names the
 * slice. Reads everything. */
GS_MUST_CHECK gs_status gs_dataset_check_pixels(const gs_dataset *dataset, gs_error *err);

/* UNUSABLE, naming the slice, when an absence slice's mask has a target pixel: one of the two is
 * wrong. One without target is as it should be. */
GS_MUST_CHECK gs_status gs_dataset_check_labels(const gs_dataset *dataset, gs_error *err);

/* All borrowed from the dataset, valid until it is closed. i < gs_dataset_count. */
const gs_dataset_info *gs_dataset_get_info(const gs_dataset *dataset);
size_t gs_dataset_count(const gs_dataset *dataset);
size_t gs_dataset_cases(const gs_dataset *dataset);
const gs_dataset_slice *gs_dataset_get_slice(const gs_dataset *dataset, size_t i);
const float *gs_dataset_image(const gs_dataset *dataset, size_t i); /* [C,H,W] */
/* [H,W], values as in engine/image/mask.h; NULL: not annotated. */
const uint8_t *gs_dataset_mask(const gs_dataset *dataset, size_t i);

/* Gives every case that has no split one, seeded: cases with annotated presence slices, other cases
 * with presence slices and the rest are divided separately, so that each split gets its share of
 * each. `validation` and `test` are fractions of the cases. A group of two or more cases gives at
 * least one to validation, of three or more at least one to test (when the fraction is not 0);
 * train always keeps one. Cases that have a split keep it. INVALID_ARGUMENT unless both are >= 0
 * and their sum < 1. */
GS_MUST_CHECK gs_status gs_dataset_assign_splits(gs_dataset *dataset, uint64_t seed,
                                                 double validation, double test, gs_error *err);

/* Leaves masks to a fraction of the training cases that have annotated presence slices: the rounded
 * number, at least one. The others become unannotated. The seed chooses; a smaller fraction chooses
 * among the cases of a larger one. Call after splits are assigned. INVALID_ARGUMENT unless
 * 0 < fraction <= 1; 1 changes nothing. */
GS_MUST_CHECK gs_status gs_dataset_keep_annotations(gs_dataset *dataset, uint64_t seed,
                                                    double fraction, gs_error *err);

/* ---- writing ---- */

typedef struct gs_dataset_writer gs_dataset_writer;

/* Starts a dataset in `folder`, which is made when missing. Nothing that is there changes before
 * gs_dataset_writer_finish. CONFLICT while another writer, of this or another process, writes the
 * folder. Copies what `info` points to. */
GS_MUST_CHECK gs_status gs_dataset_writer_open(const char *folder, const gs_dataset_info *info,
                                               gs_dataset_writer **out, gs_error *err);

/* Appends one slice: image [C,H,W], mask [H,W] or NULL. Memory does not grow with the number of
 * slices. After a failure the writer can only be closed. */
GS_MUST_CHECK gs_status gs_dataset_writer_add(gs_dataset_writer *writer,
                                              const gs_dataset_slice *slice, const float *image,
                                              const uint8_t *mask, gs_error *err);

/* The two halves of gs_dataset_writer_add, for makers who know what a slice is called only after
 * later images: the n-th description is that of the n-th image. */
GS_MUST_CHECK gs_status gs_dataset_writer_add_image(gs_dataset_writer *writer, const float *image,
                                                    gs_error *err);
GS_MUST_CHECK gs_status gs_dataset_writer_describe(gs_dataset_writer *writer,
                                                   const gs_dataset_slice *slice,
                                                   const uint8_t *mask, gs_error *err);

/* INVALID_ARGUMENT when images and descriptions differ in number. Makes the dataset whole on disk,
 * dataset.json last, replacing one that was there. */
GS_MUST_CHECK gs_status gs_dataset_writer_finish(gs_dataset_writer *writer, gs_error *err);

/* Removes the partial files of a dataset that was not finished, and the folder if the writer made
 * it. NULL is allowed. */
void gs_dataset_writer_close(gs_dataset_writer *writer);

#endif

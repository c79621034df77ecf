/* A data set of the store as the directory of docs/dataset-format.md, which `genseg train` reads.
 */
#ifndef GS_API_SNAPSHOT_H
#define GS_API_SNAPSHOT_H

#include "store/store.h"

/* Writes every slice labelled presence or absence, with its current mask and split, as they are at
 * one moment. Pixels are as uploaded; the directory names the normalization. Replaces a directory
 * that is there; memory: one slice. *summary_json_out says what it holds: {"dataset", "slices",
 * "presence", "absence", "annotated", "masks_left_out" (with a target, of slices labelled absence:
 * the label stands), "sha256" (of content, label, split and mask of every slice, in order),
 * "taken_at"}; caller frees with gs_free. NOT_FOUND: no such data set. UNUSABLE: no
 * labelled slice. */
GS_MUST_CHECK gs_status gs_api_snapshot_dataset(gs_store *store, const char *dataset,
                                                const char *folder, char **summary_json_out,
                                                gs_error *err);

#endif

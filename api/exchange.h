/* A data set as a folder that other programs read, and back: docs/exchange.md.
 *
 * Such a folder holds coco.json, the stored bytes of every slice, a PNG of each to look at, masks
 * as PNG, the files of volumes, what was drawn on them as one volume, and what models made of these,
 * marked as generated. */
#ifndef GS_API_EXCHANGE_H
#define GS_API_EXCHANGE_H

#include "store/store.h"

typedef struct gs_exchange_summary {
    size_t slices, masks, volumes; /* in the folder */
    size_t generated;              /* files of jobs on volumes in it */
    size_t added;                  /* of the slices new in the store (reading) */
} gs_exchange_summary;

/* Writes the slices of a data set as they are at one moment. `folder` must be missing or empty; it
 * appears whole or not at all. Volumes of which no slice is left are left out. The store may be one
 * opened to read. NOT_FOUND also for a volume's file that was deleted meanwhile. */
GS_MUST_CHECK gs_status gs_exchange_write(gs_store *store, const char *dataset, const char *folder,
                                          gs_exchange_summary *out, gs_error *err);

/* Adds what such a folder holds to the data set `dataset` (NULL = the folder's name for it), which
 * is created when missing: everything but ids, times, earlier masks and what was generated. All of
 * the folder is read and checked before anything is stored: MALFORMED for JSON of another form, a
 * path that leads elsewhere, bytes that differ from their sum; else as images and masks are
 * decoded. CONFLICT for a data set of another normalization. Slices and volumes that are stored
 * already stay as they are. Volumes are stored whole, other slices in chunks: a second call adds
 * the rest. */
GS_MUST_CHECK gs_status gs_exchange_read(gs_store *store, const char *folder, const char *dataset,
                                         gs_exchange_summary *out, gs_error *err);

#endif

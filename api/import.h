/* The directory of docs/dataset-format.md into the store. */
#ifndef GS_API_IMPORT_H
#define GS_API_IMPORT_H

#include "store/store.h"

typedef struct gs_import_summary {
    size_t slices; /* in the directory */
    size_t added;  /* of them new in the store */
} gs_import_summary;

/* Adds the slices of a directory to the data set `dataset` (NULL = the directory's name for
 * itself), which is created when missing. Slices are stored as .npy with their label, split and
 * mask. What is stored already stays as it is, so importing again changes nothing, and what
 * was deleted stays deleted. Goes in chunks: after a failure some chunks are stored, each
 * whole, and a second call adds the rest. out may be NULL. */
GS_MUST_CHECK gs_status gs_api_import_directory(gs_store *store, const char *folder,
                                                const char *dataset, gs_import_summary *out,
                                                gs_error *err);

#endif

/* What dataset.c and dataset_manifest.c share. */
#ifndef GS_ENGINE_DATA_DATASET_INTERNAL_H
#define GS_ENGINE_DATA_DATASET_INTERNAL_H

#include "engine/data/dataset.h"

/* A mapped .npy file. */
typedef struct gs__mapping {
    void *bytes; /* NULL when not mapped */
    size_t size, data_offset;
} gs__mapping;

struct gs_dataset {
    gs_dataset_info info; /* its strings lie in text */
    size_t count, cases, masks;
    gs_dataset_slice *slices; /* [count] */
    int64_t *mask_rows;       /* [count]; -1: not annotated */
    char *text;               /* every string, each with its zero */
    gs__mapping images_file, masks_file;
};

/* Fills all but the mappings from dataset.json; what it allocates is the dataset's. */
GS_MUST_CHECK gs_status gs__dataset_read_manifest(const char *path, gs_dataset *dataset,
                                                  gs_error *err);

#endif

/* An exchange folder that is being read. */
#ifndef GS_API_EXCHANGE_READ_INTERNAL_H
#define GS_API_EXCHANGE_READ_INTERNAL_H

#include "api/exchange_internal.h"
#include "store/volume.h"

typedef struct gs_exchange {
    const char *folder;
    json_t *root;    /* of coco.json; owned */
    json_t *objects; /* by image id: its annotations; owned */
    /* Borrowed from the root: */
    const json_t *images, *volumes;
    const char *dataset, *normalization;
} gs_exchange;

/* ==== exchange_read.c ==== */

/* The annotations of an image, an array borrowed from x; NULL without any. */
const json_t *gs__exchange_objects_of(const gs_exchange *x, const json_t *image);

/* ==== exchange_slice.c ==== */

typedef struct gs_exchange_slice {
    gs_new_slice record; /* its texts are borrowed from x */
    size_t volume;       /* from 1; 0 = none */
    char *content, *mask;
} gs_exchange_slice;

/* Slice i. Caller deinits. */
GS_MUST_CHECK gs_status gs__exchange_slice_read(const gs_exchange *x, size_t i,
                                                gs_exchange_slice *out, gs_error *err);
void gs__exchange_slice_deinit(gs_exchange_slice *slice); /* a zeroed one is allowed */

/* ==== exchange_volume_read.c ==== */

/* Reads and checks the files of volume `number` (from 1), keeping nothing. */
GS_MUST_CHECK gs_status gs__exchange_volume_check(const gs_exchange *x, gs_store *store,
                                                  size_t number, gs_error *err);

/* Stores volume `number` with all slices that say they are of it, in one transaction. *added_out:
 * slices, 0 when the volume was there or all of its slices were. */
GS_MUST_CHECK gs_status gs__exchange_volume_read(const gs_exchange *x, gs_store *store,
                                                 const char *dataset, size_t number,
                                                 size_t *added_out, gs_error *err);

#endif

/* The slices of a volume on their way into the store: pulled from a gs_volume_next one by one,
 * their bytes written in portions that hold other writers up only shortly, where nothing shows
 * them; then their rows, all in the transaction of the volume's. What a process leaves that ends in
 * between is swept at the next open. */
#ifndef GS_STORE_VOLUME_SLICES_H
#define GS_STORE_VOLUME_SLICES_H

#include "store/store_internal.h"
#include "store/volume.h"
#include "store/volume_contents.h"

typedef struct gs__volume_slices {
    gs_store *store;
    struct gs__waiting_slice *items;
    size_t count, room;
    size_t written;        /* the first of them: their bytes are in the database */
    gs__content_rows rows; /* where those are */
    size_t pending_bytes;  /* of the others */
} gs__volume_slices;

/* All that `next` gives. Deinit also after a failure. */
GS_MUST_CHECK gs_status gs__volume_slices_take(gs__volume_slices *slices, gs_volume_next *next,
                                               void *context, gs_error *err);

/* Their rows; inside a write transaction. case_name and split are those of all. UNUSABLE for none,
 * CONFLICT when the data set has all of them. */
GS_MUST_CHECK gs_status gs__volume_slices_insert(const gs__volume_slices *slices, sqlite3 *db,
                                                 const char *dataset, const char *case_name,
                                                 const char *split, int64_t volume, gs_error *err);

/* Frees them, and takes the bytes out of the database that no slice shows: all of them, unless the
 * transaction was committed. Outside any transaction. */
void gs__volume_slices_deinit(gs__volume_slices *slices);

#endif

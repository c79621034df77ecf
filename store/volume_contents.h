/* Bytes of volumes' slices that go. A volume has tens of MiB of them, and to delete that much in
 * one transaction would hold other writers up for a second: the rows go first, then the bytes,
 * which nothing shows then, in portions. What a process leaves that ends in between is swept at the
 * next open. */
#ifndef GS_STORE_VOLUME_CONTENTS_H
#define GS_STORE_VOLUME_CONTENTS_H

#include "store/store_internal.h"

enum { GS__PORTION_BYTES = 4 * 1024 * 1024 }; /* of one transaction, or one slice if it has more */

typedef struct gs__content_row {
    int64_t seq; /* of volume_contents */
    size_t size;
} gs__content_row;

typedef struct gs__content_rows {
    gs__content_row *items;
    size_t count, room;
} gs__content_rows;

void gs__content_rows_deinit(gs__content_rows *rows);
GS_MUST_CHECK gs_status gs__content_rows_add(gs__content_rows *rows, int64_t seq, size_t size,
                                             gs_error *err);

/* Takes the bytes from the slices of a volume, which then show nothing and are to be deleted in the
 * same transaction. Caller deinits *rows, also after a failure. */
GS_MUST_CHECK gs_status gs__volume_contents_detach(sqlite3 *db, const char *volume,
                                                   gs__content_rows *rows, gs_error *err);

/* Deletes those of the rows that no slice shows. Outside any transaction. */
void gs__volume_contents_delete(gs_store *store, const gs__content_rows *rows);

/* Deletes all that no slice shows, left behind by a crash. */
GS_MUST_CHECK gs_status gs__volume_contents_sweep(gs_store *store, gs_error *err);

#endif

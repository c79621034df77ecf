/* Volumes: several slices that were uploaded as one, with the files they were cut from.
 *
 *   volumes/<id>/   the files, as the caller named them; written whole and fsynced before the row,
 *                   with the results of jobs on the volume beside them */
#ifndef GS_STORE_VOLUME_H
#define GS_STORE_VOLUME_H

#include "store/slice.h"

enum { GS_VOLUME_GEOMETRY_MAX = 4096 /* bytes of its JSON */ };

typedef struct gs_volume_record {
    char id[GS_ID_SIZE]; /* "vol_…" */
    char dataset[GS_DATASET_NAME_SIZE];
    char case_name[GS_CASE_SIZE];
    char name[GS_SLICE_NAME_SIZE]; /* "" = none */
    char preset[GS_WORD_SIZE];
    int channels;
    bool has_labels, has_organ;
    char *geometry_json; /* owned; the store does not look into it */
    char sha256[GS_SHA256_SIZE];
    int64_t slices; /* of it, now */
    char created_at[GS_TIME_SIZE];
} gs_volume_record;

void gs_volume_record_deinit(gs_volume_record *record);

/* The next slice of a volume that is added: fills *slice (whose case and split are the volume's)
 * and sets *more, or clears *more at the end. What it points to stays until the next call. */
typedef gs_status gs_volume_next(void *context, gs_new_slice *slice, bool *more, gs_error *err);

/* Borrowed for the call. NULL text = not given. */
typedef struct gs_new_volume {
    const char *case_name; /* NULL = the volume's id */
    const char *name, *split;
    const char *preset, *geometry_json, *sha256;
    int channels;
    bool has_labels, has_organ;
    const char *folder; /* in the store's own folder; becomes volumes/<id> */
    gs_volume_next *next;
    void *context;
} gs_new_volume;

/* Stores a volume with its slices: all or nothing, and nothing shows before all is there. Slices
 * are asked for outside any transaction, and their bytes written in portions: other writers go on.
 * The same sha256 in the data set, or the same key, gives the volume that is there; then
 * *created_out is false and the folder stays the caller's. UNUSABLE without slices; CONFLICT when
 * the data set has all of them already, from elsewhere; else as gs_store_slice_add and as `next`
 * fails. Caller deinits *out. */
GS_MUST_CHECK gs_status gs_store_volume_add(gs_store *store, const char *dataset,
                                            const gs_new_volume *volume, const gs_idempotency *key,
                                            gs_volume_record *out, bool *created_out,
                                            gs_error *err);
GS_MUST_CHECK gs_status gs_store_volume_get(gs_store *store, const char *id, gs_volume_record *out,
                                            gs_error *err);
/* The volume with this sha256 in the data set; NOT_FOUND. */
GS_MUST_CHECK gs_status gs_store_volume_find(gs_store *store, const char *dataset,
                                             const char *sha256, gs_volume_record *out,
                                             gs_error *err);
/* With its files, its slices and all that is theirs, and the results of jobs on it. CONFLICT while
 * such a job is queued or running. */
GS_MUST_CHECK gs_status gs_store_volume_delete(gs_store *store, const char *id, gs_error *err);
/* The folder of its files. NULL when out of memory; caller gs_frees. */
char *gs_store_volume_folder(const gs_store *store, const char *id);

typedef struct gs_volume_list {
    gs_volume_record *items;
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_volume_list;

/* Oldest first; dataset and case NULL = any. Caller deinits the list. */
GS_MUST_CHECK gs_status gs_store_volume_list(gs_store *store, const char *dataset,
                                             const char *case_name, const gs_page *page,
                                             gs_volume_list *out, gs_error *err);
void gs_volume_list_deinit(gs_volume_list *list);

#endif

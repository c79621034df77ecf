/* What slice.c, slice_list.c and annotation.c share. */
#ifndef GS_STORE_SLICE_INTERNAL_H
#define GS_STORE_SLICE_INTERNAL_H

#include "store/slice.h"
#include "store/store_internal.h"

/* CROSS JOIN fixes the order: walk the slices, look up the data set of each. */
#define GS__SLICE_COLUMNS                                                                          \
    "s.id, d.name, s.case_name, s.position, s.name, s.channels, s.height, s.width,"                \
    " s.content_type, s.content_size, s.sha256, s.label, s.split, s.annotation IS NOT NULL,"       \
    " s.created_at, coalesce((SELECT v.id FROM volumes v WHERE v.seq = s.volume), ''), s.part,"    \
    " coalesce((SELECT m.id FROM models m WHERE m.seq = p.model), ''), p.area, p.uncertainty,"     \
    " p.disagreement, " GS__PREDICTION_SCORE                                                       \
    ", d.normalization, coalesce((SELECT v.preset FROM volumes v WHERE v.seq = s.volume), '')"
#define GS__PREDICTION_SCORE "p.uncertainty" /* why: docs/suggestions.md */
/* Of a slice's predictions the active model's, else the newest model's. */
#define GS__SLICE_TABLES                                                                           \
    "slices s CROSS JOIN datasets d ON d.seq = s.dataset"                                          \
    " LEFT JOIN predictions p ON p.slice = s.seq AND p.model = coalesce("                          \
    "(SELECT q.model FROM active_model a JOIN predictions q ON q.model = a.model"                  \
    " WHERE q.slice = s.seq), (SELECT max(q.model) FROM predictions q WHERE q.slice = s.seq))"
enum { GS__SLICE_COLUMN_COUNT = 24 };

/* The bytes of slices `s`; NULL if there are none, which no slice should be. */
#define GS__CONTENT_BYTES "coalesce(c.bytes, w.bytes)"
#define GS__CONTENT_JOIN                                                                           \
    "LEFT JOIN slice_contents c ON c.slice = s.seq LEFT JOIN volume_contents w ON w.seq = "        \
    "s.content"

/* Reads GS__SLICE_COLUMNS from `column` on. */
void gs__slice_read(gs__sql *query, int column, gs_slice_record *out);
GS_MUST_CHECK gs_status gs__slice_load(sqlite3 *db, const char *id, gs_slice_record *out,
                                       gs_error *err);
/* The seq of a slice. */
GS_MUST_CHECK gs_status gs__slice_find(sqlite3 *db, const char *id, int64_t *seq_out,
                                       gs_error *err);

/* NULL is fine. */
GS_MUST_CHECK gs_status gs__split_check(const char *split, gs_error *err);
/* What gs_store_slice_add says of its fields. */
GS_MUST_CHECK gs_status gs__slice_check(const gs_new_slice *slice, gs_error *err);

/* Bytes that are in the database already. */
typedef struct gs__slice_content {
    int64_t seq; /* of volume_contents */
    char sha256[GS_SHA256_SIZE];
} gs__slice_content;

/* Adds a slice that was checked to the data set, inside a write transaction; its bytes are
 * `stored`. volume: the seq of the one it was cut from. *created: false when its content was there.
 */
GS_MUST_CHECK gs_status gs__slice_insert(sqlite3 *db, const char *dataset,
                                         const gs_new_slice *slice, int64_t volume,
                                         const gs__slice_content *stored, gs_slice_record *record,
                                         bool *created, gs_error *err);

/* An entry of a slice's history; bytes NULL = removal. Texts may be NULL. */
typedef struct gs__new_mask {
    const void *bytes;
    size_t size;
    const char *author, *began_with;
} gs__new_mask;

/* Appends to the history of slice `seq` and makes it current. Inside a write transaction; the mask
 * is checked. id_out may be NULL. */
GS_MUST_CHECK gs_status gs__annotation_append(sqlite3 *db, int64_t slice, const gs__new_mask *mask,
                                              char id_out[GS_ID_SIZE], gs_error *err);
GS_MUST_CHECK gs_status gs__mask_check(const gs__new_mask *mask, gs_error *err);

#endif

/* Annotations: the mask of a slice, with every earlier one kept. A mask is PNG bytes here (8-bit
 * gray, 0 background, 255 target, 127 not annotated); the caller has checked them. */
#ifndef GS_STORE_ANNOTATION_H
#define GS_STORE_ANNOTATION_H

#include "store/slice.h"

typedef struct gs_annotation_record {
    char id[GS_ID_SIZE]; /* "ann_…" */
    char slice_id[GS_ID_SIZE];
    char author[GS_AUTHOR_SIZE];
    char created_at[GS_TIME_SIZE];
    bool removed;                /* this entry says that the annotation was taken away: no mask */
    bool current;                /* the slice's mask now */
    char sha256[GS_SHA256_SIZE]; /* of the mask's bytes; "" when removed */
    char began_with[GS_ID_SIZE]; /* the model whose prediction it is or was drawn from; "" = none */
} gs_annotation_record;

/* Who changes an annotation, and whether it may still be changed. */
typedef struct gs_annotation_edit {
    const char *author;     /* NULL = "anonymous" */
    const char *began_with; /* of the mask; NULL = none. It need not be a model of this store. */
    /* Asked with the current entry (NULL: none) before anything changes, while nobody else can
     * change it; false: CONFLICT. NULL = always. */
    bool (*allows)(void *state, const gs_annotation_record *current);
    void *state;
} gs_annotation_edit;

/* Makes `mask` the slice's annotation. The same bytes, begun with the same, as the current one
 * change nothing and need no permission. The caller has compared the mask's size with the slice's.
 */
GS_MUST_CHECK gs_status gs_store_annotation_put(gs_store *store, const char *slice_id,
                                                const void *mask, size_t mask_size,
                                                const gs_annotation_edit *edit,
                                                gs_annotation_record *out, gs_error *err);
/* The current mask (annotation_id NULL) or an earlier one of this slice. NOT_FOUND: no such slice,
 * or no annotation. Caller frees *mask_out with gs_free. */
GS_MUST_CHECK gs_status gs_store_annotation_get(gs_store *store, const char *slice_id,
                                                const char *annotation_id,
                                                gs_annotation_record *out, void **mask_out,
                                                size_t *size_out, gs_error *err);
/* Takes the annotation away; the history keeps it and gains an entry. NOT_FOUND when there is none.
 */
GS_MUST_CHECK gs_status gs_store_annotation_delete(gs_store *store, const char *slice_id,
                                                   const gs_annotation_edit *edit, gs_error *err);

/* The current mask of one slice of a volume; borrowed until the visit returns. */
typedef struct gs_volume_mask {
    int64_t index;           /* its level */
    char part[GS_WORD_SIZE]; /* "left", "right" or "" */
    const void *mask;
    size_t mask_size;
    char began_with[GS_ID_SIZE];
} gs_volume_mask;

typedef gs_status gs_volume_mask_visit(void *context, const gs_volume_mask *mask, gs_error *err);

/* Visits the current masks of a volume's slices, from the lowest level up and the left part before
 * the right, as they were at one moment; an unknown volume has none. A failing visit ends it with
 * the same status. */
GS_MUST_CHECK gs_status gs_store_annotation_each(gs_store *store, const char *volume,
                                                 gs_volume_mask_visit *visit, void *context,
                                                 gs_error *err);

typedef struct gs_annotation_list {
    gs_annotation_record *items; /* caller frees with gs_free */
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_annotation_list;

/* Newest first. */
GS_MUST_CHECK gs_status gs_store_annotation_list(gs_store *store, const char *slice_id,
                                                 const gs_page *page, gs_annotation_list *out,
                                                 gs_error *err);

#endif

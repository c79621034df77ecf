/* Slices: one image each, with the bytes it came as, and a weak label. */
#ifndef GS_STORE_SLICE_H
#define GS_STORE_SLICE_H

#include "store/dataset.h"
#include "store/prediction.h"

enum {
    GS_CASE_SIZE = 129,
    GS_SLICE_NAME_SIZE = 257,
    GS_MEDIA_TYPE_SIZE = 48,
    GS_AUTHOR_SIZE = 129,
    GS_SLICE_BYTES_MAX = 512 * 1024 * 1024 /* of one slice's content or mask */
};

typedef struct gs_slice_record {
    char id[GS_ID_SIZE]; /* "slc_…" */
    char dataset[GS_DATASET_NAME_SIZE];
    char case_name[GS_CASE_SIZE]; /* the patient or volume; "" = not given: a case of its own */
    int64_t index;                /* position in the case; -1 = not given */
    char name[GS_SLICE_NAME_SIZE];
    int channels, height, width;
    char content_type[GS_MEDIA_TYPE_SIZE];
    int64_t content_size;             /* bytes */
    char sha256[GS_SHA256_SIZE];      /* of the content; unique in the data set */
    char label[GS_WORD_SIZE];         /* "presence", "absence" or "unknown" */
    char split[GS_WORD_SIZE];         /* "train", "validation", "test" or "" */
    char volume[GS_ID_SIZE];          /* it was cut from, at level `index`; "" = none */
    char part[GS_WORD_SIZE];          /* "left" or "right" half of that level; "" = all of it */
    char preset[GS_WORD_SIZE];        /* of that volume; "" = none */
    char normalization[GS_WORD_SIZE]; /* of the data set */
    bool annotated;
    /* Of the active model; until there is one, of the newest other model. */
    gs_prediction prediction;
    char created_at[GS_TIME_SIZE];
} gs_slice_record;

/* Borrowed for the call. NULL text = not given. The caller has decoded `content`: the store trusts
 * channels, height and width, and knows no image format. */
typedef struct gs_new_slice {
    const char *case_name, *name;
    int64_t index; /* -1 = not given */
    int channels, height, width;
    const char *content_type;
    const void *content;
    size_t content_size;
    const char *label; /* NULL = "unknown" */
    const char *split; /* NULL = the case's */
    const char *part;  /* of a volume's level: "left", "right" or NULL */
    const void *mask;  /* an annotation to store with it (PNG bytes), or NULL */
    size_t mask_size;
    const char *author;     /* of the mask; NULL = "anonymous" */
    const char *began_with; /* of the mask, as gs_annotation_edit */
    bool unless_deleted;    /* content that was deleted from the data set stays away */
} gs_new_slice;

/* Stores `count` slices of one data set in one transaction: all or none. The same content already
 * in the data set gives that slice back unchanged; created_out[i] tells which. A slice that stays
 * away, as it was deleted before, is not created either, and its record is empty. out: [count];
 * created_out: [count] or NULL; key: NULL or for count 1. NOT_FOUND: no such data set.
 * SHAPE_MISMATCH: another size than the data set's (the first slice fixes an open one). CONFLICT: a
 * split other than the one of the case's slices. */
GS_MUST_CHECK gs_status gs_store_slice_add(gs_store *store, const char *dataset,
                                           const gs_new_slice *slices, size_t count,
                                           const gs_idempotency *key, gs_slice_record *out,
                                           bool *created_out, gs_error *err);
GS_MUST_CHECK gs_status gs_store_slice_get(gs_store *store, const char *id, gs_slice_record *out,
                                           gs_error *err);
/* The stored bytes. Caller frees *bytes_out with gs_free; out may be NULL. */
GS_MUST_CHECK gs_status gs_store_slice_content(gs_store *store, const char *id,
                                               gs_slice_record *out, void **bytes_out,
                                               size_t *size_out, gs_error *err);
GS_MUST_CHECK gs_status gs_store_slice_set_label(gs_store *store, const char *id, const char *label,
                                                 gs_slice_record *out, gs_error *err);
/* With its label, its annotation and the annotation's history. */
GS_MUST_CHECK gs_status gs_store_slice_delete(gs_store *store, const char *id, gs_error *err);

typedef enum gs_annotated {
    GS_ANNOTATED_ANY,
    GS_ANNOTATED_YES,
    GS_ANNOTATED_NO,
} gs_annotated;

/* NULL = any. "" as case_name or split: those without one. */
typedef struct gs_slice_filter {
    const char *dataset, *case_name, *label, *split, *volume;
    gs_annotated annotated;
} gs_slice_filter;

typedef enum gs_slice_order {
    GS_ORDER_CREATED,
    GS_ORDER_NAME,  /* then case, index */
    GS_ORDER_AREA,  /* of the prediction; slices without one last, in both directions */
    GS_ORDER_SCORE, /* likewise */
} gs_slice_order;

typedef enum gs_direction { GS_ASCENDING, GS_DESCENDING } gs_direction;

typedef struct gs_slice_sort { /* zero = oldest first */
    gs_slice_order order;
    gs_direction direction;
} gs_slice_sort;

typedef struct gs_slice_list {
    gs_slice_record *items; /* caller frees with gs_free */
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_slice_list;

/* An unknown data set is an empty list. Except for the oldest first, a page begins at a number of
 * items in the order of the moment: what changes between two pages may be missed or come twice. */
GS_MUST_CHECK gs_status gs_store_slice_list(gs_store *store, const gs_slice_filter *filter,
                                            gs_slice_sort sort, const gs_page *page,
                                            gs_slice_list *out, gs_error *err);

/* One slice of a snapshot; pointers are borrowed until the callback returns. */
typedef struct gs_slice_view {
    gs_slice_record record;
    const void *content; /* record.content_size bytes */
    const void *mask;    /* PNG bytes, or NULL */
    size_t mask_size;
    char author[GS_AUTHOR_SIZE]; /* of the mask; "" without one */
    char began_with[GS_ID_SIZE]; /* the mask; "" = with none, or without one */
} gs_slice_view;

typedef gs_status gs_slice_visit(void *context, const gs_slice_view *slice, gs_error *err);

/* Visits all slices of a data set, oldest first, as they were at one moment, whatever is written
 * meanwhile. Memory: one slice. A failing visit ends it with the same status. */
GS_MUST_CHECK gs_status gs_store_slice_each(gs_store *store, const char *dataset,
                                            gs_slice_visit *visit, void *context, gs_error *err);

#endif

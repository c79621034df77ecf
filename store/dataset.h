/* Data sets: a name, how pixels are normalised, and the one size all slices have. */
#ifndef GS_STORE_DATASET_H
#define GS_STORE_DATASET_H

#include "store/store.h"

enum { GS_DATASET_NAME_SIZE = 65, GS_WORD_SIZE = 16 };

typedef struct gs_dataset_record {
    char name[GS_DATASET_NAME_SIZE]; /* letters, digits, '.', '_', '-'; not starting with '.' or '-'
                                      */
    char normalization[GS_WORD_SIZE]; /* "none", "unit" or "foreground" */
    int channels, height, width;      /* each 0 until configured or fixed by the first slice */
    char created_at[GS_TIME_SIZE];
} gs_dataset_record;

/* What a data set holds. The train_ counts leave out slices whose split is validation or test; a
 * slice without a split counts, since the trainer splits by case. */
typedef struct gs_dataset_counts {
    int64_t slices, cases; /* cases: named ones */
    int64_t presence, absence, unknown;
    int64_t annotated, annotated_presence;
    int64_t train_presence, train_absence, train_annotated; /* the last: of train_presence */
} gs_dataset_counts;

/* NULL or 0 leaves a setting as it is (of a new data set: "none", size open). */
typedef struct gs_dataset_settings {
    const char *normalization;
    int channels, height, width;
} gs_dataset_settings;

/* Creates or configures. CONFLICT when slices are stored and a size differs from theirs.
 * *created_out may be NULL. */
GS_MUST_CHECK gs_status gs_store_dataset_put(gs_store *store, const char *name,
                                             const gs_dataset_settings *settings,
                                             gs_dataset_record *out, bool *created_out,
                                             gs_error *err);
GS_MUST_CHECK gs_status gs_store_dataset_get(gs_store *store, const char *name,
                                             gs_dataset_record *out, gs_error *err);
GS_MUST_CHECK gs_status gs_store_dataset_count(gs_store *store, const char *name,
                                               gs_dataset_counts *out, gs_error *err);

typedef struct gs_dataset_list {
    gs_dataset_record *items; /* caller frees with gs_free */
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_dataset_list;

/* Oldest first. */
GS_MUST_CHECK gs_status gs_store_dataset_list(gs_store *store, const gs_page *page,
                                              gs_dataset_list *out, gs_error *err);

#endif

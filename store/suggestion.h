/* Which slices to draw next. */
#ifndef GS_STORE_SUGGESTION_H
#define GS_STORE_SUGGESTION_H

#include "store/slice.h"

typedef enum gs_suggest_by {
    GS_SUGGEST_RANDOM,
    GS_SUGGEST_UNCERTAINTY,
    GS_SUGGEST_DISAGREEMENT, /* of a model that does not translate: uncertainty */
} gs_suggest_by;

typedef struct gs_suggestion_wish {
    const char *dataset;
    const char *label; /* NULL = "presence" and "unknown"; an absence slice has nothing to draw */
    gs_suggest_by by;
    uint64_t seed; /* of GS_SUGGEST_RANDOM: the same seed gives the same order */
    size_t limit;  /* 1…GS_PAGE_MAX */
} gs_suggestion_wish;

typedef struct gs_suggestion_list {
    gs_slice_record *items; /* caller frees with gs_free */
    double *scores;         /* NaN: none, random or not predicted; caller frees with gs_free */
    size_t count;
} gs_suggestion_list;

/* Slices without a mask that a training would use: of no split or of "train". By a prediction, the
 * highest first, but of each case one before the second of any, as neighbours say the same; those
 * without a prediction last. NOT_FOUND: no such data set. */
GS_MUST_CHECK gs_status gs_store_suggest(gs_store *store, const gs_suggestion_wish *wish,
                                         gs_suggestion_list *out, gs_error *err);

#endif

/* Predictions: what one model finds in one slice, as numbers to list and sort by. */
#ifndef GS_STORE_PREDICTION_H
#define GS_STORE_PREDICTION_H

#include "store/store.h"

typedef struct gs_prediction {
    char model[GS_ID_SIZE]; /* "" = no prediction */
    int64_t area;           /* pixels above 0.5 */
    double uncertainty;     /* 0…1 */
    double disagreement;    /* 0…1; NaN: the model does not translate */
    double score;           /* what suggestions go by; made of the others, not stored */
} gs_prediction;

/* A slice that a model has not been run on. */
typedef struct gs_prediction_gap {
    char slice[GS_ID_SIZE];
    int64_t position; /* for the next call */
} gs_prediction_gap;

/* The next at most `limit` slices of the data set without a prediction of the model, oldest first,
 * after the position `after` (0 = from the start). out: [limit]. NOT_FOUND: no such data set or
 * model. */
GS_MUST_CHECK gs_status gs_store_prediction_gaps(gs_store *store, const char *dataset,
                                                 const char *model, int64_t after, size_t limit,
                                                 gs_prediction_gap *out, size_t *count_out,
                                                 gs_error *err);

typedef struct gs_new_prediction {
    char slice[GS_ID_SIZE];
    int64_t area;
    double uncertainty, disagreement; /* as above */
} gs_new_prediction;

/* Stores them in one transaction, in place of earlier ones of the same model; those of slices that
 * were deleted meanwhile are left out. NOT_FOUND: no such model. */
GS_MUST_CHECK gs_status gs_store_prediction_put(gs_store *store, const char *model,
                                                const gs_new_prediction *predictions, size_t count,
                                                gs_error *err);

/* How many slices of the data set the model has been run on, and how many there are. NOT_FOUND: no
 * such data set or model. */
GS_MUST_CHECK gs_status gs_store_prediction_count(gs_store *store, const char *dataset,
                                                  const char *model, int64_t *predicted_out,
                                                  int64_t *total_out, gs_error *err);

#endif

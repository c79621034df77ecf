/* Model versions. The weights are files of their own; the row is what the server knows about them.
 * JSON texts are kept as they are given; the store does not look into them. */
#ifndef GS_STORE_MODEL_H
#define GS_STORE_MODEL_H

#include "store/store.h"

enum {
    GS_MODEL_NAME_SIZE = 129,
    GS_PRESET_SIZE = 16,
    GS_JSON_MAX = 1024 * 1024 /* bytes of one stored JSON text */
};

typedef struct gs_model_record {
    char id[GS_ID_SIZE];           /* "mdl_…" */
    char name[GS_MODEL_NAME_SIZE]; /* "" = none */
    char parent[GS_ID_SIZE]; /* the model training began from; "" = none. Stays when that is deleted
                              */
    char job[GS_ID_SIZE];    /* the job that made it; "" = uploaded */
    char preset[GS_PRESET_SIZE];
    double width;          /* multiplier of channel counts */
    char *config_json;     /* owned; channels, height, columns, normalization, … */
    char *metrics_json;    /* owned; "null" = none */
    char *dataset_json;    /* owned; what it was trained on; "null" = unknown */
    char *activation_json; /* owned; why its job made it active or not; "null" = not decided */
    int64_t weights_size;  /* bytes */
    char sha256[GS_SHA256_SIZE]; /* of the weights: their ETag */
    bool active;
    char created_at[GS_TIME_SIZE];
} gs_model_record;

/* Frees what the record owns; the record itself is the caller's. */
void gs_model_record_deinit(gs_model_record *record);

typedef enum gs_activation {
    GS_ACTIVATE_NEVER,
    GS_ACTIVATE_IF_NONE, /* becomes the active model when there is none */
    GS_ACTIVATE_ALWAYS,
} gs_activation;

/* Borrowed for the call. NULL text = none; NULL JSON = "null". */
typedef struct gs_new_model {
    const char *weights_path; /* copied into models/; the source stays */
    const char *name, *parent, *job, *preset;
    double width;
    const char *config_json, *metrics_json, *dataset_json;
    gs_activation activation;
} gs_new_model;

/* Copies the weights (fsync, rename), then adds the row. key may be NULL. A job makes one model:
 * the same `job` again (after a crash) gives the one it made before. Caller deinits *out.
 * *created_out (may be NULL) is false when the key or the job gave an earlier model. */
GS_MUST_CHECK gs_status gs_store_model_add(gs_store *store, const gs_new_model *model,
                                           const gs_idempotency *key, gs_model_record *out,
                                           bool *created_out, gs_error *err);
GS_MUST_CHECK gs_status gs_store_model_get(gs_store *store, const char *id, gs_model_record *out,
                                           gs_error *err);
/* The oldest model with these weights; NOT_FOUND when there is none. */
GS_MUST_CHECK gs_status gs_store_model_find(gs_store *store, const char *sha256,
                                            gs_model_record *out, gs_error *err);
/* The path of a model's weights. Caller frees with gs_free; NULL when out of memory. */
char *gs_store_model_weights_path(const gs_store *store, const char *id);
/* Row and weights. CONFLICT for the active model. */
GS_MUST_CHECK gs_status gs_store_model_delete(gs_store *store, const char *id, gs_error *err);

/* The model that answers requests naming none; NOT_FOUND when there is none. */
GS_MUST_CHECK gs_status gs_store_model_get_active(gs_store *store, gs_model_record *out,
                                                  gs_error *err);
/* Keeps why the job that made the model made it active or not, in the model and in the job. At most
 * GS_JSON_MAX bytes. NOT_FOUND: no such model. */
GS_MUST_CHECK gs_status gs_store_model_set_activation(gs_store *store, const char *id,
                                                      const char *activation_json, gs_error *err);
/* Atomic. NOT_FOUND: no such model, and the active one stays. */
GS_MUST_CHECK gs_status gs_store_model_set_active(gs_store *store, const char *id, gs_error *err);

typedef struct gs_model_list {
    gs_model_record *items;
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_model_list;

/* Newest first. Caller deinits the list. */
GS_MUST_CHECK gs_status gs_store_model_list(gs_store *store, const gs_page *page,
                                            gs_model_list *out, gs_error *err);
void gs_model_list_deinit(gs_model_list *list);

#endif

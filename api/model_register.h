/* From a safetensors file to a model version; shared by uploads, training jobs and --import-model.
 */
#ifndef GS_API_MODEL_REGISTER_H
#define GS_API_MODEL_REGISTER_H

#include "engine/model/config.h"
#include "store/model.h"

#include <jansson.h>

/* Where a model comes from. Borrowed; NULL text = none, NULL JSON = unknown (metrics: what the file
 * says about its training, if anything). */
typedef struct gs_model_origin {
    const char *path; /* the safetensors file; it stays */
    const char *name, *parent, *job, *metrics_json, *dataset_json;
    gs_activation activation;
} gs_model_origin;

/* Validates the file as gs_model_load does and adds it to the store. key and created_out may be
 * NULL. Caller deinits *out. */
GS_MUST_CHECK gs_status gs_model_register(gs_store *store, const gs_model_origin *origin,
                                          const gs_idempotency *key, gs_model_record *out,
                                          bool *created_out, gs_error *err);

/* The model version as clients see it; NULL when out of memory. */
json_t *gs_model_to_json(const gs_model_record *model);

/* The engine's configuration of a stored model. UNUSABLE when the row's JSON lacks something. */
GS_MUST_CHECK gs_status gs_model_record_config(const gs_model_record *model, gs_model_config *out,
                                               gs_error *err);

#endif

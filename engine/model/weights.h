/* Weights in safetensors files: names and shapes of the reference program, the model's
 * configuration in `__metadata__` ("genseg.config", JSON). */
#ifndef GS_ENGINE_MODEL_WEIGHTS_H
#define GS_ENGINE_MODEL_WEIGHTS_H

#include "engine/model/objective.h"
#include "engine/model/safetensors.h"

/* Metadata of a trained model, JSON: method, translation, step, validation_dice. */
#define GS_METRICS_KEY "genseg.metrics"

/* The configuration that a file carries. UNUSABLE when it carries none or one that is not ours. */
GS_MUST_CHECK gs_status gs_weights_config(const gs_safetensors *file, const char *origin,
                                          gs_model_config *out, gs_error *err);

/* What the weights were trained for; GENSEG in both directions where the file does not say (it
 * comes from elsewhere). */
typedef struct gs_trained_for {
    gs_training_method method;
    gs_translation translation;
} gs_trained_for;
gs_trained_for gs_weights_trained_for(const gs_safetensors *file);

/* Copies tensors named prefix + parameter name into `array` (one of the flat arrays of
 * `parameters`). A missing or wrongly shaped tensor is UNUSABLE by name, a value that is not finite
 * NUMERIC. `origin` names the file in errors. */
GS_MUST_CHECK gs_status gs_weights_read(const gs_safetensors *file, const char *origin,
                                        const char *prefix, gs_parameters *parameters, void *array,
                                        gs_error *err);

/* As gs_weights_read for the values to start a training from: parts beside the generator
 * (discriminators, reconstruction decoder) of which the file has no tensor keep theirs. */
GS_MUST_CHECK gs_status gs_weights_read_initial(const gs_safetensors *file, const char *origin,
                                                gs_parameters *parameters, gs_error *err);

/* UNUSABLE names a tensor without the prefix "optimizer." that no part of such a model has. */
GS_MUST_CHECK gs_status gs_weights_check_names(const gs_safetensors *file, const char *origin,
                                               const gs_model_config *config, gs_error *err);

typedef enum gs_weights_content {
    GS_WEIGHTS_ONLY,          /* a model: without a mean teacher's student */
    GS_WEIGHTS_AND_OPTIMIZER, /* a checkpoint: optimizer.moment1.NAME, … and optimizer.steps */
} gs_weights_content;

/* Writes the file whole or not at all. `metadata` are further entries beside the configuration. */
GS_MUST_CHECK gs_status gs_weights_save(const char *path, const gs_network *network,
                                        const gs_parameters *parameters, gs_weights_content content,
                                        const gs_metadata_entry *metadata, size_t metadata_count,
                                        gs_error *err);

/* Reads what GS_WEIGHTS_AND_OPTIMIZER wrote. */
GS_MUST_CHECK gs_status gs_weights_read_optimizer(const gs_safetensors *file, const char *origin,
                                                  gs_parameters *parameters, gs_error *err);

#endif

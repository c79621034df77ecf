#include "api/model_register.h"

#include <stdlib.h>
#include <string.h>

#include "api/handler.h"
#include "base/memory.h"
#include "engine/image/normalize.h"
#include "engine/model/weights.h"
#include "engine/session.h"

#define ARCHITECTURE "architecture"

/* What images the model takes and, where it is not the default, its architecture. */
static char *config_text(const gs_model_config *config) {
    const gs_architecture usual = gs_architecture_default();
    json_t *json = json_pack("{s:i, s:i, s:i, s:s}", "channels", config->channels, "height",
                             config->height, "width", config->columns, "normalization",
                             gs_normalization_name(config->normalization));
    if (!gs_architecture_is_same(&config->architecture, &usual) &&
        json_object_set_new(json, ARCHITECTURE, gs_architecture_to_json(&config->architecture))) {
        json_decref(json);
        return NULL;
    }
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* What `genseg train` wrote into the file about its training, as the metrics of a job have it; NULL
 * when there is nothing. Caller frees with free. */
static char *metrics_of_file(const char *path) {
    gs_safetensors *file;
    if (gs_safetensors_open(path, 0, &file, NULL) != GS_OK) return NULL;
    const char *text = gs_safetensors_metadata(file, GS_METRICS_KEY);
    json_t *found = text ? json_loads(text, 0, NULL) : NULL;
    json_t *json = NULL;
    const char *method;
    json_int_t steps;
    json_t *dice;
    if (found && json_unpack(found, "{s:s, s:I, s:o}", "method", &method, "step", &steps,
                             "validation_dice", &dice) == 0)
        json = json_pack("{s:O, s:I, s:s}", "dice", dice, "steps", steps, "method", method);
    char *metrics = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    json_decref(found);
    gs_safetensors_close(file);
    return metrics;
}

gs_status gs_model_register(gs_store *store, const gs_model_origin *origin,
                            const gs_idempotency *key, gs_model_record *out, bool *created_out,
                            gs_error *err) {
    gs_model *model;
    GS_TRY(gs_model_load(origin->path, &model, err));
    const gs_model_config *config = gs_model_get_config(model);
    char *text = config_text(config);
    char *metrics = origin->metrics_json ? NULL : metrics_of_file(origin->path);
    gs_new_model row = {
        .weights_path = origin->path,
        .name = origin->name,
        .parent = origin->parent,
        .job = origin->job,
        .preset = config->preset,
        .width = config->width,
        .config_json = text,
        .metrics_json = origin->metrics_json ? origin->metrics_json : metrics,
        .dataset_json = origin->dataset_json,
        .activation = origin->activation,
    };
    gs_status status = text ? gs_store_model_add(store, &row, key, out, created_out, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the model");
    free(text);
    free(metrics);
    gs_model_release(model);
    return status;
}

/* A stored JSON text as a value; null when it does not parse, which a store of our own never has.
 */
static json_t *stored_json(const char *text) {
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : json_null();
}

/* Takes the architecture out of a stored configuration; the default where it has none. NULL = out
 * of memory. */
static json_t *split_architecture(json_t *config) {
    const gs_architecture usual = gs_architecture_default();
    json_t *own = json_object_get(config, ARCHITECTURE);
    if (!own) return gs_architecture_to_json(&usual);
    json_incref(own);
    json_object_del(config, ARCHITECTURE);
    return own;
}

json_t *gs_model_to_json(const gs_model_record *model) {
    json_t *input = stored_json(model->config_json), *architecture = split_architecture(input);
    return json_pack(
        "{s:s, s:s*, s:s*, s:s*, s:s, s:f, s:o, s:o, s:o, s:o, s:o, s:I, s:s, s:b, s:s}", "id",
        model->id, "name", model->name[0] ? model->name : NULL, "parent",
        model->parent[0] ? model->parent : NULL, "job", model->job[0] ? model->job : NULL, "preset",
        model->preset, "width", model->width, "input", input, ARCHITECTURE, architecture, "metrics",
        stored_json(model->metrics_json), "dataset", stored_json(model->dataset_json), "activation",
        stored_json(model->activation_json), "weights_size", (json_int_t)model->weights_size,
        "sha256", model->sha256, "active", model->active, "created_at", model->created_at);
}

gs_status gs_model_record_config(const gs_model_record *model, gs_model_config *out,
                                 gs_error *err) {
    json_t *json = stored_json(model->config_json);
    int channels, height, width;
    const char *name;
    gs_model_config config;
    gs_normalization normalization;
    gs_status status;
    if (json_unpack(json, "{s:i, s:i, s:i, s:s}", "channels", &channels, "height", &height, "width",
                    &width, "normalization", &name) != 0) {
        status = gs_fail(err, GS_UNUSABLE, "the stored configuration of model %s is incomplete",
                         model->id);
    } else {
        status = gs_model_config_make(model->preset, model->width, channels, height, width, &config,
                                      err);
        if (status == GS_OK) status = gs_normalization_parse(name, &normalization, err);
        if (status == GS_OK)
            status = gs_architecture_from_json(json_object_get(json, ARCHITECTURE),
                                               &config.architecture, err);
    }
    json_decref(json);
    if (status != GS_OK) return status;
    config.normalization = normalization;
    *out = config;
    return GS_OK;
}

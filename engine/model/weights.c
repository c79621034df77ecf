#include "engine/model/weights.h"

#include "base/memory.h"
#include "engine/image/normalize.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_KEY "genseg.config"

static const char *const optimizer_prefixes[] = {"optimizer.moment1.", "optimizer.moment2.",
                                                 "optimizer.moment2_max."};
enum { OPTIMIZER_ARRAYS = 3 };

/* ---- Configuration ----------------------------------------------------------------------------
 */

gs_status gs_weights_config(const gs_safetensors *file, const char *origin, gs_model_config *out,
                            gs_error *err) {
    const char *text = gs_safetensors_metadata(file, CONFIG_KEY);
    if (!text)
        return gs_fail(err, GS_UNUSABLE, "%s has no \"" CONFIG_KEY "\" in its metadata", origin);
    json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *preset = NULL, *normalization = NULL;
    json_t *architecture = NULL;
    double width;
    int channels, height, columns;
    gs_status status = GS_OK;
    if (!json ||
        json_unpack(json, "{s:s, s:F, s:i, s:i, s:i, s:s, s?o}", "preset", &preset, "width", &width,
                    "channels", &channels, "height", &height, "columns", &columns, "normalization",
                    &normalization, "architecture", &architecture) != 0)
        status =
            gs_fail(err, GS_UNUSABLE, "the \"" CONFIG_KEY "\" of %s is not one of ours", origin);
    gs_model_config config;
    if (status == GS_OK)
        status = gs_model_config_make(preset, width, channels, height, columns, &config, err);
    if (status == GS_OK) status = gs_normalization_parse(normalization, &config.normalization, err);
    if (status == GS_OK)
        status = gs_architecture_from_json(architecture, &config.architecture, err);
    json_decref(json);
    if (status != GS_OK) return status == GS_OUT_OF_MEMORY ? status : GS_UNUSABLE;
    *out = config;
    return GS_OK;
}

gs_trained_for gs_weights_trained_for(const gs_safetensors *file) {
    const char *text = gs_safetensors_metadata(file, GS_METRICS_KEY);
    const char *method = "genseg", *translation = "both";
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    gs_trained_for out = {GS_TRAINING_GENSEG, GS_TRANSLATE_BOTH};
    if (json &&
        json_unpack(json, "{s?s, s?s}", "method", &method, "translation", &translation) == 0) {
        if (gs_training_method_parse(method, &out.method, NULL) != GS_OK)
            out.method = GS_TRAINING_GENSEG;
        if (gs_translation_parse(translation, &out.translation, NULL) != GS_OK)
            out.translation = GS_TRANSLATE_BOTH;
    }
    json_decref(json);
    return out;
}

static char *config_text(const gs_model_config *c) {
    json_t *json = json_pack("{s:s, s:f, s:i, s:i, s:i, s:s}", "preset", c->preset, "width",
                             c->width, "channels", c->channels, "height", c->height, "columns",
                             c->columns, "normalization", gs_normalization_name(c->normalization));
    const gs_architecture usual = gs_architecture_default();
    bool is_usual = gs_architecture_is_same(&c->architecture, &usual);
    /* Files of the default architecture stay as they were before there was another. */
    if (json && !is_usual &&
        json_object_set_new(json, "architecture", gs_architecture_to_json(&c->architecture)) != 0) {
        json_decref(json);
        return NULL;
    }
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

/* ---- Reading ----------------------------------------------------------------------------------
 */

static bool has_shape(const gs_tensor_entry *entry, const gs_parameter *item) {
    if (entry->rank != (size_t)item->rank) return false;
    for (int i = 0; i < item->rank; i++)
        if (entry->shape[i] != (size_t)item->shape[i]) return false;
    return true;
}

static gs_status check_values(const gs_tensor_entry *entry, const char *origin, gs_error *err) {
    for (size_t i = 0; i < entry->count; i++)
        if (!isfinite(entry->data[i]))
            return gs_fail(err, GS_NUMERIC, "%s: %s[%zu] is not a finite number", origin,
                           entry->name, i);
    return GS_OK;
}

static gs_status read_one(const gs_safetensors *file, const char *origin, const char *prefix,
                          gs_parameters *parameters, void *array, int index, gs_error *err) {
    const gs_parameter *item = &parameters->set->items[index];
    char name[GS_PARAMETER_NAME_MAX + 32];
    snprintf(name, sizeof name, "%s%s", prefix, item->name);
    const gs_tensor_entry *entry = gs_safetensors_find(file, name);
    if (!entry) return gs_fail(err, GS_UNUSABLE, "%s has no tensor %s", origin, name);
    if (!has_shape(entry, item))
        return gs_fail(err, GS_UNUSABLE, "%s: %s does not have the shape [%d,%d,%d,%d]", origin,
                       name, item->shape[0], item->shape[1], item->shape[2], item->shape[3]);
    GS_TRY(check_values(entry, origin, err));
    gs_parameters_write(parameters, array, index, entry->data);
    return GS_OK;
}

gs_status gs_weights_read(const gs_safetensors *file, const char *origin, const char *prefix,
                          gs_parameters *parameters, void *array, gs_error *err) {
    for (int p = 0; p < parameters->set->count; p++)
        GS_TRY(read_one(file, origin, prefix, parameters, array, p, err));
    return GS_OK;
}

/* Whether the file has a tensor of the part of the network that a parameter belongs to. */
static bool has_part_of(const gs_safetensors *file, const char *parameter) {
    size_t length = strcspn(parameter, ".") + 1;
    for (size_t i = 0; i < gs_safetensors_count(file); i++)
        if (strncmp(gs_safetensors_get(file, i)->name, parameter, length) == 0) return true;
    return false;
}

static bool is_optional(const gs_parameter *item) {
    return item->group != GS_GROUP_GENERATOR ||
           strncmp(item->name, "decoder_reconstruction.", strlen("decoder_reconstruction.")) == 0;
}

gs_status gs_weights_read_initial(const gs_safetensors *file, const char *origin,
                                  gs_parameters *parameters, gs_error *err) {
    for (int p = 0; p < parameters->set->count; p++) {
        const gs_parameter *item = &parameters->set->items[p];
        if (is_optional(item) && !has_part_of(file, item->name)) continue;
        GS_TRY(read_one(file, origin, "", parameters, parameters->values, p, err));
    }
    return GS_OK;
}

gs_status gs_weights_check_names(const gs_safetensors *file, const char *origin,
                                 const gs_model_config *config, gs_error *err) {
    gs_network all;
    gs_status status = gs_network_init(&all, config, GS_PARTS_ALL, err);
    for (size_t i = 0; status == GS_OK && i < gs_safetensors_count(file); i++) {
        const char *name = gs_safetensors_get(file, i)->name;
        if (strncmp(name, "optimizer.", 10) == 0) continue;
        if (gs_parameter_set_find(&all.set, name) < 0)
            status = gs_fail(err, GS_UNUSABLE, "%s has a tensor %.100s that no %s model has",
                             origin, name, config->preset);
    }
    gs_network_deinit(&all);
    return status;
}

gs_status gs_weights_read_optimizer(const gs_safetensors *file, const char *origin,
                                    gs_parameters *p, gs_error *err) {
    void *const arrays[] = {p->moment1, p->moment2, p->moment2_max};
    for (int i = 0; i < OPTIMIZER_ARRAYS; i++)
        GS_TRY(gs_weights_read(file, origin, optimizer_prefixes[i], p, arrays[i], err));
    const gs_tensor_entry *steps = gs_safetensors_find(file, "optimizer.steps");
    if (!steps || steps->count != (size_t)p->set->count)
        return gs_fail(err, GS_UNUSABLE, "%s has no optimizer.steps of %d values", origin,
                       p->set->count);
    for (int i = 0; i < p->set->count; i++) {
        if (!(steps->data[i] >= 0 && steps->data[i] <= 0x1p24f))
            return gs_fail(err, GS_UNUSABLE, "%s: optimizer.steps[%d] is out of range", origin, i);
        p->steps[i] = (int64_t)steps->data[i];
    }
    return GS_OK;
}

/* ---- Writing ----------------------------------------------------------------------------------
 */

/* The entries of a file being put together; float copies are made only for a backend that stores
 * doubles. */
typedef struct assembly {
    gs_tensor_entry *entries;
    size_t count;
    char *names; /* GS_PARAMETER_NAME_MAX + 32 bytes each */
    float *copies;
    size_t copied;
} assembly;

enum { NAME_BYTES = GS_PARAMETER_NAME_MAX + 32 };

static void assemble_array(assembly *a, const gs_parameters *p, const void *array,
                           const char *prefix, gs_weights_content content) {
    for (int i = 0; i < p->set->count; i++) {
        const gs_parameter *item = &p->set->items[i];
        if (content == GS_WEIGHTS_ONLY && item->group == GS_GROUP_STUDENT) continue;
        gs_tensor_entry *entry = &a->entries[a->count];
        char *name = a->names + a->count++ * NAME_BYTES;
        snprintf(name, NAME_BYTES, "%s%s", prefix, item->name);
        *entry = (gs_tensor_entry){.name = name, .rank = (size_t)item->rank, .count = item->size};
        for (int k = 0; k < item->rank; k++) entry->shape[k] = (size_t)item->shape[k];
        float *copy = a->copies + a->copied;
        gs_parameters_read(p, array, i, copy);
        a->copied += item->size;
        entry->data = copy;
    }
}

static void assemble_steps(assembly *a, const gs_parameters *p) {
    float *copy = a->copies + a->copied;
    for (int i = 0; i < p->set->count; i++) copy[i] = (float)p->steps[i];
    a->entries[a->count++] = (gs_tensor_entry){.name = "optimizer.steps",
                                               .rank = 1,
                                               .shape = {(size_t)p->set->count},
                                               .count = (size_t)p->set->count,
                                               .data = copy};
}

gs_status gs_weights_save(const char *path, const gs_network *network, const gs_parameters *p,
                          gs_weights_content content, const gs_metadata_entry *metadata,
                          size_t metadata_count, gs_error *err) {
    size_t arrays = content == GS_WEIGHTS_ONLY ? 1 : 1 + OPTIMIZER_ARRAYS;
    size_t items = (size_t)p->set->count;
    gs_status status = GS_OK;
    assembly a = {.entries = gs_alloc(arrays * items + 1, sizeof *a.entries),
                  .names = gs_alloc(arrays * items, NAME_BYTES),
                  .copies = gs_alloc(arrays * p->set->size + items, sizeof *a.copies)};
    gs_metadata_entry *all = gs_alloc(metadata_count + 1, sizeof *all);
    char *config = config_text(&network->config);
    if (!a.entries || !a.names || !a.copies || !all || !config) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", path);
        goto done;
    }
    assemble_array(&a, p, p->values, "", content);
    if (content == GS_WEIGHTS_AND_OPTIMIZER) {
        const void *const state[] = {p->moment1, p->moment2, p->moment2_max};
        for (int i = 0; i < OPTIMIZER_ARRAYS; i++)
            assemble_array(&a, p, state[i], optimizer_prefixes[i], content);
        assemble_steps(&a, p);
    }
    all[0] = (gs_metadata_entry){CONFIG_KEY, config};
    for (size_t i = 0; i < metadata_count; i++) all[i + 1] = metadata[i];
    gs_safetensors_content file = {a.entries, a.count, all, metadata_count + 1};
    status = gs_safetensors_save(path, &file, err);
done:
    gs_free(a.entries), gs_free(a.names), gs_free(a.copies), gs_free(all);
    free(config);
    return status;
}

/* Opening, saving and loading a training run. */
#include "engine/train/trainer_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/model/weights.h"
#include "engine/train/evaluate.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRAINING_KEY "genseg.training"
#define DEFAULT_VALIDATION_FRACTION 0.15

static char *path_in(const gs_trainer *t, const char *name) {
    return gs_format("%s/%s", t->options->out, name);
}

/* ---- Saving -----------------------------------------------------------------------------------
 */

/* What must be the same when a run is resumed, then where it stands. */
static json_t *training_json(const gs_trainer *t, double seconds) {
    const gs_trainer_options *o = t->options;
    return json_pack("{s:s, s:i, s:I, s:i, s:b, s:f, s:I, s:f, s:f}", "method",
                     gs_method_get(o->method)->name, "batch_size", o->batch_size, "seed",
                     (json_int_t)o->seed, "min_annotated", o->min_annotated, "augment", o->augment,
                     "learning_rate", o->learning_rate, "step", (json_int_t)t->step, "best_dice",
                     t->best_dice, "seconds", seconds);
}

static gs_status save(const gs_trainer *t, const char *name, gs_weights_content content,
                      const char *key, json_t *json, gs_error *err) {
    char *path = path_in(t, name), *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    gs_status status;
    if (!path || !text) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", name);
    } else {
        gs_metadata_entry entry = {key, text};
        status = gs_weights_save(path, &t->network, t->parameters, content, &entry, 1, err);
    }
    json_decref(json);
    free(text);
    gs_free(path);
    return status;
}

gs_status gs__trainer_save_model(const gs_trainer *t, double dice, gs_error *err) {
    json_t *json = json_pack("{s:s, s:I, s:o}", "method", gs_method_get(t->options->method)->name,
                             "step", (json_int_t)t->step, "validation_dice",
                             isfinite(dice) ? json_real(dice) : json_null());
    return save(t, "model.safetensors", GS_WEIGHTS_ONLY, GS_METRICS_KEY, json, err);
}

gs_status gs__trainer_save_checkpoint(const gs_trainer *t, double seconds, gs_error *err) {
    return save(t, "checkpoint.safetensors", GS_WEIGHTS_AND_OPTIMIZER, TRAINING_KEY,
                training_json(t, seconds), err);
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

static gs_status read_training(gs_trainer *t, const gs_safetensors *file, const char *origin,
                               gs_error *err) {
    const char *text = gs_safetensors_metadata(file, TRAINING_KEY), *method;
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_int_t seed, step;
    int batch_size, min_annotated, augment;
    double best, seconds;
    gs_status status = GS_OK;
    if (!json ||
        json_unpack(json, "{s:s, s:i, s:I, s:i, s:b, s:I, s:F, s:F}", "method", &method,
                    "batch_size", &batch_size, "seed", &seed, "min_annotated", &min_annotated,
                    "augment", &augment, "step", &step, "best_dice", &best, "seconds",
                    &seconds) != 0 ||
        step < 0)
        status = gs_fail(err, GS_UNUSABLE, "%s is not a checkpoint of a training", origin);
    else if (strcmp(method, gs_method_get(t->options->method)->name) != 0 ||
             batch_size != t->options->batch_size || (uint64_t)seed != t->options->seed ||
             min_annotated != t->options->min_annotated || (augment != 0) != t->options->augment)
        status = gs_fail(err, GS_INVALID_ARGUMENT,
                         "%s was made with another method, batch size, seed, augmentation or "
                         "minimum of annotated images",
                         origin);
    else {
        t->step = t->validated = (uint64_t)step;
        t->best_dice = best;
        t->seconds_before = seconds;
    }
    json_decref(json);
    return status;
}

static gs_status load_checkpoint(gs_trainer *t, const gs_safetensors *file, const char *origin,
                                 gs_error *err) {
    GS_TRY(gs_weights_read(file, origin, "", t->parameters, t->parameters->values, err));
    GS_TRY(gs_weights_read_optimizer(file, origin, t->parameters, err));
    return read_training(t, file, origin, err);
}

static gs_status load_init(gs_trainer *t, const gs_safetensors *file, gs_error *err) {
    const char *origin = t->options->init;
    GS_TRY(gs_weights_check_names(file, origin, &t->network.config, err));
    return gs_weights_read_initial(file, origin, t->parameters, err);
}

static gs_status open_init(const gs_trainer *t, const char *checkpoint, gs_safetensors **file_out,
                           bool *resumed_out, gs_error *err) {
    if (t->options->resume) {
        gs_status status = gs_safetensors_open(checkpoint, 0, file_out, err);
        *resumed_out = status == GS_OK;
        /* Killed before its first checkpoint: the run starts over. */
        if (status != GS_NOT_FOUND) return status;
    }
    return t->options->init ? gs_safetensors_open(t->options->init, 0, file_out, err) : GS_OK;
}

static gs_status make_config(const gs_trainer *t, const gs_safetensors *file,
                             gs_model_config *config, gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(t->dataset);
    if (!file) {
        GS_TRY(gs_model_config_make(t->options->preset, t->options->width, info->channels,
                                    info->height, info->width, config, err));
        config->normalization = info->normalization;
        return GS_OK;
    }
    GS_TRY(gs_weights_config(file, "the initial model", config, err));
    if (config->channels != info->channels || config->height != info->height ||
        config->columns != info->width || config->normalization != info->normalization)
        return gs_fail(err, GS_UNUSABLE,
                       "the initial model takes images [%d,%d,%d], the data set has [%d,%d,%d] (or "
                       "another normalization)",
                       config->channels, config->height, config->columns, info->channels,
                       info->height, info->width);
    return GS_OK;
}

/* ---- Opening ----------------------------------------------------------------------------------
 */

static gs_status open_data(gs_trainer *t, gs_error *err) {
    const gs_trainer_options *o = t->options;
    if (o->batch_size < 1 || o->batch_size > GS_MAX_BATCH_SIZE)
        return gs_fail(err, GS_INVALID_ARGUMENT, "batch size %d is not in 1 … %d", o->batch_size,
                       GS_MAX_BATCH_SIZE);
    GS_TRY(gs_dataset_open(o->dataset, &t->dataset, err));
    GS_TRY(gs_dataset_check_pixels(t->dataset, err));
    GS_TRY(gs_dataset_assign_splits(t->dataset, o->seed, DEFAULT_VALIDATION_FRACTION, 0, err));
    GS_TRY(gs_slice_lists_init(&t->lists, t->dataset, err));
    GS_TRY(gs_slice_lists_check(&t->lists, o->method, err));
    return gs_sampler_new(&t->lists, o->method, o->batch_size, o->min_annotated, o->seed,
                          &t->sampler, err);
}

static gs_status open_model(gs_trainer *t, const gs_safetensors *file, bool resumed,
                            const char *origin, gs_error *err) {
    gs_model_config config;
    GS_TRY(make_config(t, file, &config, err));
    GS_TRY(gs_network_init(&t->network, &config, gs_method_get(t->options->method)->parts, err));
    GS_TRY(gs_device_open(t->options->backend, t->options->threads, t->options->precision,
                          &t->device, err));
    GS_TRY(gs_parameters_new(&t->network.set, gs_device_backend(t->device)->element_size,
                             GS_FOR_TRAINING, &t->parameters, err));
    t->parameters->learning_rate = t->options->learning_rate;
    GS_TRY(gs_network_initialize(&t->network, t->parameters, t->options->seed, err));
    if (resumed) return load_checkpoint(t, file, origin, err);
    if (file) GS_TRY(load_init(t, file, err));
    gs_network_copy_to_student(&t->network, t->parameters);
    return GS_OK;
}

static gs_status allocate_buffers(gs_trainer *t, gs_error *err) {
    const gs_model_config *c = &t->network.config;
    t->pixels = (size_t)c->height * (size_t)c->columns;
    t->image = t->pixels * (size_t)c->channels;
    int h, w;
    gs_network_code_size(c, &h, &w);
    size_t n = (size_t)t->options->batch_size;
    size_t codes = n * (size_t)c->unique_channels * (size_t)h * (size_t)w;
    size_t largest = 2 * n * t->image; /* holds images, then codes, then targets and weights */
    if (codes > largest) largest = codes;
    t->batch = gs_alloc(largest, sizeof *t->batch);
    t->room = gs_alloc(t->image, sizeof *t->room);
    t->masks = gs_alloc(n * t->pixels, 1);
    t->evaluation_images = gs_alloc(GS_EVALUATION_BATCH * t->image, sizeof(float));
    t->evaluation_output = gs_alloc(GS_EVALUATION_BATCH * t->pixels, sizeof(float));
    if (t->batch && t->room && t->masks && t->evaluation_images && t->evaluation_output)
        return GS_OK;
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a batch of %zu", n);
}

/* The bound in steps; 0 when only time bounds the run. */
static gs_status find_total_steps(gs_trainer *t, gs_error *err) {
    const gs_trainer_options *o = t->options;
    double by_epochs = o->epochs > 0 ? ceil(o->epochs * gs_sampler_epoch_steps(t->sampler)) : 0;
    t->total_steps = (uint64_t)by_epochs;
    if (o->max_steps && (!t->total_steps || o->max_steps < t->total_steps))
        t->total_steps = o->max_steps;
    if (!t->total_steps && !(o->max_seconds > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "one of epochs, max_steps, max_seconds is needed");
    return GS_OK;
}

gs_status gs__trainer_open(gs_trainer *t, bool *resumed_out, gs_error *err) {
    gs_safetensors *file = NULL;
    char *checkpoint = path_in(t, "checkpoint.safetensors");
    gs_status status = checkpoint ? gs_folder_make(t->options->out, err)
                                  : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to train");
    if (status == GS_OK) status = open_data(t, err);
    if (status == GS_OK) status = find_total_steps(t, err);
    if (status == GS_OK) status = open_init(t, checkpoint, &file, resumed_out, err);
    if (status == GS_OK) status = open_model(t, file, *resumed_out, checkpoint, err);
    if (status == GS_OK) status = allocate_buffers(t, err);
    gs_safetensors_close(file);
    gs_free(checkpoint);
    return status;
}

void gs__trainer_close(gs_trainer *t) {
    for (int i = 0; i < GS_PLAN_SLOTS; i++) gs_plan_free(t->plans[i]);
    gs_plan_free(t->evaluation);
    gs_parameters_free(t->parameters);
    gs_device_close(t->device);
    gs_network_deinit(&t->network);
    gs_sampler_free(t->sampler);
    gs_slice_lists_deinit(&t->lists);
    gs_dataset_close(t->dataset);
    gs_free(t->batch), gs_free(t->room), gs_free(t->masks);
    gs_free(t->evaluation_images), gs_free(t->evaluation_output);
}

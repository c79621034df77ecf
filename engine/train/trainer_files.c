/* The files of a training run: the model, and checkpoints with all that going on needs. */
#include "engine/train/trainer_internal.h"

#include "base/memory.h"
#include "engine/model/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRAINING_KEY "genseg.training"

char *gs__trainer_path(const gs_trainer *t, const char *name) {
    return gs_format("%s/%s", t->options->out, name);
}

/* ---- Saving -----------------------------------------------------------------------------------
 */

/* Adds the members of `more`, taken. */
static json_t *merge(json_t *json, json_t *more) {
    int failed = !json || !more || json_object_update(json, more) != 0;
    json_decref(more);
    if (!failed) return json;
    json_decref(json);
    return NULL;
}

/* What must be the same when a run is resumed. */
static json_t *fixed_json(const gs_trainer_options *o) {
    double annotated = o->annotated_fraction > 0 ? o->annotated_fraction : 1;
    return json_pack("{s:s, s:i, s:I, s:i, s:I, s:f, s:b, s:s, s:f, s:f, s:b}", "method",
                     gs_method_get(o->objective.method)->name, "batch_size", o->batch_size, "seed",
                     (json_int_t)o->seed, "min_annotated", o->min_annotated, "pretraining_steps",
                     (json_int_t)o->pretraining_steps, "annotated_fraction", annotated, "augment",
                     o->augment, "translation", gs_translation_name(o->objective.translation),
                     "dropout", o->objective.dropout, "average_decay", o->objective.average_decay,
                     "mutual_information", o->objective.estimates_information);
}

/* Where it stands. */
static json_t *state_json(const gs_trainer *t, double seconds) {
    const gs_training_state *s = &t->state;
    return json_pack("{s:f, s:I, s:f, s:f, s:f, s:i, s:i, s:i, s:f}", "learning_rate",
                     t->parameters->learning_rate, "step", (json_int_t)s->step, "best_dice",
                     s->best_dice, "best_diversity", s->best_diversity, "best_sample_diversity",
                     s->best_sample_diversity, "since_best", s->since_best, "suspicious",
                     s->suspicious, "recoveries", s->recoveries, "seconds", seconds);
}

static gs_status save(const gs_trainer *t, const char *name, gs_weights_content content,
                      const char *key, json_t *json, gs_error *err) {
    char *path = gs__trainer_path(t, name), *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
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
    const gs_objective *o = &t->options->objective;
    json_t *json = json_pack("{s:s, s:I, s:o}", "method", gs_method_get(o->method)->name, "step",
                             (json_int_t)t->state.step, "validation_dice",
                             isfinite(dice) ? json_real(dice) : json_null());
    if (o->translation != GS_TRANSLATE_BOTH)
        json = merge(json, json_pack("{s:s}", "translation", gs_translation_name(o->translation)));
    return save(t, "model.safetensors", GS_WEIGHTS_ONLY, GS_METRICS_KEY, json, err);
}

gs_status gs__trainer_save_checkpoint(const gs_trainer *t, double seconds, gs_error *err) {
    json_t *json = merge(fixed_json(t->options), state_json(t, seconds));
    return save(t, GS_CHECKPOINT_FILE, GS_WEIGHTS_AND_OPTIMIZER, TRAINING_KEY, json, err);
}

/* ---- Loading ----------------------------------------------------------------------------------
 */

/* A checkpoint from before there was an option lacks it: the option was then at its default. */
static json_t *default_json(void) {
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:b}", "translation",
                     gs_translation_name(GS_TRANSLATE_BOTH), "pretraining_steps", (json_int_t)0,
                     "annotated_fraction", 1.0, "dropout", 0.0, "average_decay", 0.0,
                     "mutual_information", false);
}

/* Compares each of the options that must be the same; the first that is not is named. */
static gs_status check_fixed(const gs_trainer *t, const json_t *json, const char *origin,
                             gs_error *err) {
    json_t *wanted = fixed_json(t->options), *usual = default_json();
    gs_status status = wanted && usual ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory");
    const char *name;
    json_t *value;
    json_object_foreach(wanted, name, value) {
        const json_t *was = json_object_get(json, name);
        if (!was) was = json_object_get(usual, name);
        if (status != GS_OK || (was && json_equal(was, value))) continue;
        status = gs_fail(err, GS_INVALID_ARGUMENT, "%s was made with another %s", origin, name);
    }
    json_decref(wanted), json_decref(usual);
    return status;
}

static gs_status read_state(const json_t *json, const char *origin, gs_training_state *out,
                            double *seconds_out, gs_error *err) {
    gs_training_state s = {.best_dice = -1};
    json_int_t step = -1;
    if (json_unpack((json_t *)json, "{s:I, s:F, s?F, s?F, s?i, s?i, s?i, s:F}", "step", &step,
                    "best_dice", &s.best_dice, "best_diversity", &s.best_diversity,
                    "best_sample_diversity", &s.best_sample_diversity, "since_best", &s.since_best,
                    "suspicious", &s.suspicious, "recoveries", &s.recoveries, "seconds",
                    seconds_out) != 0 ||
        step < 0 || s.since_best < 0 || s.suspicious < 0 || s.recoveries < 0 ||
        s.recoveries > GS_MAX_RECOVERIES)
        return gs_fail(err, GS_UNUSABLE, "%s is not a checkpoint of a training", origin);
    s.step = (uint64_t)step;
    *out = s;
    return GS_OK;
}

gs_status gs__trainer_load_checkpoint(gs_trainer *t, const gs_safetensors *file, const char *origin,
                                      double *seconds_out, gs_error *err) {
    const char *text = gs_safetensors_metadata(file, TRAINING_KEY);
    json_t *json = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    gs_status status =
        json ? check_fixed(t, json, origin, err)
             : gs_fail(err, GS_UNUSABLE, "%s is not a checkpoint of a training", origin);
    if (status == GS_OK)
        status = gs_weights_read(file, origin, "", t->parameters, t->parameters->values, err);
    if (status == GS_OK) status = gs_weights_read_optimizer(file, origin, t->parameters, err);
    if (status == GS_OK) status = read_state(json, origin, &t->state, seconds_out, err);
    json_decref(json);
    return status;
}

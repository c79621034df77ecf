/* Trainings that go wrong: how that is seen, and the way back.
 *
 *   validation is good -> checkpoint, also as good.safetensors
 *   not finite, or collapsed for so many validations in a row -> good.safetensors, else the last
 *   checkpoint (not after a collapse, which it may hold), else the beginning; a quarter of the rate
 *
 * A collapse is judged by what the training could do before, and by how long it lasts: measured on
 * simulated brains, masks may be all empty or all full for the first thousand steps, also after a
 * Dice of 0.2, and training comes out of that by itself. Diversity was never below 0.36 there; that
 * of samples is 0.06 to 0.16 in the first hundred steps on digits, and 0.06 of a trained brain
 * model. */
#include "engine/train/trainer_internal.h"

#include "base/memory.h"
#include "engine/model/weights.h"

#include <math.h>
#include <unistd.h>

#define RATE_AFTER_RECOVERY 0.25
#define DICE_OF_A_SEGMENTER 0.3        /* from here on masks do not become empty in passing */
#define DIVERSITY_OF_A_TRANSLATOR 0.25 /* and from here on translations not alike, */
#define DIVERSITY_OF_ONE_MODE 0.05     /* which they are below this */
#define DIVERSITY_OF_A_SAMPLER 0.1     /* the same for samples */
#define DIVERSITY_OF_ONE_SAMPLE 0.005

/* ---- Judging ----------------------------------------------------------------------------------
 */

const char *gs__trainer_judge(gs_trainer *t, const gs_validation *v) {
    gs_training_state *s = &t->state;
    bool has_no_masks = v->has_no_masks && s->best_dice >= DICE_OF_A_SEGMENTER;
    bool is_one_mode = v->diversity < DIVERSITY_OF_ONE_MODE &&
                       s->best_diversity >= DIVERSITY_OF_A_TRANSLATOR; /* false for NaN */
    bool is_one_sample = v->sample_diversity < DIVERSITY_OF_ONE_SAMPLE &&
                         s->best_sample_diversity >= DIVERSITY_OF_A_SAMPLER;
    if (v->diversity > s->best_diversity) s->best_diversity = v->diversity;
    if (v->sample_diversity > s->best_sample_diversity)
        s->best_sample_diversity = v->sample_diversity;
    s->suspicious = has_no_masks || is_one_mode || is_one_sample ? s->suspicious + 1 : 0;
    if (s->suspicious < t->suspicions) return NULL;
    if (is_one_mode) return "all images become nearly the same when their target is removed";
    if (is_one_sample) return "all random codes put nearly the same, or nothing, into an image";
    return v->area > 0.5 ? "the masks of all validation images have become full"
                         : "the masks of all validation images have become empty";
}

static bool is_finite_array(const gs_parameters *p, const void *array) {
    for (size_t i = 0; i < p->set->size; i++) {
        double value = p->element_size == sizeof(float) ? (double)((const float *)array)[i]
                                                        : ((const double *)array)[i];
        if (!isfinite(value)) return false;
    }
    return true;
}

/* A step whose losses were finite may have made weights, or moments of a huge gradient, that are
 * not.
 */
bool gs__trainer_is_finite(const gs_trainer *t) {
    const gs_parameters *p = t->parameters;
    return is_finite_array(p, p->values) && is_finite_array(p, p->moment1) &&
           is_finite_array(p, p->moment2) && is_finite_array(p, p->moment2_max);
}

/* ---- Going back -------------------------------------------------------------------------------
 */

/* A second name for the same file: writing the next checkpoint replaces only the first. Without it
 * (a file system without links) training goes back to the last checkpoint. */
void gs__trainer_mark_good(gs_trainer *t) {
    char *from = gs__trainer_path(t, GS_CHECKPOINT_FILE), *to = gs__trainer_path(t, GS_GOOD_FILE);
    if (from && to) {
        unlink(to);
        t->has_good = link(from, to) == 0;
    }
    gs_free(from), gs_free(to);
}

void gs__trainer_set_rate(gs_trainer *t) {
    t->parameters->learning_rate =
        t->options->learning_rate * pow(RATE_AFTER_RECOVERY, t->state.recoveries);
    t->parameters->discriminator_rate = t->options->discriminator_rate;
}

static gs_status load(gs_trainer *t, const char *name, gs_error *err) {
    gs_safetensors *file;
    double seconds; /* of then; those since were spent all the same */
    char *path = gs__trainer_path(t, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to go back");
    gs_status status = gs_safetensors_open(path, 0, &file, err);
    if (status == GS_OK) {
        status = gs__trainer_load_checkpoint(t, file, path, &seconds, err);
        gs_safetensors_close(file);
    }
    gs_free(path);
    return status;
}

static gs_status go_back(gs_trainer *t, bool has_collapsed, gs_error *err) {
    if (t->has_good) return load(t, GS_GOOD_FILE, err);
    if (t->has_checkpoint && !has_collapsed) return load(t, GS_CHECKPOINT_FILE, err);
    return gs__trainer_begin(t, err);
}

gs_status gs__trainer_recover(gs_trainer *t, const char *reason, gs_training_event *event_out,
                              gs_error *err) {
    int recoveries = t->state.recoveries;
    uint64_t step = t->state.step;
    if (t->options->unguarded) return gs_fail(err, GS_NUMERIC, "%s", reason);
    if (recoveries == GS_MAX_RECOVERIES)
        return gs_fail(err, GS_NUMERIC,
                       "%s, although training went back %d times and on at a lower learning rate",
                       reason, recoveries);
    GS_TRY(go_back(t, t->state.suspicious >= t->suspicions, err));
    t->state.recoveries = recoveries + 1;
    gs__trainer_set_rate(t);
    gs_parameters_changed(t->parameters);
    t->validated = t->state.step;
    *event_out = (gs_training_event){.kind = GS_EVENT_RECOVERY,
                                     .step = step,
                                     .reason = reason,
                                     .back_to = t->state.step,
                                     .recoveries = t->state.recoveries,
                                     .learning_rate = t->parameters->learning_rate};
    return GS_OK;
}

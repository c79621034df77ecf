/* Names, numbers and terms of the methods. */
#include "engine/model/method.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The paper's, section 4.2: applied constantly, with no gradual change. */
#define MEAN_TEACHER_DECAY 0.99

static const char *const term_names[] = {"seg", "adv",  "rec", "lat", "cyc",
                                         "con", "disc", "mi",  "gen"};

const char *gs_term_name(gs_term term) {
    return term_names[term];
}

/* ---- Weights ----------------------------------------------------------------------------------
 */

gs_loss_weights gs_loss_weights_default(void) {
    return (gs_loss_weights){.seg = 0.01, .adv = 3, .rec = 50, .lat = 1, .cyc = 50, .con = 0.01};
}

static double *weight_of(gs_loss_weights *w, const char *name, size_t length) {
    double *const fields[] = {&w->seg, &w->adv, &w->rec, &w->lat, &w->cyc, &w->con};
    for (int i = 0; i < GS_TERM_DISC; i++)
        if (strlen(term_names[i]) == length && strncmp(name, term_names[i], length) == 0)
            return fields[i];
    return NULL;
}

gs_status gs_loss_weights_parse(const char *text, gs_loss_weights *out, gs_error *err) {
    gs_loss_weights w = gs_loss_weights_default();
    for (const char *at = text; *at;) {
        size_t length = strcspn(at, "=,");
        double *field = weight_of(&w, at, length);
        if (!field || at[length] != '=')
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "loss weights \"%.100s\": expected seg|adv|rec|lat|cyc|con=NUMBER,…",
                           text);
        char *end;
        *field = strtod(at + length + 1, &end);
        if (end == at + length + 1 || (*end && *end != ',') || !isfinite(*field) || *field < 0)
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "loss weights \"%.100s\": %.*s is not a number of at least 0", text,
                           (int)length, at);
        at = *end ? end + 1 : end;
    }
    if (!(w.seg + w.adv + w.rec + w.lat + w.cyc > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "all loss weights are 0");
    *out = w;
    return GS_OK;
}

/* ---- Methods ----------------------------------------------------------------------------------
 */

static const gs_method_traits methods[] = {
    [GS_TRAINING_GENSEG] = {"genseg", .uses_absence = true, .translates = true},
    [GS_TRAINING_SEPARATE_DECODER] = {"genseg_separate_decoder", .uses_absence = true,
                                      .translates = true, .separate_decoder = true},
    [GS_TRAINING_SEGMENTATION_ONLY] = {"segmentation_only", .only_annotated = true},
    [GS_TRAINING_AUTOENCODER] = {"autoencoder", .uses_absence = true},
    [GS_TRAINING_MEAN_TEACHER] = {"mean_teacher"},
};

const gs_method_traits *gs_method_get(gs_training_method method) {
    return &methods[method];
}

gs_status gs_training_method_parse(const char *name, gs_training_method *out, gs_error *err) {
    for (int i = 0; i < GS_TRAINING_METHOD_COUNT; i++)
        if (strcmp(name, methods[i].name) == 0) {
            *out = (gs_training_method)i;
            return GS_OK;
        }
    return gs_fail(err, GS_NOT_FOUND,
                   "no method \"%.40s\": there are genseg, genseg_separate_decoder, "
                   "segmentation_only, autoencoder and mean_teacher",
                   name);
}

static const char *const translation_names[] = {
    [GS_TRANSLATE_BOTH] = "both",
    [GS_TRANSLATE_REMOVAL] = "presence_to_absence",
    [GS_TRANSLATE_NONE] = "none",
};

const char *gs_translation_name(gs_translation translation) {
    return translation_names[translation];
}

gs_status gs_translation_parse(const char *name, gs_translation *out, gs_error *err) {
    for (int i = 0; i < GS_TRANSLATION_COUNT; i++)
        if (strcmp(name, translation_names[i]) == 0) {
            *out = (gs_translation)i;
            return GS_OK;
        }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "no translation \"%.40s\": there are both, presence_to_absence and none", name);
}

static const char *const teacher_names[] = {
    [GS_TEACHER_NORM] = "norm",
    [GS_TEACHER_DROPOUT] = "dropout",
    [GS_TEACHER_BOTH] = "both",
};

const char *gs_teacher_name(gs_teacher teacher) {
    return teacher_names[teacher];
}

gs_status gs_teacher_parse(const char *name, gs_teacher *out, gs_error *err) {
    for (int i = 0; i < GS_TEACHER_COUNT; i++)
        if (strcmp(name, teacher_names[i]) == 0) {
            *out = (gs_teacher)i;
            return GS_OK;
        }
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "no mean teacher \"%.40s\": there are norm, dropout and both", name);
}

static bool is_other_than_none(const char *norm) {
    return norm && strcmp(norm, gs_norm_name(GS_NORM_NONE)) != 0;
}

gs_status gs_teacher_apply(gs_teacher teacher, gs_objective *objective, gs_architecture_wish *wish,
                           gs_error *err) {
    if (objective->method != GS_TRAINING_MEAN_TEACHER)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s has no teacher",
                       gs_method_get(objective->method)->name);
    if (teacher == GS_TEACHER_DROPOUT &&
        (is_other_than_none(wish->encoder_norm) || is_other_than_none(wish->decoder_norm)))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "the mean teacher with dropout alone has no norms; with both it has");
    objective->dropout = teacher == GS_TEACHER_NORM ? 0 : GS_TEACHER_DROPOUT_RATE;
    if (teacher == GS_TEACHER_DROPOUT)
        wish->encoder_norm = wish->decoder_norm = gs_norm_name(GS_NORM_NONE);
    return GS_OK;
}

/* ---- Objectives -------------------------------------------------------------------------------
 */

gs_status gs_objective_check(const gs_objective *o, const gs_architecture *architecture,
                             gs_error *err) {
    const gs_method_traits *traits = gs_method_get(o->method);
    if (!(o->dropout >= 0 && o->dropout < 1))
        return gs_fail(err, GS_INVALID_ARGUMENT, "dropout %g is not in [0, 1)", o->dropout);
    if (o->dropout > 0 && o->method != GS_TRAINING_MEAN_TEACHER)
        return gs_fail(err, GS_INVALID_ARGUMENT, "dropout is for mean_teacher, not for %s",
                       traits->name);
    if (!(o->average_decay >= 0 && o->average_decay < 1))
        return gs_fail(err, GS_INVALID_ARGUMENT, "the decay %g of the average is not in [0, 1)",
                       o->average_decay);
    if (o->estimates_information && !traits->translates)
        return gs_fail(
            err, GS_INVALID_ARGUMENT,
            "%s does not train the two codes whose mutual information could be estimated",
            traits->name);
    if (o->translation != GS_TRANSLATE_BOTH && !traits->translates)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s does not translate in any direction",
                       traits->name);
    if (architecture->separate_decoder != traits->separate_decoder)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s trains networks with%s a separate decoder",
                       traits->name, traits->separate_decoder ? "" : "out");
    return GS_OK;
}

double gs_objective_decay(const gs_objective *o) {
    bool is_teacher = o->method == GS_TRAINING_MEAN_TEACHER;
    return o->average_decay > 0 ? o->average_decay : is_teacher ? MEAN_TEACHER_DECAY : 0;
}

gs_parts gs_objective_parts(const gs_objective *o) {
    bool translates = gs_method_get(o->method)->translates;
    int parts = GS_PARTS_GENERATOR;
    if (translates && o->translation != GS_TRANSLATE_NONE) parts |= GS_PART_DISC_A;
    if (translates && o->translation == GS_TRANSLATE_BOTH) parts |= GS_PART_DISC_P;
    if (o->method == GS_TRAINING_AUTOENCODER) parts |= GS_PART_RECONSTRUCTION;
    if (gs_objective_decay(o) > 0) parts |= GS_PART_STUDENT;
    if (gs_objective_decay(o) > 0 && translates) parts |= GS_PART_TRANSLATING_STUDENT;
    if (o->estimates_information) parts |= GS_PART_ESTIMATOR;
    return (gs_parts)parts;
}

static bool translation_has_term(const gs_objective *o, gs_term term) {
    switch (term) {
    case GS_TERM_ADV:
    case GS_TERM_DISC:
        return o->translation != GS_TRANSLATE_NONE;
    case GS_TERM_CYC:
        return o->translation == GS_TRANSLATE_BOTH;
    default:
        return term != GS_TERM_CON;
    }
}

bool gs_objective_has_term(const gs_objective *o, gs_term term) {
    if (term == GS_TERM_SEG || term == GS_TERM_GEN) return true;
    if (term == GS_TERM_INFORMATION) return o->estimates_information;
    if (gs_method_get(o->method)->translates) return translation_has_term(o, term);
    if (o->method == GS_TRAINING_AUTOENCODER) return term == GS_TERM_REC;
    return o->method == GS_TRAINING_MEAN_TEACHER && term == GS_TERM_CON;
}

double gs_objective_weight(const gs_objective *o, gs_term term) {
    const gs_loss_weights *w = &o->weights;
    const double all[] = {w->seg, w->adv, w->rec, w->lat, w->cyc};
    if (term == GS_TERM_CON) return w->con;
    if (o->method == GS_TRAINING_MEAN_TEACHER) return 1; /* con is beside this */
    double sum = 0;
    for (gs_term t = GS_TERM_SEG; t < GS_TERM_CON; t++)
        if (gs_objective_has_term(o, t)) sum += all[t];
    return sum > 0 ? all[term] / sum : 0;
}

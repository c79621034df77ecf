#include "engine/train/options.h"

#include "engine/train/loader.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

gs_training_wish gs_training_wish_default(void) {
    return (gs_training_wish){.options = {.preset = "brain",
                                          .width = 0.25,
                                          .batch_size = 20,
                                          .learning_rate = 1e-3,
                                          .discriminator_rate = 1,
                                          .seed = 1,
                                          .objective = {.weights = gs_loss_weights_default()},
                                          .engine = {.precision = GS_PRECISION_AUTO}},
                              .dropout = -1};
}

/* ---- From JSON --------------------------------------------------------------------------------
 */

typedef enum option_kind { TEXT, FLAG, INTEGER, COUNT, NUMBER } option_kind;

/* The field at `offset` is const char *, bool, int, uint64_t or double. */
typedef struct json_option {
    const char *name;
    option_kind kind;
    size_t offset;
    double low, high; /* of numbers */
} json_option;

enum { STEPS_MAX = 100000000, VALIDATIONS_MAX = 1000000 };
#define WEIGHT_MAX 1e6

#define WISH(field) offsetof(gs_training_wish, field)
#define OPTION(field) offsetof(gs_training_wish, options.field)

static const json_option json_options[] = {
    {"method", TEXT, WISH(method), 0, 0},
    {"translation", TEXT, WISH(translation), 0, 0},
    {"teacher", TEXT, WISH(teacher), 0, 0},
    {"encoder_norm", TEXT, OPTION(architecture.encoder_norm), 0, 0},
    {"decoder_norm", TEXT, OPTION(architecture.decoder_norm), 0, 0},
    {"skips", TEXT, OPTION(architecture.skips), 0, 0},
    {"batch_size", INTEGER, OPTION(batch_size), 1, GS_MAX_BATCH_SIZE},
    {"min_annotated", INTEGER, OPTION(min_annotated), 0, GS_MAX_BATCH_SIZE},
    {"pretraining_steps", COUNT, OPTION(pretraining_steps), 0, STEPS_MAX},
    {"patience", INTEGER, OPTION(patience), 1, VALIDATIONS_MAX},
    {"validate_every", COUNT, OPTION(validate_every), 1, STEPS_MAX},
    {"checkpoint_every", COUNT, OPTION(checkpoint_every), 1, STEPS_MAX},
    {"learning_rate", NUMBER, OPTION(learning_rate), 1e-8, 1},
    {"discriminator_rate", NUMBER, OPTION(discriminator_rate), 0.001, 100},
    {"dropout", NUMBER, WISH(dropout), 0, 0.95},
    {"average_decay", NUMBER, OPTION(objective.average_decay), 0, 0.99999},
    {"mutual_information", FLAG, OPTION(objective.estimates_information), 0, 0},
    {"augment", FLAG, OPTION(augment), 0, 0},
    {"keep_last", FLAG, OPTION(keep_last), 0, 0},
    {"unguarded", FLAG, OPTION(unguarded), 0, 0},
};

static gs_status set_number(const json_option *option, void *field, const json_t *value,
                            gs_error *err) {
    double number = json_number_value(value);
    bool is_real = option->kind == NUMBER;
    if (!(is_real ? json_is_number(value) : json_is_integer(value)) ||
        !(number >= option->low && number <= option->high))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s must be %s from %g to %.9g", option->name,
                       is_real ? "a number" : "an integer", option->low, option->high);
    if (option->kind == INTEGER) *(int *)field = (int)number;
    if (option->kind == COUNT) *(uint64_t *)field = (uint64_t)number;
    if (option->kind == NUMBER) *(double *)field = number;
    return GS_OK;
}

static gs_status set_option(const json_option *option, void *field, const json_t *value,
                            gs_error *err) {
    if (option->kind == TEXT) {
        if (!json_is_string(value))
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s must be a string", option->name);
        *(const char **)field = json_string_value(value);
        return GS_OK;
    }
    if (option->kind == FLAG) {
        if (!json_is_boolean(value))
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s must be true or false", option->name);
        *(bool *)field = json_is_true(value);
        return GS_OK;
    }
    return set_number(option, field, value, err);
}

static gs_status set_weights(gs_loss_weights *weights, const json_t *value, gs_error *err) {
    struct {
        const char *name;
        double *weight;
    } known[] = {{"seg", &weights->seg}, {"adv", &weights->adv}, {"rec", &weights->rec},
                 {"lat", &weights->lat}, {"cyc", &weights->cyc}, {"con", &weights->con}};
    if (!json_is_object(value))
        return gs_fail(err, GS_INVALID_ARGUMENT, "weights must be an object");
    const char *name;
    json_t *member;
    json_object_foreach((json_t *)value, name, member) {
        double *weight = NULL, number = json_number_value(member);
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strcmp(name, known[i].name) == 0) weight = known[i].weight;
        if (!weight)
            return gs_fail(err, GS_INVALID_ARGUMENT, "weights has no member \"%.40s\"", name);
        if (!json_is_number(member) || !(number >= 0 && number <= WEIGHT_MAX))
            return gs_fail(err, GS_INVALID_ARGUMENT, "weights.%s must be a number from 0 to %g",
                           name, WEIGHT_MAX);
        *weight = number;
    }
    return GS_OK;
}

gs_status gs_training_wish_set(gs_training_wish *wish, const char *name, const json_t *value,
                               gs_error *err) {
    if (strcmp(name, "weights") == 0)
        return set_weights(&wish->options.objective.weights, value, err);
    for (size_t i = 0; i < sizeof json_options / sizeof *json_options; i++)
        if (strcmp(name, json_options[i].name) == 0)
            return set_option(&json_options[i], (char *)wish + json_options[i].offset, value, err);
    return gs_fail(err, GS_INVALID_ARGUMENT, "there is no option \"%.60s\"", name);
}

/* ---- What is meant ----------------------------------------------------------------------------
 */

static gs_status check_numbers(const gs_trainer_options *o, gs_error *err) {
    if (!(o->learning_rate > 0) || !(o->discriminator_rate > 0) || o->epochs < 0 ||
        o->max_seconds < 0 || o->min_annotated < 0 || o->patience < 0)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "the learning rates must be positive; epochs, seconds, annotated images per "
                       "batch and patience not negative");
    if (!(o->annotated_fraction >= 0 && o->annotated_fraction <= 1))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "the fraction of annotated cases must be above 0 and at most 1");
    const gs_loss_weights *w = &o->objective.weights;
    if (!(w->seg + w->adv + w->rec + w->lat + w->cyc > 0))
        return gs_fail(err, GS_INVALID_ARGUMENT, "all loss weights are 0");
    return GS_OK;
}

static gs_status resolve_objective(const gs_training_wish *wish, gs_trainer_options *o,
                                   gs_error *err) {
    gs_objective *objective = &o->objective;
    gs_architecture checked = gs_architecture_default();
    gs_error reason;
    if (wish->method && gs_training_method_parse(wish->method, &objective->method, &reason))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s", reason.text);
    if (wish->translation)
        GS_TRY(gs_translation_parse(wish->translation, &objective->translation, err));
    if (wish->teacher) {
        gs_teacher teacher;
        GS_TRY(gs_teacher_parse(wish->teacher, &teacher, err));
        GS_TRY(gs_teacher_apply(teacher, objective, &o->architecture, err));
    }
    if (wish->dropout >= 0) objective->dropout = wish->dropout;
    GS_TRY(gs_architecture_wish_apply(&o->architecture, &checked, err));
    if (o->pretraining_steps > 0 && gs_method_get(objective->method)->only_annotated)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s learns from masks only: no pretraining steps",
                       gs_method_get(objective->method)->name);
    checked.separate_decoder = gs_method_get(objective->method)->separate_decoder;
    return gs_objective_check(objective, &checked, err);
}

gs_status gs_training_wish_resolve(const gs_training_wish *wish, gs_trainer_options *out,
                                   gs_error *err) {
    gs_trainer_options o = wish->options;
    GS_TRY(check_numbers(&o, err));
    GS_TRY(resolve_objective(wish, &o, err));
    *out = o;
    return GS_OK;
}

#include "api/job_options.h"

#include <string.h>

enum { STEPS_MAX = 100000000, VALIDATIONS_MAX = 1000000, BATCH_MAX = 256 };
#define DROPOUT_MAX 0.95
#define DECAY_MAX 0.99999

/* ==== Reading ==== */

static void note(gs_fields *fields, const char *field, const char *text) {
    (void)gs_response_add_error(fields->response, NULL, field, "%s", text);
    fields->error_count++;
}

/* The names that name(0), name(1), … give; NULL-terminated. */
#define CHOICES(count, name)                                                                       \
    const char *choices[(count) + 1] = {NULL};                                                     \
    for (int i = 0; i < (count); i++) choices[i] = name

/* A choice, stored when it was given; -1 = not. */
static int read_choice(gs_fields *fields, const char *field, const char *const *choices,
                       json_t *stored) {
    int choice = gs_fields_choice(fields, field, GS_OPTIONAL, choices);
    if (choice >= 0) (void)json_object_set_new(stored, field, json_string(choices[choice]));
    return choice;
}

static void read_method(gs_fields *fields, gs_objective *objective, json_t *stored) {
    CHOICES(GS_TRAINING_METHOD_COUNT, gs_method_get((gs_training_method)i)->name);
    int method = read_choice(fields, "method", choices, stored);
    objective->method = method < 0 ? GS_TRAINING_GENSEG : (gs_training_method)method;
    if (method < 0) (void)json_object_set_new(stored, "method", json_string(choices[0]));
}

static void read_translation(gs_fields *fields, gs_objective *objective, json_t *stored) {
    CHOICES(GS_TRANSLATION_COUNT, gs_translation_name((gs_translation)i));
    int translation = read_choice(fields, "translation", choices, stored);
    if (translation >= 0) objective->translation = (gs_translation)translation;
}

static const char *read_norm(gs_fields *fields, const char *field, json_t *stored) {
    CHOICES(GS_NORM_COUNT, gs_norm_name((gs_norm)i));
    int norm = read_choice(fields, field, choices, stored);
    return norm < 0 ? NULL : choices[norm];
}

static const char *read_skips(gs_fields *fields, json_t *stored) {
    CHOICES(GS_SKIPS_COUNT, gs_skips_name((gs_skips)i));
    int skips = read_choice(fields, "skips", choices, stored);
    return skips < 0 ? NULL : choices[skips];
}

static void read_teacher(gs_fields *fields, gs_job_options *out, json_t *stored) {
    CHOICES(GS_TEACHER_COUNT, gs_teacher_name((gs_teacher)i));
    gs_error reason;
    int teacher = read_choice(fields, "teacher", choices, stored);
    if (teacher >= 0 && gs_teacher_apply((gs_teacher)teacher, &out->objective, &out->architecture,
                                         &reason) != GS_OK)
        note(fields, "teacher", reason.text);
}

/* A number or flag, stored when it was given. */
static double read_number(gs_fields *fields, const char *field, double min, double max,
                          double fallback, json_t *stored) {
    double value = gs_fields_number(fields, field, GS_OPTIONAL, min, max, fallback);
    if (gs_fields_has(fields, field)) (void)json_object_set_new(stored, field, json_real(value));
    return value;
}

static bool read_flag(gs_fields *fields, const char *field, json_t *stored) {
    bool value = gs_fields_boolean(fields, field, GS_OPTIONAL, false);
    if (gs_fields_has(fields, field)) (void)json_object_set_new(stored, field, json_boolean(value));
    return value;
}

static void read_integer(gs_fields *fields, const char *field, int64_t min, int64_t max,
                         json_t *stored) {
    int64_t value = gs_fields_integer(fields, field, GS_OPTIONAL, min, max, min);
    if (gs_fields_has(fields, field)) (void)json_object_set_new(stored, field, json_integer(value));
}

/* ==== Options that must go together ==== */

/* Checks an objective with one option beside its method, so that the error names that option. */
static void check_one(gs_fields *fields, const char *field, gs_objective one) {
    gs_architecture architecture = gs_architecture_default();
    gs_error reason;
    architecture.separate_decoder = gs_method_get(one.method)->separate_decoder;
    if (gs_objective_check(&one, &architecture, &reason) != GS_OK) note(fields, field, reason.text);
}

static void check_together(gs_fields *fields, const gs_objective *o, int batch_size,
                           const json_t *stored) {
    if (gs_method_get(o->method)->only_annotated &&
        json_integer_value(json_object_get(stored, "pretraining_steps")) > 0)
        note(fields, "pretraining_steps", "is not for a method that learns from masks only");
    check_one(fields, "translation",
              (gs_objective){.method = o->method, .translation = o->translation});
    check_one(fields, "dropout", (gs_objective){.method = o->method, .dropout = o->dropout});
    check_one(
        fields, "mutual_information",
        (gs_objective){.method = o->method, .estimates_information = o->estimates_information});
    if (o->estimates_information && batch_size < 2)
        note(fields, "batch_size", "must be at least 2 for mutual_information");
}

void gs_job_options_read(gs_fields *fields, int batch_size, gs_job_options *out, json_t *stored) {
    gs_objective *o = &out->objective;
    read_method(fields, o, stored);
    read_translation(fields, o, stored);
    out->architecture.encoder_norm = read_norm(fields, "encoder_norm", stored);
    out->architecture.decoder_norm = read_norm(fields, "decoder_norm", stored);
    out->architecture.skips = read_skips(fields, stored);
    read_teacher(fields, out, stored);
    o->dropout = read_number(fields, "dropout", 0, DROPOUT_MAX, o->dropout, stored);
    o->average_decay = read_number(fields, "average_decay", 0, DECAY_MAX, 0, stored);
    (void)read_number(fields, "discriminator_rate", 0.001, 100, 1, stored);
    o->estimates_information = read_flag(fields, "mutual_information", stored);
    if (!(read_number(fields, "annotated_fraction", 0, 1, 1, stored) > 0))
        note(fields, "annotated_fraction", "must be above 0");
    read_integer(fields, "min_annotated", 0, BATCH_MAX, stored);
    read_integer(fields, "pretraining_steps", 0, STEPS_MAX, stored);
    read_integer(fields, "patience", 1, VALIDATIONS_MAX, stored);
    read_integer(fields, "validate_every", 1, STEPS_MAX, stored);
    (void)read_flag(fields, "keep_last", stored);
    (void)read_flag(fields, "unguarded", stored);
    bool augment = read_flag(fields, "augment", stored);
    (void)json_object_set_new(stored, "augment", json_boolean(augment));
    check_together(fields, o, batch_size, stored);
}

/* ==== Against the model that training begins from ==== */

static void compare(const char *field, const char *wished, const char *is, const char *init,
                    gs_response *response, gs_error *err, gs_status *status) {
    if (wished && strcmp(wished, is) != 0)
        *status = gs_response_add_error(response, err, field, "is %s, that of model %s is %s",
                                        wished, init, is);
}

gs_status gs_job_options_check_init(const gs_job_options *options, const char *init,
                                    const gs_architecture *architecture, gs_response *response,
                                    gs_error *err) {
    const gs_architecture_wish *wish = &options->architecture;
    gs_status status = GS_OK;
    compare("encoder_norm", wish->encoder_norm, gs_norm_name(architecture->encoder_norm), init,
            response, err, &status);
    compare("decoder_norm", wish->decoder_norm, gs_norm_name(architecture->decoder_norm), init,
            response, err, &status);
    compare("skips", wish->skips, gs_skips_name(architecture->skips), init, response, err, &status);
    gs_training_method method = options->objective.method;
    if (gs_method_get(method)->separate_decoder != architecture->separate_decoder)
        status = gs_response_add_error(response, err, "method",
                                       "%s trains models with%s a separate decoder, unlike %s",
                                       gs_method_get(method)->name,
                                       gs_method_get(method)->separate_decoder ? "" : "out", init);
    return status;
}

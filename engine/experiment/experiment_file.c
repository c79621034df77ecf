/* Owns the experiment's file: members, types, ranges. Must not look at the data set. */
#include "engine/experiment/experiment_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/train/options.h"

#include <libgen.h>
#include <stdio.h>
#include <string.h>

enum { STEPS_MAX = 100000000, MINUTES_MAX = 30 * 24 * 60, TITLE_MAX = 200 };

/* ---- Members ----------------------------------------------------------------------------------
 */

/* INVALID_ARGUMENT for a member that is not among `known`, a NULL-terminated list. */
static gs_status check_members(const json_t *object, const char *where, const char *const *known,
                               gs_error *err) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        bool is_known = false;
        for (const char *const *at = known; *at; at++)
            is_known = is_known || strcmp(name, *at) == 0;
        if (!is_known)
            return gs_fail(err, GS_INVALID_ARGUMENT, "%sthere is no member \"%.60s\"", where, name);
    }
    return GS_OK;
}

static gs_status read_text(const json_t *object, const char *where, const char *name, size_t limit,
                           const char **out, gs_error *err) {
    const json_t *value = json_object_get(object, name);
    size_t length = json_string_length(value);
    if (!json_is_string(value) || length == 0 || length > limit)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s%s must be a string of 1 to %zu bytes", where,
                       name, limit);
    *out = json_string_value(value);
    return GS_OK;
}

/* ---- Lists ------------------------------------------------------------------------------------
 */

static gs_status read_list(const json_t *root, const char *name, size_t most, size_t *count_out,
                           gs_error *err) {
    const json_t *list = json_object_get(root, name);
    size_t count = json_array_size(list);
    if (!json_is_array(list) || count == 0 || count > most)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s must be a list of 1 to %zu", name, most);
    *count_out = count;
    return GS_OK;
}

static gs_status read_seeds(gs_experiment *e, gs_error *err) {
    GS_TRY(read_list(e->json, "seeds", GS_EXPERIMENT_SEEDS, &e->seed_count, err));
    for (size_t i = 0; i < e->seed_count; i++) {
        const json_t *value = json_array_get(json_object_get(e->json, "seeds"), i);
        json_int_t seed = json_integer_value(value);
        if (!json_is_integer(value) || seed < 0 || seed >= (json_int_t)1 << 53)
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "seeds must be integers from 0 to 2^53 - 1, number %zu is not", i + 1);
        for (size_t k = 0; k < i; k++)
            if (e->seeds[k] == (uint64_t)seed)
                return gs_fail(err, GS_INVALID_ARGUMENT, "seeds has %lld twice", (long long)seed);
        e->seeds[i] = (uint64_t)seed;
    }
    return GS_OK;
}

void gs__fraction_text(double fraction, char text[GS_EXPERIMENT_FRACTION_TEXT]) {
    snprintf(text, GS_EXPERIMENT_FRACTION_TEXT, "%.6g", fraction);
}

/* Two fractions that print alike would share a folder. */
static gs_status read_fractions(gs_experiment *e, gs_error *err) {
    e->fractions[0] = 1;
    e->fraction_count = 1;
    if (!json_object_get(e->json, "fractions")) return GS_OK;
    GS_TRY(read_list(e->json, "fractions", GS_EXPERIMENT_FRACTIONS, &e->fraction_count, err));
    for (size_t i = 0; i < e->fraction_count; i++) {
        const json_t *value = json_array_get(json_object_get(e->json, "fractions"), i);
        char text[GS_EXPERIMENT_FRACTION_TEXT], other[GS_EXPERIMENT_FRACTION_TEXT];
        e->fractions[i] = json_number_value(value);
        if (!json_is_number(value) || !(e->fractions[i] > 0 && e->fractions[i] <= 1))
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "fractions must be numbers above 0 and at most 1, number %zu is not",
                           i + 1);
        gs__fraction_text(e->fractions[i], text);
        for (size_t k = 0; k < i; k++) {
            gs__fraction_text(e->fractions[k], other);
            if (strcmp(text, other) == 0)
                return gs_fail(err, GS_INVALID_ARGUMENT, "fractions has %s twice", text);
        }
    }
    return GS_OK;
}

/* ---- Methods ----------------------------------------------------------------------------------
 */

static gs_status apply_options(const json_t *object, const char *where, gs_training_wish *wish,
                               gs_error *err) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)object, name, value) {
        gs_error reason;
        if (strcmp(name, "name") == 0) continue;
        if (gs_training_wish_set(wish, name, value, &reason) != GS_OK)
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s%.400s", where, reason.text);
    }
    return GS_OK;
}

static bool names_a_folder(const char *name) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return strspn(name, letters) > 0 && name[strspn(name, all)] == '\0';
}

static gs_status read_method(gs_experiment *e, size_t i, const json_t *json, gs_error *err) {
    gs_experiment_method *method = &e->methods[i];
    char where[80];
    gs_error reason;
    snprintf(where, sizeof where, "methods[%zu]: ", i);
    if (!json_is_object(json))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%smust be an object", where);
    GS_TRY(read_text(json, where, "name", GS_EXPERIMENT_NAME, &method->name, err));
    if (!names_a_folder(method->name))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "%sname \"%s\" must begin with a letter or digit and have only these and . "
                       "_ -",
                       where, method->name);
    for (size_t k = 0; k < i; k++)
        if (strcmp(e->methods[k].name, method->name) == 0)
            return gs_fail(err, GS_INVALID_ARGUMENT, "%sname \"%s\" is there twice", where,
                           method->name);
    if (!json_object_get(json, "method"))
        return gs_fail(err, GS_INVALID_ARGUMENT, "%smethod is missing", where);
    gs_training_wish wish = gs_training_wish_default();
    GS_TRY(apply_options(json_object_get(e->json, "options"), "options: ", &wish, err));
    GS_TRY(apply_options(json, where, &wish, err));
    if (gs_training_wish_resolve(&wish, &method->options, &reason) != GS_OK)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s%.400s", where, reason.text);
    if (method->options.keep_last)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "%skeep_last is not for experiments, which compare the checkpoints of the "
                       "best validation Dice",
                       where);
    method->options.preset = e->preset;
    method->options.width = e->width;
    method->options.max_steps = e->max_steps;
    method->options.max_seconds = e->max_seconds;
    return GS_OK;
}

static gs_status read_methods(gs_experiment *e, gs_error *err) {
    const json_t *options = json_object_get(e->json, "options");
    if (options && !json_is_object(options))
        return gs_fail(err, GS_INVALID_ARGUMENT, "options must be an object");
    GS_TRY(read_list(e->json, "methods", GS_EXPERIMENT_METHODS, &e->method_count, err));
    for (size_t i = 0; i < e->method_count; i++)
        GS_TRY(read_method(e, i, json_array_get(json_object_get(e->json, "methods"), i), err));
    return GS_OK;
}

/* ---- The rest ---------------------------------------------------------------------------------
 */

static gs_status read_budget(gs_experiment *e, gs_error *err) {
    static const char *const known[] = {"steps", "minutes", NULL};
    const json_t *budget = json_object_get(e->json, "budget");
    const json_t *steps = json_object_get(budget, "steps");
    const json_t *minutes = json_object_get(budget, "minutes");
    if (!json_is_object(budget))
        return gs_fail(err, GS_INVALID_ARGUMENT, "budget must be an object");
    GS_TRY(check_members(budget, "budget: ", known, err));
    if (!steps == !minutes)
        return gs_fail(err, GS_INVALID_ARGUMENT, "budget must have one of steps and minutes");
    json_int_t count = json_integer_value(steps);
    if (steps && !(json_is_integer(steps) && count >= 1 && count <= STEPS_MAX))
        return gs_fail(err, GS_INVALID_ARGUMENT, "budget.steps must be an integer from 1 to %d",
                       STEPS_MAX);
    double length = json_number_value(minutes);
    if (minutes && !(json_is_number(minutes) && length > 0 && length <= MINUTES_MAX))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "budget.minutes must be a number above 0 and at most %d", MINUTES_MAX);
    e->max_steps = (uint64_t)count;
    e->max_seconds = 60 * length;
    return GS_OK;
}

static gs_status read_network(gs_experiment *e, gs_error *err) {
    const json_t *width = json_object_get(e->json, "width");
    gs_model_config config;
    gs_error reason;
    GS_TRY(read_text(e->json, "", "preset", TITLE_MAX, &e->preset, err));
    e->width = width ? json_number_value(width) : 0.25;
    if (width && !json_is_number(width))
        return gs_fail(err, GS_INVALID_ARGUMENT, "width must be a number");
    if (gs_model_config_make(e->preset, e->width, 0, 0, 0, &config, &reason) != GS_OK)
        return gs_fail(err, GS_INVALID_ARGUMENT, "preset or width: %.400s", reason.text);
    return GS_OK;
}

/* The data set's folder is relative to the file's. */
static gs_status find_dataset(gs_experiment *e, const char *path, gs_error *err) {
    const char *folder = NULL;
    GS_TRY(read_text(e->json, "", "dataset", GS_DATASET_MAX_TEXT, &folder, err));
    char *copy = gs_copy_string(path);
    if (copy)
        e->dataset =
            folder[0] == '/' ? gs_copy_string(folder) : gs_format("%s/%s", dirname(copy), folder);
    gs_free(copy);
    return e->dataset ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to read %s", path);
}

static gs_status read_all(gs_experiment *e, const char *path, gs_error *err) {
    static const char *const known[] = {"name",  "dataset",   "preset",  "width",   "budget",
                                        "seeds", "fractions", "options", "methods", NULL};
    if (!json_is_object(e->json))
        return gs_fail(err, GS_INVALID_ARGUMENT, "the file must hold an object");
    GS_TRY(check_members(e->json, "", known, err));
    GS_TRY(read_text(e->json, "", "name", TITLE_MAX, &e->name, err));
    GS_TRY(find_dataset(e, path, err));
    GS_TRY(read_network(e, err));
    GS_TRY(read_budget(e, err));
    GS_TRY(read_seeds(e, err));
    GS_TRY(read_fractions(e, err));
    return read_methods(e, err);
}

gs_status gs_experiment_load(const char *path, gs_experiment *out, gs_error *err) {
    gs_experiment e = {0};
    json_error_t wrong;
    gs_error reason;
    size_t size;
    GS_TRY(gs_file_read(path, GS_EXPERIMENT_FILE_KIB << 10, &e.text, &size, err));
    e.json = json_loadb(e.text, size, JSON_REJECT_DUPLICATES, &wrong);
    gs_status status = e.json ? read_all(&e, path, &reason)
                              : gs_fail(&reason, GS_MALFORMED, "line %d, column %d: %s", wrong.line,
                                        wrong.column, wrong.text);
    if (status == GS_OK) {
        *out = e;
        return GS_OK;
    }
    gs_experiment_deinit(&e);
    return gs_fail(err, status, "%.120s: %.340s", path, reason.text);
}

void gs_experiment_deinit(gs_experiment *e) {
    gs_free(e->text), gs_free(e->dataset);
    json_decref(e->json);
    *e = (gs_experiment){0};
}

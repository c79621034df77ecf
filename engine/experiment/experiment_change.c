/* Owns DIR/experiment.json: what a folder's runs are of. A file that differs from it in anything
 * that runs depend on is refused; more methods, fractions and seeds are not. */
#include "engine/experiment/experiment_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define CLAIM_FILE "experiment.json"
#define FORMAT "genseg-experiment-1"

/* ---- What this experiment is ------------------------------------------------------------------
 */

/* By its manifest, so that the folder may move. */
static gs_status dataset_mark(const gs_experiment_state *s, json_t **out, gs_error *err) {
    char *path = gs_format("%s/dataset.json", s->experiment->dataset), *bytes = NULL;
    size_t size = 0;
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to read the data set");
    gs_status status =
        gs_file_read(path, (size_t)GS_DATASET_MAX_JSON_MIB << 20, &bytes, &size, err);
    if (status == GS_OK) {
        uLong sum = crc32_z(crc32_z(0, NULL, 0), (const Bytef *)bytes, size);
        *out = json_pack("{s:I, s:I}", "bytes", (json_int_t)size, "crc32", (json_int_t)sum);
    }
    gs_free(bytes), gs_free(path);
    return status;
}

static json_t *methods_json(const gs_experiment *e) {
    json_t *methods = json_object();
    size_t i;
    json_t *given;
    json_array_foreach(json_object_get(e->json, "methods"), i, given) {
        json_t *copy = json_deep_copy(given);
        json_object_del(copy, "name");
        if (json_object_set_new(methods, e->methods[i].name, copy) != 0) {
            json_decref(methods);
            return NULL;
        }
    }
    return methods;
}

static json_t *lists_json(const gs_experiment *e, bool of_seeds) {
    json_t *list = json_array();
    for (size_t i = 0; i < (of_seeds ? e->seed_count : e->fraction_count); i++)
        json_array_append_new(list, of_seeds ? json_integer((json_int_t)e->seeds[i])
                                             : json_real(e->fractions[i]));
    return list;
}

static gs_status claim_json(const gs_experiment_state *s, json_t **out, gs_error *err) {
    const gs_experiment *e = s->experiment;
    json_t *mark = NULL, *options = json_object_get(e->json, "options");
    GS_TRY(dataset_mark(s, &mark, err));
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:f, s:{s:I, s:f}, s:o, s:o, s:o, s:o, s:o}", "format", FORMAT,
                  "name", e->name, "preset", e->preset, "width", e->width, "budget", "steps",
                  (json_int_t)e->max_steps, "seconds", e->max_seconds, "dataset", mark, "options",
                  options ? json_deep_copy(options) : json_object(), "methods", methods_json(e),
                  "fractions", lists_json(e, false), "seeds", lists_json(e, true));
    if (!json) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the experiment");
    *out = json;
    return GS_OK;
}

/* ---- What the folder's was --------------------------------------------------------------------
 */

static gs_status refuse(const char *name, const json_t *was, const json_t *is, gs_error *err) {
    const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(9);
    char *before = was ? json_dumps(was, flags) : NULL, *now = is ? json_dumps(is, flags) : NULL;
    gs_status status =
        gs_fail(err, GS_INVALID_ARGUMENT,
                "the folder is of another experiment: %.60s was %.150s and is %.150s; only "
                "methods, fractions and seeds may be added",
                name, before ? before : "not there", now ? now : "not there");
    free(before), free(now);
    return status;
}

static bool contains(const json_t *list, const json_t *value) {
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item) {
        if (json_equal(item, value)) return true;
    }
    return false;
}

static gs_status check_list(const char *name, const json_t *was, const json_t *is, gs_error *err) {
    size_t i;
    json_t *value;
    json_array_foreach((json_t *)was, i, value) {
        if (!contains(is, value)) return refuse(name, was, is, err);
    }
    return GS_OK;
}

static gs_status check_methods(const json_t *was, const json_t *is, gs_error *err) {
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)was, name, value) {
        const json_t *now = json_object_get(is, name);
        if (!json_equal(value, now)) return refuse(name, value, now, err);
    }
    return GS_OK;
}

static gs_status check(const json_t *was, const json_t *is, gs_error *err) {
    static const char *const fixed[] = {"format", "name",    "preset", "width",
                                        "budget", "dataset", "options"};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        const json_t *before = json_object_get(was, fixed[i]), *now = json_object_get(is, fixed[i]);
        if (!json_equal(before, now)) return refuse(fixed[i], before, now, err);
    }
    GS_TRY(check_methods(json_object_get(was, "methods"), json_object_get(is, "methods"), err));
    GS_TRY(check_list("fractions", json_object_get(was, "fractions"),
                      json_object_get(is, "fractions"), err));
    return check_list("seeds", json_object_get(was, "seeds"), json_object_get(is, "seeds"), err);
}

static gs_status check_folder(const char *path, const json_t *is, gs_error *err) {
    enum { CLAIM_MIB = 4 };
    char *bytes;
    size_t size;
    gs_status status = gs_file_read(path, CLAIM_MIB << 20, &bytes, &size, err);
    if (status == GS_NOT_FOUND) return GS_OK; /* a new folder */
    if (status != GS_OK) return status;
    json_t *was = json_loadb(bytes, size, 0, NULL);
    status = was ? check(was, is, err) : gs_fail(err, GS_UNUSABLE, "%s is not JSON", path);
    json_decref(was);
    gs_free(bytes);
    return status;
}

gs_status gs__experiment_claim(const gs_experiment_state *s, gs_error *err) {
    json_t *json = NULL;
    GS_TRY(claim_json(s, &json, err));
    char *path = gs__experiment_path(s, CLAIM_FILE);
    gs_status status = path ? check_folder(path, json, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the experiment");
    if (status == GS_OK)
        status = gs__write_text(s, CLAIM_FILE, json_dumps(json, JSON_INDENT(2)), err);
    gs_free(path);
    json_decref(json);
    return status;
}

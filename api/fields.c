/* Typed, checked access to a JSON body or to the query. */
#include "api/handler.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/uri.h"

/* ==== JSON text ==== */

/* jansson recurses per level and allows 2048; a request has no use for that. */
static gs_status check_depth(const char *text, size_t size, gs_error *err) {
    int depth = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') {
            for (i++; i < size && text[i] != '"'; i++) {
                if (text[i] == '\\') i++;
            }
        } else if (text[i] == '[' || text[i] == '{') {
            if (++depth > GS_MAX_JSON_DEPTH)
                return gs_fail(err, GS_MALFORMED, "the JSON is nested deeper than %d levels",
                               GS_MAX_JSON_DEPTH);
        } else if (text[i] == ']' || text[i] == '}') {
            depth--;
        }
    }
    return GS_OK;
}

gs_status gs_json_parse(const char *text, size_t size, json_t **out, gs_error *err) {
    GS_TRY(check_depth(text, size, err));
    json_error_t problem;
    json_t *json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (!json)
        return gs_fail(err, GS_MALFORMED, "broken JSON at line %d, column %d: %s", problem.line,
                       problem.column, problem.text);
    *out = json;
    return GS_OK;
}

/* ==== Life of a gs_fields ==== */

gs_status gs_fields_of_json(const gs_request *request, gs_response *response, gs_fields *out,
                            gs_error *err) {
    json_t *object = NULL;
    if (request->body_size == 0) {
        object = json_object();
        if (!object) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the request");
    } else if (!gs_request_has_type(request, "application/json")) {
        return gs_fail(err, GS_UNSUPPORTED, "the body must be application/json");
    } else {
        GS_TRY(gs_json_parse(request->body, request->body_size, &object, err));
    }
    if (!json_is_object(object)) {
        json_decref(object);
        return gs_fail(err, GS_MALFORMED, "the body must be one JSON object");
    }
    *out = (gs_fields){.object = object, .response = response};
    return GS_OK;
}

void gs_fields_of_query(const gs_request *request, gs_response *response, gs_fields *out) {
    *out = (gs_fields){.request = request, .response = response};
}

void gs_fields_deinit(gs_fields *fields) {
    json_decref(fields->object);
    fields->object = NULL;
}

/* ==== Looking a field up ==== */

/* The name in errors; a member of a nested object is "object.member". */
typedef struct full_name {
    char text[160];
} full_name;

static full_name full_name_of(const gs_fields *fields, const char *field) {
    full_name name;
    snprintf(name.text, sizeof name.text, "%s%s%s", fields->within ? fields->within : "",
             fields->within ? "." : "", field);
    return name;
}

/* Adds an error; text that came from outside is cut. */
#define NOTE(fields, field, ...)                                                                   \
    do {                                                                                           \
        (void)gs_response_add_error((fields)->response, NULL, full_name_of(fields, field).text,    \
                                    __VA_ARGS__);                                                  \
        (fields)->error_count++;                                                                   \
    } while (0)

static void note_asked(gs_fields *fields, const char *name) {
    for (size_t i = 0; i < fields->asked_count; i++) {
        if (strcmp(fields->asked[i], name) == 0) return;
    }
    gs_assert(fields->asked_count < GS_MAX_FIELDS);
    fields->asked[fields->asked_count++] = name;
}

/* A field of the JSON object; NULL when absent or null. */
static json_t *find_json(gs_fields *fields, const char *name) {
    json_t *value = json_object_get(fields->object, name);
    return json_is_null(value) ? NULL : value;
}

/* Exactly one of *text and *json is set when this returns true. */
static bool find(gs_fields *fields, const char *name, gs_need need, const char **text,
                 json_t **json) {
    note_asked(fields, name);
    *text = NULL;
    *json = NULL;
    if (fields->request) {
        *text = gs_request_get_query(fields->request, name);
    } else {
        *json = find_json(fields, name);
    }
    if (!*text && !*json && need == GS_REQUIRED) NOTE(fields, name, "is required");
    return *text || *json;
}

bool gs_fields_has(gs_fields *fields, const char *name) {
    const char *text;
    json_t *json;
    return find(fields, name, GS_OPTIONAL, &text, &json);
}

/* ==== Typed values ==== */

const char *gs_fields_string(gs_fields *fields, const char *name, gs_need need, size_t max_bytes) {
    const char *text;
    json_t *json;
    if (!find(fields, name, need, &text, &json)) return NULL;
    if (json && !json_is_string(json)) {
        NOTE(fields, name, "must be a string");
        return NULL;
    }
    if (json) text = json_string_value(json);
    size_t size = strlen(text);
    if (size == 0 || size > max_bytes) {
        NOTE(fields, name, "must have 1 to %zu bytes, it has %zu", max_bytes, size);
        return NULL;
    }
    if (!gs_text_is_clean(text, size)) {
        NOTE(fields, name, "must not contain control characters");
        return NULL;
    }
    return text;
}

int gs_fields_choice(gs_fields *fields, const char *name, gs_need need,
                     const char *const *choices) {
    const char *text;
    json_t *json;
    if (!find(fields, name, need, &text, &json)) return -1;
    if (json) text = json_string_value(json); /* NULL for another type */
    char list[256] = "";
    for (int i = 0; choices[i]; i++) {
        if (text && strcmp(text, choices[i]) == 0) return i;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", choices[i]);
    }
    NOTE(fields, name, "must be one of %s", list);
    return -1;
}

int64_t gs_fields_integer(gs_fields *fields, const char *name, gs_need need, int64_t min,
                          int64_t max, int64_t fallback) {
    const char *text;
    json_t *json;
    if (!find(fields, name, need, &text, &json)) return fallback;
    int64_t value = 0;
    bool valid = false;
    if (json) {
        valid = json_is_integer(json);
        value = json_integer_value(json);
    } else {
        char *end;
        errno = 0;
        value = strtoll(text, &end, 10);
        valid = errno == 0 && end != text && *end == '\0' && text[strspn(text, "-0123456789")] == 0;
    }
    if (valid && value >= min && value <= max) return value;
    NOTE(fields, name, "must be an integer from %lld to %lld", (long long)min, (long long)max);
    return fallback;
}

double gs_fields_number(gs_fields *fields, const char *name, gs_need need, double min, double max,
                        double fallback) {
    const char *text;
    json_t *json;
    if (!find(fields, name, need, &text, &json)) return fallback;
    double value = 0;
    bool valid = false;
    if (json) {
        valid = json_is_number(json);
        value = json_number_value(json);
    } else {
        char *end;
        value = strtod(text, &end);
        valid = end != text && *end == '\0' && text[strspn(text, "+-.0123456789eE")] == '\0';
    }
    if (valid && isfinite(value) && value >= min && value <= max) return value;
    NOTE(fields, name, "must be a number from %g to %g", min, max);
    return fallback;
}

bool gs_fields_boolean(gs_fields *fields, const char *name, gs_need need, bool fallback) {
    const char *text;
    json_t *json;
    if (!find(fields, name, need, &text, &json)) return fallback;
    if (json_is_true(json) || (text && strcmp(text, "true") == 0)) return true;
    if (json_is_false(json) || (text && strcmp(text, "false") == 0)) return false;
    NOTE(fields, name, "must be true or false");
    return fallback;
}

json_t *gs_fields_object(gs_fields *fields, const char *name, gs_need need) {
    json_t *value = gs_fields_value(fields, name, need);
    if (!value || json_is_object(value)) return value;
    NOTE(fields, name, "must be an object");
    return NULL;
}

json_t *gs_fields_value(gs_fields *fields, const char *name, gs_need need) {
    const char *text;
    json_t *json;
    return find(fields, name, need, &text, &json) ? json : NULL;
}

void gs_fields_page(gs_fields *fields, gs_page *out) {
    out->limit =
        (size_t)gs_fields_integer(fields, "limit", GS_OPTIONAL, 1, GS_PAGE_MAX, GS_PAGE_DEFAULT);
    out->cursor = gs_fields_string(fields, "cursor", GS_OPTIONAL, GS_CURSOR_SIZE - 1);
}

/* ==== The end ==== */

static void note_unknown(gs_fields *fields, const char *name) {
    for (size_t i = 0; i < fields->asked_count; i++) {
        if (strcmp(fields->asked[i], name) == 0) return;
    }
    char known[400] = "";
    for (size_t i = 0; i < fields->asked_count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", fields->asked[i]);
    }
    char shown[64];
    size_t length = strlen(name);
    if (length >= sizeof shown || !gs_text_is_clean(name, length)) {
        snprintf(shown, sizeof shown, "(a name of %zu bytes)", length);
    } else {
        snprintf(shown, sizeof shown, "%s", name);
    }
    NOTE(fields, shown, "unknown %s; known: %s", fields->request ? "query parameter" : "field",
         fields->asked_count ? known : "none");
}

gs_status gs_fields_finish(gs_fields *fields, gs_error *err) {
    if (fields->request) {
        for (size_t i = 0; i < fields->request->query_count; i++) {
            const char *name = fields->request->query[i].name;
            note_unknown(fields, name);
            for (size_t j = 0; j < i; j++) {
                if (strcmp(fields->request->query[j].name, name) == 0)
                    NOTE(fields, name, "is given more than once");
            }
        }
    } else {
        const char *name;
        json_t *value;
        json_object_foreach(fields->object, name, value) note_unknown(fields, name);
    }
    if (fields->error_count == 0) return GS_OK;
    const json_t *first = json_array_get(fields->response->errors, 0);
    const char *field = json_string_value(json_object_get(first, "field"));
    const char *detail = json_string_value(json_object_get(first, "detail"));
    if (!field || !detail) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the errors");
    return gs_fail(err, GS_INVALID_ARGUMENT, "%.60s %.340s%s", field, detail,
                   fields->error_count > 1 ? " (and more, see errors)" : "");
}

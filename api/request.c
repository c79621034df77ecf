/* Reading a request: headers, content negotiation, the Idempotency-Key. */
#include "api/handler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/memory.h"

const char *gs_request_get_header(const gs_request *request, const char *name) {
    for (size_t i = 0; i < request->header_count; i++) {
        if (strcasecmp(request->headers[i].name, name) == 0) return request->headers[i].value;
    }
    return NULL;
}

const char *gs_request_get_query(const gs_request *request, const char *name) {
    for (size_t i = 0; i < request->query_count; i++) {
        if (strcmp(request->query[i].name, name) == 0) return request->query[i].value;
    }
    return NULL;
}

bool gs_request_has_type(const gs_request *request, const char *type) {
    const char *given = gs_request_get_header(request, "Content-Type");
    if (!given) return false;
    size_t length = strcspn(given, "; \t");
    return length == strlen(type) && strncasecmp(given, type, length) == 0;
}

/* ==== Accept ==== */

/* One media range of an Accept header: "image/png;q=0.5". */
typedef struct media_range {
    const char *type;
    size_t type_length; /* up to parameters */
    double quality;
} media_range;

/* Reads the range at `text`; returns where the next one begins, NULL after the last. */
static const char *read_range(const char *text, media_range *out) {
    size_t length = strcspn(text, ",");
    const char *end = text + length;
    while (text < end && (*text == ' ' || *text == '\t')) text++;
    out->type = text;
    out->type_length = strcspn(text, ";, \t");
    out->quality = 1;
    for (const char *at = text; at < end; at++) {
        if (*at != ';') continue;
        at += 1 + strspn(at + 1, " \t");
        if ((*at == 'q' || *at == 'Q') && at[1] == '=') {
            double quality = strtod(at + 2, NULL);
            out->quality = quality >= 0 && quality <= 1 ? quality : 0;
        }
        at--;
    }
    return *end == ',' ? end + 1 : NULL;
}

/* How specifically the range names `type`: 3 exactly, 2 as "image/…", 1 as anything, 0 not. */
static int range_matches(const media_range *range, const char *type) {
    if (range->type_length == 3 && strncmp(range->type, "*/*", 3) == 0) return 1;
    if (range->type_length == strlen(type) &&
        strncasecmp(range->type, type, range->type_length) == 0)
        return 3;
    size_t major = strcspn(type, "/") + 1;
    return range->type_length == major + 1 && range->type[major] == '*' &&
                   strncasecmp(range->type, type, major) == 0
               ? 2
               : 0;
}

static double quality_of(const char *accept, const char *type) {
    double quality = 0;
    int best = 0;
    for (const char *at = accept; at;) {
        media_range range;
        at = read_range(at, &range);
        int match = range_matches(&range, type);
        if (match > best) {
            best = match;
            quality = range.quality;
        }
    }
    return quality;
}

int gs_request_accepts(const gs_request *request, const char *const types[], size_t count) {
    const char *accept = gs_request_get_header(request, "Accept");
    if (!accept || accept[strspn(accept, " \t")] == '\0') return 0;
    int best = -1;
    double best_quality = 0;
    for (size_t i = 0; i < count; i++) {
        double quality = quality_of(accept, types[i]);
        if (quality > best_quality) {
            best_quality = quality;
            best = (int)i;
        }
    }
    return best;
}

bool gs_request_takes_coding(const gs_request *request, const char *coding) {
    const char *given = gs_request_get_header(request, "Accept-Encoding");
    return given && quality_of(given, coding) > 0;
}

/* ==== Idempotency-Key ==== */

/* What must be the same for two requests to be the same one: every query parameter and the body. */
static gs_status digest_request(const gs_request *request, char out[GS_SHA256_SIZE],
                                gs_error *err) {
    json_t *query = json_array();
    char body[GS_SHA256_SIZE];
    gs_sha256_hex(request->body, request->body_size, body);
    int failed = json_array_append_new(query, json_string(body));
    for (size_t i = 0; i < request->query_count; i++) {
        failed |= json_array_append_new(query, json_string(request->query[i].name));
        failed |= json_array_append_new(query, json_string(request->query[i].value));
    }
    char *text = failed ? NULL : json_dumps(query, JSON_COMPACT);
    json_decref(query);
    if (!text) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the Idempotency-Key");
    gs_sha256_hex(text, strlen(text), out);
    free(text);
    return GS_OK;
}

gs_status gs_request_idempotency(const gs_request *request, gs_request_key *storage,
                                 const gs_idempotency **key_out, gs_error *err) {
    const char *key = gs_request_get_header(request, "Idempotency-Key");
    if (!key) {
        *key_out = NULL;
        return GS_OK;
    }
    size_t length = strlen(key);
    bool printable = true;
    for (size_t i = 0; i < length; i++) printable = printable && key[i] >= ' ' && key[i] <= '~';
    if (length == 0 || length >= GS_IDEMPOTENCY_KEY_SIZE || !printable)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "Idempotency-Key must be 1 to %d printable ASCII characters",
                       GS_IDEMPOTENCY_KEY_SIZE - 1);
    GS_TRY(digest_request(request, storage->sha256, err));
    /* With tokens a key is its holder's own. */
    const char *token = request->caller.token;
    snprintf(storage->scope, sizeof storage->scope, "POST %.90s%s%s", request->path,
             token[0] ? " " : "", token);
    storage->value =
        (gs_idempotency){.key = key, .scope = storage->scope, .sha256 = storage->sha256};
    *key_out = &storage->value;
    return GS_OK;
}

/* Failures as application/problem+json (RFC 9457). The one place where gs_status meets HTTP. */
#include "api/handler.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"

int gs_status_to_http(gs_status status) {
    switch (status) {
    case GS_OK:
        return 200;
    case GS_MALFORMED:
        return 400;
    case GS_NOT_FOUND:
        return 404;
    case GS_CONFLICT:
        return 409;
    case GS_TOO_LARGE:
        return 413;
    case GS_UNSUPPORTED:
        return 415;
    case GS_INVALID_ARGUMENT:
    case GS_SHAPE_MISMATCH:
    case GS_UNUSABLE:
    case GS_NUMERIC:
        return 422;
    case GS_OUT_OF_MEMORY:
    case GS_BUSY:
    case GS_CANCELLED:
    case GS_DEVICE_LOST: /* the engine is being restarted */
        return 503;
    case GS_DISK_FULL:
        return 507;
    case GS_IO:
    case GS_BACKEND:
    case GS_INTERNAL:
        return 500;
    }
    return 500;
}

/* The statuses that no gs_status stands for. NULL = take the gs_status's own name. */
static const char *name_of_http(int http_status) {
    switch (http_status) {
    case 401:
        return "unauthorized";
    case 403:
        return "forbidden";
    case 405:
        return "method_not_allowed";
    case 406:
        return "not_acceptable";
    case 412:
        return "precondition_failed";
    case 429:
        return "too_many_requests";
    case 421:
        return "misdirected_request";
    default:
        return NULL;
    }
}

gs_status gs_response_add_error(gs_response *response, gs_error *err, const char *field,
                                const char *format, ...) {
    char sentence[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (!response->errors) response->errors = json_array();
    /* Without memory the list stays short; the problem itself still says what is wrong. */
    if (json_array_size(response->errors) < GS_MAX_FIELD_ERRORS)
        (void)json_array_append_new(response->errors,
                                    json_pack("{s:s, s:s}", "field", field, "detail", sentence));
    return gs_fail(err, GS_INVALID_ARGUMENT, "%.120s: %.340s", field, sentence);
}

gs_status gs_response_problem(gs_response *response, int http_status, gs_error *err,
                              const char *format, ...) {
    char sentence[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    response->problem_status = http_status;
    return gs_fail(err, GS_INVALID_ARGUMENT, "%s", sentence);
}

static char *problem_text(const gs_response *response, int http_status, gs_status status,
                          const char *detail, const char *request_id) {
    char type[64];
    const char *name = response->problem_name ? response->problem_name : name_of_http(http_status);
    snprintf(type, sizeof type, "urn:genseg:problem:%s", name ? name : gs_status_name(status));
    for (char *at = type; *at; at++) *at = (char)tolower((unsigned char)*at);
    char title[64];
    snprintf(title, sizeof title, "%s", name ? name : gs_status_text(status));
    for (char *at = title; *at; at++) *at = *at == '_' ? ' ' : *at;
    json_t *problem = json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", type, "title", title, "status",
                                http_status, "detail", detail, "request_id", request_id);
    if (response->errors) (void)json_object_set(problem, "errors", response->errors);
    if (response->problem_members)
        (void)json_object_update_missing(problem, response->problem_members);
    char *text = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    json_decref(problem);
    char *copy = text ? gs_copy_string(text) : NULL;
    free(text);
    return copy;
}

void gs_response_set_problem(gs_response *response, gs_status status, const gs_error *err,
                             const char *request_id) {
    int http_status =
        response->problem_status ? response->problem_status : gs_status_to_http(status);
    if (response->stream.free) response->stream.free(response->stream.state);
    response->stream = (gs_stream){0};
    if (response->file.is_set) close(response->file.descriptor);
    response->file.is_set = false;
    gs_free(response->body);
    response->body = problem_text(response, http_status, status, err->text, request_id);
    if (!response
             ->body) /* text that is not UTF-8 (a file name in a system's message), or no memory */
        response->body = problem_text(response, http_status, status, gs_status_text(status), "");
    response->body_size = response->body ? strlen(response->body) : 0;
    response->status = http_status;
    response->content_type = "application/problem+json";
    gs_error ignored; /* without memory for the header the answer still goes out */
    if (http_status == 503)
        (void)!gs_response_set_header(response, &ignored, "Retry-After", "%d",
                                      status == GS_OUT_OF_MEMORY ? 5 : 1);
}

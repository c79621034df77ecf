/* Filling a response: headers, bodies, entity tags. */
#include "api/handler.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

static gs_status no_memory(gs_error *err) {
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the answer");
}

void gs_response_deinit(gs_response *response) {
    for (size_t i = 0; i < response->header_count; i++) gs_free(response->headers[i].value);
    if (response->stream.free) response->stream.free(response->stream.state);
    if (response->file.is_set) close(response->file.descriptor);
    gs_free(response->body);
    json_decref(response->errors);
    json_decref(response->problem_members);
    *response = (gs_response){0};
}

void gs_inference_result_deinit(gs_inference_result *result) {
    for (int i = 0; i < 3; i++) {
        gs_free(result->maps[i]);
        result->maps[i] = NULL;
    }
}

gs_status gs_response_set_header(gs_response *response, gs_error *err, const char *name,
                                 const char *format, ...) {
    char value[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(value, sizeof value, format, args);
    va_end(args);
    if (length < 0 || (size_t)length >= sizeof value)
        return gs_fail(err, GS_INTERNAL, "the header %s does not fit", name);
    size_t at = 0;
    while (at < response->header_count && strcmp(response->headers[at].name, name) != 0) at++;
    if (at == GS_MAX_ANSWER_HEADERS)
        return gs_fail(err, GS_INTERNAL, "no room for the header %s", name);
    char *copy = gs_copy_string(value);
    if (!copy) return no_memory(err);
    if (at == response->header_count) {
        response->headers[at].value = NULL;
        response->header_count++;
    }
    gs_free(response->headers[at].value);
    response->headers[at].name = name;
    response->headers[at].value = copy;
    return GS_OK;
}

gs_status gs_response_set_body(gs_response *response, int http_status, const char *content_type,
                               char *bytes, size_t size, gs_error *err) {
    if (!bytes) return no_memory(err);
    gs_free(response->body);
    response->status = http_status;
    response->content_type = content_type;
    response->body = bytes;
    response->body_size = size;
    return GS_OK;
}

gs_status gs_response_set_file(gs_response *response, const char *content_type, const char *path,
                               gs_error *err) {
    gs_assert(!response->file.is_set);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gs_fail_errno(err, "cannot open %s", path);
    struct stat info;
    if (fstat(fd, &info) != 0) {
        gs_status status = gs_fail_errno(err, "cannot stat %s", path);
        close(fd);
        return status;
    }
    response->status = 200;
    response->content_type = content_type;
    response->file.is_set = true;
    response->file.descriptor = fd;
    response->file.size = (uint64_t)info.st_size;
    return GS_OK;
}

gs_status gs_response_set_json(gs_response *response, int http_status, json_t *json,
                               gs_error *err) {
    if (!json) return no_memory(err);
    /* With 15 digits a decimal comes back as it was sent: 0.1, not 0.10000000000000001. */
    char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15));
    json_decref(json);
    /* jansson's own allocation: copied, so that every body is released with gs_free. */
    char *body = text ? gs_copy_string(text) : NULL;
    free(text);
    return gs_response_set_body(response, http_status, "application/json", body,
                                body ? strlen(body) : 0, err);
}

gs_status gs_response_set_list(gs_response *response, json_t *items, const char *next_cursor,
                               gs_error *err) {
    if (next_cursor && *next_cursor == '\0') next_cursor = NULL;
    return gs_response_set_json(
        response, 200,
        items ? json_pack("{s:o, s:s?}", "items", items, "next_cursor", next_cursor) : NULL, err);
}

/* Whether `tag` (quoted) is in an If-None-Match list; weak comparison (RFC 9110, 8.8.3.2). */
static bool list_has_tag(const char *list, const char *quoted) {
    size_t length = strlen(quoted);
    while (*list) {
        list += strspn(list, ", \t");
        if (*list == '*') return true;
        if (strncmp(list, "W/", 2) == 0) list += 2;
        if (strncmp(list, quoted, length) == 0) return true;
        list += strcspn(list, ",");
    }
    return false;
}

gs_status gs_response_set_etag(const gs_request *request, gs_response *response, const char *tag,
                               bool *not_modified_out, gs_error *err) {
    GS_TRY(gs_response_set_header(response, err, "ETag", "\"%s\"", tag));
    char quoted[256];
    snprintf(quoted, sizeof quoted, "\"%s\"", tag);
    const char *known = gs_request_get_header(request, "If-None-Match");
    *not_modified_out = known && list_has_tag(known, quoted);
    if (*not_modified_out) response->status = 304;
    return GS_OK;
}

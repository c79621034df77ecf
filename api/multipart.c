/* multipart/form-data (RFC 7578): a body cut into borrowed parts. Accepts CRLF only. */
#include "api/handler.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70, PART_HEADER_MAX = 2048 };

/* "\r\n--" and the boundary of the Content-Type, as it stands between two parts. */
static gs_status read_boundary(const gs_request *request, char out[BOUNDARY_MAX + 8],
                               gs_error *err) {
    const char *type = gs_request_get_header(request, "Content-Type");
    const char *at = type ? strcasestr(type, "boundary=") : NULL;
    if (!at) return gs_fail(err, GS_MALFORMED, "multipart/form-data without a boundary");
    at += strlen("boundary=");
    size_t length;
    if (*at == '"') {
        at++;
        length = strcspn(at, "\"");
    } else {
        length = strcspn(at, "; \t");
    }
    if (length == 0 || length > BOUNDARY_MAX)
        return gs_fail(err, GS_MALFORMED, "the multipart boundary has %zu characters, not 1 to %d",
                       length, BOUNDARY_MAX);
    snprintf(out, BOUNDARY_MAX + 8, "\r\n--%.*s", (int)length, at);
    return GS_OK;
}

/* Copies the value of `name="…"` in a Content-Disposition; false when absent or too long. */
static bool read_parameter(const char *header, const char *name, char *out, size_t out_size) {
    size_t name_length = strlen(name);
    for (const char *at = strchr(header, ';'); at; at = strchr(at, ';')) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, name, name_length) != 0 || at[name_length] != '=') continue;
        at += name_length + 1;
        size_t length = *at == '"' ? strcspn(++at, "\"") : strcspn(at, "; \t");
        if (length >= out_size) return false;
        memcpy(out, at, length);
        out[length] = '\0';
        return true;
    }
    return false;
}

static gs_status read_part_headers(char *text, gs_part *part, gs_error *err) {
    bool named = false;
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        line[strcspn(line, "\r")] = '\0';
        char *colon = strchr(line, ':');
        if (!colon) continue;
        *colon = '\0';
        const char *value = colon + 1 + strspn(colon + 1, " \t");
        if (strcasecmp(line, "Content-Disposition") == 0) {
            named = read_parameter(value, "name", part->name, sizeof part->name);
        } else if (strcasecmp(line, "Content-Type") == 0) {
            snprintf(part->content_type, sizeof part->content_type, "%.*s",
                     (int)strcspn(value, "; \t"), value);
        }
    }
    if (!named) return gs_fail(err, GS_MALFORMED, "a part of the multipart body has no name");
    return GS_OK;
}

/* Reads the part whose headers begin at *at; leaves *at behind the boundary that ends it. */
static gs_status read_part(const char **at, const char *end, const char *boundary, gs_part *part,
                           gs_error *err) {
    const char *blank = memmem(*at, (size_t)(end - *at), "\r\n\r\n", 4);
    size_t header_size = blank ? (size_t)(blank - *at) : 0;
    if (!blank || header_size >= PART_HEADER_MAX)
        return gs_fail(err, GS_MALFORMED,
                       "a part of the multipart body has no end of headers "
                       "within %d bytes",
                       PART_HEADER_MAX);
    char headers[PART_HEADER_MAX];
    memcpy(headers, *at, header_size);
    headers[header_size] = '\0';
    *part = (gs_part){.bytes = blank + 4};
    GS_TRY(read_part_headers(headers, part, err));
    const char *stop = memmem(part->bytes, (size_t)(end - part->bytes), boundary, strlen(boundary));
    if (!stop)
        return gs_fail(err, GS_MALFORMED, "part \"%s\" of the multipart body has no end",
                       part->name);
    part->size = (size_t)(stop - part->bytes);
    *at = stop + strlen(boundary);
    return GS_OK;
}

gs_status gs_request_multipart(const gs_request *request, gs_part parts[GS_MAX_PARTS],
                               size_t *count_out, gs_error *err) {
    char boundary[BOUNDARY_MAX + 8];
    GS_TRY(read_boundary(request, boundary, err));
    size_t first = strlen(boundary) - 2; /* the first one may stand without a line before it */
    const char *at = request->body ? request->body : "";
    const char *end = at + request->body_size;
    const char *found = memmem(at, request->body_size, boundary + 2, first);
    if (!found) return gs_fail(err, GS_MALFORMED, "the multipart body lacks its boundary");
    at = found + first;
    size_t count = 0;
    while (end - at < 2 || memcmp(at, "--", 2) != 0) {
        if (end - at < 2 || memcmp(at, "\r\n", 2) != 0)
            return gs_fail(err, GS_MALFORMED, "the multipart body ends within a boundary");
        at += 2;
        if (count == GS_MAX_PARTS)
            return gs_fail(err, GS_TOO_LARGE, "the multipart body has more than %d parts",
                           GS_MAX_PARTS);
        GS_TRY(read_part(&at, end, boundary, &parts[count], err));
        count++;
    }
    *count_out = count;
    return GS_OK;
}

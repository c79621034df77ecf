#include "api/uri.h"

#include <string.h>

/* Length of the well-formed UTF-8 sequence at `at` (Unicode 15, table 3-7); 0 when there is none.
 */
static size_t utf8_length(const unsigned char *at, size_t left) {
    if (at[0] < 0x80) return 1;
    size_t length = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || left < length) return 0;
    unsigned char low = 0x80, high = 0xbf;
    if (at[0] == 0xe0) low = 0xa0;  /* no overlong forms, */
    if (at[0] == 0xed) high = 0x9f; /* no surrogates, */
    if (at[0] == 0xf0) low = 0x90;
    if (at[0] == 0xf4) high = 0x8f; /* nothing beyond U+10FFFF */
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) return 0;
    }
    return length;
}

bool gs_text_is_clean(const char *text, size_t size) {
    const unsigned char *bytes = (const unsigned char *)text;
    for (size_t i = 0; i < size;) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f) return false;
        size_t length = utf8_length(bytes + i, size - i);
        if (length == 0) return false;
        i += length;
    }
    return true;
}

static int hex_value(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

typedef enum plus_means { PLUS_IS_PLUS, PLUS_IS_SPACE } plus_means;

static gs_status decode(char *text, plus_means plus, gs_error *err) {
    char *out = text;
    for (const char *at = text; *at; at++) {
        if (*at == '%') {
            int high = hex_value(at[1]);
            int low = high < 0 ? -1 : hex_value(at[2]);
            if (low < 0) return gs_fail(err, GS_MALFORMED, "the URL has a broken percent-escape");
            *out++ = (char)(high * 16 + low);
            at += 2;
        } else {
            *out++ = *at == '+' && plus == PLUS_IS_SPACE ? ' ' : *at;
        }
    }
    size_t size = (size_t)(out - text);
    if (!gs_text_is_clean(text, size))
        return gs_fail(err, GS_MALFORMED,
                       "the URL decodes to text that is not UTF-8 or has control characters");
    *out = '\0';
    return GS_OK;
}

static gs_status parse_query(char *query, gs_request *request, gs_error *err) {
    char *rest = query;
    for (char *item; (item = strsep(&rest, "&"));) {
        if (*item == '\0') continue;
        if (request->query_count == GS_MAX_QUERY)
            return gs_fail(err, GS_TOO_LARGE, "the URL has more than %d query parameters",
                           GS_MAX_QUERY);
        char *value = item;
        char *name = strsep(&value, "=");
        if (!value) value = name + strlen(name); /* "?flag" is an empty value */
        GS_TRY(decode(name, PLUS_IS_SPACE, err));
        GS_TRY(decode(value, PLUS_IS_SPACE, err));
        request->query[request->query_count++] = (gs_pair){.name = name, .value = value};
    }
    return GS_OK;
}

gs_status gs_uri_parse(char *target, gs_request *request, gs_path *path_out, gs_error *err) {
    gs_path path = {.count = 0};
    request->query_count = 0;
    if (target[0] != '/') return gs_fail(err, GS_MALFORMED, "the URL does not begin with '/'");
    char *query = target;
    char *rest = strsep(&query, "?") + 1;
    for (char *segment; (segment = strsep(&rest, "/"));) {
        GS_TRY(decode(segment, PLUS_IS_PLUS, err));
        if (path.count < GS_MAX_SEGMENTS) path.segments[path.count] = segment;
        if (path.count <= GS_MAX_SEGMENTS) path.count++;
    }
    if (query) GS_TRY(parse_query(query, request, err));
    *path_out = path;
    return GS_OK;
}

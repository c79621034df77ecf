/* Taking a request target apart: percent-decoding, path segments, query parameters. Everything is
 * done in place, since decoded text is never longer. Thread-safe. */
#ifndef GS_API_URI_H
#define GS_API_URI_H

#include "api/handler.h"

enum { GS_MAX_SEGMENTS = 8 };

/* The decoded segments of "/v1/slices/abc" are "v1", "slices", "abc"; of "/" there is one, "". */
typedef struct gs_path {
    const char *segments[GS_MAX_SEGMENTS];
    size_t count; /* GS_MAX_SEGMENTS + 1 when there are more: matches nothing */
} gs_path;

/* Cuts `target` into *path_out and request->query. MALFORMED for broken percent-escapes, text that
 * is not UTF-8 or has control characters, or a target that does not begin with '/'; TOO_LARGE for
 * more than GS_MAX_QUERY parameters. */
GS_MUST_CHECK gs_status gs_uri_parse(char *target, gs_request *request, gs_path *path_out,
                                     gs_error *err);

/* Whether the text is valid UTF-8 without control characters (U+0000–U+001F, U+007F). */
bool gs_text_is_clean(const char *text, size_t size);

#endif

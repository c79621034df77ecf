#include "server/cors.h"

#include <ctype.h>
#include <string.h>

#define PREFLIGHT_SECONDS "600"

/* Browsers send origins in lower case, without a path. */
static bool is_origin(const char *text) {
    size_t scheme = strncmp(text, "https://", 8) == 0  ? 8
                    : strncmp(text, "http://", 7) == 0 ? 7
                                                       : 0;
    const char *host = text + scheme;
    if (!scheme || *host == '\0' || *host == ':') return false;
    for (const char *at = host; *at; at++)
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && !strchr(".-:[]", *at))
            return false;
    return true;
}

gs_status gs_cors_check(const gs_cors *cors, gs_error *err) {
    for (size_t i = 0; i < cors->count; i++)
        if (!is_origin(cors->origins[i]))
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "--cors-origin %.120s: expected an origin such as https://tool.example, "
                           "in lower case and without a path",
                           cors->origins[i]);
    return GS_OK;
}

bool gs_cors_allows(const gs_cors *cors, const char *origin) {
    for (size_t i = 0; i < cors->count; i++)
        if (strcmp(cors->origins[i], origin) == 0) return true;
    return false;
}

void gs_cors_add_headers(const gs_cors *cors, const char *origin, const char *asked_method,
                         struct MHD_Response *response) {
    if (cors->count == 0) return;
    MHD_add_response_header(response, "Vary", "Origin");
    if (!origin || !gs_cors_allows(cors, origin)) return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    if (!asked_method) {
        MHD_add_response_header(response, "Access-Control-Expose-Headers",
                                "X-Request-Id, ETag, Location, Retry-After, WWW-Authenticate, "
                                "Content-Disposition, X-Window, X-Generated");
        return;
    }
    MHD_add_response_header(response, "Access-Control-Allow-Methods", "GET, POST, PUT, DELETE");
    MHD_add_response_header(response, "Access-Control-Allow-Headers",
                            "Authorization, Content-Type, Accept, Idempotency-Key, If-Match, "
                            "If-None-Match, Last-Event-ID, X-Request-Id");
    MHD_add_response_header(response, "Access-Control-Max-Age", PREFLIGHT_SECONDS);
}

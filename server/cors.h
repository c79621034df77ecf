/* Pages of other origins that may use the interface (--cors-origin). They send tokens themselves:
 * cookies are for our own page, and no answer allows them to others. */
#ifndef GS_SERVER_CORS_H
#define GS_SERVER_CORS_H

#include "base/status.h"

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

enum { GS_CORS_ORIGINS_MAX = 16 };

typedef struct gs_cors {
    const char *origins[GS_CORS_ORIGINS_MAX]; /* "https://tool.example"; borrowed */
    size_t count;
} gs_cors;

/* INVALID_ARGUMENT unless all are a scheme, a host and perhaps a port, as browsers send them. */
GS_MUST_CHECK gs_status gs_cors_check(const gs_cors *cors, gs_error *err);
bool gs_cors_allows(const gs_cors *cors, const char *origin);
/* What a browser has to be told before its page sees this answer; origin NULL = it is our own.
 * `asked_method` is Access-Control-Request-Method of a preflight, else NULL. */
void gs_cors_add_headers(const gs_cors *cors, const char *origin, const char *asked_method,
                         struct MHD_Response *response);

#endif

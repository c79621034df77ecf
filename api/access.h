/* Who may do what: from a request's headers to its caller, and from a caller and a route's scope to
 * 401, 403 or nothing. Thread-safe. */
#ifndef GS_API_ACCESS_H
#define GS_API_ACCESS_H

#include "api/handler.h"

/* Fills in request->caller, whose address is there already, from Authorization or the cookie. Reads
 * the store; never fails: what cannot be found out is in the caller's state. */
void gs_access_identify(const gs_api_context *context, gs_request *request);

/* What becomes of a request to a route of this scope (see gs_route). */
typedef enum gs_verdict {
    GS_VERDICT_ADMITTED,
    GS_VERDICT_UNKNOWN,   /* 401 */
    GS_VERDICT_FORBIDDEN, /* 403: the scope is missing */
    GS_VERDICT_FORGED,    /* 403: a cookie without its CSRF token */
    GS_VERDICT_TOO_FAST,  /* 429 */
    GS_VERDICT_UNCHECKED, /* 500 */
} gs_verdict;
gs_verdict gs_access_judge(const gs_request *request, unsigned scope);

/* GS_OK when admitted, else the problem with its headers. */
GS_MUST_CHECK gs_status gs_access_check(const gs_api_context *context, const gs_request *request,
                                        unsigned scope, gs_response *response, gs_error *err);

/* 401 for a credential that is not good; 429 where there were too many of them. A good one is never
 * refused for what others at its address did. */
gs_status gs_access_refuse(const gs_api_context *context, const gs_request *request,
                           const char *why, gs_response *response, gs_error *err);

/* A sentence about a token in this state; NULL for VALID. Static storage. */
const char *gs_access_explain(gs_token_state state);

/* 403 unless the request carries the CSRF token of its cookie; GS_OK without a cookie. */
GS_MUST_CHECK gs_status gs_access_check_csrf(const gs_request *request, gs_response *response,
                                             gs_error *err);

/* Whose work a write is: the token's name, whatever the request says; without one `given` (may be
 * NULL). Borrowed. */
const char *gs_access_author(const gs_request *request, const char *given);

/* The session's cookie: its name, and its value in this request; false: there is none. */
const char *gs_access_cookie_name(const gs_api_context *context);
bool gs_access_get_cookie(const gs_api_context *context, const gs_request *request,
                          char out[GS_SHA256_SIZE * 2]);

#endif

#include "api/access.h"

#include <nettle/memops.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "store/session.h"

#define REALM "Bearer realm=\"genseg\""

/* ==== Who ==== */

/* With TLS the name itself makes browsers insist on Secure, Path=/ and no Domain. */
const char *gs_access_cookie_name(const gs_api_context *context) {
    return context->access.secure_cookie ? "__Host-genseg_session" : "genseg_session";
}

bool gs_access_get_cookie(const gs_api_context *context, const gs_request *request,
                          char out[GS_SHA256_SIZE * 2]) {
    const char *name = gs_access_cookie_name(context);
    size_t length = strlen(name);
    const char *at = gs_request_get_header(request, "Cookie");
    while (at && *at) {
        at += strspn(at, "; \t");
        if (strncmp(at, name, length) == 0 && at[length] == '=') {
            size_t size = strcspn(at + length + 1, "; \t");
            if (size >= GS_SHA256_SIZE * 2) return false;
            memcpy(out, at + length + 1, size);
            out[size] = '\0';
            return true;
        }
        at += strcspn(at, ";");
    }
    return false;
}

/* What follows "Bearer " in an Authorization header; NULL for another scheme. */
static const char *bearer_of(const char *header) {
    static const char scheme[] = "Bearer ";
    if (strncasecmp(header, scheme, sizeof scheme - 1) != 0) return NULL;
    header += sizeof scheme - 1;
    return header + strspn(header, " ");
}

const char *gs_access_explain(gs_token_state state) {
    switch (state) {
    case GS_TOKEN_VALID:
        return NULL;
    case GS_TOKEN_UNKNOWN:
        return "the token is not one of this server's";
    case GS_TOKEN_EXPIRED:
        return "the token or session has expired";
    case GS_TOKEN_REVOKED:
        return "the token was revoked";
    }
    return NULL;
}

static void take_outcome(gs_caller *caller, gs_status status, const gs_token_record *token,
                         gs_token_state state, const gs_error *err) {
    const char *why = gs_access_explain(state);
    if (status != GS_OK) {
        caller->state = GS_CALLER_UNCHECKED;
        snprintf(caller->why, sizeof caller->why, "%.95s", err->text);
    } else if (why) {
        caller->state = GS_CALLER_REFUSED;
        snprintf(caller->why, sizeof caller->why, "%s", why);
    } else {
        caller->state = GS_CALLER_KNOWN;
        caller->scopes = gs_scopes_granted(token->scopes);
        memcpy(caller->token, token->id, sizeof caller->token);
        memcpy(caller->name, token->name, sizeof caller->name);
    }
}

void gs_access_identify(const gs_api_context *context, gs_request *request) {
    gs_caller *caller = &request->caller;
    if (!context->access.required) {
        caller->state = GS_CALLER_KNOWN;
        caller->scopes = GS_SCOPES_ALL;
        return;
    }
    gs_error err;
    gs_token_record token = {0};
    gs_token_state state = GS_TOKEN_UNKNOWN;
    char cookie[GS_SHA256_SIZE * 2];
    const char *header = gs_request_get_header(request, "Authorization");
    if (header) {
        const char *bearer = bearer_of(header);
        caller->credential = GS_CREDENTIAL_BEARER;
        gs_status status =
            bearer ? gs_store_token_check(context->store, bearer, &token, &state, &err) : GS_OK;
        take_outcome(caller, status, &token, state, &err);
    } else if (gs_access_get_cookie(context, request, cookie)) {
        caller->credential = GS_CREDENTIAL_COOKIE;
        gs_status status = gs_store_session_check(context->store, cookie, &token, &state, &err);
        take_outcome(caller, status, &token, state, &err);
        if (caller->state == GS_CALLER_KNOWN) gs_session_csrf_token(cookie, caller->csrf_token);
    }
}

/* ==== May they ==== */

static bool has_csrf_token(const gs_request *request) {
    const char *given = gs_request_get_header(request, "X-CSRF-Token");
    const char *expected = request->caller.csrf_token;
    size_t size = strlen(expected);
    return given && size > 0 && strlen(given) == size && memeql_sec(given, expected, size);
}

gs_verdict gs_access_judge(const gs_request *request, unsigned scope) {
    const gs_caller *caller = &request->caller;
    if (caller->wait_seconds > 0) return GS_VERDICT_TOO_FAST;
    if (scope == GS_ROUTE_OPEN) return GS_VERDICT_ADMITTED;
    if (caller->state == GS_CALLER_UNCHECKED) return GS_VERDICT_UNCHECKED;
    if (caller->state != GS_CALLER_KNOWN) return GS_VERDICT_UNKNOWN;
    if (!(caller->scopes & scope)) return GS_VERDICT_FORBIDDEN;
    bool is_write = request->method != GS_METHOD_GET;
    if (caller->credential == GS_CREDENTIAL_COOKIE && is_write && !has_csrf_token(request))
        return GS_VERDICT_FORGED;
    return GS_VERDICT_ADMITTED;
}

static gs_status refuse_for_now(unsigned seconds, const char *why, gs_response *response,
                                gs_error *err) {
    GS_TRY(gs_response_set_header(response, err, "Retry-After", "%u", seconds));
    return gs_response_problem(response, 429, err, "%s: try again in %u s", why, seconds);
}

gs_status gs_access_refuse(const gs_api_context *context, const gs_request *request,
                           const char *why, gs_response *response, gs_error *err) {
    unsigned wait = context->services->note_failure(context->server, request->caller.address);
    if (wait > 0)
        return refuse_for_now(wait, "too many tokens from this address were not good", response,
                              err);
    GS_TRY(gs_response_set_header(response, err, "WWW-Authenticate",
                                  REALM ", error=\"invalid_token\", error_description=\"%s\"",
                                  why));
    return gs_response_problem(response, 401, err, "%s", why);
}

static gs_status refuse_unknown(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err) {
    if (request->caller.state == GS_CALLER_REFUSED)
        return gs_access_refuse(context, request, request->caller.why, response, err);
    GS_TRY(gs_response_set_header(response, err, "WWW-Authenticate", REALM));
    return gs_response_problem(response, 401, err,
                               "this needs a token: send it as 'Authorization: Bearer TOKEN'");
}

static gs_status refuse_forbidden(const gs_request *request, unsigned scope, gs_response *response,
                                  gs_error *err) {
    char has[GS_SCOPES_SIZE];
    const char *wanted = gs_scope_name((gs_scope)scope);
    gs_scopes_format(request->caller.scopes, has);
    GS_TRY(gs_response_set_header(response, err, "WWW-Authenticate",
                                  REALM ", error=\"insufficient_scope\", scope=\"%s\"", wanted));
    return gs_response_problem(response, 403, err,
                               "this needs the scope '%s'; the token '%s' has '%s'", wanted,
                               request->caller.name, has);
}

static gs_status refuse_forged(gs_response *response, gs_error *err) {
    return gs_response_problem(response, 403, err,
                               "a write with the session's cookie needs the header X-CSRF-Token "
                               "with the csrf_token of GET /v1/session");
}

gs_status gs_access_check(const gs_api_context *context, const gs_request *request, unsigned scope,
                          gs_response *response, gs_error *err) {
    switch (gs_access_judge(request, scope)) {
    case GS_VERDICT_ADMITTED:
        return GS_OK;
    case GS_VERDICT_UNKNOWN:
        return refuse_unknown(context, request, response, err);
    case GS_VERDICT_FORBIDDEN:
        return refuse_forbidden(request, scope, response, err);
    case GS_VERDICT_FORGED:
        return refuse_forged(response, err);
    case GS_VERDICT_TOO_FAST:
        return refuse_for_now(request->caller.wait_seconds, "this token asks too often", response,
                              err);
    case GS_VERDICT_UNCHECKED:
        break;
    }
    return gs_fail(err, GS_IO, "the token could not be checked: %s", request->caller.why);
}

gs_status gs_access_check_csrf(const gs_request *request, gs_response *response, gs_error *err) {
    bool by_cookie = request->caller.state == GS_CALLER_KNOWN &&
                     request->caller.credential == GS_CREDENTIAL_COOKIE;
    return by_cookie && !has_csrf_token(request) ? refuse_forged(response, err) : GS_OK;
}

const char *gs_access_author(const gs_request *request, const char *given) {
    return request->caller.name[0] ? request->caller.name : given;
}

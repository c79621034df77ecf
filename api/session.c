/* /v1/session: who one is, and signing in and out in a browser. */
#include <string.h>

#include "api/access.h"
#include "api/audit.h"
#include "api/resources.h"
#include "store/session.h"

static json_t *scopes_to_json(unsigned scopes) {
    json_t *list = json_array();
    for (unsigned scope = 1; scope <= GS_SCOPES_ALL; scope <<= 1) {
        if ((scopes & scope) &&
            json_array_append_new(list, json_string(gs_scope_name(scope))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* What a page has to know; `name` and `csrf_token` may be NULL. */
static gs_status respond_session(const gs_api_context *context, gs_response *response,
                                 const char *name, unsigned scopes, const char *csrf_token,
                                 gs_error *err) {
    GS_TRY(gs_response_set_header(response, err, "Cache-Control", "no-store"));
    return gs_response_set_json(response, 200,
                                json_pack("{s:b, s:s?, s:o, s:s?}", "auth",
                                          context->access.required, "name", name, "scopes",
                                          scopes_to_json(scopes), "csrf_token", csrf_token),
                                err);
}

gs_status gs_api_session_get(const gs_api_context *context, const gs_request *request,
                             gs_response *response, gs_error *err) {
    const gs_caller *caller = &request->caller;
    /* A cookie that is over is what a page asks about; a token that is not good is an error. */
    if (caller->state == GS_CALLER_REFUSED && caller->credential == GS_CREDENTIAL_BEARER)
        return gs_access_refuse(context, request, caller->why, response, err);
    if (caller->state == GS_CALLER_UNCHECKED) return gs_fail(err, GS_IO, "%s", caller->why);
    return respond_session(context, response, caller->name[0] ? caller->name : NULL, caller->scopes,
                           caller->csrf_token[0] ? caller->csrf_token : NULL, err);
}

static gs_status set_cookie(const gs_api_context *context, gs_response *response, const char *value,
                            int seconds, gs_error *err) {
    return gs_response_set_header(response, err, "Set-Cookie",
                                  "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%d%s",
                                  gs_access_cookie_name(context), value, seconds,
                                  context->access.secure_cookie ? "; Secure" : "");
}

/* Takes the token out of the body and looks whose it is. */
static gs_status read_token(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_token_record *token, gs_error *err) {
    gs_fields fields;
    gs_token_state state = GS_TOKEN_UNKNOWN;
    gs_fields_of_query(request, response, &fields); /* a token does not belong into a URL */
    GS_TRY(gs_fields_finish(&fields, err));
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    const char *text = gs_fields_string(&fields, "token", GS_REQUIRED, 256);
    gs_status status = gs_fields_finish(&fields, err);
    if (!status && !context->access.required)
        status =
            gs_fail(err, GS_CONFLICT, "this server runs without --auth: nobody has to sign in");
    if (!status) status = gs_store_token_check(context->store, text, token, &state, err);
    gs_fields_deinit(&fields);
    if (status) return status;
    const char *why = gs_access_explain(state);
    return why ? gs_access_refuse(context, request, why, response, err) : GS_OK;
}

/* With its place in the audit log. */
static gs_status open_session(const gs_api_context *context, const gs_request *request,
                              const gs_token_record *token, char cookie[GS_COOKIE_SIZE],
                              gs_error *err) {
    int64_t entry = 0;
    GS_TRY(gs_audit_begin_as(context, request, token->id, token->name, &entry, err));
    gs_status status = gs_store_session_open(context->store, token->id, cookie, err);
    gs_audit_finish(context, entry, gs_status_to_http(status));
    return status;
}

static gs_status close_session(const gs_api_context *context, const gs_request *request,
                               const char *cookie, gs_error *err) {
    int64_t entry = 0;
    const gs_caller *caller = &request->caller;
    if (caller->state != GS_CALLER_KNOWN || !caller->token[0]) return GS_OK; /* it is over */
    GS_TRY(gs_audit_begin_as(context, request, caller->token, caller->name, &entry, err));
    gs_status status = gs_store_session_close(context->store, cookie, err);
    gs_audit_finish(context, entry, status == GS_OK ? 204 : gs_status_to_http(status));
    return status;
}

gs_status gs_api_session_create(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err) {
    gs_token_record token;
    char cookie[GS_COOKIE_SIZE], csrf_token[GS_SHA256_SIZE];
    GS_TRY(read_token(context, request, response, &token, err));
    GS_TRY(open_session(context, request, &token, cookie, err));
    gs_session_csrf_token(cookie, csrf_token);
    GS_TRY(set_cookie(context, response, cookie, GS_SESSION_HOURS * 3600, err));
    return respond_session(context, response, token.name, gs_scopes_granted(token.scopes),
                           csrf_token, err);
}

gs_status gs_api_session_delete(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err) {
    char cookie[GS_SHA256_SIZE * 2];
    GS_TRY(gs_access_check_csrf(request, response, err));
    if (gs_access_get_cookie(context, request, cookie))
        GS_TRY(close_session(context, request, cookie, err));
    GS_TRY(set_cookie(context, response, "", 0, err));
    response->status = 204;
    return GS_OK;
}

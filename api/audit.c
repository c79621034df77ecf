/* The audit log: what goes in, and GET /v1/audit. */
#include "api/audit.h"

#include <stdio.h>

#include "api/resources.h"
#include "base/memory.h"
#include "store/audit.h"

static const char *method_name(gs_method method) {
    static const char *const names[] = {"GET", "POST", "PUT", "DELETE", "OTHER"};
    return names[method];
}

/* A path may be any bytes: those that are no visible ASCII as %XX, whole, as far as there is room.
 * What was copied once stays as it is. */
static void copy_path(const char *path, char *out, size_t room) {
    size_t used = 0;
    for (const char *at = path; *at; at++) {
        bool is_plain = *at > ' ' && *at <= '~';
        size_t size = is_plain ? 1 : 3;
        if (used + size >= room) break;
        snprintf(out + used, size + 1, is_plain ? "%c" : "%%%02X", (unsigned char)*at);
        used += size;
    }
    out[used] = '\0';
}

gs_status gs_audit_begin_as(const gs_api_context *context, const gs_request *request,
                            const char *token, const char *name, int64_t *entry_out,
                            gs_error *err) {
    gs_audit_record record = {0};
    snprintf(record.request, sizeof record.request, "%s", request->id);
    snprintf(record.token, sizeof record.token, "%s", token);
    snprintf(record.name, sizeof record.name, "%s", name);
    snprintf(record.address, sizeof record.address, "%s", request->caller.address);
    snprintf(record.method, sizeof record.method, "%s", method_name(request->method));
    copy_path(request->path, record.path, sizeof record.path);
    return gs_store_audit_begin(context->store, &record, entry_out, err);
}

gs_status gs_audit_begin(const gs_api_context *context, const gs_request *request, unsigned scope,
                         int64_t *entry_out, gs_error *err) {
    *entry_out = 0;
    /* What only computes keeps nothing; signing in and out tells by itself. */
    bool is_write =
        request->method != GS_METHOD_GET && scope != GS_SCOPE_READ && scope != GS_ROUTE_OPEN;
    const gs_caller *caller = &request->caller;
    if (caller->wait_seconds > 0) return GS_OK; /* it is refused without being looked at */
    if (!is_write || caller->state != GS_CALLER_KNOWN || !caller->token[0]) return GS_OK;
    return gs_audit_begin_as(context, request, caller->token, caller->name, entry_out, err);
}

void gs_audit_finish(const gs_api_context *context, int64_t entry, int http_status) {
    gs_error ignored;
    if (entry) (void)!gs_store_audit_finish(context->store, entry, http_status, &ignored);
}

json_t *gs_audit_to_json(const gs_audit_record *entry) {
    char path[sizeof entry->path]; /* entries of earlier versions have it as it was sent */
    copy_path(entry->path, path, sizeof path);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "at", entry->at, "request_id",
                     entry->request, "token", entry->token, "name", entry->name, "address",
                     entry->address, "method", entry->method, "path", path, "status",
                     entry->status ? json_integer(entry->status) : json_null());
}

gs_status gs_api_audit_list(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_page page;
    gs_audit_list list;
    gs_error why;
    char time[GS_TIME_SIZE];
    gs_fields_of_query(request, response, &fields);
    gs_fields_page(&fields, &page);
    const char *name = gs_fields_string(&fields, "name", GS_OPTIONAL, GS_TOKEN_NAME_SIZE - 1);
    const char *since = gs_fields_string(&fields, "since", GS_OPTIONAL, GS_TIME_SIZE - 1);
    GS_TRY(gs_fields_finish(&fields, err));
    if (since && gs_time_parse("since", since, time, &why) != GS_OK)
        return gs_response_add_error(response, err, "since", "%s", why.text);
    const gs_audit_filter filter = {.name = name, .since = since ? time : NULL};
    GS_TRY(gs_store_audit_list(context->store, &filter, &page, &list, err));
    int failed = 0;
    json_t *items = json_array();
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, gs_audit_to_json(&list.items[i]));
    gs_free(list.items);
    if (failed) {
        json_decref(items);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list");
    }
    return gs_response_set_list(response, items, list.next_cursor, err);
}

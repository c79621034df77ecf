/* What the audit log is told: who asked for which write, from where, and what became of it. */
#ifndef GS_API_AUDIT_H
#define GS_API_AUDIT_H

#include "api/handler.h"
#include "store/audit.h"

/* Notes a write before it is done; *entry_out is 0 for what is no write, or nobody's. A write that
 * cannot be noted must not be done. */
GS_MUST_CHECK gs_status gs_audit_begin(const gs_api_context *context, const gs_request *request,
                                       unsigned scope, int64_t *entry_out, gs_error *err);
/* As gs_audit_begin for somebody who signs in: the holder of `token`. */
GS_MUST_CHECK gs_status gs_audit_begin_as(const gs_api_context *context, const gs_request *request,
                                          const char *token, const char *name, int64_t *entry_out,
                                          gs_error *err);
/* Notes what was answered; 0 = nothing to note. Without room on the disk the status stays unknown.
 */
void gs_audit_finish(const gs_api_context *context, int64_t entry, int http_status);

/* An entry as GET /v1/audit has it. NULL when out of memory. */
json_t *gs_audit_to_json(const gs_audit_record *entry);

#endif

#include "api/web_file.h"

#include "base/memory.h"

/* Paths are looked up as a whole among the files read at start: nothing else can be reached. */
static bool find(const gs_api_context *context, const gs_request *request, const char **type,
                 const char **etag, const char **bytes, size_t *size) {
    return context->services->web_file(context->server, request->path, type, etag, bytes, size);
}

bool gs_web_has_file(const gs_api_context *context, const gs_request *request) {
    const char *type, *etag, *bytes;
    size_t size;
    return find(context, request, &type, &etag, &bytes, &size);
}

gs_status gs_web_answer(const gs_api_context *context, const gs_request *request,
                        gs_response *response, gs_error *err) {
    const char *type, *etag, *bytes;
    size_t size;
    if (!find(context, request, &type, &etag, &bytes, &size))
        return gs_fail(err, GS_NOT_FOUND, "there is nothing at %.200s", request->path);
    GS_TRY(gs_response_set_header(response, err, "Content-Security-Policy",
                                  "default-src 'self'; img-src 'self' blob: data:; "
                                  "object-src 'none'; base-uri 'none'; form-action 'self'; "
                                  "frame-ancestors 'none'"));
    GS_TRY(gs_response_set_header(response, err, "Cache-Control", "no-cache"));
    bool not_modified;
    GS_TRY(gs_response_set_etag(request, response, etag, &not_modified, err));
    if (not_modified) return GS_OK;
    return gs_response_set_body(response, 200, type, gs_copy_bytes(bytes, size), size, err);
}

#include "api/web_file.h"

#include <stdio.h>

#include "base/memory.h"

/* Paths are looked up as a whole among the files read at start: nothing else can be reached. */
static const gs_web_file *find(const gs_api_context *context, const gs_request *request) {
    return context->services->web_file(context->server, request->path);
}

bool gs_web_has_file(const gs_api_context *context, const gs_request *request) {
    return find(context, request) != NULL;
}

/* Compressed bytes are others, so they have a tag of their own (RFC 9110, 8.8.3.3). */
static gs_status set_coding(const gs_web_file *file, bool is_gzip, gs_response *response,
                            gs_error *err) {
    if (!file->gzip) return GS_OK;
    GS_TRY(gs_response_set_header(response, err, "Vary", "Accept-Encoding"));
    return is_gzip ? gs_response_set_header(response, err, "Content-Encoding", "gzip") : GS_OK;
}

gs_status gs_web_answer(const gs_api_context *context, const gs_request *request,
                        gs_response *response, gs_error *err) {
    char tag[GS_SHA256_SIZE + 8];
    bool not_modified;
    const gs_web_file *file = find(context, request);
    if (!file) return gs_fail(err, GS_NOT_FOUND, "there is nothing at %.200s", request->path);
    bool is_gzip = file->gzip && gs_request_takes_coding(request, "gzip");
    GS_TRY(gs_response_set_header(response, err, "Content-Security-Policy",
                                  "default-src 'self'; img-src 'self' blob: data:; "
                                  "object-src 'none'; base-uri 'none'; form-action 'self'; "
                                  "frame-ancestors 'none'"));
    GS_TRY(gs_response_set_header(response, err, "Cache-Control", "no-cache"));
    GS_TRY(set_coding(file, is_gzip, response, err));
    snprintf(tag, sizeof tag, "%s%s", file->etag, is_gzip ? "-gzip" : "");
    GS_TRY(gs_response_set_etag(request, response, tag, &not_modified, err));
    if (not_modified) return GS_OK;
    const char *bytes = is_gzip ? file->gzip : file->bytes;
    size_t size = is_gzip ? file->gzip_size : file->size;
    return gs_response_set_body(response, 200, file->content_type, gs_copy_bytes(bytes, size), size,
                                err);
}

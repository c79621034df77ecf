/* The viewer's files, which server/ holds in memory. */
#ifndef GS_API_WEB_FILE_H
#define GS_API_WEB_FILE_H

#include "api/handler.h"

bool gs_web_has_file(const gs_api_context *context, const gs_request *request);

/* The file with ETag and a strict Content-Security-Policy; only when gs_web_has_file. */
GS_MUST_CHECK gs_status gs_web_answer(const gs_api_context *context, const gs_request *request,
                                      gs_response *response, gs_error *err);

#endif

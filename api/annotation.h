/* What the handlers of masks and of their history share (annotation_*.c). */
#ifndef GS_API_ANNOTATION_H
#define GS_API_ANNOTATION_H

#include "api/handler.h"
#include "engine/image/mask.h"

/* ==== annotation_body.c: masks in requests and answers ==== */

/* The mask of the body, PNG or COCO RLE. 415 for another type. Caller gs_mask_deinits. */
GS_MUST_CHECK gs_status gs_annotation_of_body(const gs_api_context *context,
                                              const gs_request *request, gs_response *response,
                                              gs_mask *out, gs_error *err);

/* Answers with the slice's mask of this id (NULL: the current one) in the form that Accept asks
 * for, or with 304. */
GS_MUST_CHECK gs_status gs_annotation_respond(const gs_api_context *context,
                                              const gs_request *request, const char *annotation_id,
                                              gs_response *response, gs_error *err);

/* ==== annotation_edit.c: who changes a mask, on what condition ==== */

/* An entry of the history. NULL without memory. */
json_t *gs_annotation_to_json(const gs_annotation_record *annotation);

/* An edit under the If-Match and If-None-Match of a request (RFC 9110, 13.1). */
typedef struct gs_annotation_wish {
    gs_annotation_edit edit; /* for the store; points into this */
    const char *if_match;    /* borrowed from the request; NULL: none */
    const char *if_none_match;
    bool was_refused, was_there;  /* once the store has asked */
    gs_annotation_record current; /* if was_there */
} gs_annotation_wish;

/* Author (query) and condition. *out must stay where it is until the store has answered. */
GS_MUST_CHECK gs_status gs_annotation_wish_read(const gs_request *request, gs_response *response,
                                                gs_annotation_wish *out, gs_error *err);

/* `status` of the store's call. When it refused because of the condition: 412 with the current
 * entry. */
GS_MUST_CHECK gs_status gs_annotation_wish_end(const gs_annotation_wish *wish, gs_status status,
                                               gs_response *response, gs_error *err);

#endif

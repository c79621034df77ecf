/* What the handlers of masks and of their history share (annotation_*.c). */
#ifndef GS_API_ANNOTATION_H
#define GS_API_ANNOTATION_H

#include "api/handler.h"
#include "engine/image/mask.h"

/* ==== annotation_body.c: masks in requests and answers ==== */

struct gs_annotation_wish;

/* The mask of the body, PNG or COCO RLE, and what the latter says it began with, unless the wish
 * knows that. 415 for another type. Caller gs_mask_deinits. */
GS_MUST_CHECK gs_status gs_annotation_of_body(const gs_api_context *context,
                                              const gs_request *request, gs_response *response,
                                              struct gs_annotation_wish *wish, gs_mask *out,
                                              gs_error *err);

/* The PNG that is stored: the same mask, begun with the same model ("" or NULL: none), has the same
 * bytes, and ETag, whatever form it came in. The model stands in its texts. Caller frees
 * *bytes_out. */
GS_MUST_CHECK gs_status gs_annotation_encode(const gs_mask *mask, const char *began_with,
                                             char **bytes_out, size_t *size_out, gs_error *err);

/* Whether that can be a model's id. Whether there is such a model does not matter: it may have been
 * deleted since, or be another server's. */
bool gs_annotation_origin_is_id(const char *began_with);

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
    char began_with[GS_ID_SIZE];
    const char *if_match; /* borrowed from the request; NULL: none */
    const char *if_none_match;
    bool was_refused, was_there;  /* once the store has asked */
    gs_annotation_record current; /* if was_there */
} gs_annotation_wish;

/* Author (query) and condition. *out must stay where it is until the store has answered. */
GS_MUST_CHECK gs_status gs_annotation_wish_read(const gs_request *request, gs_response *response,
                                                gs_annotation_wish *out, gs_error *err);
/* As that, with began_with (query): of a request that brings a mask. */
GS_MUST_CHECK gs_status gs_annotation_wish_read_mask(const gs_request *request,
                                                     gs_response *response, gs_annotation_wish *out,
                                                     gs_error *err);
/* What the mask began with: an error of the field for what is no id. */
GS_MUST_CHECK gs_status gs_annotation_wish_set_origin(gs_annotation_wish *wish, const char *id,
                                                      gs_response *response, gs_error *err);

/* `status` of the store's call. When it refused because of the condition: 412 with the current
 * entry. */
GS_MUST_CHECK gs_status gs_annotation_wish_end(const gs_annotation_wish *wish, gs_status status,
                                               gs_response *response, gs_error *err);

#endif

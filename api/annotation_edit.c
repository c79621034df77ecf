/* Changes of masks: who makes them, and on what condition (RFC 9110, 13.1). */
#include <stdio.h>
#include <string.h>

#include "api/access.h"
#include "api/annotation.h"

json_t *gs_annotation_to_json(const gs_annotation_record *annotation) {
    return json_pack("{s:s, s:s, s:s, s:s, s:s?, s:b, s:s?, s:s}", "id", annotation->id, "slice_id",
                     annotation->slice_id, "action", annotation->removed ? "removed" : "set",
                     "author", annotation->author, "began_with",
                     annotation->began_with[0] ? annotation->began_with : NULL, "current",
                     annotation->current, "sha256", annotation->removed ? NULL : annotation->sha256,
                     "created_at", annotation->created_at);
}

/* Whether a list of entity tags names the mask, in either form. An absent mask has no tag, and "*"
 * stands for any that is there. */
static bool list_names(const char *list, const gs_annotation_record *current) {
    char png[GS_SHA256_SIZE + 8], runs[GS_SHA256_SIZE + 8];
    if (!current) return false;
    snprintf(png, sizeof png, "\"%s\"", current->sha256);
    snprintf(runs, sizeof runs, "\"%s-rle\"", current->sha256);
    for (const char *at = list; *at; at += strcspn(at, ",")) {
        at += strspn(at, ", \t");
        if (*at == '*' || strncmp(at, png, strlen(png)) == 0 ||
            strncmp(at, runs, strlen(runs)) == 0)
            return true;
    }
    return false;
}

static bool allows(void *state, const gs_annotation_record *current) {
    gs_annotation_wish *wish = state;
    wish->was_there = current != NULL;
    if (current) wish->current = *current;
    wish->was_refused = (wish->if_match && !list_names(wish->if_match, current)) ||
                        (wish->if_none_match && list_names(wish->if_none_match, current));
    return !wish->was_refused;
}

bool gs_annotation_origin_is_id(const char *began_with) {
    static const char prefix[] = "mdl_", letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    size_t start = sizeof prefix - 1, length = strlen(began_with);
    return strncmp(began_with, prefix, start) == 0 && length > start && length < GS_ID_SIZE &&
           strspn(began_with + start, letters) == length - start;
}

gs_status gs_annotation_wish_set_origin(gs_annotation_wish *wish, const char *id,
                                        gs_response *response, gs_error *err) {
    if (!gs_annotation_origin_is_id(id))
        return gs_response_add_error(response, err, "began_with", "is no id of a model");
    snprintf(wish->began_with, sizeof wish->began_with, "%s", id);
    wish->edit.began_with = wish->began_with;
    return GS_OK;
}

/* Reads the author and finishes. */
static gs_status read_wish(const gs_request *request, gs_fields *fields, gs_annotation_wish *out,
                           gs_error *err) {
    const char *author = gs_fields_string(fields, "author", GS_OPTIONAL, GS_AUTHOR_SIZE - 1);
    GS_TRY(gs_fields_finish(fields, err));
    *out = (gs_annotation_wish){
        .edit = {.author = gs_access_author(request, author), .allows = allows, .state = out},
        .if_match = gs_request_get_header(request, "If-Match"),
        .if_none_match = gs_request_get_header(request, "If-None-Match"),
    };
    return GS_OK;
}

gs_status gs_annotation_wish_read(const gs_request *request, gs_response *response,
                                  gs_annotation_wish *out, gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    return read_wish(request, &fields, out, err);
}

gs_status gs_annotation_wish_read_mask(const gs_request *request, gs_response *response,
                                       gs_annotation_wish *out, gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    const char *origin = gs_fields_string(&fields, "began_with", GS_OPTIONAL, GS_ID_SIZE - 1);
    GS_TRY(read_wish(request, &fields, out, err));
    return origin ? gs_annotation_wish_set_origin(out, origin, response, err) : GS_OK;
}

gs_status gs_annotation_wish_end(const gs_annotation_wish *wish, gs_status status,
                                 gs_response *response, gs_error *err) {
    if (status == GS_OK || !wish->was_refused) return status;
    json_t *current = wish->was_there ? gs_annotation_to_json(&wish->current) : json_null();
    response->problem_members = json_pack("{s:o}", "current", current);
    if (!response->problem_members)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a problem");
    response->problem_name = "annotation_changed";
    if (wish->was_there)
        return gs_response_problem(response, 412, err,
                                   "the mask is another one by now: %.120s set it at %s",
                                   wish->current.author, wish->current.created_at);
    return gs_response_problem(response, 412, err, "there is no mask any more");
}

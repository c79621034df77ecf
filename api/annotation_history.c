/* /v1/slices/{id}/annotation/history: every mask a slice had, who drew it, and the way back. */
#include "api/annotation.h"
#include "api/resources.h"
#include "base/memory.h"

gs_status gs_api_annotation_history(const gs_api_context *context, const gs_request *request,
                                    gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_page page;
    gs_annotation_list list;
    gs_fields_of_query(request, response, &fields);
    gs_fields_page(&fields, &page);
    GS_TRY(gs_fields_finish(&fields, err));
    GS_TRY(gs_store_annotation_list(context->store, request->params[0], &page, &list, err));
    int failed = 0;
    json_t *items = json_array();
    for (size_t i = 0; i < list.count; i++)
        failed |= json_array_append_new(items, gs_annotation_to_json(&list.items[i]));
    gs_free(list.items);
    if (failed) {
        json_decref(items);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list");
    }
    return gs_response_set_list(response, items, list.next_cursor, err);
}

gs_status gs_api_annotation_version(const gs_api_context *context, const gs_request *request,
                                    gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    GS_TRY(gs_fields_finish(&fields, err));
    return gs_annotation_respond(context, request, request->params[1], response, err);
}

gs_status gs_api_annotation_restore(const gs_api_context *context, const gs_request *request,
                                    gs_response *response, gs_error *err) {
    gs_annotation_wish wish;
    gs_annotation_record record, entry;
    void *mask = NULL;
    size_t size = 0;
    GS_TRY(gs_annotation_wish_read(request, response, &wish, err));
    GS_TRY(gs_store_annotation_get(context->store, request->params[0], request->params[1], &record,
                                   &mask, &size, err));
    wish.edit.began_with = record.began_with;
    gs_status status = gs_store_annotation_put(context->store, request->params[0], mask, size,
                                               &wish.edit, &entry, err);
    gs_free(mask);
    GS_TRY(gs_annotation_wish_end(&wish, status, response, err));
    return gs_response_set_json(response, 200, gs_annotation_to_json(&entry), err);
}

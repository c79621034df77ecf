/* /v1/slices/{id}/annotation: the mask of a slice. */
#include "api/annotation.h"
#include "api/resources.h"
#include "base/memory.h"

static gs_status store_mask(gs_store *store, const gs_slice_record *slice, const gs_mask *mask,
                            const gs_annotation_edit *edit, gs_annotation_record *out,
                            gs_error *err) {
    char *png = NULL;
    size_t size = 0;
    if (mask->height != slice->height || mask->width != slice->width)
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "the mask has height %d and width %d, the slice %d and %d", mask->height,
                       mask->width, slice->height, slice->width);
    GS_TRY(gs_annotation_encode(mask, edit->began_with, &png, &size, err));
    gs_status status = gs_store_annotation_put(store, slice->id, png, size, edit, out, err);
    gs_free(png);
    return status;
}

gs_status gs_api_annotation_put(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err) {
    gs_annotation_wish wish;
    gs_slice_record slice;
    gs_mask mask;
    gs_annotation_record record;
    GS_TRY(gs_annotation_wish_read_mask(request, response, &wish, err));
    GS_TRY(gs_store_slice_get(context->store, request->params[0], &slice, err));
    GS_TRY(gs_annotation_of_body(context, request, response, &wish, &mask, err));
    gs_status status = store_mask(context->store, &slice, &mask, &wish.edit, &record, err);
    gs_mask_deinit(&mask);
    GS_TRY(gs_annotation_wish_end(&wish, status, response, err));
    return gs_response_set_json(response, slice.annotated ? 200 : 201,
                                gs_annotation_to_json(&record), err);
}

gs_status gs_api_annotation_get(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    GS_TRY(gs_fields_finish(&fields, err));
    return gs_annotation_respond(context, request, NULL, response, err);
}

gs_status gs_api_annotation_delete(const gs_api_context *context, const gs_request *request,
                                   gs_response *response, gs_error *err) {
    gs_annotation_wish wish;
    GS_TRY(gs_annotation_wish_read(request, response, &wish, err));
    gs_status status =
        gs_store_annotation_delete(context->store, request->params[0], &wish.edit, err);
    GS_TRY(gs_annotation_wish_end(&wish, status, response, err));
    response->status = 204;
    return GS_OK;
}

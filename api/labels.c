/* PUT /v1/slices/{id}/label: the weak label. */
#include "api/resources.h"
#include "api/slice_json.h"

gs_status gs_api_label_put(const gs_api_context *context, const gs_request *request,
                           gs_response *response, gs_error *err) {
    static const char *const labels[] = {"presence", "absence", "unknown", NULL};
    gs_fields fields;
    gs_slice_record slice;
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    int label = gs_fields_choice(&fields, "label", GS_REQUIRED, labels);
    gs_status status = gs_fields_finish(&fields, err);
    gs_fields_deinit(&fields);
    if (status) return status;
    GS_TRY(
        gs_store_slice_set_label(context->store, request->params[0], labels[label], &slice, err));
    return gs_response_set_json(response, 200, gs_slice_to_json(&slice), err);
}

/* /v1/datasets: names, settings and counts. */
#include "api/resources.h"
#include "base/memory.h"
#include "store/dataset.h"

static json_t *size_or_null(int size) {
    return size ? json_integer(size) : json_null();
}

/* NULL when out of memory. */
static json_t *dataset_to_json(const gs_dataset_record *dataset, const gs_dataset_counts *counts) {
    return json_pack(
        "{s:s, s:s, s:o, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I}}, s:s}",
        "name", dataset->name, "normalization", dataset->normalization, "channels",
        size_or_null(dataset->channels), "height", size_or_null(dataset->height), "width",
        size_or_null(dataset->width), "counts", "slices", (json_int_t)counts->slices, "cases",
        (json_int_t)counts->cases, "presence", (json_int_t)counts->presence, "absence",
        (json_int_t)counts->absence, "unknown", (json_int_t)counts->unknown, "annotated",
        (json_int_t)counts->annotated, "annotated_presence", (json_int_t)counts->annotated_presence,
        "training", "presence", (json_int_t)counts->train_presence, "absence",
        (json_int_t)counts->train_absence, "annotated_presence",
        (json_int_t)counts->train_annotated, "created_at", dataset->created_at);
}

static gs_status describe(gs_store *store, const gs_dataset_record *dataset, json_t **out,
                          gs_error *err) {
    gs_dataset_counts counts;
    GS_TRY(gs_store_dataset_count(store, dataset->name, &counts, err));
    json_t *json = dataset_to_json(dataset, &counts);
    if (!json) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for data set '%s'", dataset->name);
    *out = json;
    return GS_OK;
}

static gs_status respond_dataset(const gs_api_context *context, gs_response *response,
                                 int http_status, const gs_dataset_record *dataset, gs_error *err) {
    json_t *json = NULL;
    GS_TRY(describe(context->store, dataset, &json, err));
    return gs_response_set_json(response, http_status, json, err);
}

gs_status gs_api_dataset_list(const gs_api_context *context, const gs_request *request,
                              gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_page page;
    gs_fields_of_query(request, response, &fields);
    gs_fields_page(&fields, &page);
    GS_TRY(gs_fields_finish(&fields, err));
    gs_dataset_list list;
    GS_TRY(gs_store_dataset_list(context->store, &page, &list, err));
    gs_status status = GS_OK;
    json_t *items = json_array();
    for (size_t i = 0; i < list.count && !status; i++) {
        json_t *item;
        status = describe(context->store, &list.items[i], &item, err);
        if (!status && json_array_append_new(items, item) != 0)
            status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list");
    }
    gs_free(list.items);
    if (status) {
        json_decref(items);
        return status;
    }
    return gs_response_set_list(response, items, list.next_cursor, err);
}

gs_status gs_api_dataset_get(const gs_api_context *context, const gs_request *request,
                             gs_response *response, gs_error *err) {
    gs_dataset_record dataset;
    GS_TRY(gs_store_dataset_get(context->store, request->params[0], &dataset, err));
    return respond_dataset(context, response, 200, &dataset, err);
}

gs_status gs_api_dataset_put(const gs_api_context *context, const gs_request *request,
                             gs_response *response, gs_error *err) {
    static const char *const words[] = {"none", "unit", "foreground", NULL};
    gs_fields fields;
    GS_TRY(gs_fields_of_json(request, response, &fields, err));
    int word = gs_fields_choice(&fields, "normalization", GS_OPTIONAL, words);
    gs_dataset_settings settings = {
        .normalization = word >= 0 ? words[word] : NULL,
        .channels = (int)gs_fields_integer(&fields, "channels", GS_OPTIONAL, 1, GS_MAX_CHANNELS, 0),
        .height = (int)gs_fields_integer(&fields, "height", GS_OPTIONAL, 1, GS_MAX_SIDE, 0),
        .width = (int)gs_fields_integer(&fields, "width", GS_OPTIONAL, 1, GS_MAX_SIDE, 0),
    };
    gs_status status = gs_fields_finish(&fields, err);
    gs_fields_deinit(&fields);
    if (status) return status;
    gs_dataset_record dataset;
    bool created = false;
    GS_TRY(gs_store_dataset_put(context->store, request->params[0], &settings, &dataset, &created,
                                err));
    if (created)
        GS_TRY(gs_response_set_header(response, err, "Location", "/v1/datasets/%s", dataset.name));
    return respond_dataset(context, response, created ? 201 : 200, &dataset, err);
}

/* GET /v1/suggestions: which slices to draw next. */
#include <math.h>
#include <string.h>

#include "api/resources.h"
#include "api/slice_json.h"
#include "base/memory.h"
#include "store/suggestion.h"

static const char *const strategies[] = {"random", "uncertainty", "disagreement", NULL};
static const char *const labels[] = {"presence", "unknown", NULL};
enum { LIMIT_DEFAULT = 24, STRATEGY_DEFAULT = GS_SUGGEST_RANDOM /* why: docs/suggestions.md */ };

/* What the active model has been run on; 0 of all when no model is active. */
static gs_status count_predictions(const gs_api_context *context, const char *dataset,
                                   char model_id[GS_ID_SIZE], int64_t *predicted, int64_t *total,
                                   gs_error *err) {
    gs_model_record model;
    gs_status status = gs_store_model_get_active(context->store, &model, err);
    if (status == GS_OK) {
        memcpy(model_id, model.id, GS_ID_SIZE);
        gs_model_record_deinit(&model);
        return gs_store_prediction_count(context->store, dataset, model_id, predicted, total, err);
    }
    if (status != GS_NOT_FOUND) return status;
    gs_dataset_counts counts;
    GS_TRY(gs_store_dataset_count(context->store, dataset, &counts, err));
    *total = counts.slices;
    return GS_OK;
}

static json_t *items_json(const gs_suggestion_list *list) {
    json_t *items = json_array();
    int failed = items == NULL;
    for (size_t i = 0; i < list->count; i++)
        failed |= json_array_append_new(
            items, json_pack("{s:o, s:o}", "slice", gs_slice_to_json(&list->items[i]), "score",
                             isnan(list->scores[i]) ? json_null() : json_real(list->scores[i])));
    if (!failed) return items;
    json_decref(items);
    return NULL;
}

gs_status gs_api_suggestion_list(const gs_api_context *context, const gs_request *request,
                                 gs_response *response, gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    gs_suggestion_wish wish = {
        .dataset = gs_fields_string(&fields, "dataset", GS_REQUIRED, GS_DATASET_NAME_SIZE - 1),
        .limit =
            (size_t)gs_fields_integer(&fields, "limit", GS_OPTIONAL, 1, GS_PAGE_MAX, LIMIT_DEFAULT),
        .seed = (uint64_t)gs_fields_integer(&fields, "seed", GS_OPTIONAL, 0, ((int64_t)1 << 53) - 1,
                                            0)};
    int strategy = gs_fields_choice(&fields, "strategy", GS_OPTIONAL, strategies);
    int label = gs_fields_choice(&fields, "label", GS_OPTIONAL, labels);
    GS_TRY(gs_fields_finish(&fields, err));
    if (strategy < 0) strategy = STRATEGY_DEFAULT;
    wish.by = (gs_suggest_by)strategy;
    if (label >= 0) wish.label = labels[label];
    gs_suggestion_list list;
    char model[GS_ID_SIZE] = "";
    int64_t predicted = 0, total = 0;
    GS_TRY(gs_store_suggest(context->store, &wish, &list, err));
    gs_status status = count_predictions(context, wish.dataset, model, &predicted, &total, err);
    if (status == GS_OK)
        status = gs_response_set_json(response, 200,
                                      json_pack("{s:s, s:o, s:I, s:I, s:o}", "strategy",
                                                strategies[strategy], "model",
                                                model[0] ? json_string(model) : json_null(),
                                                "predicted", (json_int_t)predicted, "total",
                                                (json_int_t)total, "items", items_json(&list)),
                                      err);
    gs_free(list.items);
    gs_free(list.scores);
    return status;
}

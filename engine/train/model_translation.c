#include "engine/train/model_translation.h"

#include "base/memory.h"
#include "engine/train/model_evaluation.h"

typedef struct translator {
    gs_session *session;
    size_t image;
    float *maps; /* what a call gives beside what is asked for: two maps of a batch */
} translator;

static gs_status remove_target(void *context, size_t count, const float *images, float *healthy,
                               gs_error *err) {
    const translator *t = context;
    return gs_session_remove(t->session, count, images, healthy, t->maps,
                             t->maps + count * t->image, err);
}

static gs_status insert_target(void *context, size_t count, const float *images,
                               const uint64_t *seeds, float *residual, float *translated,
                               gs_error *err) {
    const translator *t = context;
    return gs_session_insert(t->session, count, images, seeds, t->maps, residual, translated, err);
}

static gs_status segment(void *context, size_t count, const float *images, float *probabilities,
                         gs_error *err) {
    const translator *t = context;
    return gs_session_segment(t->session, count, images, probabilities, err);
}

static gs_status evaluate_removal(translator *t, const gs_dataset *dataset, const gs_dataset *truth,
                                  gs_split split, gs_model_translation *out, gs_error *err) {
    uint32_t *rows = NULL;
    size_t count = 0;
    GS_TRY(gs_split_rows(dataset, split, &rows, &count, err));
    gs_annotated_rows annotated = {dataset, rows, count};
    gs_status status = gs_evaluate_removal(&annotated, truth, remove_target, t, &out->removal, err);
    gs_free(rows);
    out->has_removal = true;
    return status;
}

static gs_status evaluate_insertion(translator *t, const gs_dataset *dataset, gs_split split,
                                    gs_model_translation *out, gs_error *err) {
    size_t total = gs_dataset_count(dataset);
    uint32_t *rows = gs_alloc(total, sizeof *rows);
    if (!rows) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", total);
    gs_annotated_rows absence = {dataset, rows, 0};
    for (uint32_t i = 0; i < total; i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        if (slice->split == split && slice->label == GS_LABEL_ABSENCE) rows[absence.count++] = i;
    }
    out->has_insertion = absence.count > 0;
    gs_status status = GS_OK;
    if (out->has_insertion)
        status = gs_evaluate_insertion(&absence, insert_target, segment, t, &out->insertion, err);
    gs_free(rows);
    return status;
}

gs_status gs_model_evaluate_translation(gs_model *model, const gs_session_options *options,
                                        const gs_dataset *dataset, const gs_dataset *truth,
                                        gs_split split, gs_model_translation *out, gs_error *err) {
    const gs_model_config *c = gs_model_get_config(model);
    gs_session_options session = *options;
    session.max_batch = GS_EVALUATION_BATCH;
    *out = (gs_model_translation){0};
    if (!gs_model_translates(model)) return GS_OK;
    translator t = {.image = (size_t)c->channels * (size_t)c->height * (size_t)c->columns};
    t.maps = gs_alloc(2 * GS_EVALUATION_BATCH * t.image, sizeof *t.maps);
    if (!t.maps) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    gs_status status = gs_session_open(model, &session, &t.session, err);
    if (status == GS_OK && truth) status = evaluate_removal(&t, dataset, truth, split, out, err);
    if (status == GS_OK && gs_model_inserts(model))
        status = evaluate_insertion(&t, dataset, split, out, err);
    gs_session_close(t.session);
    gs_free(t.maps);
    return status;
}

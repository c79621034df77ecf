#include "engine/train/model_evaluation.h"

#include "base/memory.h"

#include <math.h>

typedef struct evaluator {
    const gs_model_config *config;
    gs_session *session;
    const atomic_bool *stop;
    gs_annotated_rows rows;
    gs_overlap *overlaps; /* of each row */
    float *maps;          /* healthy, residual and reconstruction of a batch */
} evaluator;

/* ---- What the model says ----------------------------------------------------------------------
 */

static gs_status check_stop(const evaluator *e, gs_error *err) {
    if (!e->stop || !atomic_load(e->stop)) return GS_OK;
    return gs_fail(err, GS_CANCELLED, "stopped while evaluating");
}

static gs_status segment(void *context, size_t count, const float *images, float *probabilities,
                         gs_error *err) {
    const evaluator *e = context;
    GS_TRY(check_stop(e, err));
    return gs_session_segment(e->session, count, images, probabilities, err);
}

/* The size of the residual, averaged over the channels. */
static gs_status change(void *context, size_t count, const float *images, float *sizes,
                        gs_error *err) {
    const evaluator *e = context;
    const gs_model_config *c = e->config;
    size_t pixels = (size_t)c->height * (size_t)c->columns, channels = (size_t)c->channels;
    float *healthy = e->maps, *residual = healthy + count * channels * pixels;
    float *sum = residual + count * channels * pixels;
    GS_TRY(check_stop(e, err));
    GS_TRY(gs_session_remove(e->session, count, images, healthy, residual, sum, err));
    for (size_t i = 0; i < count * pixels; i++) {
        const float *image = residual + i / pixels * channels * pixels;
        double total = 0;
        for (size_t k = 0; k < channels; k++) total += fabs((double)image[k * pixels + i % pixels]);
        sizes[i] = (float)(total / (double)channels);
    }
    return GS_OK;
}

/* ---- By case ----------------------------------------------------------------------------------
 */

static void add_overlap(gs_overlap *sum, const gs_overlap *more) {
    sum->both += more->both;
    sum->predicted += more->predicted;
    sum->target += more->target;
    sum->pixels += more->pixels;
}

/* place[case number] = place of the case in `cases`, + 1. */
static void add_rows(const evaluator *e, uint32_t *place, gs_model_evaluation *out) {
    gs_overlap all = {0};
    for (size_t i = 0; i < e->rows.count; i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(e->rows.dataset, e->rows.rows[i]);
        uint32_t *at = &place[slice->case_number];
        if (!*at) {
            out->cases[out->case_count++].name = slice->case_name;
            *at = (uint32_t)out->case_count;
        }
        gs_case_result *result = &out->cases[*at - 1];
        result->slices++;
        add_overlap(&result->overlap, &e->overlaps[i]);
        add_overlap(&all, &e->overlaps[i]);
    }
    out->slices = e->rows.count;
    out->dice = gs_overlap_dice(&all);
}

static double mean_case_dice(const gs_model_evaluation *evaluation) {
    double sum = 0;
    size_t count = 0;
    for (size_t i = 0; i < evaluation->case_count; i++) {
        if (!(evaluation->cases[i].overlap.target > 0)) continue;
        sum += gs_overlap_dice(&evaluation->cases[i].overlap);
        count++;
    }
    return count > 0 ? sum / (double)count : (double)NAN;
}

static gs_status gather(const evaluator *e, gs_model_evaluation *out, gs_error *err) {
    uint32_t *place = gs_alloc(gs_dataset_cases(e->rows.dataset), sizeof *place);
    out->cases = gs_alloc(e->rows.count, sizeof *out->cases);
    gs_status status = GS_OK;
    if (place && out->cases) {
        add_rows(e, place, out);
        out->mean_case_dice = mean_case_dice(out);
    } else {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    }
    gs_free(place);
    return status;
}

/* ---- All --------------------------------------------------------------------------------------
 */

gs_status gs_split_rows(const gs_dataset *dataset, gs_split split, uint32_t **rows_out,
                        size_t *count_out, gs_error *err) {
    size_t total = gs_dataset_count(dataset), count = 0;
    uint32_t *rows = gs_alloc(total, sizeof *rows);
    if (!rows) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", total);
    for (uint32_t i = 0; i < total; i++)
        if (gs_dataset_mask(dataset, i) && gs_dataset_get_slice(dataset, i)->split == split)
            rows[count++] = i;
    if (count == 0) {
        gs_free(rows);
        return gs_fail(err, GS_UNUSABLE,
                       "no annotated slice of the data set is in the split \"%s\"",
                       gs_split_name(split));
    }
    *rows_out = rows;
    *count_out = count;
    return GS_OK;
}

static gs_status check_sizes(const gs_model_config *c, const gs_dataset_info *info, gs_error *err) {
    if (c->channels == info->channels && c->height == info->height && c->columns == info->width)
        return GS_OK;
    return gs_fail(err, GS_SHAPE_MISMATCH,
                   "the model takes [%d,%d,%d], the data set has [%d,%d,%d]", c->channels,
                   c->height, c->columns, info->channels, info->height, info->width);
}

static gs_status evaluate(evaluator *e, const gs_model *model, gs_model_evaluation *out,
                          gs_error *err) {
    const gs_model_config *c = e->config;
    size_t image = (size_t)c->channels * (size_t)c->height * (size_t)c->columns;
    e->overlaps = gs_alloc(e->rows.count, sizeof *e->overlaps);
    e->maps = gs_alloc(3 * GS_EVALUATION_BATCH * image, sizeof *e->maps);
    if (!e->overlaps || !e->maps) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    GS_TRY(gs_evaluate_each(&e->rows, segment, e, e->overlaps, err));
    GS_TRY(gather(e, out, err));
    out->translates = gs_model_translates(model);
    if (!out->translates) return GS_OK;
    return gs_evaluate_localization(&e->rows, change, e, &out->residual, err);
}

gs_status gs_model_evaluate(gs_model *model, const gs_session_options *options,
                            const gs_dataset *dataset, gs_split split, const atomic_bool *stop,
                            gs_model_evaluation *out, gs_error *err) {
    evaluator e = {.config = gs_model_get_config(model), .stop = stop};
    gs_model_evaluation result = {0};
    gs_session_options session = *options;
    session.max_batch = GS_EVALUATION_BATCH;
    uint32_t *rows = NULL;
    gs_status status = check_sizes(e.config, gs_dataset_get_info(dataset), err);
    if (status == GS_OK) status = gs_split_rows(dataset, split, &rows, &e.rows.count, err);
    if (status == GS_OK) status = gs_session_open(model, &session, &e.session, err);
    e.rows.dataset = dataset, e.rows.rows = rows;
    if (status == GS_OK) status = evaluate(&e, model, &result, err);
    gs_session_close(e.session);
    gs_free(rows), gs_free(e.overlaps), gs_free(e.maps);
    if (status == GS_OK)
        *out = result;
    else
        gs_model_evaluation_deinit(&result);
    return status;
}

void gs_model_evaluation_deinit(gs_model_evaluation *evaluation) {
    gs_free(evaluation->cases);
    *evaluation = (gs_model_evaluation){0};
}

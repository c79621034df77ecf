/* What the weights are worth on the validation images. */
#include "engine/train/trainer_internal.h"

#include "engine/train/evaluate.h"

#include <math.h>
#include <string.h>

/* Masks of all images that hold less than this part of what they should, or leave out less than
 * this part of what they should, are empty or full. */
#define DEGENERATE 1e-3

static gs_status ensure_plan(gs_trainer *t, gs_validation_plan *p, gs_inference_op op,
                             gs_error *err) {
    if (p->plan) return GS_OK;
    gs_graph *graph = gs_graph_new(&t->network.set);
    if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
    gs_inference_build(graph, &t->network, op, GS_EVALUATION_BATCH, &p->io);
    return gs_plan_new(graph, t->device, GS_PLAN_INFERENCE, &p->plan, err);
}

gs_status gs__trainer_segment(gs_trainer *t, size_t count, const float *images,
                              float *probabilities, gs_error *err) {
    const gs_validation_plan *p = &t->segments;
    GS_TRY(ensure_plan(t, &t->segments, GS_INFER_SEGMENT, err));
    /* A short batch is filled up with what the buffers hold: those results are not read. */
    memcpy(t->evaluation_images, images, count * t->image * sizeof *images);
    gs_plan_write(p->plan, p->io.images, t->evaluation_images);
    GS_TRY(gs_plan_run(p->plan, t->parameters, err));
    gs_plan_read(p->plan, p->io.probability, t->evaluation_output);
    memcpy(probabilities, t->evaluation_output, count * t->pixels * sizeof *probabilities);
    return GS_OK;
}

gs_status gs__trainer_remove(gs_trainer *t, size_t count, const float *images, gs_error *err) {
    GS_TRY(ensure_plan(t, &t->removes, GS_INFER_REMOVE, err));
    memcpy(t->evaluation_images, images, count * t->image * sizeof *images);
    gs_plan_write(t->removes.plan, t->removes.io.images, t->evaluation_images);
    GS_TRY(gs_plan_run(t->removes.plan, t->parameters, err));
    gs_plan_read(t->removes.plan, t->removes.io.healthy, t->evaluation_output);
    return GS_OK;
}

/* A gs_pixel_map. */
static gs_status segment(void *context, size_t count, const float *images, float *probabilities,
                         gs_error *err) {
    return gs__trainer_segment(context, count, images, probabilities, err);
}

static bool is_degenerate(const gs_overlap *o) {
    double outside = o->pixels - o->target;
    if (!(o->target > 0) || !(outside > 0)) return false;
    return o->predicted < DEGENERATE * o->target || o->pixels - o->predicted < DEGENERATE * outside;
}

static gs_status find_dice(gs_trainer *t, gs_validation *out, gs_error *err) {
    gs_annotated_rows rows = {t->dataset, t->lists.validation, t->lists.validation_count};
    gs_overlap overlap;
    GS_TRY(gs_evaluate_overlap(&rows, segment, t, &overlap, err));
    out->dice = gs_overlap_dice(&overlap);
    out->area = overlap.pixels > 0 ? overlap.predicted / overlap.pixels : 0;
    out->has_no_masks = is_degenerate(&overlap);
    return GS_OK;
}

/* Σ over all elements of the variance over the images. */
static double sum_of_variances(const float *images, size_t count, size_t size) {
    double total = 0;
    for (size_t i = 0; i < size; i++) {
        double mean = 0, squares = 0;
        for (size_t n = 0; n < count; n++) mean += (double)images[n * size + i];
        mean /= (double)count;
        for (size_t n = 0; n < count; n++) {
            double d = (double)images[n * size + i] - mean;
            squares += d * d;
        }
        total += squares / (double)count;
    }
    return total;
}

/* Where modes are dropped, many images become the same one (the paper, section 3.2). */
static gs_status find_diversity(gs_trainer *t, gs_validation *out, gs_error *err) {
    size_t count = t->lists.validation_count;
    if (count > GS_EVALUATION_BATCH) count = GS_EVALUATION_BATCH;
    const gs_objective *o = &t->options->objective;
    bool translates = gs_method_get(o->method)->translates && o->translation != GS_TRANSLATE_NONE;
    if (!translates || count < 2) return GS_OK;
    GS_TRY(ensure_plan(t, &t->removes, GS_INFER_REMOVE, err));
    for (size_t i = 0; i < count; i++)
        GS_TRY(gs_dataset_read_normalized(t->dataset, t->lists.validation[i],
                                          t->evaluation_images + i * t->image, err));
    double before = sum_of_variances(t->evaluation_images, count, t->image);
    gs_plan_write(t->removes.plan, t->removes.io.images, t->evaluation_images);
    GS_TRY(gs_plan_run(t->removes.plan, t->parameters, err));
    gs_plan_read(t->removes.plan, t->removes.io.healthy, t->evaluation_output);
    if (before > 0)
        out->diversity = sum_of_variances(t->evaluation_output, count, t->image) / before;
    return GS_OK;
}

gs_status gs__trainer_validate(gs_trainer *t, gs_validation *out, gs_error *err) {
    const double nothing = (double)NAN;
    *out = (gs_validation){nothing, nothing, nothing, false};
    gs_parameters_trained(t->parameters); /* plans do not count their own updates */
    if (t->lists.validation_count == 0) return GS_OK;
    bool has_seen_masks = t->state.step > t->options->pretraining_steps;
    if (has_seen_masks) GS_TRY(find_dice(t, out, err));
    return find_diversity(t, out, err);
}

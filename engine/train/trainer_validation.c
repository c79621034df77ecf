/* What the weights are worth on the validation images. */
#include "engine/train/trainer_internal.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/train/evaluate.h"

#include <math.h>
#include <string.h>

/* Masks of all images that hold less than this part of what they should, or leave out less than
 * this part of what they should, are empty or full. */
#define DEGENERATE 1e-3

#define VALIDATION_STREAM ((uint64_t)0x7661 << 48)

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
    memmove(t->evaluation_images, images, count * t->image * sizeof *images);
    gs_plan_write(t->removes.plan, t->removes.io.images, t->evaluation_images);
    GS_TRY(gs_plan_run(t->removes.plan, t->parameters, err));
    gs_plan_read(t->removes.plan, t->removes.io.healthy, t->evaluation_output);
    return GS_OK;
}

gs_status gs__trainer_insert(gs_trainer *t, gs_error *err) {
    const gs_model_config *c = &t->network.config;
    const gs_validation_plan *p = &t->inserts;
    int h, w;
    gs_network_code_size(c, &h, &w);
    size_t code = (size_t)c->unique_channels * (size_t)h * (size_t)w;
    GS_TRY(ensure_plan(t, &t->inserts, GS_INFER_INSERT, err));
    float *codes = gs_alloc(GS_EVALUATION_BATCH * code, sizeof *codes);
    if (!codes) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to evaluate");
    gs_random_normal(t->options->seed, VALIDATION_STREAM, codes, GS_EVALUATION_BATCH * code);
    gs_plan_write(p->plan, p->io.images, t->evaluation_images);
    gs_plan_write(p->plan, p->io.unique, codes);
    gs_free(codes);
    GS_TRY(gs_plan_run(p->plan, t->parameters, err));
    gs_plan_read(p->plan, p->io.residual, t->evaluation_output);
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

gs_status gs__trainer_validate(gs_trainer *t, gs_validation *out, gs_error *err) {
    const double nothing = (double)NAN;
    *out = (gs_validation){
        .dice = nothing, .area = nothing, .diversity = nothing, .sample_diversity = nothing};
    gs_parameters_trained(t->parameters); /* plans do not count their own updates */
    if (t->lists.validation_count == 0) return GS_OK;
    bool has_seen_masks = t->state.step > t->options->pretraining_steps;
    if (has_seen_masks) GS_TRY(find_dice(t, out, err));
    return gs__trainer_find_diversity(t, out, err);
}

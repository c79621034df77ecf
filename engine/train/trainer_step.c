/* One training step: the batch into the plan for its number of annotated images, and the losses
 * out.
 */
#include "engine/train/trainer_internal.h"

#include "base/memory.h"
#include "base/random.h"

#include <math.h>

#define DROPOUT_STREAM ((uint64_t)0x6472 << 48)

/* Plans exist for 0, 1, 2, 4, … annotated images, the last for a whole batch; slot 0 is for none.
 */
static int plan_slot(const gs_trainer *t, int annotated, int *capacity) {
    int slot = 0;
    *capacity = 0;
    while (*capacity < annotated) {
        *capacity = *capacity ? 2 * *capacity : 1;
        slot++;
    }
    if (*capacity > t->options->batch_size) *capacity = t->options->batch_size;
    return slot;
}

/* Room for the factors of the largest dropout of a step. */
static gs_status reserve_factors(gs_trainer *t, const gs_dropout *dropout, gs_error *err) {
    size_t largest = t->factors_size;
    for (int i = 0; i < dropout->count; i++) {
        size_t size = gs__shape_size(gs_tensor_shape(dropout->factors[i]));
        if (size > largest) largest = size;
    }
    if (largest == t->factors_size) return GS_OK;
    float *grown = gs_resize(t->factors, largest, sizeof *grown);
    if (!grown) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for dropout");
    t->factors = grown;
    t->factors_size = largest;
    return GS_OK;
}

static gs_status ensure_plan(gs_trainer *t, int slot, int capacity, gs_error *err) {
    if (t->plans[slot]) return GS_OK;
    gs_graph *graph = gs_graph_new(&t->network.set);
    if (!graph) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a graph");
    gs_step_options options = {.objective = t->options->objective,
                               .kind = GS_STEP_UPDATE,
                               .pairs = t->options->batch_size,
                               .annotated = capacity};
    gs_step_build(graph, &t->network, &options, &t->steps[slot]);
    GS_TRY(gs_plan_new(graph, t->device, GS_PLAN_TRAINING, &t->plans[slot], err));
    return reserve_factors(t, &t->steps[slot].dropout, err);
}

/* A function of seed, step and site alone. */
static void write_dropout(gs_trainer *t, gs_plan *plan, const gs_dropout *dropout) {
    double rate = t->options->objective.dropout;
    for (int i = 0; i < dropout->count; i++) {
        gs_shape s = gs_tensor_shape(dropout->factors[i]);
        gs_rng rng = {.seed = t->options->seed,
                      .stream = DROPOUT_STREAM + t->state.step * GS_MAX_DROPOUTS + (uint64_t)i};
        for (int n = 0; n < s.n; n++)
            for (int c = 0; c < s.c; c++) {
                bool drops = c < dropout->channels[i] && gs_rng_uniform(&rng) < rate;
                bool may_drop = c < dropout->channels[i];
                t->factors[n * s.c + c] = drops ? 0 : may_drop ? (float)(1 / (1 - rate)) : 1;
            }
        gs_plan_write(plan, dropout->factors[i], t->factors);
    }
}

static void write_batch(gs_trainer *t, gs_plan *plan, const gs_step *step, const gs_batch *batch) {
    gs_plan_write(plan, step->images, batch->images);
    if (step->unique) gs_plan_write(plan, step->unique, batch->codes);
    if (step->target) { /* slots beyond the annotated images have weight 0 everywhere */
        gs_plan_write(plan, step->target, batch->target);
        gs_plan_write(plan, step->annotated, batch->annotated_pixels);
    }
    write_dropout(t, plan, &step->dropout);
}

/* A plan and one of its runs. */
typedef struct finished_run {
    const gs_plan *plan;
    uint64_t run;
} finished_run;

static double read_scalar(const void *opaque, const gs_tensor *loss) {
    const finished_run *of = opaque;
    return gs_plan_scalar_of(of->plan, loss, of->run);
}

static gs_status look_at_losses(gs_trainer *t, const gs_pending_step *p, gs_error *err) {
    finished_run of = {t->plans[p->slot], p->run};
    double losses[GS_TERM_COUNT];
    gs_step_losses(&t->steps[p->slot], read_scalar, &of, losses);
    for (gs_term k = 0; k < GS_TERM_COUNT; k++) {
        if (!isfinite(losses[k])) {
            t->state.step = p->step;
            return gs_fail(err, GS_NUMERIC, "the %s loss is not finite after step %llu",
                           gs_term_name(k), (unsigned long long)p->step);
        }
        t->loss_sums[k] += losses[k];
    }
    /* A batch without masks says nothing about the segmentation loss. */
    t->loss_steps++;
    t->segmented_steps += p->is_segmented;
    return GS_OK;
}

gs_status gs__trainer_settle(gs_trainer *t, gs_error *err) {
    int count = t->pending_count;
    t->pending_count = 0;
    if (count > 0) GS_TRY(gs_plan_wait(t->plans[t->pending[0].slot], err));
    for (int i = 0; i < count; i++) GS_TRY(look_at_losses(t, &t->pending[i], err));
    return GS_OK;
}

gs_status gs__trainer_step(gs_trainer *t, gs_error *err) {
    const gs_batch *batch;
    int capacity;
    GS_TRY(gs_loader_take(t->loader, t->state.step, &batch, err));
    gs_pending_step p = {.slot = plan_slot(t, batch->annotated, &capacity),
                         .is_segmented = batch->annotated > 0};
    GS_TRY(ensure_plan(t, p.slot, capacity, err));
    write_batch(t, t->plans[p.slot], &t->steps[p.slot], batch);
    GS_TRY(gs_plan_start(t->plans[p.slot], t->parameters, &p.run, err));
    p.step = ++t->state.step;
    t->pending[t->pending_count++] = p;
    return t->pending_count < gs_device_runs_ahead(t->device) ? GS_OK : gs__trainer_settle(t, err);
}

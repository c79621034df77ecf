/* Running a plan on a device that computes by itself.
 *
 * Inputs are written to host memory that the device copies from: two halves, one of which is copied
 * while the other is written for the next run. The first run after the device's memory was cut
 * queues node after node; the second records them, and from then on the recording is replayed. An
 * inference plan that has constants to make queues its nodes one by one.
 *
 *   write ─▶ half h ─(copied)─▶ device: nodes ─▶ losses, to one of a ring's slots ─▶ …
 *                                            └─▶ kept tensors, where the run is waited for
 *
 * Invariant: a half is written only when what was last copied from it has arrived. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <string.h>

enum { HALVES = 2 };
#define NOWHERE SIZE_MAX

typedef struct gs_staging {
    uint64_t arrangement; /* of the device's memory that the recording is for */
    bool has_run;
    void *recording;
    char *host;      /* the halves, then the kept tensors, then the losses' ring */
    size_t *at;      /* [tensor_count] in a half, or among the kept; of losses: in a slot */
    bool *in_second; /* [tensor_count] the half that an input was last written to */
    size_t half_bytes, kept_bytes, slot_bytes;
    int half;             /* that is written now */
    void *marks[HALVES];  /* of runs in turn: their inputs have been copied */
    int mark_of[HALVES];  /* of the last run that copied from a half; -1: none did */
    bool is_read[HALVES]; /* by the run that is being started */
    uint64_t runs;
} gs_staging;

static bool is_input(const gs_tensor *t) {
    return t->producer < 0 && t->storage == GS_IN_ARENA && !t->base;
}

static bool is_loss(const gs_tensor *t) {
    return t->kept && t->producer >= 0 && !t->base && gs__shape_size(t->shape) == 1;
}

static bool is_kept_map(const gs_tensor *t) {
    return t->kept && t->producer >= 0 && !t->base && t->storage == GS_IN_ARENA && !is_loss(t);
}

/* ---- Making ---------------------------------------------------------------------------------- */

static size_t take(size_t *bytes, size_t size) {
    size_t at = *bytes;
    *bytes += (size + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
    return at;
}

static void lay_out(const gs_plan *plan, gs_staging *s) {
    for (int i = 0; i < plan->graph->tensor_count; i++) {
        const gs_tensor *t = plan->graph->tensors[i];
        size_t bytes = gs__tensor_bytes(plan->device->backend, t);
        s->at[i] = NOWHERE;
        if (is_input(t)) s->at[i] = take(&s->half_bytes, bytes);
        if (is_kept_map(t)) s->at[i] = take(&s->kept_bytes, bytes);
        if (is_loss(t)) s->at[i] = s->slot_bytes, s->slot_bytes += bytes;
    }
    s->slot_bytes =
        (s->slot_bytes + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
}

gs_status gs__staging_new(gs_plan *plan, gs_error *err) {
    const gs_backend_queue *queue = plan->device->backend->queue;
    size_t count = (size_t)plan->graph->tensor_count;
    gs_staging *s = plan->staging = gs_alloc(1, sizeof *s);
    if (!s || !(s->at = gs_alloc(count, sizeof *s->at)) ||
        !(s->in_second = gs_alloc(count, sizeof *s->in_second)))
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    lay_out(plan, s);
    for (int i = 0; i < HALVES; i++) s->mark_of[i] = -1;
    size_t bytes = HALVES * s->half_bytes + s->kept_bytes + GS_PLAN_RUNS_AHEAD * s->slot_bytes;
    void *host = NULL;
    GS_TRY(queue->allocate_host(plan->device->state, bytes, &host, err));
    memset(host, 0, bytes);
    s->host = host;
    return GS_OK;
}

static void forget_recording(gs_plan *plan) {
    gs_staging *s = plan->staging;
    if (s->recording)
        plan->device->backend->queue->free_recording(plan->device->state, s->recording);
    s->recording = NULL;
    s->has_run = false;
}

void gs__staging_free(gs_plan *plan) {
    gs_staging *s = plan->staging;
    if (!s) return;
    const gs_backend_queue *queue = plan->device->backend->queue;
    gs_error ignored; /* what is queued may still use the host's memory */
    (void)!queue->wait(plan->device->state, &ignored);
    forget_recording(plan);
    for (int i = 0; i < HALVES; i++)
        if (s->marks[i]) queue->free_mark(plan->device->state, s->marks[i]);
    if (s->host) queue->release_host(plan->device->state, s->host);
    gs_free(s->at), gs_free(s->in_second);
    gs_free(s);
    plan->staging = NULL;
}

/* ---- The host's side ------------------------------------------------------------------------- */

char *gs__staged_input(gs_plan *plan, const gs_tensor *input) {
    gs_staging *s = plan->staging;
    s->in_second[input->id] = s->half == 1;
    return s->host + (size_t)s->half * s->half_bytes + s->at[input->id];
}

static const char *latest_input(const gs_staging *s, const gs_tensor *input) {
    return s->host + (s->in_second[input->id] ? s->half_bytes : 0) + s->at[input->id];
}

const char *gs__staged_scalar(const gs_plan *plan, const gs_tensor *loss, uint64_t run) {
    const gs_staging *s = plan->staging;
    gs_assert(s->at[loss->id] != NOWHERE && run <= s->runs && run + GS_PLAN_RUNS_AHEAD > s->runs);
    return s->host + HALVES * s->half_bytes + s->kept_bytes +
           run % GS_PLAN_RUNS_AHEAD * s->slot_bytes + s->at[loss->id];
}

const char *gs__staged_output(const gs_plan *plan, const gs_tensor *tensor) {
    const gs_staging *s = plan->staging;
    const gs_tensor *owner = gs__memory_owner(tensor);
    gs_assert(s->at[owner->id] != NOWHERE); /* only what is kept can be read */
    const char *at = is_input(owner)  ? latest_input(s, owner)
                     : is_loss(owner) ? gs__staged_scalar(plan, owner, s->runs)
                                      : s->host + HALVES * s->half_bytes + s->at[owner->id];
    return at + gs__view_bytes(plan, tensor);
}

uint64_t gs__queue_runs(const gs_plan *plan) {
    return plan->staging->runs;
}

/* ---- Running --------------------------------------------------------------------------------- */

/* The device's memory was cut since the plan was run last. */
static gs_status move_in(gs_plan *plan, gs_error *err) {
    const gs_backend_queue *queue = plan->device->backend->queue;
    gs_staging *s = plan->staging;
    if (s->arrangement == plan->device->own.arrangement) return GS_OK;
    forget_recording(plan);
    gs__plan_point_at_constants(plan);
    for (int i = 0; i < plan->graph->node_count; i++) {
        const gs_kernel *kernel = &plan->device->backend->kernels[plan->graph->nodes[i]->op];
        if (!kernel->table || !plan->nodes[i].handle) continue;
        gs_table table = kernel->table(plan->nodes[i].handle);
        if (table.bytes)
            GS_TRY(queue->copy_in(plan->device->state, plan->tables + plan->nodes[i].table,
                                  table.data, table.bytes, err));
    }
    s->arrangement = plan->device->own.arrangement;
    return GS_OK;
}

static gs_status copy_inputs(gs_plan *plan, const gs_run *run, gs_error *err) {
    const gs_device *device = plan->device;
    gs_staging *s = plan->staging;
    for (int i = 0; i < plan->graph->tensor_count; i++) {
        const gs_tensor *t = plan->graph->tensors[i];
        if (!is_input(t)) continue;
        s->is_read[s->in_second[i]] = true;
        GS_TRY(device->backend->queue->copy_in(device->state, gs_run_pointer(run, t),
                                               latest_input(s, t),
                                               gs__tensor_bytes(device->backend, t), err));
    }
    return GS_OK;
}

static gs_status copy_losses(gs_plan *plan, const gs_run *run, gs_error *err) {
    const gs_device *device = plan->device;
    for (int i = 0; i < plan->graph->tensor_count; i++) {
        const gs_tensor *t = plan->graph->tensors[i];
        if (is_loss(t))
            GS_TRY(device->backend->queue->copy_out(
                device->state, (char *)(uintptr_t)gs__staged_scalar(plan, t, plan->staging->runs),
                gs_run_pointer(run, t), gs__tensor_bytes(device->backend, t), err));
    }
    return GS_OK;
}

static gs_status record(gs_plan *plan, gs_run *run, gs_error *err) {
    const gs_backend_queue *queue = plan->device->backend->queue;
    GS_TRY(queue->record(plan->device->state, err));
    gs_status status = gs__plan_run_nodes(plan, run, err);
    return queue->end_recording(plan->device->state, status, &plan->staging->recording, err);
}

static gs_status compute(gs_plan *plan, gs_run *run, bool can_replay, gs_error *err) {
    gs_staging *s = plan->staging;
    if (!can_replay || !s->has_run) {
        s->has_run = true;
        return gs__plan_run_nodes(plan, run, err);
    }
    if (!s->recording) GS_TRY(record(plan, run, err));
    return plan->device->backend->queue->replay(plan->device->state, s->recording, err);
}

/* Marks that inputs have been copied, and turns to the other half once nothing is copied from it
 * any more. What was not written since lies there still, so a run may read either half. */
static gs_status turn(gs_plan *plan, gs_error *err) {
    const gs_backend_queue *queue = plan->device->backend->queue;
    gs_staging *s = plan->staging;
    int mark = (int)(s->runs % HALVES);
    GS_TRY(queue->mark(plan->device->state, &s->marks[mark], err));
    for (int i = 0; i < HALVES; i++) {
        if (s->is_read[i]) s->mark_of[i] = mark;
        s->is_read[i] = false;
    }
    s->half = 1 - s->half;
    if (s->mark_of[s->half] < 0) return GS_OK;
    return queue->wait_mark(plan->device->state, s->marks[s->mark_of[s->half]], err);
}

gs_status gs__queue_start(gs_plan *plan, gs_parameters *parameters, gs_error *err) {
    gs_device *device = plan->device;
    bool is_inference = plan->mode == GS_PLAN_INFERENCE, can_replay = !plan->times_nodes;
    GS_TRY(move_in(plan, err));
    GS_TRY(gs__mirror_update(device, plan->mirror, parameters, err));
    gs_run run = {.arena = device->arena,
                  .parameters = &plan->mirror->view,
                  .scratch = device->scratch,
                  .state = device->state,
                  .threads = device->threads,
                  .optimizer = plan->mirror->optimizer_there};
    if (is_inference && !gs__plan_skip_current(plan, parameters)) can_replay = false;
    if (plan->mode == GS_PLAN_GUARDED) can_replay = false;
    if (plan->mode == GS_PLAN_GUARDED) GS_TRY(gs__guards_set(plan, err));
    GS_TRY(copy_inputs(plan, &run, err));
    if (!is_inference) plan->mirror->is_newer = true;
    GS_TRY(compute(plan, &run, can_replay, err));
    plan->staging->runs++;
    GS_TRY(copy_losses(plan, &run, err));
    if (is_inference) gs__plan_constants_made(plan, parameters);
    return turn(plan, err);
}

gs_status gs__queue_finish(gs_plan *plan, gs_fetching what, gs_error *err) {
    const gs_device *device = plan->device;
    const gs_backend_queue *queue = device->backend->queue;
    gs_staging *s = plan->staging;
    gs_run run = {.arena = device->arena, .parameters = &plan->mirror->view};
    for (int i = 0; what == GS_FETCH_KEPT && i < plan->graph->tensor_count; i++) {
        const gs_tensor *t = plan->graph->tensors[i];
        if (is_kept_map(t))
            GS_TRY(queue->copy_out(device->state, s->host + HALVES * s->half_bytes + s->at[i],
                                   gs_run_pointer(&run, t), gs__tensor_bytes(device->backend, t),
                                   err));
    }
    return queue->wait(device->state, err);
}

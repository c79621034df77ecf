/* Makes plans of graphs and runs them: compiles nodes, has weights packed and tensors placed. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <omp.h>
#include <time.h>

/* ---- Plan ------------------------------------------------------------------------------------ */

static gs_status compile_node(gs_plan *plan, int i, gs_error *err) {
    const gs_node *node = plan->graph->nodes[i];
    const gs_backend *backend = plan->device->backend;
    const gs_kernel *kernel = &backend->kernels[node->op];
    gs_plan_node *n = &plan->nodes[i];
    if (!kernel->run)
        return gs_fail(err, GS_UNSUPPORTED, "backend %s has no kernel for %s", backend->name,
                       gs_op_name(node->op));
    if (kernel->prepare)
        GS_TRY(kernel->prepare(plan->device->state, node, &n->handle, &n->scratch, err));
    if (n->scratch > plan->scratch_bytes) plan->scratch_bytes = n->scratch;
    return GS_OK;
}

static void mark_kept_weights(gs_plan *plan) {
    for (int i = 0; plan->mode == GS_PLAN_INFERENCE && i < plan->graph->node_count; i++) {
        gs_node *node = plan->graph->nodes[i];
        if (node->op == GS_OP_CONV) node->as.conv.keeps_weight = node->in[1]->constant;
    }
}

static gs_status compile_nodes(gs_plan *plan, gs_error *err) {
    mark_kept_weights(plan);
    for (int i = 0; i < plan->graph->node_count; i++) GS_TRY(compile_node(plan, i, err));
    GS_TRY(gs__plan_pack_weights(plan, err));
    for (int i = 0; i < plan->graph->node_count; i++)
        if (plan->graph->nodes[i]->op == GS_OP_PACK_WEIGHT) GS_TRY(compile_node(plan, i, err));
    if (plan->mode == GS_PLAN_GUARDED) plan->scratch_bytes += GS_GUARD_BYTES;
    return GS_OK;
}

static void measure_tables(gs_plan *plan) {
    for (int i = 0; i < plan->graph->node_count; i++) {
        const gs_kernel *kernel = &plan->device->backend->kernels[plan->graph->nodes[i]->op];
        if (!kernel->table || !plan->nodes[i].handle) continue;
        plan->nodes[i].table = plan->table_bytes;
        size_t bytes = kernel->table(plan->nodes[i].handle).bytes;
        plan->table_bytes +=
            (bytes + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
    }
}

/* Memory of a device's own, and the host's beside it. */
static gs_status reserve_there(gs_plan *plan, gs_error *err) {
    measure_tables(plan);
    GS_TRY(gs__device_place(plan, err));
    return gs__staging_new(plan, err);
}

static gs_status plan_build(gs_plan *plan, gs_error *err) {
    gs_device *device = plan->device;
    GS_TRY(gs_graph_finish(plan->graph, err));
    if (device->backend->choose_types) device->backend->choose_types(device->state, plan->graph);
    omp_set_num_threads(device->threads);
    /* Packing inserts at most one node for each. */
    plan->nodes = gs_alloc(2 * (size_t)plan->graph->node_count, sizeof *plan->nodes);
    if (!plan->nodes) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    GS_TRY(compile_nodes(plan, err));
    GS_TRY(gs__plan_place_constants(plan, err));
    GS_TRY(gs__plan_place_tensors(plan, err));
    if (device->backend->queue) return reserve_there(plan, err);
    GS_TRY(gs__device_reserve(&device->scratch, &device->scratch_bytes, plan->scratch_bytes, err));
    void *arena = device->arena;
    gs_status status = gs__device_reserve(&arena, &device->arena_bytes, plan->arena_bytes, err);
    device->arena = arena;
    return status;
}

gs_status gs_plan_new(gs_graph *graph, gs_device *device, gs_plan_mode mode, gs_plan **out,
                      gs_error *err) {
    gs_plan *plan = graph ? gs_alloc(1, sizeof *plan) : NULL;
    if (!plan) {
        gs_graph_free(graph);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    }
    *plan = (gs_plan){.graph = graph, .device = device, .mode = mode};
    gs_status status = plan_build(plan, err);
    if (status != GS_OK) {
        gs_plan_free(plan);
        return status;
    }
    *out = plan;
    return GS_OK;
}

void gs_plan_free(gs_plan *plan) {
    if (!plan) return;
    for (int i = 0; plan->nodes && i < plan->graph->node_count; i++) {
        const gs_kernel *kernel = &plan->device->backend->kernels[plan->graph->nodes[i]->op];
        if (plan->nodes[i].handle && kernel->release) kernel->release(plan->nodes[i].handle);
    }
    gs__staging_free(plan);
    gs__plan_release_constants(plan);
    if (plan->device->backend->queue) gs__device_forget(plan);
    gs_graph_free(plan->graph);
    gs_free(plan->nodes);
    gs_free(plan);
}

bool gs__plan_has_memory(const gs_plan *plan) {
    const gs_device *device = plan->device;
    return device->arena_bytes >= plan->arena_bytes && device->scratch_bytes >= plan->scratch_bytes;
}

void *gs_run_pointer(const gs_run *run, const gs_tensor *tensor) {
    if (!tensor) return NULL;
    const gs_tensor *owner = tensor->base ? tensor->base : tensor;
    size_t size = run->parameters->element_size, at = owner->offset;
    if (tensor->base) {
        gs_shape one = tensor->shape;
        one.n = 1;
        at += (size_t)tensor->view_from * gs__shape_size(one);
    }
    switch (owner->storage) {
    case GS_IN_VALUES:
        return (char *)run->parameters->values + at * size;
    case GS_IN_GRADIENTS:
        return (char *)run->parameters->gradients + at * size;
    case GS_IN_ARENA:
        break;
    }
    if (owner->memory) return owner->memory + (at - owner->offset) * size;
    return run->arena + at * size;
}

/* ---- Running --------------------------------------------------------------------------------- */

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

gs_status gs__plan_run_nodes(gs_plan *plan, gs_run *run, gs_error *err) {
    const gs_device *device = plan->device;
    bool times = plan->times_nodes || !device->backend->queue;
    for (int i = 0; i < plan->graph->node_count; i++) {
        const gs_node *node = plan->graph->nodes[i];
        gs_plan_node *n = &plan->nodes[i];
        if (n->skipped) continue;
        if (plan->mode == GS_PLAN_GUARDED) GS_TRY(gs__guard_scratch(plan, i, err));
        run->table = plan->tables ? plan->tables + n->table : NULL;
        double start = times ? now_seconds() : 0;
        GS_TRY(device->backend->kernels[node->op].run(run, node, n->handle, err));
        if (plan->times_nodes) GS_TRY(device->backend->queue->wait(device->state, err));
        if (times) n->seconds += now_seconds() - start, n->runs++;
        if (plan->mode == GS_PLAN_GUARDED) GS_TRY(gs__check_scratch(plan, i, err));
    }
    return GS_OK;
}

/* In host memory. */
static gs_status run_here(gs_plan *plan, gs_parameters *parameters, gs_error *err) {
    gs_device *device = plan->device;
    omp_set_num_threads(device->threads);
    gs_run run = {.arena = device->arena,
                  .parameters = parameters,
                  .scratch = device->scratch,
                  .state = device->state,
                  .threads = device->threads};
    if (plan->mode == GS_PLAN_INFERENCE) gs__plan_skip_current(plan, parameters);
    if (plan->mode == GS_PLAN_GUARDED) GS_TRY(gs__guards_set(plan, err));
    GS_TRY(gs__plan_run_nodes(plan, &run, err));
    if (plan->mode == GS_PLAN_INFERENCE) gs__plan_constants_made(plan, parameters);
    return GS_OK;
}

static gs_status start(gs_plan *plan, gs_parameters *parameters, gs_error *err) {
    gs_assert(parameters->element_size == plan->device->backend->element_size);
    gs_assert(parameters->set == plan->graph->set);
    if (!gs__plan_has_memory(plan))
        return gs_fail(err, GS_OUT_OF_MEMORY,
                       "the device lost its memory to a plan too large for it");
    return plan->staging ? gs__queue_start(plan, parameters, err) : run_here(plan, parameters, err);
}

gs_status gs_plan_run(gs_plan *plan, gs_parameters *parameters, gs_error *err) {
    GS_TRY(start(plan, parameters, err));
    return plan->staging ? gs__queue_finish(plan, GS_FETCH_KEPT, err) : GS_OK;
}

gs_status gs_plan_start(gs_plan *plan, gs_parameters *parameters, uint64_t *run_out,
                        gs_error *err) {
    GS_TRY(start(plan, parameters, err));
    *run_out = plan->staging ? gs__queue_runs(plan) : 0;
    return GS_OK;
}

gs_status gs_plan_wait(gs_plan *plan, gs_error *err) {
    return plan->staging ? gs__queue_finish(plan, GS_FETCH_LOSSES, err) : GS_OK;
}

void gs_plan_time_nodes(gs_plan *plan) {
    plan->times_nodes = plan->staging != NULL;
    for (int i = 0; i < plan->graph->node_count; i++)
        if (gs__plan_runs_always(plan, i)) plan->nodes[i].seconds = 0, plan->nodes[i].runs = 0;
}

size_t gs_plan_arena_bytes(const gs_plan *plan) {
    return plan->arena_bytes;
}

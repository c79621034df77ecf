/* What a guarded plan lays around its tensors and behind its scratch, and finds there afterwards.
 * On a device the bytes are filled by its queue and copied out to be looked at. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <string.h>

enum { GUARD_VALUE = 0xA5, GUARD_ROOM = 2 * GS_GUARD_BYTES + GS_TENSOR_ALIGNMENT };

static gs_status fill(const gs_plan *plan, void *at, int byte, size_t bytes, gs_error *err) {
    const gs_backend *backend = plan->device->backend;
    if (backend->queue) return backend->queue->fill(plan->device->state, at, byte, bytes, err);
    memset(at, byte, bytes);
    return GS_OK;
}

static gs_status is_guard(const gs_plan *plan, const char *at, size_t bytes, bool *is_out,
                          gs_error *err) {
    const gs_backend_queue *queue = plan->device->backend->queue;
    unsigned char room[GUARD_ROOM];
    gs_assert(bytes <= sizeof room);
    if (queue) {
        GS_TRY(queue->copy_out(plan->device->state, room, at, bytes, err));
        GS_TRY(queue->wait(plan->device->state, err));
    } else {
        memcpy(room, at, bytes);
    }
    *is_out = true;
    for (size_t k = 0; k < bytes; k++)
        if (room[k] != GUARD_VALUE) *is_out = false;
    return GS_OK;
}

static size_t guard_offset(const gs_plan *plan, const gs_tensor *tensor) {
    size_t size = plan->device->backend->element_size;
    return tensor->offset * size + gs__tensor_bytes(plan->device->backend, tensor);
}

/* The bytes between a tensor's end and the next tensor: alignment padding and the guard. */
static size_t guard_size(const gs_plan *plan, const gs_tensor *tensor) {
    size_t bytes = gs__tensor_bytes(plan->device->backend, tensor);
    return (GS_TENSOR_ALIGNMENT - bytes % GS_TENSOR_ALIGNMENT) % GS_TENSOR_ALIGNMENT +
           GS_GUARD_BYTES;
}

static bool has_guard(const gs_tensor *tensor) {
    return tensor->storage == GS_IN_ARENA && !tensor->base;
}

gs_status gs__guards_set(gs_plan *plan, gs_error *err) {
    const gs_graph *graph = plan->graph;
    char *arena = plan->device->arena;
    size_t size = plan->device->backend->element_size;
    for (int i = 0; i < graph->tensor_count; i++) {
        const gs_tensor *t = graph->tensors[i];
        if (!has_guard(t)) continue;
        GS_TRY(fill(plan, arena + guard_offset(plan, t), GUARD_VALUE, guard_size(plan, t), err));
        bool is_input = t->producer < 0;
        if (!is_input) /* all ones is a NaN in every width */
            GS_TRY(fill(plan, arena + t->offset * size, 0xFF,
                        gs__tensor_bytes(plan->device->backend, t), err));
    }
    return GS_OK;
}

/* What a node finds in the scratch is NaN, and beyond what it asked for lies a guard. */
gs_status gs__guard_scratch(const gs_plan *plan, int node, gs_error *err) {
    char *scratch = plan->device->scratch;
    size_t bytes = plan->nodes[node].scratch;
    GS_TRY(fill(plan, scratch, 0xFF, bytes, err));
    return fill(plan, scratch + bytes, GUARD_VALUE, GS_GUARD_BYTES, err);
}

gs_status gs__check_scratch(gs_plan *plan, int node, gs_error *err) {
    bool is_intact;
    if (plan->broken_scratch) return GS_OK;
    GS_TRY(is_guard(plan, (const char *)plan->device->scratch + plan->nodes[node].scratch,
                    GS_GUARD_BYTES, &is_intact, err));
    if (!is_intact) plan->broken_scratch = gs_op_name(plan->graph->nodes[node]->op);
    return GS_OK;
}

const char *gs_plan_broken_guard(const gs_plan *plan) {
    if (plan->broken_scratch) return plan->broken_scratch;
    for (int i = 0; i < plan->graph->tensor_count; i++) {
        const gs_tensor *t = plan->graph->tensors[i];
        bool is_intact;
        gs_error err;
        if (!has_guard(t)) continue;
        if (is_guard(plan, plan->device->arena + guard_offset(plan, t), guard_size(plan, t),
                     &is_intact, &err) != GS_OK)
            return "reading the guards";
        if (!is_intact)
            return t->producer >= 0 ? gs_op_name(plan->graph->nodes[t->producer]->op) : t->name;
    }
    return NULL;
}

/* Places tensors in the arena by liveness.
 *
 * Invariants: (1) two tensors whose lifetimes overlap never share bytes; (2) a view has no memory
 * of its own, and its base lives as long as any use of the view; (3) kept tensors live to the end.
 */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <stdlib.h>

typedef struct placement {
    gs_tensor *tensor;
    size_t size, offset; /* bytes */
    int first, last;
} placement;

static void extend_lifetime(gs_lifetime *of_id, const gs_tensor *tensor, int node) {
    if (!tensor) return;
    gs_lifetime *life = &of_id[gs__memory_owner(tensor)->id];
    if (node > life->last) life->last = node;
}

static bool is_in_arena(const gs_plan *plan, const gs_tensor *tensor) {
    bool is_constant = plan->constants && plan->constants[tensor->id];
    return !tensor->base && tensor->storage == GS_IN_ARENA && !is_constant;
}

void gs__plan_lifetimes(const gs_plan *plan, gs_lifetime *of_id) {
    const gs_graph *graph = plan->graph;
    for (int i = 0; i < graph->tensor_count; i++) {
        const gs_tensor *t = graph->tensors[i];
        of_id[i].first = of_id[i].last = t->producer > 0 ? t->producer : 0;
        size_t bytes = is_in_arena(plan, t) ? gs__tensor_bytes(plan->device->backend, t) : 0;
        of_id[i].bytes =
            (bytes + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
    }
    for (int n = 0; n < graph->node_count; n++) {
        for (int i = 0; i < graph->nodes[n]->in_count; i++)
            extend_lifetime(of_id, graph->nodes[n]->in[i], n);
        for (int i = 0; i < graph->nodes[n]->out_count; i++)
            extend_lifetime(of_id, graph->nodes[n]->out[i], n);
    }
    for (int i = 0; i < graph->tensor_count; i++)
        if (graph->tensors[i]->kept) of_id[i].last = graph->node_count;
}

static int larger_first(const void *a, const void *b) {
    const placement *const *p = a, *const *q = b;
    if ((*p)->size != (*q)->size) return (*p)->size < (*q)->size ? 1 : -1;
    return (*p)->tensor->id - (*q)->tensor->id;
}

static int by_offset(const void *a, const void *b) {
    const placement *const *p = a, *const *q = b;
    return ((*p)->offset > (*q)->offset) - ((*p)->offset < (*q)->offset);
}

/* The lowest offset at which `p` fits beside those already placed that live at the same time. */
static size_t lowest_fit(const placement *p, placement **placed, size_t count, placement **room) {
    size_t overlapping = 0;
    for (size_t i = 0; i < count; i++)
        if (placed[i]->first <= p->last && p->first <= placed[i]->last)
            room[overlapping++] = placed[i];
    qsort(room, overlapping, sizeof *room, by_offset);
    size_t at = 0;
    for (size_t i = 0; i < overlapping; i++) {
        if (at + p->size <= room[i]->offset) break;
        size_t end = room[i]->offset + room[i]->size;
        if (end > at) at = end;
    }
    return at;
}

/* Greedy by size: large tensors first, each at the lowest place that is free during its life. */
static size_t place(placement **list, size_t count, placement **room) {
    size_t total = 0;
    qsort(list, count, sizeof *list, larger_first);
    for (size_t i = 0; i < count; i++) {
        list[i]->offset = lowest_fit(list[i], list, i, room);
        if (list[i]->offset + list[i]->size > total) total = list[i]->offset + list[i]->size;
    }
    return total;
}

static size_t place_apart(placement **list, size_t count, size_t gap) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        list[i]->offset = total;
        total += list[i]->size + gap;
    }
    return total;
}

gs_status gs__plan_place_tensors(gs_plan *plan, gs_error *err) {
    const gs_graph *graph = plan->graph;
    size_t count = (size_t)graph->tensor_count, placed = 0;
    gs_lifetime *lives = gs_alloc(count, sizeof *lives);
    placement *placements = gs_alloc(count, sizeof *placements);
    placement **list = gs_alloc(2 * count, sizeof *list);
    gs_status status = GS_OK;
    if (!lives || !placements || !list) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to place %zu tensors", count);
        goto done;
    }
    gs__plan_lifetimes(plan, lives);
    for (size_t i = 0; i < count; i++) {
        if (lives[i].bytes == 0) continue;
        placements[placed] = (placement){.tensor = graph->tensors[i],
                                         .size = lives[i].bytes,
                                         .first = lives[i].first,
                                         .last = lives[i].last};
        list[placed] = &placements[placed];
        placed++;
    }
    if (plan->mode == GS_PLAN_GUARDED)
        plan->arena_bytes = place_apart(list, placed, GS_GUARD_BYTES);
    else
        plan->arena_bytes = place(list, placed, list + count);
    for (size_t i = 0; i < placed; i++)
        list[i]->tensor->offset = list[i]->offset / plan->device->backend->element_size;
done:
    gs_free(lives), gs_free(placements), gs_free(list);
    return status;
}

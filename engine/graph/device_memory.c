/* The one block of memory that a device with memory of its own has:
 *
 *   mirrors of parameters | tables of plans | constants | scratch | arena
 *
 * Every new plan cuts it anew. Mirrors come first and in the order in which they were made, so they
 * stay where they are unless the block is replaced; what else lies there is made again: tables are
 * copied, constants computed, and recordings of plans thrown away, all when a plan is run next
 * (`arrangement` tells it to).
 *
 * The block is released before a larger one is got, so that a plan may fill the device; what
 * mirrors hold that the host has not waits in host memory meanwhile. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

static size_t round_up(size_t bytes) {
    return (bytes + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
}

/* Bytes of the block's parts. */
typedef struct parts {
    size_t mirrors, tables, constants, scratch, arena;
} parts;

static parts measure(gs_device *device) {
    parts p = {.constants = gs__constants_place(device, NULL)};
    for (const gs_mirror *m = device->own.mirrors; m; m = m->next)
        p.mirrors += gs__mirror_bytes(device, m);
    for (const gs_plan *plan = device->own.plans; plan; plan = plan->next) {
        p.tables += round_up(plan->table_bytes);
        if (round_up(plan->scratch_bytes) > p.scratch) p.scratch = round_up(plan->scratch_bytes);
        if (plan->arena_bytes > p.arena) p.arena = plan->arena_bytes;
    }
    return p;
}

static size_t total(const parts *p) {
    return p->mirrors + p->tables + p->constants + p->scratch + p->arena;
}

/* Cuts the block, which is large enough, or takes away what is no longer there. */
static void cut(gs_device *device, const parts *p) {
    gs_device_memory *own = &device->own;
    char *at = own->block;
    own->arrangement++;
    device->arena_bytes = device->scratch_bytes = 0;
    if (!at || total(p) > own->bytes) return;
    for (gs_mirror *m = own->mirrors; m; m = m->next) {
        m->at = (size_t)(at - own->block);
        m->placed = gs__mirror_bytes(device, m);
        gs__mirror_point(device, m);
        at += m->placed;
    }
    for (gs_plan *plan = own->plans; plan; plan = plan->next) {
        plan->tables = at;
        at += round_up(plan->table_bytes);
    }
    at += gs__constants_place(device, at);
    device->scratch = at;
    device->scratch_bytes = p->scratch;
    device->arena = at + p->scratch;
    device->arena_bytes = p->arena;
}

/* ---- A larger block -------------------------------------------------------------------------- */

/* Copies what only the device knows into host memory, or back. */
static gs_status save_mirrors(gs_device *device, char *saved, gs_error *err) {
    const gs_backend_queue *queue = device->backend->queue;
    for (const gs_mirror *m = device->own.mirrors; m; m = m->next) {
        if (!m->is_newer) continue;
        GS_TRY(queue->copy_out(device->state, saved, device->own.block + m->at, m->placed, err));
        saved += m->placed;
    }
    return queue->wait(device->state, err);
}

static gs_status restore_mirrors(gs_device *device, const char *saved, gs_error *err) {
    const gs_backend_queue *queue = device->backend->queue;
    for (gs_mirror *m = device->own.mirrors; m; m = m->next) {
        if (!m->is_newer) {
            m->written = 0; /* it is copied again when it is used */
            continue;
        }
        GS_TRY(queue->copy_in(device->state, device->own.block + m->at, saved, m->placed, err));
        saved += m->placed;
    }
    return queue->wait(device->state, err);
}

static gs_status fail_full(const gs_device *device, const parts *p, size_t available,
                           size_t there_are, gs_error *err) {
    const double mib = 1 << 20;
    return gs_fail(err, GS_OUT_OF_MEMORY,
                   "%s needs %.1f MiB of the device's memory for this (%.1f for parameters, %.1f "
                   "for prepared weights and tables, %.1f for workspace, %.1f for activations); "
                   "%.1f of %.1f MiB are free",
                   device->backend->name, (double)total(p) / mib, (double)p->mirrors / mib,
                   (double)(p->tables + p->constants) / mib, (double)p->scratch / mib,
                   (double)p->arena / mib, (double)available / mib, (double)there_are / mib);
}

/* Replaces the block; the old size again where there is no memory for the new. */
static gs_status replace_block(gs_device *device, const parts *p, gs_error *err) {
    const gs_backend_queue *queue = device->backend->queue;
    gs_device_memory *own = &device->own;
    size_t available = 0, there_are = 0, before = own->bytes;
    void *block = NULL;
    queue->release(device->state, own->block);
    own->block = NULL, own->bytes = 0;
    GS_TRY(queue->measure(device->state, &available, &there_are, err));
    gs_error why;
    gs_status status = queue->allocate(device->state, total(p), &block, &why);
    if (status == GS_OK) {
        own->block = block, own->bytes = total(p);
        return GS_OK;
    }
    gs_error none;
    if (before && queue->allocate(device->state, before, &block, &none) == GS_OK)
        own->block = block, own->bytes = before;
    if (status == GS_OUT_OF_MEMORY) return fail_full(device, p, available, there_are, err);
    return gs_fail(err, status, "%s", why.text);
}

static gs_status grow(gs_device *device, const parts *p, gs_error *err) {
    char *saved = NULL;
    size_t bytes = 0;
    for (const gs_mirror *m = device->own.mirrors; m; m = m->next)
        if (m->is_newer) bytes += m->placed;
    if (bytes && !(saved = gs_alloc(bytes, 1)))
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to move %zu bytes of parameters", bytes);
    gs_status status = save_mirrors(device, saved, err);
    if (status == GS_OK) {
        status = replace_block(device, p, err);
        bool has_room = device->own.block && (status == GS_OK);
        if (has_room) cut(device, p);
        gs_error lost;
        /* After a failure mirrors are where they were, in a block of the same size. */
        gs_status restored = device->own.block ? restore_mirrors(device, saved, &lost) : GS_OK;
        if (restored != GS_OK && status == GS_OK) status = gs_fail(err, restored, "%s", lost.text);
    }
    gs_free(saved);
    return status;
}

/* ---- Plans ----------------------------------------------------------------------------------- */

static gs_mirror *find_mirror(const gs_device *device, const gs_parameter_set *set) {
    gs_mirror *m = device->own.mirrors;
    while (m && m->set != set) m = m->next;
    return m;
}

/* Appended: those before keep their places. */
static gs_mirror *acquire_mirror(gs_device *device, const gs_parameter_set *set) {
    gs_mirror *m = find_mirror(device, set);
    if (!m) {
        m = gs_alloc(1, sizeof *m);
        if (!m) return NULL;
        m->set = set;
        gs_mirror **end = &device->own.mirrors;
        while (*end) end = &(*end)->next;
        *end = m;
    }
    m->users++;
    return m;
}

/* A mirror has room for what its plans need; more than that only as long as it stays where it is.
 */
static void find_trainers(gs_device *device) {
    for (gs_mirror *m = device->own.mirrors; m; m = m->next) {
        bool is_trainer = m->placed && m->trains && m->placed == gs__mirror_bytes(device, m);
        m->trains = is_trainer;
        for (const gs_plan *plan = device->own.plans; plan; plan = plan->next)
            if (plan->mirror == m && plan->mode != GS_PLAN_INFERENCE) m->trains = true;
    }
}

static bool has_moved(const gs_device *device) {
    size_t at = 0;
    for (const gs_mirror *m = device->own.mirrors; m; m = m->next) {
        size_t bytes = gs__mirror_bytes(device, m);
        if (m->placed && (m->at != at || m->placed != bytes)) return true;
        at += bytes;
    }
    return false;
}

static gs_status arrange(gs_device *device, gs_error *err) {
    find_trainers(device);
    parts p = measure(device);
    if (total(&p) > device->own.bytes || has_moved(device)) return grow(device, &p, err);
    cut(device, &p);
    return GS_OK;
}

gs_status gs__device_place(gs_plan *plan, gs_error *err) {
    gs_device *device = plan->device;
    plan->next = device->own.plans;
    device->own.plans = plan;
    plan->mirror = acquire_mirror(device, plan->graph->set);
    if (!plan->mirror) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a plan");
    GS_TRY(arrange(device, err));
    plan->is_placed = true;
    return GS_OK;
}

static void release_mirror(gs_device *device, gs_mirror *mirror) {
    if (!mirror || --mirror->users > 0) return;
    gs_mirror **at = &device->own.mirrors;
    while (*at != mirror) at = &(*at)->next;
    /* Those behind it stay where they are until the block is replaced. */
    *at = mirror->next;
    gs_free(mirror);
}

void gs__device_forget(gs_plan *plan) {
    gs_device *device = plan->device;
    gs_plan **at = &device->own.plans;
    while (*at && *at != plan) at = &(*at)->next;
    bool is_listed = *at != NULL;
    if (is_listed) *at = plan->next;
    release_mirror(device, plan->mirror);
    gs_error ignored; /* those that then have no memory say so when they are run */
    if (is_listed && !plan->is_placed && device->own.plans) (void)!arrange(device, &ignored);
}

void gs__device_release_memory(gs_device *device) {
    gs_assert(!device->own.plans && !device->own.mirrors);
    device->backend->queue->release(device->state, device->own.block);
}

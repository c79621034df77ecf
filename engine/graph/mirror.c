/* Parameters in a device's memory: values, then, where plans train, gradients and the optimiser's
 * three arrays; the counters of updates; the optimiser's numbers. */
#include "engine/graph/plan_internal.h"

#include <string.h>

enum { ARRAYS = 5 };

static size_t round_up(size_t bytes) {
    return (bytes + GS_TENSOR_ALIGNMENT - 1) / GS_TENSOR_ALIGNMENT * GS_TENSOR_ALIGNMENT;
}

static size_t array_bytes(const gs_device *device, const gs_mirror *m) {
    return round_up(m->set->size * device->backend->element_size);
}

static size_t steps_bytes(const gs_mirror *m) {
    return round_up((size_t)m->set->count * sizeof(int64_t));
}

size_t gs__mirror_bytes(const gs_device *device, const gs_mirror *m) {
    if (!m->trains) return array_bytes(device, m);
    return ARRAYS * array_bytes(device, m) + steps_bytes(m) + round_up(sizeof m->optimizer);
}

void gs__mirror_point(const gs_device *device, gs_mirror *m) {
    char *at = device->own.block + m->at;
    size_t bytes = array_bytes(device, m);
    m->view =
        (gs_parameters){.set = m->set, .element_size = device->backend->element_size, .values = at};
    m->optimizer_there = NULL;
    if (!m->trains) return;
    m->view.gradients = at + bytes;
    m->view.moment1 = at + 2 * bytes;
    m->view.moment2 = at + 3 * bytes;
    m->view.moment2_max = at + 4 * bytes;
    m->view.steps = (int64_t *)(void *)(at + ARRAYS * bytes);
    m->optimizer_there = at + ARRAYS * bytes + steps_bytes(m);
}

/* ---- To the device --------------------------------------------------------------------------- */

static gs_status copy_array(gs_device *device, void *to, const void *from, size_t bytes,
                            gs_error *err) {
    return from ? device->backend->queue->copy_in(device->state, to, from, bytes, err) : GS_OK;
}

static gs_status copy_all(gs_device *device, const gs_mirror *m, const gs_parameters *p,
                          gs_error *err) {
    size_t bytes = p->set->size * p->element_size;
    GS_TRY(copy_array(device, m->view.values, p->values, bytes, err));
    if (!m->trains) return GS_OK;
    GS_TRY(copy_array(device, m->view.gradients, p->gradients, bytes, err));
    GS_TRY(copy_array(device, m->view.moment1, p->moment1, bytes, err));
    GS_TRY(copy_array(device, m->view.moment2, p->moment2, bytes, err));
    GS_TRY(copy_array(device, m->view.moment2_max, p->moment2_max, bytes, err));
    return copy_array(device, m->view.steps, p->steps, (size_t)p->set->count * sizeof *p->steps,
                      err);
}

static gs_optimizer optimizer_of(const gs_parameters *p) {
    return (gs_optimizer){{p->learning_rate, p->learning_rate * p->discriminator_rate},
                          p->weight_decay,
                          p->beta1,
                          p->beta2,
                          p->epsilon};
}

gs_status gs__mirror_update(gs_device *device, gs_mirror *m, const gs_parameters *p,
                            gs_error *err) {
    bool is_there = m->written == p->written;
    gs_optimizer now = optimizer_of(p);
    bool changes = m->trains && memcmp(&now, &m->optimizer, sizeof now) != 0;
    if (is_there && !changes) return GS_OK;
    m->written = 0; /* until all has arrived */
    if (!is_there) GS_TRY(copy_all(device, m, p, err));
    if (m->trains) {
        m->optimizer = now;
        GS_TRY(device->backend->queue->copy_in(device->state, (void *)(uintptr_t)m->optimizer_there,
                                               &m->optimizer, sizeof now, err));
    }
    GS_TRY(device->backend->queue->wait(device->state, err));
    if (!is_there) m->is_newer = false;
    m->written = p->written;
    return GS_OK;
}

/* ---- From the device ------------------------------------------------------------------------- */

gs_status gs_device_fetch(gs_device *device, gs_parameters *p, gs_error *err) {
    const gs_backend_queue *queue = device->backend->queue;
    gs_mirror *m = device->own.mirrors;
    while (m && (m->set != p->set || m->written != p->written)) m = m->next;
    if (!m || !m->is_newer) return GS_OK;
    const void *from[] = {m->view.values, m->view.gradients, m->view.moment1, m->view.moment2,
                          m->view.moment2_max};
    void *to[] = {p->values, p->gradients, p->moment1, p->moment2, p->moment2_max};
    size_t bytes = p->set->size * p->element_size;
    for (int i = 0; i < ARRAYS; i++)
        if (to[i] && from[i]) GS_TRY(queue->copy_out(device->state, to[i], from[i], bytes, err));
    if (p->steps && m->view.steps)
        GS_TRY(queue->copy_out(device->state, p->steps, m->view.steps,
                               (size_t)p->set->count * sizeof *p->steps, err));
    GS_TRY(queue->wait(device->state, err));
    m->is_newer = false;
    return GS_OK;
}

#include "engine/graph/parameters.h"

#include "base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { PARAMETER_ALIGNMENT = 16 /* elements: 64 bytes in fp32 */ };

void gs_parameter_set_deinit(gs_parameter_set *set) {
    gs_free(set->items);
    *set = (gs_parameter_set){0};
}

static bool grow(gs_parameter_set *set) {
    if (set->count < set->capacity) return true;
    int capacity = set->capacity ? 2 * set->capacity : 128;
    gs_parameter *items = gs_resize(set->items, (size_t)capacity, sizeof *items);
    if (!items) return false;
    set->items = items;
    set->capacity = capacity;
    return true;
}

int gs_parameter_set_add(gs_parameter_set *set, const char *name, gs_group group, bool trained,
                         int rank, const int *shape) {
    gs_assert(rank >= 1 && rank <= 4);
    if (set->failed || !grow(set)) {
        set->failed = true;
        return 0;
    }
    gs_parameter *item = &set->items[set->count];
    *item = (gs_parameter){.rank = rank, .shape = {1, 1, 1, 1}, .group = group, .trained = trained};
    snprintf(item->name, sizeof item->name, "%s", name);
    item->size = 1;
    for (int i = 0; i < rank; i++) {
        item->shape[i] = shape[i];
        item->size *= (size_t)shape[i];
    }
    item->offset = set->size;
    set->size += (item->size + PARAMETER_ALIGNMENT - 1) / PARAMETER_ALIGNMENT * PARAMETER_ALIGNMENT;
    return set->count++;
}

int gs_parameter_set_find(const gs_parameter_set *set, const char *name) {
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->items[i].name, name) == 0) return i;
    return -1;
}

/* Counts over all parameters of the process, so that a plan that is run with other parameters,
 * perhaps at the address of freed ones, never takes them for those it knows. */
static uint64_t count_change(void) {
    static atomic_uint_fast64_t changes;
    return atomic_fetch_add(&changes, 1) + 1;
}

void gs_parameters_changed(gs_parameters *p) {
    p->version = p->written = count_change();
}

void gs_parameters_trained(gs_parameters *p) {
    p->version = count_change();
}

gs_status gs_parameters_new(const gs_parameter_set *set, size_t element_size, gs_purpose purpose,
                            gs_parameters **out, gs_error *err) {
    gs_parameters *p = gs_alloc(1, sizeof *p);
    if (!p) goto fail;
    *p = (gs_parameters){.set = set,
                         .element_size = element_size,
                         .learning_rate = 1e-3,
                         .weight_decay = 1e-4,
                         .beta1 = 0.5,
                         .beta2 = 0.999,
                         .epsilon = 1e-8,
                         .discriminator_rate = 1};
    gs_parameters_changed(p);
    size_t bytes = set->size * element_size;
    void **arrays[] = {&p->values, &p->gradients, &p->moment1, &p->moment2, &p->moment2_max};
    for (int i = 0; i < (purpose == GS_FOR_TRAINING ? 5 : 1); i++)
        if (!(*arrays[i] = gs_alloc_aligned(bytes, 64))) goto fail;
    if (purpose == GS_FOR_TRAINING && !(p->steps = gs_alloc((size_t)set->count, sizeof *p->steps)))
        goto fail;
    *out = p;
    return GS_OK;
fail:
    gs_parameters_free(p);
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu parameters", set->size);
}

void gs_parameters_free(gs_parameters *p) {
    if (!p) return;
    gs_free(p->values), gs_free(p->gradients);
    gs_free(p->moment1), gs_free(p->moment2), gs_free(p->moment2_max);
    gs_free(p->steps);
    gs_free(p);
}

size_t gs_parameters_bytes(const gs_parameters *p) {
    return p->set->size * p->element_size * (p->gradients ? 5 : 1);
}

double gs_parameters_rate(const gs_parameters *p, const gs_parameter *item) {
    return p->learning_rate * (item->group == GS_GROUP_DISCRIMINATOR ? p->discriminator_rate : 1);
}

void gs_parameters_read(const gs_parameters *p, const void *array, int index, float *out) {
    const gs_parameter *item = &p->set->items[index];
    if (p->element_size == sizeof(float)) {
        memcpy(out, (const float *)array + item->offset, item->size * sizeof(float));
        return;
    }
    const double *from = (const double *)array + item->offset;
    for (size_t i = 0; i < item->size; i++) out[i] = (float)from[i];
}

void gs_parameters_write(gs_parameters *p, void *array, int index, const float *values) {
    const gs_parameter *item = &p->set->items[index];
    gs_parameters_changed(p);
    if (p->element_size == sizeof(float)) {
        memcpy((float *)array + item->offset, values, item->size * sizeof(float));
        return;
    }
    double *to = (double *)array + item->offset;
    for (size_t i = 0; i < item->size; i++) to[i] = (double)values[i];
}

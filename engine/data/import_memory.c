/* Owns the memory budget of an import. Must not know layouts. Threads: everything but init and
 * deinit may be called by any. Invariants: (1) a case that is being cut waits for nobody; (2) the
 * case whose turn it is is let in whatever is used, since those behind it may hold the budget until
 * it is settled. So the budget may be exceeded by one case. */
#include "engine/data/import_memory.h"

#include "engine/data/volume.h"

#include <stdio.h>
#include <string.h>

static const size_t smallest_budget = (size_t)256 << 20;

/* ---- what is free ---- */

/* The number after `name` in a file of "name number" lines, or the first of all ("" for name);
 * SIZE_MAX where there is none, as "max" is. */
static size_t read_number(const char *path, const char *name) {
    char line[128];
    unsigned long long number;
    size_t found = SIZE_MAX, length = strlen(name);
    FILE *file = fopen(path, "re");
    while (file && found == SIZE_MAX && fgets(line, sizeof line, file))
        if (strncmp(line, name, length) == 0 && sscanf(line + length, "%llu", &number) == 1)
            found = (size_t)number;
    if (file) fclose(file);
    return found;
}

static size_t group_free(const char *limit_path, const char *used_path) {
    size_t limit = read_number(limit_path, ""), used = read_number(used_path, "");
    if (limit == SIZE_MAX || used == SIZE_MAX) return SIZE_MAX;
    return limit > used ? limit - used : 0;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t free_memory(void) {
    size_t kib = read_number("/proc/meminfo", "MemAvailable:");
    size_t free = kib < SIZE_MAX >> 10 ? kib << 10 : SIZE_MAX;
    free = least(free, group_free("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"));
    return least(free, group_free("/sys/fs/cgroup/memory/memory.limit_in_bytes",
                                  "/sys/fs/cgroup/memory/memory.usage_in_bytes"));
}

/* ---- the gate ---- */

void gs__gate_init(gs__gate *gate, size_t budget_bytes) {
    size_t budget = budget_bytes ? budget_bytes : free_memory() / 2;
    if (!budget_bytes && budget < smallest_budget) budget = smallest_budget;
    *gate = (gs__gate){.budget = budget};
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
}

void gs__gate_deinit(gs__gate *gate) {
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->mutex);
}

void gs__gate_enter(gs__gate *gate, int number, size_t bytes) {
    pthread_mutex_lock(&gate->mutex);
    while (gate->is_closed || (number != gate->turn && gate->used + bytes > gate->budget))
        pthread_cond_wait(&gate->changed, &gate->mutex);
    gate->used += bytes;
    gate->inside++;
    pthread_mutex_unlock(&gate->mutex);
}

void gs__gate_leave(gs__gate *gate, size_t bytes, size_t kept) {
    pthread_mutex_lock(&gate->mutex);
    gate->used += kept - bytes;
    gate->inside--;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

void gs__gate_settle(gs__gate *gate, int number, size_t kept) {
    pthread_mutex_lock(&gate->mutex);
    gate->used -= kept;
    gate->turn = number + 1;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

void gs__gate_close(gs__gate *gate) {
    pthread_mutex_lock(&gate->mutex);
    gate->is_closed = true;
    while (gate->inside > 0) pthread_cond_wait(&gate->changed, &gate->mutex);
    pthread_mutex_unlock(&gate->mutex);
}

void gs__gate_open(gs__gate *gate) {
    pthread_mutex_lock(&gate->mutex);
    gate->is_closed = false;
    pthread_cond_broadcast(&gate->changed);
    pthread_mutex_unlock(&gate->mutex);
}

/* ---- cases ---- */

size_t gs__case_memory(const gs__candidate *candidate, int work_volumes) {
    size_t kept = 0, largest = 0, stored = 0;
    for (int k = 0; k < GS__IMPORT_FILES; k++) {
        size_t voxels, item;
        if (!candidate->files[k] || !gs_volume_peek(candidate->files[k], &voxels, &item)) continue;
        kept += voxels * sizeof(float);
        if (voxels > largest) largest = voxels;
        if (voxels * item > stored) stored = voxels * item;
    }
    return kept + stored + (size_t)work_volumes * largest * sizeof(float);
}

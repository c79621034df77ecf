/* Memory of the device: pages that are closed unless work is being done, between pages that are
 * always closed. */
#include "double_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct allocation {
    char *at;
    size_t bytes, mapped; /* asked for; of pages, without those around */
    struct allocation *next;
} allocation;

static allocation *device, *page_locked;

static size_t page(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

static bool lies_in(const allocation *list, const void *at, size_t bytes) {
    for (const allocation *a = list; a; a = a->next)
        if ((const char *)at >= a->at && (const char *)at + bytes <= a->at + a->bytes) return true;
    return false;
}

bool double_is_device(const void *at, size_t bytes) {
    return lies_in(device, at, bytes);
}

bool double_is_page_locked(const void *at, size_t bytes) {
    return lies_in(page_locked, at, bytes);
}

bool double_touches_device(const void *at, size_t bytes) {
    for (const allocation *a = device; a; a = a->next)
        if ((const char *)at < a->at + a->mapped && a->at < (const char *)at + bytes) return true;
    return false;
}

void double_open_memory(void) {
    for (const allocation *a = device; a; a = a->next)
        mprotect(a->at, a->mapped, PROT_READ | PROT_WRITE);
}

void double_close_memory(void) {
    for (const allocation *a = device; a; a = a->next) mprotect(a->at, a->mapped, PROT_NONE);
}

static allocation *unlink_from(allocation **list, const void *at) {
    while (*list && (*list)->at != at) list = &(*list)->next;
    allocation *found = *list;
    if (found) *list = found->next;
    return found;
}

/* New memory is full of NaN, not of zeros. */
static cudaError_t map_device(size_t bytes, void **out) {
    size_t mapped = (bytes + page() - 1) / page() * page();
    allocation *a = malloc(sizeof *a);
    char *at = mmap(NULL, mapped + 2 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!a || at == MAP_FAILED) {
        free(a);
        return cudaErrorMemoryAllocation;
    }
    *a = (allocation){at + page(), bytes, mapped, device};
    device = a;
    mprotect(a->at, mapped, PROT_READ | PROT_WRITE);
    memset(a->at, 0xFF, bytes);
    mprotect(a->at, mapped, PROT_NONE);
    double_now.used += bytes;
    double_now.alive.allocations++;
    double_now.activity.allocations++;
    *out = a->at;
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **out, size_t bytes) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorMemoryAllocation);
    if (error == cudaSuccess && (bytes == 0 || bytes > double_now.memory - double_now.used))
        error = cudaErrorMemoryAllocation;
    if (error == cudaSuccess) error = map_device(bytes, out);
    double_error(error);
    double_unlock();
    return error;
}

cudaError_t cudaFree(void *at) {
    double_lock();
    cudaError_t error = at ? double_drain() : cudaSuccess;
    allocation *a = at ? unlink_from(&device, at) : NULL;
    if (a) {
        munmap(a->at - page(), a->mapped + 2 * page());
        double_now.used -= a->bytes;
        double_now.alive.allocations--;
        free(a);
    } else if (at) {
        error = double_error(cudaErrorInvalidValue);
    }
    double_unlock();
    return error;
}

cudaError_t cudaHostAlloc(void **out, size_t bytes, unsigned flags) {
    (void)flags;
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorMemoryAllocation);
    allocation *a = error == cudaSuccess ? malloc(sizeof *a) : NULL;
    void *at = a ? aligned_alloc(4096, (bytes + 4095) / 4096 * 4096) : NULL;
    if (at) {
        *a = (allocation){at, bytes, bytes, page_locked};
        page_locked = a;
        double_now.alive.host_allocations++;
        *out = at;
    } else {
        free(a);
        if (error == cudaSuccess) error = double_error(cudaErrorMemoryAllocation);
    }
    double_unlock();
    return error;
}

cudaError_t cudaFreeHost(void *at) {
    double_lock();
    cudaError_t error = double_drain(); /* what still copies from it or to it */
    allocation *a = unlink_from(&page_locked, at);
    if (a) {
        double_now.alive.host_allocations--;
        free(a->at);
        free(a);
    } else {
        error = double_error(cudaErrorInvalidValue);
    }
    double_unlock();
    return error;
}

cudaError_t cudaMemGetInfo(size_t *free_out, size_t *total_out) {
    double_lock();
    cudaError_t error = double_call(__func__, cudaErrorInvalidValue);
    if (error == cudaSuccess) {
        *total_out = double_now.memory;
        *free_out = double_now.memory - double_now.used;
    }
    double_unlock();
    return error;
}

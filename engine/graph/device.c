/* A backend opened for computing, and the memory that its plans share. */
#include "engine/graph/plan_internal.h"

#include "base/memory.h"

#include <omp.h>
#include <stdlib.h>

/* OMP_NUM_THREADS is read here because the runtime's own copy changes with every plan that runs. */
static int default_threads(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    int wanted = text ? atoi(text) : 0, processors = omp_get_num_procs();
    return wanted > 0 && wanted <= processors ? wanted : processors;
}

gs_status gs_device_open(const char *backend, int threads, gs_precision precision, gs_device **out,
                         gs_error *err) {
    const gs_backend *found;
    GS_TRY(gs_backend_find(backend, &found, err));
    gs_device *device = gs_alloc(1, sizeof *device);
    if (!device) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a device");
    device->backend = found;
    device->precision = gs_precision_resolve(backend, precision);
    device->threads = threads > 0 ? threads : default_threads();
    if (found->open) {
        gs_status status = found->open(device->threads, device->precision, &device->state, err);
        if (status != GS_OK) {
            gs_free(device);
            return status;
        }
    }
    *out = device;
    return GS_OK;
}

void gs_device_close(gs_device *device) {
    if (!device) return;
    if (device->backend->close) device->backend->close(device->state);
    gs_assert(!device->constants); /* every plan is gone */
    gs_free(device->arena), gs_free(device->scratch);
    gs_free(device);
}

const gs_backend *gs_device_backend(const gs_device *device) {
    return device->backend;
}

int gs_device_threads(const gs_device *device) {
    return device->threads;
}

gs_precision gs_device_precision(const gs_device *device) {
    return device->precision;
}

gs_status gs__device_reserve(void **memory, size_t *have, size_t bytes, gs_error *err) {
    if (bytes <= *have) return GS_OK;
    size_t before = *have;
    gs_free(*memory);
    *memory = gs_alloc_aligned(bytes, 4096);
    *have = *memory ? bytes : 0;
    if (*memory) return GS_OK;
    if (before) *memory = gs_alloc_aligned(before, 4096);
    if (*memory) *have = before;
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu bytes of activations", bytes);
}

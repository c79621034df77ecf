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

static gs_status device_build(gs_device *device, const gs_device_options *options, gs_error *err) {
    GS_TRY(gs_engine_choose(&options->engine, &device->choice, err));
    GS_TRY(gs_backend_find(device->choice.backend, &device->backend, err));
    device->threads = options->threads > 0 ? options->threads : default_threads();
    gs_backend_options open = {.threads = device->threads,
                               .device = device->choice.device,
                               .precision = device->choice.precision,
                               .nondeterministic = options->nondeterministic};
    return device->backend->open ? device->backend->open(&open, &device->state, err) : GS_OK;
}

gs_status gs_device_open_on(const gs_device_options *options, gs_device **out, gs_error *err) {
    gs_device *device = gs_alloc(1, sizeof *device);
    if (!device) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a device");
    gs_status status = device_build(device, options, err);
    if (status != GS_OK) {
        gs_free(device);
        return status;
    }
    *out = device;
    return GS_OK;
}

gs_status gs_device_open(const char *backend, int threads, gs_precision precision, gs_device **out,
                         gs_error *err) {
    gs_device_options options = {.engine = {.backend = backend, .precision = precision},
                                 .threads = threads};
    return gs_device_open_on(&options, out, err);
}

void gs_device_close(gs_device *device) {
    if (!device) return;
    gs_assert(!device->constants); /* every plan is gone */
    if (device->backend->queue)
        gs__device_release_memory(device);
    else
        gs_free(device->arena), gs_free(device->scratch);
    if (device->backend->close) device->backend->close(device->state);
    gs_free(device);
}

const gs_backend *gs_device_backend(const gs_device *device) {
    return device->backend;
}

int gs_device_threads(const gs_device *device) {
    return device->threads;
}

const gs_engine_choice *gs_device_choice(const gs_device *device) {
    return &device->choice;
}

gs_precision gs_device_precision(const gs_device *device) {
    return device->choice.precision;
}

int gs_device_runs_ahead(const gs_device *device) {
    return device->backend->queue ? GS_PLAN_RUNS_AHEAD : 1;
}

size_t gs_device_memory_bytes(const gs_device *device) {
    return device->own.bytes;
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

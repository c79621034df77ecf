#include "racing.h"

#include "engine/backend/cuda/kernels/device.h"

typedef struct neighbour_job {
    float *out;
    bool has_barrier;
} neighbour_job;

GS_KERNEL neighbour_kernel(neighbour_job j) {
    GS_SHARED(float, values, BLOCK);
    GS_PHASE () {
        int t = gs__thread();
        values[t] = (float)t;
        if (!j.has_barrier) j.out[t] = values[(t + 1) % BLOCK];
    }
    GS_PHASE () {
        int t = gs__thread();
        if (j.has_barrier) j.out[t] = values[(t + 1) % BLOCK];
    }
}

gs_cuda_status launch_without_barrier(float *out) {
    neighbour_job job = {out, false};
    return GS_LAUNCH(NULL, neighbour_kernel, 1, job);
}

gs_cuda_status launch_with_barrier(float *out) {
    neighbour_job job = {out, true};
    return GS_LAUNCH(NULL, neighbour_kernel, 1, job);
}

typedef struct dependent_job {
    float *out;
} dependent_job;

GS_KERNEL dependent_kernel(dependent_job j) {
    GS_PHASE () {
        size_t b = gs__block();
        if (gs__thread() == 0) j.out[b] = b == 0 ? 1 : j.out[b - 1] + 1;
    }
}

gs_cuda_status launch_dependent_blocks(float *out, size_t blocks) {
    dependent_job job = {out};
    return GS_LAUNCH(NULL, dependent_kernel, blocks, job);
}

size_t divided(size_t i, int d) {
    return gs__divide(i, gs__divider(d));
}

/* Standard normals by Philox4x32-10 and Box-Muller, as base/random.c draws them. */
#include "engine/backend/cuda/kernels/device.h"

typedef struct normal_job {
    uint64_t seed, sequence;
    float *values;
    size_t count;
} normal_job;

GS_DEVICE void philox(uint64_t seed, uint64_t sequence, uint64_t index, uint32_t *c) {
    c[0] = (uint32_t)index, c[1] = (uint32_t)(index >> 32);
    c[2] = (uint32_t)sequence, c[3] = (uint32_t)(sequence >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        c[0] = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c[3] ^ k1, c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
}

/* In [0, 1), of 53 bits. */
GS_DEVICE double unit_interval(uint32_t high, uint32_t low) {
    return (double)(((uint64_t)high << 21) ^ (low >> 11)) * 0x1p-53;
}

/* Block i of numbers makes values 2i and 2i + 1. */
GS_KERNEL normal_kernel(normal_job j) {
    GS_ELEMENTS (i, (j.count + 1) / 2) {
        uint32_t b[4];
        philox(j.seed, j.sequence, i, b);
        double radius = sqrt(-2.0 * log(1.0 - unit_interval(b[0], b[1])));
        double angle = 2.0 * 3.14159265358979323846 * unit_interval(b[2], b[3]);
        j.values[2 * i] = (float)(radius * cos(angle));
        if (2 * i + 1 < j.count) j.values[2 * i + 1] = (float)(radius * sin(angle));
    }
}

gs_cuda_status gs__cuda_normal(gs_cuda_stream stream, uint64_t seed, uint64_t sequence,
                               float *values, size_t count) {
    normal_job job = {seed, sequence, values, count};
    return GS_LAUNCH(stream, normal_kernel, gs__element_blocks((count + 1) / 2), job);
}

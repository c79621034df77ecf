/* Kernels that compute every element of a map by itself. A structure J that describes one has `to`,
 * the map, and `count`, its elements; its file defines
 *     float gs__value(const J &, size_t i)
 * and launches it with gs__launch_map. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_MAP_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_MAP_H

#include "engine/backend/cuda/kernels/device.h"

/* Elements that a thread reads before it writes the first of them: while it waits for one, the
 * others are on their way, which a store between them would forbid. */
enum { MAP_TOGETHER = 4 };

template <class J> GS_KERNEL gs__map_kernel(J j) {
    const size_t all = gs__blocks() * BLOCK;
    GS_ELEMENTS (t, all) {
        size_t first = t / BLOCK * BLOCK * MAP_TOGETHER + t % BLOCK;
        for (; first + (MAP_TOGETHER - 1) * BLOCK < j.count; first += all * MAP_TOGETHER) {
            float values[MAP_TOGETHER];
            for (int k = 0; k < MAP_TOGETHER; k++)
                values[k] = gs__value(j, first + (size_t)k * BLOCK);
            for (int k = 0; k < MAP_TOGETHER; k++)
                gs__store(j.to, first + (size_t)k * BLOCK, values[k]);
        }
        for (int k = 0; k < MAP_TOGETHER && first < j.count; k++, first += BLOCK)
            gs__store(j.to, first, gs__value(j, first));
    }
}

template <class J> static gs_cuda_status gs__launch_map(gs_cuda_stream stream, J job) {
    size_t blocks = gs__element_blocks(gs__pieces(job.count, MAP_TOGETHER));
    return GS_LAUNCH(stream, gs__map_kernel<J>, blocks, job);
}

#endif

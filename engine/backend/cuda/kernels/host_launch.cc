#include "engine/backend/cuda/kernels/launch.h"

#include <atomic>

__thread gs_host_place gs__host_place;

static gs_host_launcher *launcher;
static uint64_t shuffle_seed;
static std::atomic<uint64_t> launches; /* since the seed was set */

void gs__cuda_host_set_launcher(gs_host_launcher *given) {
    launcher = given;
}

void gs__cuda_host_shuffle(uint64_t seed) {
    shuffle_seed = seed;
    launches = 0;
}

void gs__cuda_host_run(const gs_host_launch *launch) {
    launch->run(launch->job, launch->blocks);
}

gs_cuda_status gs__host_launch(gs_cuda_stream stream, const gs_host_launch *launch) {
    if (launcher) return launcher(stream, launch);
    gs__cuda_host_run(launch);
    return 0;
}

/* splitmix64: any number from any other. */
static uint64_t mixed(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static bool have_common_divisor(size_t a, size_t b) {
    while (b) {
        size_t rest = a % b;
        a = b, b = rest;
    }
    return a != 1;
}

void gs__host_begin(size_t blocks) {
    gs_host_place *at = &gs__host_place;
    *at = gs_host_place{0, blocks, 1, 0, 0, 1, 0};
    if (shuffle_seed == 0) return;
    uint64_t random = mixed(shuffle_seed ^ mixed(launches++));
    at->first_block = (size_t)(random % blocks);
    at->block_factor = (size_t)(mixed(random) % blocks);
    while (have_common_divisor(at->block_factor, blocks)) at->block_factor++;
    at->first_thread = (int)(random >> 32) & (BLOCK - 1);
    at->thread_factor = ((int)(random >> 48) & (BLOCK - 1)) | 1;
}

void gs__host_enter(size_t k) {
    gs_host_place *at = &gs__host_place;
    at->block = (k * at->block_factor + at->first_block) % at->blocks;
}

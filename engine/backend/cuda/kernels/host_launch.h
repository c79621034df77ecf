/* Kernels on the host: a launch runs its blocks one after another, and in each phase of a block its
 * threads one after another. Between phases, that is where the barriers are, any order of threads
 * is possible, and so is any order of blocks: both can be shuffled, which shows a missing barrier
 * or blocks that depend on each other as a result that changes. Shared memory starts as NaN.
 *
 * Threads: launches may run in several threads; the two settings are for all of them, and are made
 * while none runs. */
#ifndef GS_ENGINE_BACKEND_CUDA_KERNELS_HOST_LAUNCH_H
#define GS_ENGINE_BACKEND_CUDA_KERNELS_HOST_LAUNCH_H

#include "engine/backend/cuda/kernels/kernels.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A launch on its way. */
typedef struct gs_host_launch {
    const char *kernel; /* its name, static */
    void (*run)(const void *job, size_t blocks);
    const void *job; /* borrowed: who keeps a launch copies it, aligned as malloc does */
    size_t job_bytes, blocks;
} gs_host_launch;

/* Runs it now. */
void gs__cuda_host_run(const gs_host_launch *launch);

/* Who is given the launches from now on, and decides what their function returns; NULL, as at the
 * start: they run at once. */
typedef gs_cuda_status gs_host_launcher(gs_cuda_stream stream, const gs_host_launch *launch);
void gs__cuda_host_set_launcher(gs_host_launcher *launcher);

/* Another order of blocks and threads for every seed, and for every launch after it; 0, as at the
 * start: ascending. */
void gs__cuda_host_shuffle(uint64_t seed);

#ifdef __cplusplus
}

#include <string.h>

/* Where the running launch is: a thread and a block are the k-th by (k · factor + first) mod count.
 * The factors have no divisor in common with the counts. */
typedef struct gs_host_place {
    size_t block, blocks, block_factor, first_block;
    int thread, thread_factor, first_thread;
} gs_host_place;
extern __thread gs_host_place gs__host_place;

gs_cuda_status gs__host_launch(gs_cuda_stream stream, const gs_host_launch *launch);
/* Sets the orders of a launch; the place of its k-th block. */
void gs__host_begin(size_t blocks);
void gs__host_enter(size_t k);

static inline int gs__thread(void) {
    return gs__host_place.thread;
}
static inline size_t gs__block(void) {
    return gs__host_place.block;
}
static inline size_t gs__blocks(void) {
    return gs__host_place.blocks;
}

/* The threads of a phase. */
struct gs_host_threads {
    int k = 0;
    bool next() {
        gs_host_place *at = &gs__host_place;
        if (k == BLOCK) return false;
        at->thread = (k++ * at->thread_factor + at->first_thread) % BLOCK;
        return true;
    }
};

/* What each thread has for itself. */
template <class T, int count> struct gs_host_local {
    T values[BLOCK][count];
    gs_host_local() {
        memset(values, 0xFF, sizeof values);
    }
    T &operator[](int i) {
        return values[gs__host_place.thread][i];
    }
};

#define GS_DEVICE static inline
#define GS_KERNEL static void
#define GS_SHARED(type, name, count)                                                               \
    type name[count];                                                                              \
    memset(name, 0xFF, sizeof name)
#define GS_LOCAL(type, name, count) gs_host_local<type, count> name
#define GS_PHASE() for (gs_host_threads gs_threads; gs_threads.next();)
#define GS_ELEMENTS(i, count)                                                                      \
    for (gs_host_threads gs_threads; gs_threads.next();)                                           \
        for (size_t i = gs__block() * BLOCK + (size_t)gs__thread(); i < (count);                   \
             i += gs__blocks() * BLOCK)

template <class Job, void (*kernel)(Job)>
static void gs__run_blocks(const void *job, size_t blocks) {
    gs__host_begin(blocks);
    for (size_t k = 0; k < blocks; k++) {
        gs__host_enter(k);
        kernel(*(const Job *)job);
    }
}
#define GS_LAUNCH_NAMED(name, kernel, stream, block_count, of_job)                                 \
    gs__host_launch(stream, &(const gs_host_launch &)gs_host_launch{                               \
                                name, gs__run_blocks<decltype(of_job), kernel>, &of_job,           \
                                sizeof of_job, block_count})

#endif
#endif

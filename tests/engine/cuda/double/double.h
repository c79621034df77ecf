/* A test double of CUDA's runtime and of cuDNN: the functions that the cuda backend calls, under
 * their own names, on the host. Linked into a library of the backend instead of the real ones.
 *
 * Device memory is host memory that nobody may touch but work in a stream, while that is done.
 * Streams only collect work; it is done when somebody waits for it, so whoever does not wait reads
 * what was there before. Captured graphs are lists that are replayed. Kernels are the backend's
 * own, compiled for the host. Descriptors are checked as cuDNN checks them, engines have notes, and
 * convolutions are plain loops.
 *
 * Settings come from the environment when the library is loaded, and from the functions here, which
 * tests find in the library by name. */
#ifndef TESTS_ENGINE_CUDA_DOUBLE_H
#define TESTS_ENGINE_CUDA_DOUBLE_H

#include <stddef.h>
#include <stdint.h>

/* What is alive: 0 of each when a device is closed. */
typedef struct double_counts {
    int allocations, host_allocations, streams, events, graphs, executables, handles, descriptors;
} double_counts;
double_counts double_count(void);

/* What went on so far. */
typedef struct double_activity {
    uint64_t calls;    /* of functions that can fail */
    uint64_t kernels;  /* done, those of replayed graphs included */
    uint64_t captured; /* graphs captured */
    uint64_t replays;  /* graphs launched */
    uint64_t waits;    /* for a stream */
    uint64_t allocations;
    uint64_t largest_ahead; /* most graphs that were launched and not yet done */
} double_activity;
double_activity double_get_activity(void);

/* The n-th call from now on fails (1 = the next; 0 = none) with an error of its kind: memory for
 * what gets memory, else an invalid value. GENSEG_DOUBLE_FAIL_CALL. */
void double_fail_call(uint64_t n);
/* The name of the function that failed; "" if none did. */
const char *double_failed_call(void);
/* The n-th kernel from now on reads an illegal address: every later call fails with that.
 * GENSEG_DOUBLE_FAIL_KERNEL, or in a file that one process takes, GENSEG_DOUBLE_FAIL_KERNEL_ONCE.
 */
void double_fail_kernel(uint64_t n);
/* Forgets such a failure, as a new process would. */
void double_recover(void);

/* Bytes of the device (256 MiB). GENSEG_DOUBLE_MEMORY_KIB. */
void double_set_memory(size_t bytes);
/* 10 · major + minor of the device (90); 0: reading it fails. GENSEG_DOUBLE_CAPABILITY. */
void double_set_capability(int capability);
/* Devices that there are (1). GENSEG_DOUBLE_DEVICES. */
void double_set_devices(int count);
/* Convolutions of so many input channels have no engine (0 = all have). */
void double_set_unsupported_channels(int channels);

#endif

#include "double_internal.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_KIB = 256 * 1024, DEFAULT_CAPABILITY = 90 };

double_state double_now;

static pthread_mutex_t mutex;

void double_lock(void) {
    pthread_mutex_lock(&mutex);
}

void double_unlock(void) {
    pthread_mutex_unlock(&mutex);
}

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* A number in a file that is removed when it has been read: for one process of several. */
static uint64_t setting_once(const char *name, uint64_t otherwise) {
    const char *path = getenv(name);
    FILE *file = path ? fopen(path, "r") : NULL;
    unsigned long long value = otherwise;
    if (!file) return otherwise;
    if (fscanf(file, "%llu", &value) != 1) value = otherwise;
    fclose(file);
    remove(path);
    return value;
}

__attribute__((constructor)) static void begin(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
    double_now.failed = "";
    double_now.memory = (size_t)setting("GENSEG_DOUBLE_MEMORY_KIB", DEFAULT_KIB) << 10;
    double_now.capability = (int)setting("GENSEG_DOUBLE_CAPABILITY", DEFAULT_CAPABILITY);
    double_now.devices = (int)setting("GENSEG_DOUBLE_DEVICES", 1);
    double_now.fail_call = setting("GENSEG_DOUBLE_FAIL_CALL", 0);
    double_now.fail_kernel =
        setting_once("GENSEG_DOUBLE_FAIL_KERNEL_ONCE", setting("GENSEG_DOUBLE_FAIL_KERNEL", 0));
}

cudaError_t double_error(cudaError_t error) {
    if (error != cudaSuccess) double_now.last = error;
    return error;
}

cudaError_t double_call(const char *name, cudaError_t failure) {
    double_now.activity.calls++;
    if (double_now.lost != cudaSuccess) return double_error(double_now.lost);
    if (double_now.fail_call == 0 || --double_now.fail_call > 0) return cudaSuccess;
    double_now.failed = name;
    return double_error(failure);
}

/* ---- For tests ------------------------------------------------------------------------------- */

#define SETTER(name, type, field)                                                                  \
    void name(type value) {                                                                        \
        double_lock();                                                                             \
        double_now.field = value;                                                                  \
        double_unlock();                                                                           \
    }
SETTER(double_fail_kernel, uint64_t, fail_kernel)
SETTER(double_set_memory, size_t, memory)
SETTER(double_set_capability, int, capability)
SETTER(double_set_devices, int, devices)
SETTER(double_set_unsupported_channels, int, unsupported_channels)

void double_fail_call(uint64_t n) {
    double_lock();
    double_now.fail_call = n;
    double_now.failed = "";
    double_unlock();
}

void double_recover(void) {
    double_lock();
    double_now.lost = double_now.last = cudaSuccess;
    double_unlock();
}

const char *double_failed_call(void) {
    return double_now.failed;
}

double_counts double_count(void) {
    double_lock();
    double_counts counts = double_now.alive;
    double_unlock();
    return counts;
}

double_activity double_get_activity(void) {
    double_lock();
    double_activity activity = double_now.activity;
    double_unlock();
    return activity;
}

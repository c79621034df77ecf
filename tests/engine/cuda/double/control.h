/* The double's controls, found in the library that the engine loads (GENSEG_CUDA_PLUGIN). */
#ifndef TESTS_ENGINE_CUDA_DOUBLE_CONTROL_H
#define TESTS_ENGINE_CUDA_DOUBLE_CONTROL_H

#include "double.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdlib.h>

/* NULL: it is not the double that is loaded. */
static inline void *look_for_control(const char *name) {
    const char *path = getenv("GENSEG_CUDA_PLUGIN");
    void *library = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    return library ? dlsym(library, name) : NULL;
}

static inline void *find_control(const char *name) {
    void *found = look_for_control(name);
    if (!found) fail_msg("%s is not in the library that GENSEG_CUDA_PLUGIN names", name);
    return found;
}

/* CONTROL(double_count)() calls double_count of the loaded library. */
#define CONTROL(name) (*(__typeof__(&(name)))find_control(#name))

/* CUDA itself does not count. */
static inline void expect_nothing_alive(const char *when) {
    if (!look_for_control("double_count")) return;
    double_counts c = CONTROL(double_count)();
    if (c.allocations || c.host_allocations || c.streams || c.events || c.graphs || c.executables ||
        c.handles || c.descriptors)
        fail_msg("%s: %d allocations, %d of host memory, %d streams, %d events, %d graphs, %d "
                 "executables, %d handles and %d descriptors are left",
                 when, c.allocations, c.host_allocations, c.streams, c.events, c.graphs,
                 c.executables, c.handles, c.descriptors);
}

#endif

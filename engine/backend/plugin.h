/* The cuda backend's library, libgenseg_cuda.so: loaded at the first wish for it and kept, so that
 * one program runs with CUDA and without. */
#ifndef GS_ENGINE_BACKEND_PLUGIN_H
#define GS_ENGINE_BACKEND_PLUGIN_H

#include "engine/backend/backend.h"

/* What the library exports as `gs_cuda_plugin`: a backend, and what it was built against. */
typedef struct gs_plugin {
    const char *version; /* GENSEG_VERSION */
    int operations;      /* GS_OP_COUNT */
    const gs_backend *backend;
} gs_plugin;

/* Looks beside the running program, then in ../lib/genseg from there; GENSEG_CUDA_PLUGIN names
 * another file. UNSUPPORTED says what was tried and why it cannot be used. Threads: any. */
GS_MUST_CHECK gs_status gs_plugin_find(const gs_backend **out, gs_error *err);

#endif

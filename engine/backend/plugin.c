#include "engine/backend/plugin.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libgenseg_cuda.so"

enum { PATH_BYTES = 4096 };

/* The folder of the running program, without a slash at its end. */
static gs_status find_folder(char folder[PATH_BYTES], gs_error *err) {
    ssize_t size = readlink("/proc/self/exe", folder, PATH_BYTES - 1);
    if (size < 0) return gs_fail_errno(err, "cannot find this program's own file");
    folder[size] = '\0';
    *strrchr(folder, '/') = '\0';
    return GS_OK;
}

static gs_status find_file(char path[2 * PATH_BYTES], gs_error *err) {
    const char *given = getenv("GENSEG_CUDA_PLUGIN");
    char folder[PATH_BYTES];
    if (given && *given) {
        snprintf(path, 2 * PATH_BYTES, "%s", given);
        if (access(path, R_OK) == 0) return GS_OK;
        return gs_fail(err, GS_UNSUPPORTED, "GENSEG_CUDA_PLUGIN is %.300s, which cannot be read",
                       given);
    }
    GS_TRY(find_folder(folder, err));
    static const char *const places[] = {"", "/../lib/genseg"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, 2 * PATH_BYTES, "%s%s/" LIBRARY, folder, places[i]);
        if (access(path, R_OK) == 0) return GS_OK;
    }
    return gs_fail(err, GS_UNSUPPORTED,
                   "there is no " LIBRARY
                   " beside the program or in ../lib/genseg: it was built without CUDA");
}

static gs_status load(const gs_backend **out, gs_error *err) {
    char path[2 * PATH_BYTES];
    GS_TRY(find_file(path, err));
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) return gs_fail(err, GS_UNSUPPORTED, "cannot load " LIBRARY ": %.300s", dlerror());
    const gs_plugin *plugin = dlsym(library, "gs_cuda_plugin");
    if (plugin && plugin->operations == GS_OP_COUNT &&
        strcmp(plugin->version, GENSEG_VERSION) == 0) {
        *out = plugin->backend;
        return GS_OK; /* and stays loaded: CUDA cannot be unloaded */
    }
    dlclose(library);
    return gs_fail(err, GS_UNSUPPORTED, "%.300s belongs to another version of this program", path);
}

gs_status gs_plugin_find(const gs_backend **out, gs_error *err) {
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static const gs_backend *found; /* guarded by mutex */
    gs_status status = GS_OK;
    pthread_mutex_lock(&mutex);
    if (!found) status = load(&found, err);
    if (status == GS_OK) *out = found;
    pthread_mutex_unlock(&mutex);
    return status;
}

/* Owns folders that appear whole and the loop over cases. Must not know what a case is. */
#include "engine/data/phantom_internal.h"

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

gs_status gs__phantom_check(const gs_phantom_options *options, gs_error *err) {
    if (options->cases < 1 || options->cases > GS_PHANTOM_MAX_CASES)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%d cases, allowed are 1 to %d", options->cases,
                       GS_PHANTOM_MAX_CASES);
    if (options->scale < 1 || options->scale > GS_PHANTOM_MAX_SCALE)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a scale of %d, allowed are 1 to %d",
                       options->scale, GS_PHANTOM_MAX_SCALE);
    return GS_OK;
}

float gs__rician(float value, float real, float imaginary) {
    return sqrtf((value + real) * (value + real) + imaginary * imaginary);
}

/* ---- folders ---- */

static gs_status make_parent(const char *folder, gs_error *err) {
    const char *slash = strrchr(folder, '/');
    if (!slash || slash == folder) return GS_OK;
    char *parent = gs_copy_bytes(folder, (size_t)(slash - folder));
    if (!parent) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to make %s", folder);
    gs_status status = gs_folder_make(parent, err);
    gs_free(parent);
    return status;
}

/* Whether the open folder is still the one of that name. */
static bool is_current(int fd, const char *path) {
    struct stat ours, theirs;
    return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
           ours.st_dev == theirs.st_dev;
}

static gs_status lock_partial(gs__tree *tree, gs_error *err) {
    tree->lock = open(tree->partial, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (tree->lock < 0) return gs_fail_errno(err, "cannot open %s", tree->partial);
    if (flock(tree->lock, LOCK_EX | LOCK_NB) == 0 && is_current(tree->lock, tree->partial))
        return GS_OK;
    close(tree->lock);
    tree->lock = -1;
    return gs_fail(err, GS_CONFLICT, "%s is being written by another run", tree->folder);
}

static gs_status make_partial(gs__tree *tree, gs_error *err) {
    if (mkdir(tree->partial, 0755) != 0) {
        if (errno != EEXIST) return gs_fail_errno(err, "cannot make %s", tree->partial);
        GS_TRY(lock_partial(tree, err)); /* nobody holds it: a killed run left it */
        gs_folder_remove(tree->partial);
        close(tree->lock);
        tree->lock = -1;
        if (mkdir(tree->partial, 0755) != 0)
            return gs_fail_errno(err, "cannot make %s", tree->partial);
    }
    return lock_partial(tree, err);
}

gs_status gs__tree_open(const char *folder, gs__tree *out, gs_error *err) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    *out = (gs__tree){.folder = gs_copy_bytes(folder, length), .lock = -1};
    if (out->folder) out->partial = gs_format("%s.partial", out->folder);
    if (!out->partial) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to make %s", folder);
    if (rmdir(out->folder) != 0 && errno != ENOENT) /* an empty folder is as good as none */
        return errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR
                   ? gs_fail(err, GS_CONFLICT, "%s exists and is not an empty folder", out->folder)
                   : gs_fail_errno(err, "cannot replace %s", out->folder);
    GS_TRY(make_parent(out->folder, err));
    return make_partial(out, err);
}

gs_status gs__tree_finish(gs__tree *tree, gs_error *err) {
    if (rename(tree->partial, tree->folder) != 0)
        return gs_fail_errno(err, "cannot rename %s to %s", tree->partial, tree->folder);
    close(tree->lock);
    tree->lock = -1;
    return GS_OK;
}

void gs__tree_close(gs__tree *tree) {
    if (tree->partial && tree->lock >= 0) {
        gs_folder_remove(tree->partial);
        close(tree->lock);
    }
    gs_free(tree->folder);
    gs_free(tree->partial);
    *tree = (gs__tree){.lock = -1};
}

/* ---- cases ---- */

gs_status gs__phantom_run(const gs_phantom_options *options, gs__make_case *make,
                          const void *context, gs_error *err) {
    const gs_data_report *report = &options->report;
    int threads = options->threads > 0 ? options->threads : omp_get_max_threads();
    gs_status status = GS_OK; /* of the ordered region only */
    atomic_bool failed = false;
#pragma omp parallel for ordered schedule(dynamic, 1) num_threads(threads)
    for (int i = 0; i < options->cases; i++) {
        gs_error why = {0};
        gs_status own = atomic_load(&failed) ? GS_CANCELLED : make(context, i + 1, &why);
#pragma omp ordered
        if (status == GS_OK) {
            if (own != GS_OK)
                status = gs_fail(err, own, "%s", why.text);
            else if (report->progress && !report->progress(report->context, i + 1, options->cases))
                status =
                    gs_fail(err, GS_CANCELLED, "stopped at case %d of %d", i + 1, options->cases);
            if (status != GS_OK) atomic_store(&failed, true);
        }
    }
    return status;
}

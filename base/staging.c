#include "base/staging.h"

#include "base/file.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static gs_status check_empty(const char *folder, gs_error *err) {
    DIR *entries = opendir(folder);
    if (!entries && errno == ENOENT) return GS_OK;
    if (!entries) return gs_fail_errno(err, "cannot read %s", folder);
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(entries));)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0);
    closedir(entries);
    return empty ? GS_OK : gs_fail(err, GS_CONFLICT, "%s is not empty", folder);
}

static gs_status fill_and_rename(const char *staging, const char *folder, const char *parent,
                                 gs_staging_fill *fill, void *context, gs_error *err) {
    GS_TRY(fill(context, staging, err));
    GS_TRY(gs_file_sync(staging, err));
    /* Over an empty folder too; one that is empty no longer makes this fail. */
    if (rename(staging, folder) != 0)
        return gs_fail_errno(err, "cannot rename %s to %s", staging, folder);
    return gs_file_sync(parent, err);
}

static gs_status build(const char *folder, const char *word, gs_staging_fill *fill, void *context,
                       gs_error *err) {
    GS_TRY(check_empty(folder, err));
    char *staging = gs_format("%s.%s-XXXXXX", folder, word);
    char *copy = gs_copy_string(folder); /* dirname writes into it */
    gs_status status;
    if (!staging || !copy)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    else if (!mkdtemp(staging))
        status = gs_fail_errno(err, "cannot make a folder beside %s", folder);
    else {
        status = chmod(staging, 0755) == 0 ? GS_OK : gs_fail_errno(err, "cannot chmod %s", staging);
        if (!status) status = fill_and_rename(staging, folder, dirname(copy), fill, context, err);
        if (status) gs_folder_remove(staging);
    }
    gs_free(copy);
    gs_free(staging);
    return status;
}

gs_status gs_folder_build(const char *folder, const char *word, gs_staging_fill *fill,
                          void *context, gs_error *err) {
    char *target = gs_copy_string(folder);
    if (!target) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    for (size_t n = strlen(target); n > 1 && target[n - 1] == '/'; n--) target[n - 1] = '\0';
    gs_status status = build(target, word, fill, context, err);
    gs_free(target);
    return status;
}

/* The weights' files under models/. A file is whole and on the disk before its row exists, so a
 * crash leaves at most files without a row; the next open removes those. */
#include "store/model.h"
#include "store/store_internal.h"
#include "base/file.h"
#include "base/memory.h"

#include <nettle/sha2.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 256 * 1024 };

char *gs_store_model_weights_path(const gs_store *store, const char *id) {
    return gs_format("%s/models/%s.safetensors", store->folder, id);
}

void gs__weights_remove(const gs_store *store, const char *id) {
    char *path = gs_store_model_weights_path(store, id);
    if (path) unlink(path); /* what stays behind is swept at the next open */
    gs_free(path);
}

/* Copies until the end of `from`, with the digest of what went by. */
static gs_status copy_bytes(int from, int to, const char *source, const char *target,
                            struct sha256_ctx *digest, int64_t *size_out, gs_error *err) {
    char *chunk = gs_alloc(CHUNK_BYTES, 1);
    if (!chunk) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to copy %s", source);
    gs_status status = GS_OK;
    int64_t size = 0;
    while (!status) {
        ssize_t got = read(from, chunk, CHUNK_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = gs_fail_errno(err, "cannot read %s", source);
        if (got <= 0) break;
        sha256_update(digest, (size_t)got, (const uint8_t *)chunk);
        size += got;
        for (ssize_t done = 0; done < got && !status;) {
            ssize_t put = write(to, chunk + done, (size_t)(got - done));
            if (put < 0 && errno != EINTR) status = gs_fail_errno(err, "cannot write %s", target);
            if (put > 0) done += put;
        }
    }
    gs_free(chunk);
    if (!status && fsync(to) != 0) status = gs_fail_errno(err, "cannot sync %s", target);
    if (!status) *size_out = size;
    return status;
}

static gs_status sync_folder(const gs_store *store, gs_error *err) {
    char *path = gs_format("%s/models", store->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = GS_OK;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) status = gs_fail_errno(err, "cannot sync %s", path);
    if (fd >= 0) close(fd);
    gs_free(path);
    return status;
}

static gs_status copy_file(const char *source, const char *target, char sha256[GS_SHA256_SIZE],
                           int64_t *size_out, gs_error *err) {
    struct sha256_ctx digest;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    sha256_init(&digest);
    int from = open(source, O_RDONLY | O_CLOEXEC);
    if (from < 0) return gs_fail_errno(err, "cannot open %s", source);
    int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    gs_status status = to < 0 ? gs_fail_errno(err, "cannot make %s", target)
                              : copy_bytes(from, to, source, target, &digest, size_out, err);
    if (to >= 0 && close(to) != 0 && !status)
        status = gs_fail_errno(err, "cannot close %s", target);
    close(from);
    if (status) return status;
    sha256_digest(&digest, sizeof bytes, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) snprintf(sha256 + 2 * i, 3, "%02x", bytes[i]);
    return GS_OK;
}

gs_status gs__weights_copy(const gs_store *store, const char *source, const char *id,
                           char sha256_out[GS_SHA256_SIZE], int64_t *size_out, gs_error *err) {
    char *path = gs_store_model_weights_path(store, id);
    char *temporary = path ? gs_format("%s.tmp", path) : NULL;
    gs_status status = temporary ? copy_file(source, temporary, sha256_out, size_out, err)
                                 : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    if (!status && rename(temporary, path) != 0)
        status = gs_fail_errno(err, "cannot rename %s", temporary);
    if (!status) status = sync_folder(store, err);
    if (status && temporary) {
        unlink(temporary);
        unlink(path);
    }
    gs_free(temporary);
    gs_free(path);
    return status;
}

/* Whether the file is ours and no row speaks of it. */
static gs_status is_orphan(sqlite3 *db, const char *file, bool *out, gs_error *err) {
    char id[GS_ID_SIZE];
    const char *dot = strchr(file, '.');
    *out = false;
    if (strncmp(file, "mdl_", 4) != 0 || !dot || (size_t)(dot - file) >= sizeof id) return GS_OK;
    if (strcmp(dot, ".safetensors") != 0 && strcmp(dot, ".safetensors.tmp") != 0) return GS_OK;
    gs__text_copy(id, file, (size_t)(dot - file) + 1);
    gs__sql query = gs__sql_prepare(db, "SELECT 1 FROM models WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    GS_TRY(gs__sql_end(&query));
    *out = !found || strcmp(dot, ".safetensors.tmp") == 0;
    return GS_OK;
}

gs_status gs__weights_sweep(gs_store *store, gs_error *err) {
    sqlite3 *db;
    DIR *folder = NULL;
    char *path = gs_format("%s/models", store->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_folder_make(path, err);
    if (!status && !(folder = opendir(path))) status = gs_fail_errno(err, "cannot list %s", path);
    if (!status) status = gs__read_begin(store, &db, err);
    if (!status) {
        struct dirent *entry;
        while (!status && (entry = readdir(folder)) != NULL) {
            bool orphan;
            status = is_orphan(db, entry->d_name, &orphan, err);
            if (!status && orphan) unlinkat(dirfd(folder), entry->d_name, 0);
        }
        gs__read_end(store, db);
    }
    if (folder) closedir(folder);
    gs_free(path);
    return status;
}

#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

gs_status gs_file_read(const char *path, size_t limit_bytes, char **bytes_out, size_t *size_out,
                       gs_error *err) {
    gs_status status;
    char *bytes = NULL;
    size_t size = 0;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return gs_fail_errno(err, "cannot open %s", path);
    if (fstat(fd, &info) != 0) {
        status = gs_fail_errno(err, "cannot stat %s", path);
        goto fail;
    }
    if (!S_ISREG(info.st_mode)) {
        status = gs_fail(err, GS_INVALID_ARGUMENT, "%s is not a regular file", path);
        goto fail;
    }
    size = (size_t)info.st_size;
    if (size > limit_bytes) {
        status = gs_fail(err, GS_TOO_LARGE, "%s has %zu bytes, the limit is %zu", path, size,
                         limit_bytes);
        goto fail;
    }
    bytes = gs_alloc(size + 1, 1);
    if (!bytes) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the %zu bytes of %s", size, path);
        goto fail;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            status = n < 0 ? gs_fail_errno(err, "cannot read %s", path)
                           : gs_fail(err, GS_IO, "%s shrank while it was read", path);
            goto fail;
        }
        done += (size_t)n;
    }
    close(fd);
    *bytes_out = bytes;
    *size_out = size;
    return GS_OK;
fail:
    gs_free(bytes);
    close(fd);
    return status;
}

gs_status gs_file_write(int fd, const char *path, const void *bytes, size_t size, gs_error *err) {
    for (const char *at = bytes; size > 0;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return gs_fail_errno(err, "cannot write %s", path);
        at += n;
        size -= (size_t)n;
    }
    return GS_OK;
}

gs_status gs_file_sync(const char *path, gs_error *err) {
    gs_status status = GS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) status = gs_fail_errno(err, "cannot fsync %s", path);
    if (fd >= 0) close(fd);
    return status;
}

static gs_status write_pieces(int fd, const char *path, const gs_file_piece *pieces, size_t count,
                              gs_error *err) {
    for (size_t i = 0; i < count; i++)
        GS_TRY(gs_file_write(fd, path, pieces[i].bytes, pieces[i].size, err));
    if (fsync(fd) != 0) return gs_fail_errno(err, "cannot fsync %s", path);
    return GS_OK;
}

/* A rename is durable only once the folder that holds it is on disk. */
static gs_status sync_folder_of(const char *path, gs_error *err) {
    char *copy = gs_copy_string(path);
    if (!copy) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", path);
    gs_status status = gs_file_sync(dirname(copy), err);
    gs_free(copy);
    return status;
}

gs_status gs_file_replace(const char *path, const gs_file_piece *pieces, size_t count,
                          gs_error *err) {
    char *temporary = gs_format("%s.XXXXXX", path);
    if (!temporary) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", path);
    gs_status status;
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        status = gs_fail_errno(err, "cannot create a file beside %s", path);
        goto done;
    }
    status = write_pieces(fd, path, pieces, count, err);
    if (fchmod(fd, 0644) != 0 && status == GS_OK)
        status = gs_fail_errno(err, "cannot chmod %s", path);
    if (close(fd) != 0 && status == GS_OK) status = gs_fail_errno(err, "cannot close %s", path);
    if (status == GS_OK && rename(temporary, path) != 0)
        status = gs_fail_errno(err, "cannot rename to %s", path);
    if (status != GS_OK) {
        unlink(temporary);
        goto done;
    }
    status = sync_folder_of(path, err);
done:
    gs_free(temporary);
    return status;
}

gs_status gs_folder_make(const char *path, gs_error *err) {
    char *partial = gs_copy_string(path);
    if (!partial) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to make folder %s", path);
    gs_status status = GS_OK;
    for (char *at = partial + 1;; at++) {
        if (*at != '/' && *at != '\0') continue;
        char kept = *at;
        *at = '\0';
        if (mkdir(partial, 0755) != 0 && errno != EEXIST) {
            status = gs_fail_errno(err, "cannot make folder %s", partial);
            break;
        }
        *at = kept;
        if (kept == '\0') break;
    }
    gs_free(partial);
    return status;
}

gs_status gs_folder_lock(const char *path, int *fd_out, gs_error *err) {
    gs_status status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return gs_fail_errno(err, "cannot open %s", path);
    /* Some network file systems lock files, but no folders: there nothing guards them. */
    bool is_taken = flock(fd, LOCK_EX | LOCK_NB) == 0;
    if (is_taken || errno == EBADF || errno == ENOLCK || errno == EOPNOTSUPP) {
        *fd_out = fd;
        return GS_OK;
    }
    if (errno == EWOULDBLOCK)
        status = gs_fail(err, GS_CONFLICT, "%s is being written by another run", path);
    else
        status = gs_fail_errno(err, "cannot lock %s", path);
    close(fd);
    return status;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info;
    (void)kind;
    (void)where;
    (void)!remove(path);
    return 0;
}

void gs_folder_remove(const char *path) {
    enum { OPEN_FOLDERS = 16 };
    (void)!nftw(path, remove_entry, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

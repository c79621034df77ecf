/* Files of an exchange folder. What is read may come from anywhere: names lead nowhere else. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/exchange_internal.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/store.h"

enum { PARTS_MAX = 4, NAME_MAX_BYTES = 200 };

static gs_status write_new(const char *path, const void *bytes, size_t size, gs_error *err) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) return gs_fail_errno(err, "cannot make %s", path);
    gs_status status = gs_file_write(fd, path, bytes, size, err);
    if (close(fd) != 0 && !status) status = gs_fail_errno(err, "cannot close %s", path);
    return status;
}

gs_status gs__exchange_put(const char *folder, const char *name, const void *bytes, size_t size,
                           gs_error *err) {
    char *path = gs_format("%s/%s", folder, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = write_new(path, bytes, size, err);
    gs_free(path);
    return status;
}

static bool is_plain(const char *name) {
    size_t parts = 1;
    if (strlen(name) > NAME_MAX_BYTES) return false;
    for (const char *at = name; *at; at++) {
        bool is_first = at == name || at[-1] == '/';
        if (*at == '/' && (is_first || ++parts > PARTS_MAX)) return false;
        if (*at == '.' && is_first) return false;
        if (!isalnum((unsigned char)*at) && !strchr("_-./", *at)) return false;
    }
    return name[0] && name[strlen(name) - 1] != '/';
}

/* `path` ends with `name`; every step of that part is there and no link. */
static gs_status check_steps(char *path, const char *name, gs_error *err) {
    struct stat info;
    for (char *at = path + strlen(path) - strlen(name);; at++) {
        if (*at != '/' && *at != '\0') continue;
        char end = *at;
        *at = '\0';
        int rc = lstat(path, &info);
        if (rc != 0) return gs_fail_errno(err, "cannot read %s", path);
        if (S_ISLNK(info.st_mode)) return gs_fail(err, GS_MALFORMED, "%s is a link", path);
        *at = end;
        if (end) continue;
        return S_ISREG(info.st_mode) ? GS_OK : gs_fail(err, GS_MALFORMED, "%s is no file", path);
    }
}

gs_status gs__exchange_get(const char *folder, const char *name, const char *sha256, size_t limit,
                           char **bytes_out, size_t *size_out, gs_error *err) {
    char *path, *bytes, own[GS_SHA256_SIZE];
    size_t size;
    if (!is_plain(name))
        return gs_fail(err, GS_MALFORMED, "'%.100s' is no name of a file in the folder", name);
    if (!(path = gs_format("%s/%s", folder, name)))
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = check_steps(path, name, err);
    if (!status) status = gs_file_read(path, limit, &bytes, &size, err);
    gs_free(path);
    if (status) return status;
    gs_sha256_hex(bytes, size, own);
    if (strcmp(own, sha256) != 0) {
        gs_free(bytes);
        return gs_fail(err, GS_MALFORMED, "%s is not the file that was exported: its SHA-256 is %s",
                       name, own);
    }
    *bytes_out = bytes;
    *size_out = size;
    return GS_OK;
}

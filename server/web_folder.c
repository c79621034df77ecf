#include "server/web_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "base/file.h"
#include "base/memory.h"
#include "store/store.h"

struct gs_web_folder {
    gs_web_file files[GS_WEB_FILES_MAX];
    size_t count;
};

typedef struct file_type {
    const char *ending, *type;
    bool is_text; /* worth compressing */
} file_type;

static const file_type *type_of(const char *path) {
    static const file_type types[] = {
        {".html", "text/html; charset=utf-8", true},
        {".js", "text/javascript; charset=utf-8", true},
        {".mjs", "text/javascript; charset=utf-8", true},
        {".css", "text/css; charset=utf-8", true},
        {".json", "application/json", true},
        {".svg", "image/svg+xml", true},
        {".txt", "text/plain; charset=utf-8", true},
        {".webmanifest", "application/manifest+json", true},
        {".png", "image/png", false},
        {".ico", "image/x-icon", false},
        {".woff2", "font/woff2", false},
    };
    static const file_type other = {"", "application/octet-stream", false};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(dot, types[i].ending) == 0) return &types[i];
    }
    return &other;
}

/* As gzip, where that is smaller. */
static gs_status compress_file(gs_web_file *file, gs_error *err) {
    z_stream stream = {.next_in = (Bytef *)file->bytes, .avail_in = (uInt)file->size};
    char *bytes = gs_alloc(file->size + 1, 1);
    if (!bytes || deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, MAX_WBITS + 16,
                               MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        gs_free(bytes);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to compress %s", file->path);
    }
    stream.next_out = (Bytef *)bytes;
    stream.avail_out = (uInt)file->size;
    bool is_smaller = deflate(&stream, Z_FINISH) == Z_STREAM_END;
    if (is_smaller) file->gzip_size = stream.total_out;
    deflateEnd(&stream);
    if (is_smaller)
        file->gzip = bytes;
    else
        gs_free(bytes);
    return GS_OK;
}

/* A folder's index.html is at the folder's name: /docs/index.html at /docs. */
static char *address_of(const char *path) {
    const char *name = strrchr(path, '/');
    if (strcmp(name, "/index.html") != 0) return gs_copy_string(path);
    return name == path ? gs_copy_string("/") : gs_copy_bytes(path, (size_t)(name - path));
}

static gs_status add_file(gs_web_folder *web, const char *disk_path, const char *path,
                          gs_error *err) {
    if (web->count == GS_WEB_FILES_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the viewer's folder has more than %d files",
                       GS_WEB_FILES_MAX);
    gs_web_file *file = &web->files[web->count];
    GS_TRY(gs_file_read(disk_path, GS_WEB_FILE_BYTES_MAX, &file->bytes, &file->size, err));
    file->path = address_of(path);
    if (!file->path) {
        gs_free(file->bytes);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", disk_path);
    }
    const file_type *type = type_of(path);
    file->content_type = type->type;
    gs_sha256_hex(file->bytes, file->size, file->etag);
    web->count++;
    return type->is_text ? compress_file(file, err) : GS_OK;
}

static gs_status read_folder(gs_web_folder *web, const char *root, const char *path, int depth,
                             gs_error *err);

static gs_status read_entry(gs_web_folder *web, const char *root, const char *path, int depth,
                            gs_error *err) {
    char *disk_path = gs_format("%s%s", root, path);
    if (!disk_path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", path);
    struct stat info;
    gs_status status = GS_OK;
    if (stat(disk_path, &info) != 0) {
        status = gs_fail_errno(err, "cannot stat %s", disk_path);
    } else if (S_ISDIR(info.st_mode)) {
        status = read_folder(web, root, path, depth + 1, err);
    } else if (S_ISREG(info.st_mode)) {
        status = add_file(web, disk_path, path, err);
    }
    gs_free(disk_path);
    return status;
}

static gs_status read_folder(gs_web_folder *web, const char *root, const char *path, int depth,
                             gs_error *err) {
    if (depth > GS_WEB_DEPTH_MAX)
        return gs_fail(err, GS_TOO_LARGE, "the viewer's folder is nested deeper than %d",
                       GS_WEB_DEPTH_MAX);
    char *disk_path = gs_format("%s%s", root, path);
    if (!disk_path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", path);
    DIR *folder = opendir(disk_path);
    gs_status status = folder ? GS_OK : gs_fail_errno(err, "cannot read folder %s", disk_path);
    gs_free(disk_path);
    if (!folder) return status;
    for (struct dirent *entry; status == GS_OK && (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        char *inner = gs_format("%s/%s", path, entry->d_name);
        status = inner ? read_entry(web, root, inner, depth, err)
                       : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", entry->d_name);
        gs_free(inner);
    }
    closedir(folder);
    return status;
}

gs_status gs_web_folder_read(const char *folder, gs_web_folder **out, gs_error *err) {
    gs_web_folder *web = gs_alloc(1, sizeof *web);
    if (!web) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the viewer's files");
    struct stat info;
    gs_status status = GS_OK;
    if (stat(folder, &info) == 0) {
        status = read_folder(web, folder, "", 0, err);
    } else if (errno != ENOENT) {
        status = gs_fail_errno(err, "cannot read folder %s", folder);
    }
    if (status != GS_OK) {
        gs_web_folder_free(web);
        return status;
    }
    *out = web;
    return GS_OK;
}

void gs_web_folder_free(gs_web_folder *web) {
    if (!web) return;
    for (size_t i = 0; i < web->count; i++) {
        gs_free(web->files[i].path);
        gs_free(web->files[i].bytes);
        gs_free(web->files[i].gzip);
    }
    gs_free(web);
}

const gs_web_file *gs_web_folder_find(const gs_web_folder *web, const char *path) {
    for (size_t i = 0; i < web->count; i++) {
        if (strcmp(web->files[i].path, path) == 0) return &web->files[i];
    }
    return NULL;
}

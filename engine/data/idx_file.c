/* Owns the IDX format. Must not know what the bytes show. */
#include "engine/data/idx_file.h"

#include "base/memory.h"

#include <errno.h>
#include <zlib.h>

enum { TYPE_UINT8 = 8, MAX_BYTES = 1 << 30 };

static gs_status read_bytes(gzFile file, void *to, size_t size, const char *path, gs_error *err) {
    size_t done = gzfread(to, 1, size, file);
    if (done == size) return GS_OK;
    return gs_fail(err, GS_MALFORMED,
                   "%s is truncated or its gzip stream is broken: %zu of %zu bytes", path, done,
                   size);
}

static size_t big_endian(const uint8_t bytes[4]) {
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

static gs_status read_header(gzFile file, const char *path, int dimensions, gs_idx *idx,
                             size_t *count, gs_error *err) {
    uint8_t magic[4], size[4];
    GS_TRY(read_bytes(file, magic, sizeof magic, path, err));
    if (magic[0] != 0 || magic[1] != 0)
        return gs_fail(err, GS_MALFORMED, "%s is not an IDX file", path);
    if (magic[2] != TYPE_UINT8 || magic[3] != dimensions)
        return gs_fail(err, GS_UNSUPPORTED,
                       "%s: IDX type %d of %d dimensions; expected are bytes (8) of %d", path,
                       magic[2], magic[3], dimensions);
    idx->dimensions = dimensions;
    *count = 1;
    for (int k = 0; k < dimensions; k++) {
        GS_TRY(read_bytes(file, size, sizeof size, path, err));
        idx->size[k] = big_endian(size);
        if (!gs_mul_size(*count, idx->size[k], count) || *count > MAX_BYTES)
            return gs_fail(err, GS_TOO_LARGE, "%s: more than %d bytes", path, MAX_BYTES);
    }
    return GS_OK;
}

static gs_status read_all(gzFile file, const char *path, int dimensions, gs_idx *idx,
                          gs_error *err) {
    size_t count = 0;
    uint8_t more;
    GS_TRY(read_header(file, path, dimensions, idx, &count, err));
    idx->bytes = gs_alloc(count, 1);
    if (!idx->bytes) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", path);
    GS_TRY(read_bytes(file, idx->bytes, count, path, err));
    int read = gzread(file, &more, 1); /* also compares the checksum of gzip */
    if (read != 0)
        return gs_fail(err, GS_MALFORMED, "%s: %s", path,
                       read > 0 ? "bytes follow the array" : "its gzip checksum is wrong");
    return GS_OK;
}

gs_status gs_idx_load(const char *path, int dimensions, gs_idx *out, gs_error *err) {
    gs_idx idx = {0};
    errno = 0;
    gzFile file = gzopen(path, "rbe"); /* reads plain files as well */
    if (!file) return gs_fail_errno(err, "cannot open %s", path);
    gs_status status = read_all(file, path, dimensions, &idx, err);
    gzclose_r(file);
    if (status == GS_OK)
        *out = idx;
    else
        gs_idx_deinit(&idx);
    return status;
}

void gs_idx_deinit(gs_idx *idx) {
    gs_free(idx->bytes);
    idx->bytes = NULL;
}

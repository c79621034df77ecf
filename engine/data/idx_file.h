/* Arrays of bytes in the IDX format of MNIST: a magic number, the sizes, the bytes; plain or
 * compressed by gzip. Thread-safe. */
#ifndef GS_ENGINE_DATA_IDX_FILE_H
#define GS_ENGINE_DATA_IDX_FILE_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

enum { GS_IDX_MAX_DIMENSIONS = 4 };

typedef struct gs_idx {
    int dimensions;
    size_t size[GS_IDX_MAX_DIMENSIONS]; /* outermost first */
    uint8_t *bytes;                     /* owned */
} gs_idx;

/* UNSUPPORTED for items other than unsigned bytes or another number of dimensions; MALFORMED for
 * another format, a truncated file or bytes too many; TOO_LARGE beyond 1 GiB; NOT_FOUND or IO.
 * Caller deinits. */
GS_MUST_CHECK gs_status gs_idx_load(const char *path, int dimensions, gs_idx *out, gs_error *err);
void gs_idx_deinit(gs_idx *idx); /* a zeroed one is allowed */

#endif

/* NumPy's .npy in memory: little-endian, C order. Thread-safe.
 * Format: numpy/lib/format.py, versions 1.0, 2.0 and 3.0. */
#ifndef GS_ENGINE_IMAGE_NPY_H
#define GS_ENGINE_IMAGE_NPY_H

#include "engine/image/image.h"

#include <stdint.h>

enum {
    GS_NPY_MAX_RANK = 4,
    GS_NPY_MAX_HEADER = 65536, /* bytes before the data that are read */
    GS_NPY_MAX_WRITTEN = 192,  /* bytes before the data that are written, a multiple of 64 */
};

typedef enum gs_npy_type {
    GS_NPY_F32, /* '<f4' */
    GS_NPY_U8,  /* '|u1' */
} gs_npy_type;

typedef struct gs_npy_header {
    gs_npy_type type;
    size_t rank; /* 0 to GS_NPY_MAX_RANK */
    size_t shape[GS_NPY_MAX_RANK];
    size_t values;      /* product of the shape */
    size_t data_offset; /* bytes from the start of the file to the first value */
} gs_npy_header;

/* Parses the first bytes of a file; `size` may end anywhere behind the header, so the caller
 * compares data_offset + values * (4 or 1) with the file's size. MALFORMED, UNSUPPORTED (another
 * dtype, version, order or rank) or TOO_LARGE (header or shape). */
GS_MUST_CHECK gs_status gs_npy_parse_header(const char *bytes, size_t size, gs_npy_header *out,
                                            gs_error *err);

/* The bytes before the data of a file with this type and shape (data_offset and values are
 * ignored). The size does not depend on the shape, so that a header can be replaced in place once
 * the number of rows is known. bytes: GS_NPY_MAX_WRITTEN. INVALID_ARGUMENT for a rank out of range.
 */
GS_MUST_CHECK gs_status gs_npy_write_header(const gs_npy_header *header,
                                            char bytes[GS_NPY_MAX_WRITTEN], gs_error *err);

/* float32 H x W (one channel) or C x H x W, pixels taken as they are. MALFORMED when the number of
 * bytes is not what the header says, NUMERIC for a pixel that is not finite, UNUSABLE, UNSUPPORTED
 * and TOO_LARGE as in decode.h. Caller deinits. */
GS_MUST_CHECK gs_status gs_npy_decode(const char *bytes, size_t size, const gs_image_limits *limits,
                                      gs_image *out, gs_error *err);

/* values: float or uint8_t of `shape` (`rank` numbers, outermost first). Caller frees *bytes_out.
 */
GS_MUST_CHECK gs_status gs_npy_encode(gs_npy_type type, const void *values, const size_t *shape,
                                      size_t rank, char **bytes_out, size_t *size_out,
                                      gs_error *err);

#endif

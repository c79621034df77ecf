/* The header of .npy files that hold large arrays: parsed from a mapped file, written in a fixed
 * size so that the first dimension can be filled in later. Thread-safe. */
#ifndef GS_ENGINE_DATA_NPY_FILE_H
#define GS_ENGINE_DATA_NPY_FILE_H

#include "base/status.h"

#include <stddef.h>

enum { GS_NPY_MAX_DIMENSIONS = 8, GS_NPY_WRITTEN_HEADER = 128 };

typedef struct gs_npy_header {
    char type[4]; /* "<f4" or "|u1" */
    int dimensions;
    size_t shape[GS_NPY_MAX_DIMENSIONS];
    size_t data_offset; /* bytes from the file's start */
} gs_npy_header;

/* MALFORMED when the bytes are not a header; UNSUPPORTED for other types, Fortran order or a future
 * version. Says nothing about the size of the data. */
GS_MUST_CHECK gs_status gs_npy_header_parse(const void *bytes, size_t size, gs_npy_header *out,
                                            gs_error *err);

/* type and shape of *header (at most 4 dimensions below 2^32) as version 1.0 into
 * bytes[GS_NPY_WRITTEN_HEADER]; data_offset is ignored. */
void gs_npy_header_write(const gs_npy_header *header, char bytes[GS_NPY_WRITTEN_HEADER]);

#endif

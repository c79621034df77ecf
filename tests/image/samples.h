/* Image files made by hand, so that decoders are not tested with their own encoders. Functions end
 * the test on failure. */
#ifndef TESTS_IMAGE_SAMPLES_H
#define TESTS_IMAGE_SAMPLES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/status.h"

#include <nifti/nifti1.h>

/* A growing file; deinit with bytes_free. */
typedef struct bytes {
    char *data;
    size_t size;
} bytes;

void bytes_add(bytes *to, const void *data, size_t size);
void bytes_free(bytes *of);
bytes bytes_gzip(const void *data, size_t size);

/* A PNG chunk with its size and checksum. */
void png_add_chunk(bytes *to, const char *name, const void *data, size_t size);
void png_add_signature(bytes *to);
void png_add_header(bytes *to, uint32_t width, uint32_t height, int bits, int colour,
                    int interlace);
/* IDAT with `rows` (each with its filter byte) compressed, then IEND. */
void png_add_rows(bytes *to, const void *rows, size_t size);
/* All of it; every sample byte is its position in the row times 3, modulo 256. */
bytes png_sample(uint32_t width, uint32_t height, int bits, int colour);

/* Version 1.0 with `dictionary` as its header, then the data. */
bytes npy_sample(const char *dictionary, const void *data, size_t size);

/* A header of nx x ny x 1 (x nt when above 0) voxels of `datatype` and `bits`, without scaling. */
nifti_1_header nifti_header(short nx, short ny, short nt, short datatype, short bits);
bytes nifti_sample(const nifti_1_header *header, const void *data, size_t size);

bytes safetensors_sample(const char *header, const void *data, size_t size);

/* `call` must return `wanted` and explain it with a text that contains `part`; uses `gs_error err`.
 */
#define assert_fails(call, wanted, part)                                                           \
    do {                                                                                           \
        err = (gs_error){0};                                                                       \
        gs_status status_ = (call);                                                                \
        if (status_ != (wanted) || !strstr(err.text, part))                                        \
            fail_msg("%s gave %s \"%s\", not %s with \"%s\"", #call, gs_status_name(status_),      \
                     err.text, gs_status_name(wanted), part);                                      \
    } while (0)

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        err = (gs_error){0};                                                                       \
        gs_status status_ = (call);                                                                \
        if (status_ != GS_OK)                                                                      \
            fail_msg("%s gave %s \"%s\"", #call, gs_status_name(status_), err.text);               \
    } while (0)

#endif

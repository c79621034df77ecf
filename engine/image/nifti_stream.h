/* What readers of NIfTI-1 share: bytes, plain or inflated as they are asked for, the checks of a
 * header, and voxels as numbers. Thread-safe; a source belongs to one thread at a time. */
#ifndef GS_ENGINE_IMAGE_NIFTI_STREAM_H
#define GS_ENGINE_IMAGE_NIFTI_STREAM_H

#include "base/status.h"

#include <nifti/nifti1.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

/* Largest vox_offset: header, its extensions and padding before the first voxel. */
enum { GS_NIFTI_MAX_OFFSET = 1 << 20 };

/* No more is inflated than is asked for. */
typedef struct gs__nifti_source {
    const uint8_t *bytes; /* plain: what is left; borrowed */
    size_t size;
    bool is_gzip;
    z_stream stream; /* gzip: reads from `bytes` */
    bool ended;      /* gzip: the end of the stream was reached and its checksum was right */
} gs__nifti_source;

/* Whether it is a gzip stream is seen from its first bytes. Caller closes. */
GS_MUST_CHECK gs_status gs__nifti_source_open(gs__nifti_source *source, const char *bytes,
                                              size_t size, gs_error *err);
void gs__nifti_source_close(gs__nifti_source *source);

/* The next `size` bytes to `to`, or MALFORMED naming `what` is truncated. */
GS_MUST_CHECK gs_status gs__nifti_source_read(gs__nifti_source *source, void *to, size_t size,
                                              const char *what, gs_error *err);
GS_MUST_CHECK gs_status gs__nifti_source_skip(gs__nifti_source *source, size_t size, gs_error *err);

/* MALFORMED unless everything was read; of a gzip stream its checksum and length are checked. */
GS_MUST_CHECK gs_status gs__nifti_source_finish(gs__nifti_source *source, gs_error *err);

/* Brings the header into this machine's byte order. UNSUPPORTED for NIfTI-2 and for a header
 * without its voxels, MALFORMED for what is no NIfTI. */
GS_MUST_CHECK gs_status gs__nifti_order_header(nifti_1_header *header, bool *swapped_out,
                                               gs_error *err);

/* Bytes per voxel; 0 for a type that is not taken. */
size_t gs__nifti_voxel_size(int datatype);

/* UNSUPPORTED for a type that is not taken, MALFORMED for a lying bitpix or vox_offset. */
GS_MUST_CHECK gs_status gs__nifti_check_storage(const nifti_1_header *header, gs_error *err);

/* How stored voxels become numbers: slope * stored + intercept. */
typedef struct gs__nifti_reader {
    int datatype;
    bool swapped;
    double slope, intercept;
} gs__nifti_reader;

/* Of an ordered header: its scaling, or none when it is not made of numbers. */
gs__nifti_reader gs__nifti_reader_of(const nifti_1_header *header, bool swapped);

/* The stored number at `at`, without scaling. */
double gs__nifti_read_voxel(const gs__nifti_reader *reader, const uint8_t *at);

#endif

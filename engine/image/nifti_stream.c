/* Owns NIfTI-1 in memory. libnifti gives the header's struct and its byte swapping; its file
 * functions are not used, since they read whatever size a header claims. */
#include "engine/image/nifti_stream.h"

#include "base/memory.h"

#include <math.h>
#include <nifti/nifti1_io.h>
#include <string.h>

enum { HEADER_SIZE = 348, HEADER_SIZE_NIFTI2 = 540, FIRST_OFFSET = 352 };
_Static_assert(sizeof(nifti_1_header) == HEADER_SIZE, "the struct is the file's header");

/* ---- bytes, plain or inflated ---- */

static voidpf zlib_alloc(voidpf opaque, uInt count, uInt size) {
    (void)opaque;
    return gs_alloc(count, size);
}

static void zlib_free(voidpf opaque, voidpf memory) {
    (void)opaque;
    gs_free(memory);
}

gs_status gs__nifti_source_open(gs__nifti_source *source, const char *bytes, size_t size,
                                gs_error *err) {
    *source = (gs__nifti_source){.bytes = (const uint8_t *)bytes, .size = size};
    source->is_gzip = size >= 2 && source->bytes[0] == 0x1f && source->bytes[1] == 0x8b;
    if (!source->is_gzip) return GS_OK;
    source->stream.zalloc = zlib_alloc;
    source->stream.zfree = zlib_free;
    if (inflateInit2(&source->stream, 16 + MAX_WBITS) != Z_OK)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to inflate a NIfTI file");
    return GS_OK;
}

void gs__nifti_source_close(gs__nifti_source *source) {
    if (source->is_gzip) inflateEnd(&source->stream);
}

static uInt as_chunk(size_t size) {
    const size_t largest = 1u << 30; /* zlib counts in 32 bits */
    return (uInt)(size < largest ? size : largest);
}

/* Inflates up to `size` bytes and returns their number through *done_out; fewer only at the end. */
static gs_status inflate_some(gs__nifti_source *source, uint8_t *to, size_t size, size_t *done_out,
                              gs_error *err) {
    z_stream *stream = &source->stream;
    size_t done = 0;
    while (done < size && !source->ended) {
        const uInt in = as_chunk(source->size), out = as_chunk(size - done);
        stream->next_in = (z_const Bytef *)source->bytes;
        stream->avail_in = in;
        stream->next_out = to + done;
        stream->avail_out = out;
        const int result = inflate(stream, Z_NO_FLUSH);
        source->bytes += in - stream->avail_in;
        source->size -= in - stream->avail_in;
        done += out - stream->avail_out;
        source->ended = result == Z_STREAM_END;
        if (result == Z_MEM_ERROR)
            return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to inflate a NIfTI file");
        if (result == Z_BUF_ERROR)
            return gs_fail(err, GS_MALFORMED, "the gzip stream of the NIfTI file is truncated");
        if (result != Z_OK && result != Z_STREAM_END)
            return gs_fail(err, GS_MALFORMED, "the gzip stream of the NIfTI file is broken: %s",
                           stream->msg ? stream->msg : "no reason given");
    }
    *done_out = done;
    return GS_OK;
}

/* The next `size` bytes to `to`, or MALFORMED naming `what` is truncated. */
gs_status gs__nifti_source_read(gs__nifti_source *source, void *to, size_t size, const char *what,
                                gs_error *err) {
    size_t done = size < source->size ? size : source->size;
    if (source->is_gzip) {
        GS_TRY(inflate_some(source, to, size, &done, err));
    } else if (done > 0) {
        memcpy(to, source->bytes, done);
        source->bytes += done;
        source->size -= done;
    }
    if (done != size)
        return gs_fail(err, GS_MALFORMED, "the NIfTI file has %zu of the %zu bytes of its %s", done,
                       size, what);
    return GS_OK;
}

gs_status gs__nifti_source_skip(gs__nifti_source *source, size_t size, gs_error *err) {
    uint8_t skipped[512];
    while (size > 0) {
        const size_t step = size < sizeof skipped ? size : sizeof skipped;
        GS_TRY(gs__nifti_source_read(source, skipped, step, "header extensions", err));
        size -= step;
    }
    return GS_OK;
}

/* Whether everything was read. A gzip stream is asked for one byte more, so that its checksum and
 * length are checked. */
gs_status gs__nifti_source_finish(gs__nifti_source *source, gs_error *err) {
    size_t more = source->size;
    if (source->is_gzip) {
        uint8_t byte;
        GS_TRY(inflate_some(source, &byte, 1, &more, err));
        if (more == 0) more = source->size;
    }
    if (more > 0) return gs_fail(err, GS_MALFORMED, "bytes follow the voxels of the NIfTI file");
    return GS_OK;
}

/* ---- header ---- */

/* Brings the header into this machine's byte order. */
gs_status gs__nifti_order_header(nifti_1_header *header, bool *swapped_out, gs_error *err) {
    const int size = header->sizeof_hdr, other = (int)__builtin_bswap32((uint32_t)size);
    if (size == HEADER_SIZE_NIFTI2 || other == HEADER_SIZE_NIFTI2)
        return gs_fail(err, GS_UNSUPPORTED, "a NIfTI-2 file; send NIfTI-1");
    if (size != HEADER_SIZE && other != HEADER_SIZE)
        return gs_fail(err, GS_MALFORMED, "not a NIfTI-1 file: its header size is not 348");
    if (memcmp(header->magic, "ni1", 4) == 0)
        return gs_fail(err, GS_UNSUPPORTED, "a NIfTI header without its voxels (.hdr); send .nii");
    if (memcmp(header->magic, "n+1", 4) != 0)
        return gs_fail(err, GS_MALFORMED, "not a NIfTI-1 file: its magic is not n+1");
    *swapped_out = size != HEADER_SIZE;
    if (*swapped_out) swap_nifti_header(header, 1);
    return GS_OK;
}

/* Bytes per voxel; 0 for a type that is not taken. */
size_t gs__nifti_voxel_size(int datatype) {
    switch (datatype) {
    case DT_INT8:
    case DT_UINT8:
        return 1;
    case DT_INT16:
    case DT_UINT16:
        return 2;
    case DT_INT32:
    case DT_UINT32:
    case DT_FLOAT32:
        return 4;
    case DT_INT64:
    case DT_UINT64:
    case DT_FLOAT64:
        return 8;
    default:
        return 0;
    }
}

gs_status gs__nifti_check_storage(const nifti_1_header *header, gs_error *err) {
    const size_t size = gs__nifti_voxel_size(header->datatype);
    if (size == 0)
        return gs_fail(err, GS_UNSUPPORTED,
                       "NIfTI voxels of type %d; send integers of 8 to 64 bits, float32 or float64",
                       header->datatype);
    if (header->bitpix != (short)(8 * size))
        return gs_fail(err, GS_MALFORMED, "NIfTI voxels of type %d with %d bits", header->datatype,
                       header->bitpix);
    const float offset = header->vox_offset;
    if (!(offset >= FIRST_OFFSET && offset <= GS_NIFTI_MAX_OFFSET) || offset != floorf(offset))
        return gs_fail(err, GS_MALFORMED, "the NIfTI voxels begin at byte %g; allowed are %d to %d",
                       (double)offset, FIRST_OFFSET, GS_NIFTI_MAX_OFFSET);
    return GS_OK;
}

/* ---- voxels ---- */

double gs__nifti_read_voxel(const gs__nifti_reader *reader, const uint8_t *at) {
    union {
        uint64_t u64;
        uint32_t u32;
        uint16_t u16;
        uint8_t u8;
        int64_t i64;
        int32_t i32;
        int16_t i16;
        int8_t i8;
        float f32;
        double f64;
    } v = {0};
    const size_t size = gs__nifti_voxel_size(reader->datatype);
    memcpy(&v, at, size);
    if (reader->swapped && size == 2) v.u16 = __builtin_bswap16(v.u16);
    if (reader->swapped && size == 4) v.u32 = __builtin_bswap32(v.u32);
    if (reader->swapped && size == 8) v.u64 = __builtin_bswap64(v.u64);
    switch (reader->datatype) {
    case DT_INT8:
        return v.i8;
    case DT_UINT8:
        return v.u8;
    case DT_INT16:
        return v.i16;
    case DT_UINT16:
        return v.u16;
    case DT_INT32:
        return v.i32;
    case DT_UINT32:
        return v.u32;
    case DT_INT64:
        return (double)v.i64;
    case DT_UINT64:
        return (double)v.u64;
    case DT_FLOAT32:
        return (double)v.f32;
    default:
        return v.f64;
    }
}

gs__nifti_reader gs__nifti_reader_of(const nifti_1_header *header, bool swapped) {
    gs__nifti_reader reader = {.datatype = header->datatype,
                               .swapped = swapped,
                               .slope = (double)header->scl_slope,
                               .intercept = (double)header->scl_inter};
    if (reader.slope == 0 || !isfinite(reader.slope) || !isfinite(reader.intercept)) {
        reader.slope = 1;
        reader.intercept = 0;
    }
    return reader;
}

#include "samples.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void bytes_add(bytes *to, const void *data, size_t size) {
    to->data = realloc(to->data, to->size + size + 1);
    assert_non_null(to->data);
    if (size > 0) memcpy(to->data + to->size, data, size);
    to->size += size;
}

void bytes_free(bytes *of) {
    free(of->data);
    *of = (bytes){0};
}

bytes bytes_gzip(const void *data, size_t size) {
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    bytes out = {.size = deflateBound(&stream, size)};
    out.data = malloc(out.size);
    assert_non_null(out.data);
    stream.next_in = (z_const Bytef *)data;
    stream.avail_in = (uInt)size;
    stream.next_out = (Bytef *)out.data;
    stream.avail_out = (uInt)out.size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    out.size = stream.total_out;
    deflateEnd(&stream);
    return out;
}

static void add_u32(bytes *to, uint32_t value) {
    const uint8_t big[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16 & 0xff),
                            (uint8_t)(value >> 8 & 0xff), (uint8_t)(value & 0xff)};
    bytes_add(to, big, 4);
}

void png_add_chunk(bytes *to, const char *name, const void *data, size_t size) {
    add_u32(to, (uint32_t)size);
    const size_t start = to->size;
    bytes_add(to, name, 4);
    bytes_add(to, data, size);
    add_u32(to, (uint32_t)crc32(0, (const Bytef *)to->data + start, (uInt)size + 4));
}

void png_add_signature(bytes *to) {
    bytes_add(to, "\x89PNG\r\n\x1a\n", 8);
}

void png_add_header(bytes *to, uint32_t width, uint32_t height, int bits, int colour,
                    int interlace) {
    bytes ihdr = {0};
    add_u32(&ihdr, width);
    add_u32(&ihdr, height);
    const uint8_t rest[5] = {(uint8_t)bits, (uint8_t)colour, 0, 0, (uint8_t)interlace};
    bytes_add(&ihdr, rest, sizeof rest);
    png_add_chunk(to, "IHDR", ihdr.data, ihdr.size);
    bytes_free(&ihdr);
}

void png_add_rows(bytes *to, const void *rows, size_t size) {
    uLongf packed_size = compressBound(size);
    Bytef *packed = malloc(packed_size);
    assert_non_null(packed);
    assert_int_equal(compress(packed, &packed_size, rows, size), Z_OK);
    png_add_chunk(to, "IDAT", packed, packed_size);
    png_add_chunk(to, "IEND", NULL, 0);
    free(packed);
}

bytes png_sample(uint32_t width, uint32_t height, int bits, int colour) {
    const size_t samples = colour == 2 ? 3 : colour == 4 ? 2 : colour == 6 ? 4 : 1;
    const size_t row = (width * samples * (size_t)bits + 7) / 8;
    bytes out = {0}, rows = {0};
    for (uint32_t y = 0; y < height; y++) {
        bytes_add(&rows, "", 1);
        for (size_t x = 0; x < row; x++) bytes_add(&rows, &(uint8_t){(uint8_t)(x * 3)}, 1);
    }
    png_add_signature(&out);
    png_add_header(&out, width, height, bits, colour, 0);
    png_add_rows(&out, rows.data, rows.size);
    bytes_free(&rows);
    return out;
}

bytes npy_sample(const char *dictionary, const void *data, size_t size) {
    bytes out = {0};
    const size_t length = strlen(dictionary);
    const uint8_t prefix[10] = {
        0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)(length & 0xff), (uint8_t)(length >> 8)};
    bytes_add(&out, prefix, sizeof prefix);
    bytes_add(&out, dictionary, length);
    bytes_add(&out, data, size);
    return out;
}

nifti_1_header nifti_header(short nx, short ny, short nt, short datatype, short bits) {
    nifti_1_header header = {.sizeof_hdr = 348,
                             .dim = {nt > 0 ? 4 : 3, nx, ny, 1, nt > 0 ? nt : 1, 1, 1, 1},
                             .datatype = datatype,
                             .bitpix = bits,
                             .vox_offset = 352,
                             .magic = "n+1"};
    return header;
}

bytes nifti_sample(const nifti_1_header *header, const void *data, size_t size) {
    bytes out = {0};
    bytes_add(&out, header, sizeof *header);
    bytes_add(&out, "\0\0\0\0", 4);
    bytes_add(&out, data, size);
    return out;
}

bytes safetensors_sample(const char *header, const void *data, size_t size) {
    bytes out = {0};
    const uint64_t length = strlen(header);
    bytes_add(&out, &length, sizeof length);
    bytes_add(&out, header, length);
    bytes_add(&out, data, size);
    return out;
}

/* The structure of a PNG file, checked before libpng sees it (PNG specification, sections 5
 * and 11.2). Whoever gets past here has a file of whole chunks with right checksums and an image of
 * a kind and size that we take, so nothing a client sends decides how much memory libpng asks for.
 */
#include "engine/image/png_io.h"

#include <stdbool.h>
#include <string.h>
#include <zlib.h>

enum {
    SIGNATURE = 8,
    CHUNK_FRAME = 12, /* size, name and checksum around a chunk's data */
    IHDR_SIZE = 13,
    COLOUR_GRAY = 0,
    COLOUR_RGB = 2,
    COLOUR_PALETTE = 3,
    COLOUR_GRAY_ALPHA = 4,
    COLOUR_RGBA = 6,
};

static uint32_t read_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* 0 for a colour type that does not exist. */
static int channels_of(int colour) {
    switch (colour) {
    case COLOUR_GRAY:
        return 1;
    case COLOUR_GRAY_ALPHA:
        return 2;
    case COLOUR_RGB:
        return 3;
    case COLOUR_RGBA:
        return 4;
    default:
        return 0;
    }
}

static gs_status check_kind(int bits, int colour, int interlace, gs_error *err) {
    if (colour == COLOUR_PALETTE)
        return gs_fail(err, GS_UNSUPPORTED,
                       "a PNG with a palette; send gray, gray+alpha, RGB or RGBA");
    if (channels_of(colour) == 0)
        return gs_fail(err, GS_MALFORMED, "PNG colour type %d does not exist", colour);
    if (colour == COLOUR_GRAY && (bits == 1 || bits == 2 || bits == 4))
        return gs_fail(err, GS_UNSUPPORTED, "a PNG of %d bits; send 8 or 16", bits);
    if (bits != 8 && bits != 16)
        return gs_fail(err, GS_MALFORMED, "PNG colour type %d cannot have %d bits", colour, bits);
    if (interlace == 1)
        return gs_fail(err, GS_UNSUPPORTED, "an interlaced PNG; send it without interlacing");
    if (interlace != 0)
        return gs_fail(err, GS_MALFORMED, "PNG interlace method %d does not exist", interlace);
    return GS_OK;
}

static gs_status check_ihdr(const uint8_t *ihdr, const gs_image_limits *limits, gs_png_header *out,
                            gs_error *err) {
    const uint32_t width = read_u32(ihdr), height = read_u32(ihdr + 4);
    const int bits = ihdr[8], colour = ihdr[9];
    if (width == 0 || height == 0)
        return gs_fail(err, GS_MALFORMED, "a PNG of %u rows and %u columns", height, width);
    if (ihdr[10] != 0 || ihdr[11] != 0)
        return gs_fail(err, GS_MALFORMED, "PNG compression %d and filter %d do not exist", ihdr[10],
                       ihdr[11]);
    GS_TRY(check_kind(bits, colour, ihdr[12], err));
    GS_TRY(gs_image_check_size(channels_of(colour), height, width, limits, err));
    *out = (gs_png_header){
        .height = (int)height, .width = (int)width, .channels = channels_of(colour), .bits = bits};
    return GS_OK;
}

/* A chunk's name for error texts: its bytes may be anything. */
static const char *printable_name(const uint8_t *name, char text[5]) {
    for (int i = 0; i < 4; i++) text[i] = name[i] > ' ' && name[i] < 127 ? (char)name[i] : '?';
    text[4] = '\0';
    return text;
}

/* The chunk at *at: *data_size_out bytes of data from *at + 8 on. */
static gs_status check_chunk(const uint8_t *bytes, size_t size, size_t at, size_t *data_size_out,
                             gs_error *err) {
    if (size - at < CHUNK_FRAME)
        return gs_fail(err, GS_MALFORMED, "the PNG ends after %zu bytes, before its IEND chunk",
                       size);
    const uint8_t *chunk = bytes + at;
    const size_t data_size = read_u32(chunk);
    char name[5];
    printable_name(chunk + 4, name);
    if (data_size > size - at - CHUNK_FRAME)
        return gs_fail(err, GS_MALFORMED,
                       "PNG chunk %s at byte %zu claims %zu bytes of data, the file has %zu", name,
                       at, data_size, size - at - CHUNK_FRAME);
    const uint32_t stored = read_u32(chunk + 8 + data_size);
    if (crc32(0, chunk + 4, (uInt)data_size + 4) != stored)
        return gs_fail(err, GS_MALFORMED, "PNG chunk %s at byte %zu has a wrong checksum", name,
                       at);
    *data_size_out = data_size;
    return GS_OK;
}

gs_status gs__png_check(const char *bytes, size_t size, const gs_image_limits *limits,
                        gs_png_header *out, gs_error *err) {
    static const uint8_t signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    const uint8_t *file = (const uint8_t *)bytes;
    const size_t first = SIGNATURE;
    if (size < SIGNATURE || memcmp(file, signature, SIGNATURE) != 0)
        return gs_fail(err, GS_MALFORMED, "not a PNG: its first bytes are not the PNG signature");
    if (size < first + CHUNK_FRAME + IHDR_SIZE || read_u32(file + first) != IHDR_SIZE ||
        memcmp(file + first + 4, "IHDR", 4) != 0)
        return gs_fail(err, GS_MALFORMED, "the PNG does not begin with an IHDR chunk");
    gs_png_header header;
    GS_TRY(check_ihdr(file + first + 8, limits, &header, err));
    for (size_t at = first;;) {
        size_t data_size = 0;
        GS_TRY(check_chunk(file, size, at, &data_size, err));
        const bool is_end = memcmp(file + at + 4, "IEND", 4) == 0;
        at += CHUNK_FRAME + data_size;
        if (!is_end) continue;
        if (at != size)
            return gs_fail(err, GS_MALFORMED, "%zu bytes follow the end of the PNG", size - at);
        break;
    }
    *out = header;
    return GS_OK;
}

/* Owns the .npy format. The header is a Python dictionary literal; only the part of the language
 * that NumPy writes is read: strings without escapes, True and False, tuples of decimal numbers.
 *
 * Invariant of the parser: `at` <= `end`, and nothing is read at or behind `end`. */
#include "engine/image/npy.h"

#include "base/memory.h"

#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MAGIC = 6, PREFIX = MAGIC + 2 /* and version */, ALIGNMENT = 64 };
static const char magic[MAGIC + 1] = "\x93NUMPY";
_Static_assert(GS_NPY_MAX_WRITTEN % ALIGNMENT == 0, "data are aligned");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "values are copied as they are");

static size_t value_size(gs_npy_type type) {
    return type == GS_NPY_F32 ? sizeof(float) : 1;
}

/* ---- the header's dictionary ---- */

typedef struct parser {
    const char *start, *at, *end;
    gs_error *err;
} parser;

static gs_status fail_at(const parser *p, const char *expected) {
    return gs_fail(p->err, GS_MALFORMED, "the npy header has no %s at character %td", expected,
                   p->at - p->start);
}

static void skip_space(parser *p) {
    while (p->at < p->end && (*p->at == ' ' || *p->at == '\n')) p->at++;
}

static bool take(parser *p, char wanted) {
    skip_space(p);
    if (p->at == p->end || *p->at != wanted) return false;
    p->at++;
    return true;
}

static bool take_word(parser *p, const char *word) {
    const size_t length = strlen(word);
    skip_space(p);
    if ((size_t)(p->end - p->at) < length || memcmp(p->at, word, length) != 0) return false;
    p->at += length;
    return true;
}

/* A string in either kind of quotes; *text_out is borrowed from the header. */
static gs_status parse_string(parser *p, const char **text_out, int *length_out) {
    char quote = '\'';
    if (!take(p, quote)) {
        quote = '"';
        if (!take(p, quote)) return fail_at(p, "string");
    }
    const char *text = p->at;
    while (p->at < p->end && *p->at != quote && *p->at >= ' ' && *p->at <= '~' && *p->at != '\\')
        p->at++;
    if (p->at == p->end || *p->at != quote) return fail_at(p, "end of a string");
    *text_out = text;
    *length_out = (int)(p->at - text); /* at most GS_NPY_MAX_HEADER */
    p->at++;
    return GS_OK;
}

static gs_status parse_descr(parser *p, gs_npy_header *out) {
    const char *text;
    int length;
    skip_space(p);
    if (p->at < p->end && *p->at == '[')
        return gs_fail(p->err, GS_UNSUPPORTED, "npy records of several fields; send '<f4'");
    GS_TRY(parse_string(p, &text, &length));
    if (length == 3 && memcmp(text, "<f4", 3) == 0)
        out->type = GS_NPY_F32;
    else if (length == 3 && memcmp(text, "|u1", 3) == 0)
        out->type = GS_NPY_U8;
    else
        return gs_fail(p->err, GS_UNSUPPORTED, "npy values of type '%.*s'; send '<f4' (float32)",
                       length > 20 ? 20 : length, text);
    return GS_OK;
}

static gs_status parse_order(parser *p) {
    if (take_word(p, "True"))
        return gs_fail(p->err, GS_UNSUPPORTED,
                       "npy values in Fortran order; send them in C order "
                       "(numpy.ascontiguousarray)");
    return take_word(p, "False") ? GS_OK : fail_at(p, "True or False");
}

static gs_status parse_size(parser *p, size_t *out) {
    size_t value = 0;
    const char *first = p->at;
    while (p->at < p->end && *p->at >= '0' && *p->at <= '9') {
        if (!gs_mul_size(value, 10, &value) || !gs_add_size(value, (size_t)(*p->at - '0'), &value))
            return gs_fail(p->err, GS_TOO_LARGE, "a number in the npy shape is too large");
        p->at++;
    }
    if (p->at == first) return fail_at(p, "number");
    *out = value;
    return GS_OK;
}

/* Python's tuples: () (3,) (3, 4) (3, 4,) but not (3). */
static gs_status parse_shape(parser *p, gs_npy_header *out) {
    bool comma = true;
    if (!take(p, '(')) return fail_at(p, "shape in brackets");
    out->rank = 0;
    while (!take(p, ')')) {
        if (!comma) return fail_at(p, "comma");
        if (out->rank == GS_NPY_MAX_RANK)
            return gs_fail(p->err, GS_UNSUPPORTED, "an npy array of more than %d dimensions",
                           GS_NPY_MAX_RANK);
        GS_TRY(parse_size(p, &out->shape[out->rank++]));
        comma = take(p, ',');
    }
    return out->rank == 1 && !comma ? fail_at(p, "comma in a shape of one number") : GS_OK;
}

static gs_status parse_dictionary(parser *p, gs_npy_header *out) {
    enum { DESCR = 1, ORDER = 2, SHAPE = 4, ALL = 7 };
    int seen = 0;
    bool comma = true;
    if (!take(p, '{')) return fail_at(p, "dictionary");
    while (!take(p, '}')) {
        const char *key;
        int length, entry = 0;
        if (!comma) return fail_at(p, "comma");
        GS_TRY(parse_string(p, &key, &length));
        if (!take(p, ':')) return fail_at(p, "colon");
        if (length == 5 && memcmp(key, "descr", 5) == 0) entry = DESCR;
        if (length == 13 && memcmp(key, "fortran_order", 13) == 0) entry = ORDER;
        if (length == 5 && memcmp(key, "shape", 5) == 0) entry = SHAPE;
        if (entry == 0 || (seen & entry))
            return gs_fail(p->err, GS_MALFORMED,
                           "the npy header has an unknown or repeated \"%.*s\"",
                           length > 40 ? 40 : length, key);
        seen |= entry;
        if (entry == DESCR) GS_TRY(parse_descr(p, out));
        if (entry == ORDER) GS_TRY(parse_order(p));
        if (entry == SHAPE) GS_TRY(parse_shape(p, out));
        comma = take(p, ',');
    }
    skip_space(p);
    if (p->at != p->end) return fail_at(p, "end");
    if (seen != ALL)
        return gs_fail(p->err, GS_MALFORMED, "the npy header lacks descr, fortran_order or shape");
    return GS_OK;
}

/* ---- files ---- */

static size_t read_little(const uint8_t *at, size_t count) {
    size_t value = 0;
    while (count-- > 0) value = value << 8 | at[count];
    return value;
}

/* Multiplies the shape, and checks that its bytes fit a size_t. */
static gs_status count_values(gs_npy_header *header, gs_error *err) {
    size_t values = 1, bytes;
    for (size_t i = 0; i < header->rank; i++)
        if (!gs_mul_size(values, header->shape[i], &values))
            return gs_fail(err, GS_TOO_LARGE, "the npy shape has too many values");
    if (!gs_mul_size(values, value_size(header->type), &bytes))
        return gs_fail(err, GS_TOO_LARGE, "the npy shape has too many values");
    header->values = values;
    return GS_OK;
}

gs_status gs_npy_parse_header(const char *bytes, size_t size, gs_npy_header *out, gs_error *err) {
    const uint8_t *file = (const uint8_t *)bytes;
    if (size < PREFIX || memcmp(file, magic, MAGIC) != 0)
        return gs_fail(err, GS_MALFORMED, "not an npy file: its first bytes are not \\x93NUMPY");
    const int version = file[MAGIC];
    if (version < 1 || version > 3 || file[MAGIC + 1] != 0)
        return gs_fail(err, GS_UNSUPPORTED, "npy version %d.%d; there are 1.0, 2.0 and 3.0",
                       version, file[MAGIC + 1]);
    const size_t length_size = version == 1 ? 2 : 4;
    if (size < PREFIX + length_size)
        return gs_fail(err, GS_MALFORMED, "the npy file ends within its header");
    const size_t length = read_little(file + PREFIX, length_size);
    const size_t start = PREFIX + length_size;
    if (length > GS_NPY_MAX_HEADER - start)
        return gs_fail(err, GS_TOO_LARGE, "an npy header of %zu bytes, the limit is %d", length,
                       GS_NPY_MAX_HEADER);
    if (length > size - start)
        return gs_fail(err, GS_MALFORMED, "the npy header claims %zu bytes, the file has %zu",
                       length, size - start);
    gs_npy_header header = {.data_offset = start + length};
    parser p = {
        .start = bytes + start, .at = bytes + start, .end = bytes + start + length, .err = err};
    GS_TRY(parse_dictionary(&p, &header));
    GS_TRY(count_values(&header, err));
    *out = header;
    return GS_OK;
}

gs_status gs_npy_decode(const char *bytes, size_t size, const gs_image_limits *limits,
                        gs_image *out, gs_error *err) {
    gs_npy_header header;
    gs_image image;
    GS_TRY(gs_npy_parse_header(bytes, size, &header, err));
    if (header.type != GS_NPY_F32)
        return gs_fail(err, GS_UNSUPPORTED, "npy values of type '|u1'; send '<f4' (float32)");
    if (header.rank != 2 && header.rank != 3)
        return gs_fail(err, GS_UNSUPPORTED,
                       "an npy array of %zu dimensions; an image has height x width or channels x "
                       "height x width",
                       header.rank);
    const size_t *shape = header.shape + header.rank - 2;
    const size_t channels = header.rank == 3 ? header.shape[0] : 1;
    if (channels > INT32_MAX || shape[0] > INT32_MAX || shape[1] > INT32_MAX)
        return gs_fail(err, GS_TOO_LARGE, "an npy image of %zu x %zu x %zu values", channels,
                       shape[0], shape[1]);
    GS_TRY(gs_image_check_size((long long)channels, (long long)shape[0], (long long)shape[1],
                               limits, err));
    const size_t data_size = header.values * sizeof(float);
    if (size - header.data_offset != data_size)
        return gs_fail(err, GS_MALFORMED, "the npy shape needs %zu bytes of data, the file has %zu",
                       data_size, size - header.data_offset);
    GS_TRY(gs_image_init((int)channels, (int)shape[0], (int)shape[1], limits, &image, err));
    memcpy(image.pixels, bytes + header.data_offset, data_size);
    gs_status status = gs_image_check_finite(&image, err);
    if (status != GS_OK) {
        gs_image_deinit(&image);
        return status;
    }
    *out = image;
    return GS_OK;
}

/* ---- writing ---- */

/* A short text that is appended to; its size is known to suffice. */
typedef struct text_writer {
    char *bytes;
    size_t size, used;
} text_writer;

GS_PRINTF(2, 3) static void append(text_writer *writer, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(writer->bytes + writer->used, writer->size - writer->used, format, args);
    va_end(args);
    gs_assert(length >= 0 && (size_t)length < writer->size - writer->used);
    writer->used += (size_t)length;
}

gs_status gs_npy_write_header(const gs_npy_header *header, char bytes[GS_NPY_MAX_WRITTEN],
                              gs_error *err) {
    enum { START = PREFIX + 2, LENGTH = GS_NPY_MAX_WRITTEN - START };
    if (header->rank > GS_NPY_MAX_RANK)
        return gs_fail(err, GS_INVALID_ARGUMENT, "an npy array of %zu dimensions, the limit is %d",
                       header->rank, GS_NPY_MAX_RANK);
    memcpy(bytes, magic, MAGIC);
    bytes[MAGIC] = 1;
    bytes[MAGIC + 1] = 0;
    bytes[PREFIX] = (char)(LENGTH & 0xff);
    bytes[PREFIX + 1] = LENGTH >> 8;
    text_writer text = {bytes, GS_NPY_MAX_WRITTEN, START};
    append(&text, "{'descr': '%s', 'fortran_order': False, 'shape': (",
           header->type == GS_NPY_F32 ? "<f4" : "|u1");
    for (size_t i = 0; i < header->rank; i++)
        append(&text, i + 1 < header->rank ? "%zu, " : "%zu", header->shape[i]);
    append(&text, header->rank == 1 ? ",), }" : "), }");
    memset(bytes + text.used, ' ', GS_NPY_MAX_WRITTEN - text.used);
    bytes[GS_NPY_MAX_WRITTEN - 1] = '\n';
    return GS_OK;
}

gs_status gs_npy_encode(gs_npy_type type, const void *values, const size_t *shape, size_t rank,
                        char **bytes_out, size_t *size_out, gs_error *err) {
    gs_npy_header header = {.type = type, .rank = rank};
    char start[GS_NPY_MAX_WRITTEN];
    for (size_t i = 0; i < rank && i < GS_NPY_MAX_RANK; i++) header.shape[i] = shape[i];
    GS_TRY(gs_npy_write_header(&header, start, err));
    GS_TRY(count_values(&header, err));
    const size_t data_size = header.values * value_size(type);
    size_t size;
    char *bytes = NULL;
    if (gs_add_size(data_size, sizeof start, &size)) bytes = gs_alloc(size, 1);
    if (!bytes)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for an npy file of %zu values",
                       header.values);
    memcpy(bytes, start, sizeof start);
    if (data_size > 0) memcpy(bytes + sizeof start, values, data_size);
    *bytes_out = bytes;
    *size_out = size;
    return GS_OK;
}

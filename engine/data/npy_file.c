/* Owns the grammar of the .npy header: a Python dictionary with exactly three keys. The parser
 * never reads beyond `end` and makes no use of a value before it is in range. */
#include "engine/data/npy_file.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef struct scanner {
    const char *at, *end;
} scanner;

static void skip_blanks(scanner *s) {
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n')) s->at++;
}

static bool accept(scanner *s, const char *text) {
    skip_blanks(s);
    size_t length = strlen(text);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, text, length) != 0) return false;
    s->at += length;
    return true;
}

/* A quoted string without escapes, at most size - 1 bytes. */
static bool scan_string(scanner *s, char *text, size_t size) {
    skip_blanks(s);
    if (s->at == s->end || (*s->at != '\'' && *s->at != '"')) return false;
    char quote = *s->at++;
    size_t length = 0;
    while (s->at < s->end && *s->at != quote && length + 1 < size) text[length++] = *s->at++;
    text[length] = '\0';
    return s->at < s->end && *s->at++ == quote;
}

static bool scan_size(scanner *s, size_t *value) {
    skip_blanks(s);
    const char *start = s->at;
    size_t result = 0;
    for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++)
        if (!gs_mul_size(result, 10, &result) ||
            !gs_add_size(result, (size_t)(*s->at - '0'), &result))
            return false;
    *value = result;
    return s->at > start;
}

static bool scan_shape(scanner *s, gs_npy_header *header) {
    if (!accept(s, "(")) return false;
    while (!accept(s, ")")) {
        if (header->dimensions == GS_NPY_MAX_DIMENSIONS) return false;
        if (!scan_size(s, &header->shape[header->dimensions++])) return false;
        if (!accept(s, ",")) return accept(s, ")");
    }
    return true;
}

/* One of the three keys with its value; sets its bit of *seen. */
static bool scan_entry(scanner *s, gs_npy_header *header, bool *fortran, unsigned *seen) {
    char key[16];
    if (!scan_string(s, key, sizeof key) || !accept(s, ":")) return false;
    unsigned bit;
    if (strcmp(key, "descr") == 0) {
        bit = 1;
        if (!scan_string(s, header->type, sizeof header->type)) return false;
    } else if (strcmp(key, "fortran_order") == 0) {
        bit = 2;
        *fortran = accept(s, "True");
        if (!*fortran && !accept(s, "False")) return false;
    } else if (strcmp(key, "shape") == 0) {
        bit = 4;
        if ((*seen & bit) || !scan_shape(s, header)) return false;
    } else {
        return false;
    }
    if (*seen & bit) return false;
    *seen |= bit;
    return true;
}

static bool scan_dictionary(scanner *s, gs_npy_header *header, bool *fortran) {
    unsigned seen = 0;
    if (!accept(s, "{")) return false;
    while (!accept(s, "}")) {
        if (!scan_entry(s, header, fortran, &seen)) return false;
        if (!accept(s, ",")) {
            if (!accept(s, "}")) return false;
            break;
        }
    }
    skip_blanks(s);
    return seen == 7 && s->at == s->end;
}

gs_status gs_npy_header_parse(const void *bytes, size_t size, gs_npy_header *out, gs_error *err) {
    const uint8_t *at = bytes;
    if (size < 12 || memcmp(at, "\x93NUMPY", 6) != 0)
        return gs_fail(err, GS_MALFORMED, "not a .npy file");
    if (at[6] < 1 || at[6] > 3)
        return gs_fail(err, GS_UNSUPPORTED, ".npy version %d.%d", at[6], at[7]);
    size_t start = at[6] == 1 ? 10 : 12, length = (size_t)at[8] | (size_t)at[9] << 8;
    if (at[6] > 1) length |= (size_t)at[10] << 16 | (size_t)at[11] << 24;
    if (length > size - start)
        return gs_fail(err, GS_MALFORMED, "a .npy header of %zu bytes in a file of %zu", length,
                       size);
    gs_npy_header header = {.data_offset = start + length};
    scanner s = {(const char *)bytes + start, (const char *)bytes + start + length};
    bool fortran = false;
    if (!scan_dictionary(&s, &header, &fortran))
        return gs_fail(err, GS_MALFORMED, "the .npy header does not parse at byte %td",
                       s.at - (const char *)bytes);
    if (strcmp(header.type, "<f4") != 0 && strcmp(header.type, "|u1") != 0)
        return gs_fail(err, GS_UNSUPPORTED, ".npy type '%s', expected '<f4' or '|u1'", header.type);
    if (fortran) return gs_fail(err, GS_UNSUPPORTED, ".npy in Fortran order, expected C order");
    *out = header;
    return GS_OK;
}

void gs_npy_header_write(const gs_npy_header *header, char bytes[GS_NPY_WRITTEN_HEADER]) {
    gs_assert(header->dimensions <= 4);
    char shape[GS_NPY_WRITTEN_HEADER] = "";
    int length = 0;
    for (int i = 0; i < header->dimensions; i++)
        length += snprintf(shape + length, sizeof shape - (size_t)length, "%zu,%s",
                           header->shape[i], i + 1 < header->dimensions ? " " : "");
    if (header->dimensions > 1)
        shape[length - 1] = '\0'; /* only a single dimension keeps its comma */
    char text[GS_NPY_WRITTEN_HEADER + 64];
    int written =
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%s), }",
                 header->type, shape);
    gs_assert(written > 0 && written < GS_NPY_WRITTEN_HEADER - 10);
    memset(bytes, ' ', GS_NPY_WRITTEN_HEADER);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)(GS_NPY_WRITTEN_HEADER - 10);
    bytes[9] = 0;
    memcpy(bytes + 10, text, (size_t)written);
    bytes[GS_NPY_WRITTEN_HEADER - 1] = '\n';
}

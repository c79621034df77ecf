/* safetensors files: named float32 tensors and a map of strings.
 *
 * Layout: 8 bytes header size (little endian), a JSON header {"name": {"dtype", "shape",
 * "data_offsets": [begin, end]}, …, "__metadata__": {"key": "value"}}, then the data, to which the
 * offsets are relative. Threads: an open file is immutable and may be read by any number. */
#ifndef GS_ENGINE_MODEL_SAFETENSORS_H
#define GS_ENGINE_MODEL_SAFETENSORS_H

#include "base/status.h"

#include <stddef.h>

enum {
    GS_SAFETENSORS_MAX_RANK = 8,
    GS_SAFETENSORS_MAX_TENSORS = 1 << 16,
    GS_SAFETENSORS_MAX_HEADER = 8 << 20, /* bytes of JSON; the format's own limit is 100 MB */
    GS_SAFETENSORS_MAX_NAME = 512,       /* bytes of a tensor's name or a metadata key */
};
#define GS_SAFETENSORS_MAX_FILE ((size_t)8 << 30)

typedef struct gs_tensor_entry {
    const char *name;
    size_t rank;                           /* 0: one value */
    size_t shape[GS_SAFETENSORS_MAX_RANK]; /* outermost first */
    size_t count;                          /* product of the shape; 0 when a dimension is 0 */
    const float *data;                     /* [count]; not checked for NaN */
} gs_tensor_entry;

typedef struct gs_metadata_entry {
    const char *key, *value;
} gs_metadata_entry;

typedef struct gs_safetensors gs_safetensors;

/* Reads all of `path`. MALFORMED names what lies: header size, JSON, a shape that does not fit its
 * offsets, data that overlap, leave a hole or end outside the file, a name that comes twice.
 * UNSUPPORTED names a tensor whose dtype is not F32, or a rank beyond the limit. TOO_LARGE beyond
 * the limits above or `limit_bytes` (0 = GS_SAFETENSORS_MAX_FILE). Also as gs_file_read. */
GS_MUST_CHECK gs_status gs_safetensors_open(const char *path, size_t limit_bytes,
                                            gs_safetensors **out, gs_error *err);

/* As gs_safetensors_open for bytes in memory (from gs_alloc). Takes ownership, also on failure.
 * `origin` is what error texts call it. */
GS_MUST_CHECK gs_status gs_safetensors_parse(const char *origin, char *bytes, size_t size,
                                             gs_safetensors **out, gs_error *err);
void gs_safetensors_close(gs_safetensors *file); /* NULL is allowed */

/* Tensors in the order of their data, i from 0. Everything is borrowed from the file. */
size_t gs_safetensors_count(const gs_safetensors *file);
const gs_tensor_entry *gs_safetensors_get(const gs_safetensors *file, size_t i);
/* NULL when there is none of that name. */
const gs_tensor_entry *gs_safetensors_find(const gs_safetensors *file, const char *name);

/* The value of a key of `__metadata__`; NULL when absent. */
const char *gs_safetensors_metadata(const gs_safetensors *file, const char *key);

/* What to write; names and keys are UTF-8. `count` of an entry is ignored (the shape decides). */
typedef struct gs_safetensors_content {
    const gs_tensor_entry *tensors;
    size_t tensor_count;
    const gs_metadata_entry *metadata;
    size_t metadata_count;
} gs_safetensors_content;

/* Writes whole or not at all (gs_file_replace). The header is padded with spaces to 8 bytes; the
 * same content gives the same bytes. INVALID_ARGUMENT for an empty, repeated or overlong name or
 * one that is not UTF-8, and for a shape out of range; else as gs_file_replace. */
GS_MUST_CHECK gs_status gs_safetensors_save(const char *path, const gs_safetensors_content *content,
                                            gs_error *err);

#endif

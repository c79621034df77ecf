/* Owns the safetensors format. Must not know which tensors a model has.
 *
 * Invariants of an open file:
 *   1. tensors[] is in the order of the data, which cover the file from the header's end to its own
 *      end without gap or overlap, so every data pointer has its count of floats behind it.
 *   2. by_name[] is a permutation of tensors[] with strictly ascending names.
 *   3. Names and metadata are borrowed from `header`, data from `bytes`. */
#include "engine/model/safetensors.h"

#include "base/file.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREFIX = 8,    /* bytes of the header's size */
    MAX_DEPTH = 3, /* {"name": {"shape": [ */
    ALIGNMENT = 8,
};
static const char metadata_name[] = "__metadata__";
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "floats are used where they lie");

/* A tensor while its place is being checked: bytes relative to the data's start. */
typedef struct placed_tensor {
    gs_tensor_entry entry;
    uint64_t begin, end;
} placed_tensor;

struct gs_safetensors {
    char *bytes;
    json_t *header;
    placed_tensor *tensors;
    const gs_tensor_entry **by_name;
    size_t count;
};

/* ---- reading ---- */

typedef struct reader {
    const char *origin; /* for error texts */
    gs_safetensors *file;
    gs_error *err;
} reader;

/* jansson recurses; real headers are three levels deep. Brackets in strings do not count. */
static bool depth_is_within(const char *text, size_t size, int limit) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > limit) return false;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return true;
}

static gs_status parse_header(reader *r, const char *text, size_t size) {
    json_error_t error;
    if (size == 0 || text[0] != '{')
        return gs_fail(r->err, GS_MALFORMED, "%s: the header is not a JSON object", r->origin);
    if (!depth_is_within(text, size, MAX_DEPTH))
        return gs_fail(r->err, GS_MALFORMED, "%s: the header nests deeper than %d levels",
                       r->origin, MAX_DEPTH);
    r->file->header = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
    if (r->file->header) return GS_OK;
    /* jansson explains every fault of the text, but not that it ran out of memory. */
    if (error.text[0] == '\0')
        return gs_fail(r->err, GS_OUT_OF_MEMORY, "%s: no memory for the header", r->origin);
    return gs_fail(r->err, GS_MALFORMED, "%s: the header is not JSON: %s at byte %d", r->origin,
                   error.text, error.position);
}

static gs_status check_metadata(reader *r, const json_t *metadata) {
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return gs_fail(r->err, GS_MALFORMED, "%s: __metadata__ is not an object", r->origin);
    json_object_foreach((json_t *)metadata, key, value) {
        if (!json_is_string(value))
            return gs_fail(r->err, GS_MALFORMED, "%s: __metadata__ \"%.80s\" is not a string",
                           r->origin, key);
    }
    return GS_OK;
}

static gs_status read_shape(reader *r, const json_t *shape, gs_tensor_entry *entry) {
    if (!json_is_array(shape))
        return gs_fail(r->err, GS_MALFORMED, "%s: %.80s has no shape", r->origin, entry->name);
    entry->rank = json_array_size(shape);
    if (entry->rank > GS_SAFETENSORS_MAX_RANK)
        return gs_fail(r->err, GS_UNSUPPORTED, "%s: %.80s has %zu dimensions, the limit is %d",
                       r->origin, entry->name, entry->rank, GS_SAFETENSORS_MAX_RANK);
    entry->count = 1;
    for (size_t i = 0; i < entry->rank; i++) {
        const json_t *side = json_array_get(shape, i);
        if (!json_is_integer(side) || json_integer_value(side) < 0)
            return gs_fail(r->err, GS_MALFORMED, "%s: dimension %zu of %.80s is not a size",
                           r->origin, i, entry->name);
        entry->shape[i] = (size_t)json_integer_value(side);
        if (!gs_mul_size(entry->count, entry->shape[i], &entry->count))
            return gs_fail(r->err, GS_MALFORMED, "%s: the shape of %.80s overflows", r->origin,
                           entry->name);
    }
    return GS_OK;
}

static gs_status read_offsets(reader *r, const json_t *offsets, placed_tensor *tensor) {
    const json_t *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    const char *name = tensor->entry.name;
    if (json_array_size(offsets) != 2 || !json_is_integer(begin) || !json_is_integer(end) ||
        json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin))
        return gs_fail(r->err, GS_MALFORMED, "%s: data_offsets of %.80s are not [begin, end]",
                       r->origin, name);
    tensor->begin = (uint64_t)json_integer_value(begin);
    tensor->end = (uint64_t)json_integer_value(end);
    size_t size;
    if (!gs_mul_size(tensor->entry.count, sizeof(float), &size) ||
        tensor->end - tensor->begin != size)
        return gs_fail(r->err, GS_MALFORMED,
                       "%s: %.80s has %llu bytes of data, its shape needs %zu floats", r->origin,
                       name, (unsigned long long)(tensor->end - tensor->begin),
                       tensor->entry.count);
    return GS_OK;
}

static gs_status read_tensor(reader *r, const char *name, const json_t *json, placed_tensor *out) {
    const json_t *dtype = json_object_get(json, "dtype");
    out->entry.name = name;
    if (name[0] == '\0' || strlen(name) > GS_SAFETENSORS_MAX_NAME)
        return gs_fail(r->err, GS_MALFORMED,
                       "%s: a tensor's name has %zu bytes, allowed are 1 to %d", r->origin,
                       strlen(name), GS_SAFETENSORS_MAX_NAME);
    if (!json_is_string(dtype) || json_object_size(json) != 3)
        return gs_fail(r->err, GS_MALFORMED,
                       "%s: %.80s is not {\"dtype\", \"shape\", \"data_offsets\"}", r->origin,
                       name);
    if (strcmp(json_string_value(dtype), "F32") != 0)
        return gs_fail(r->err, GS_UNSUPPORTED, "%s: %.80s has dtype %.20s; only F32 is read",
                       r->origin, name, json_string_value(dtype));
    GS_TRY(read_shape(r, json_object_get(json, "shape"), &out->entry));
    return read_offsets(r, json_object_get(json, "data_offsets"), out);
}

static gs_status read_tensors(reader *r) {
    gs_safetensors *file = r->file;
    const char *name;
    json_t *json;
    const size_t members = json_object_size(file->header);
    if (members > GS_SAFETENSORS_MAX_TENSORS)
        return gs_fail(r->err, GS_TOO_LARGE, "%s: %zu tensors, the limit is %d", r->origin, members,
                       GS_SAFETENSORS_MAX_TENSORS);
    file->tensors = gs_alloc(members, sizeof *file->tensors);
    file->by_name = gs_alloc(members, sizeof(gs_tensor_entry *));
    if (!file->tensors || !file->by_name)
        return gs_fail(r->err, GS_OUT_OF_MEMORY, "%s: no memory for %zu tensors", r->origin,
                       members);
    json_object_foreach(file->header, name, json) {
        if (strcmp(name, metadata_name) == 0) {
            GS_TRY(check_metadata(r, json));
            continue;
        }
        GS_TRY(read_tensor(r, name, json, &file->tensors[file->count]));
        file->count++;
    }
    return GS_OK;
}

/* Empty tensors lie between their neighbours; the name makes the order unique. */
static int compare_places(const void *left, const void *right) {
    const placed_tensor *a = left, *b = right;
    if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
    if (a->end != b->end) return a->end < b->end ? -1 : 1;
    return strcmp(a->entry.name, b->entry.name);
}

static int compare_names(const void *left, const void *right) {
    const gs_tensor_entry *const *a = left, *const *b = right;
    return strcmp((*a)->name, (*b)->name);
}

/* Sorts the tensors by place and checks invariant 1 for `data_size` bytes at `data`. */
static gs_status place_tensors(reader *r, const char *data, size_t data_size) {
    gs_safetensors *file = r->file;
    uint64_t covered = 0;
    qsort(file->tensors, file->count, sizeof *file->tensors, compare_places);
    for (size_t i = 0; i < file->count; i++) {
        placed_tensor *tensor = &file->tensors[i];
        if (tensor->begin != covered)
            return gs_fail(r->err, GS_MALFORMED,
                           "%s: the data of %.80s begin at byte %llu, expected is %llu (%s)",
                           r->origin, tensor->entry.name, (unsigned long long)tensor->begin,
                           (unsigned long long)covered,
                           tensor->begin < covered ? "an overlap" : "a hole");
        if (tensor->end > data_size)
            return gs_fail(r->err, GS_MALFORMED,
                           "%s: the data of %.80s end at byte %llu, the file has %zu", r->origin,
                           tensor->entry.name, (unsigned long long)tensor->end, data_size);
        covered = tensor->end;
        tensor->entry.data = (const float *)(const void *)(data + tensor->begin);
        file->by_name[i] = &tensor->entry;
    }
    if (covered != data_size)
        return gs_fail(r->err, GS_MALFORMED, "%s: %llu bytes follow the last tensor", r->origin,
                       (unsigned long long)(data_size - covered));
    qsort(file->by_name, file->count, sizeof(gs_tensor_entry *), compare_names);
    return GS_OK;
}

static gs_status read_file(reader *r, size_t size) {
    char *bytes = r->file->bytes;
    uint64_t header_size;
    if (size < PREFIX)
        return gs_fail(r->err, GS_MALFORMED, "%s: %zu bytes are no safetensors file", r->origin,
                       size);
    memcpy(&header_size, bytes, sizeof header_size);
    if (header_size > size - PREFIX)
        return gs_fail(r->err, GS_MALFORMED, "%s: the header claims %llu bytes, the file has %zu",
                       r->origin, (unsigned long long)header_size, size);
    if (header_size > GS_SAFETENSORS_MAX_HEADER)
        return gs_fail(r->err, GS_TOO_LARGE, "%s: a header of %llu bytes, the limit is %d",
                       r->origin, (unsigned long long)header_size, GS_SAFETENSORS_MAX_HEADER);
    GS_TRY(parse_header(r, bytes + PREFIX, (size_t)header_size));
    GS_TRY(read_tensors(r));
    /* A writer that does not pad its header leaves the floats unaligned: move them down, over the
     * header's text, which is not needed any more. */
    const size_t data_at = PREFIX + (size_t)header_size;
    const size_t moved_to = data_at - data_at % sizeof(float);
    if (moved_to != data_at) memmove(bytes + moved_to, bytes + data_at, size - data_at);
    return place_tensors(r, bytes + moved_to, size - data_at);
}

gs_status gs_safetensors_parse(const char *origin, char *bytes, size_t size, gs_safetensors **out,
                               gs_error *err) {
    gs_safetensors *file = gs_alloc(1, sizeof *file);
    if (!file) {
        gs_free(bytes);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to read %s", origin);
    }
    file->bytes = bytes;
    gs_status status = read_file(&(reader){origin, file, err}, size);
    if (status != GS_OK) {
        gs_safetensors_close(file);
        return status;
    }
    *out = file;
    return GS_OK;
}

gs_status gs_safetensors_open(const char *path, size_t limit_bytes, gs_safetensors **out,
                              gs_error *err) {
    char *bytes = NULL;
    size_t size = 0;
    if (limit_bytes == 0 || limit_bytes > GS_SAFETENSORS_MAX_FILE)
        limit_bytes = GS_SAFETENSORS_MAX_FILE;
    GS_TRY(gs_file_read(path, limit_bytes, &bytes, &size, err));
    return gs_safetensors_parse(path, bytes, size, out, err);
}

void gs_safetensors_close(gs_safetensors *file) {
    if (!file) return;
    gs_free(file->by_name);
    gs_free(file->tensors);
    json_decref(file->header);
    gs_free(file->bytes);
    gs_free(file);
}

size_t gs_safetensors_count(const gs_safetensors *file) {
    return file->count;
}

const gs_tensor_entry *gs_safetensors_get(const gs_safetensors *file, size_t i) {
    gs_assert(i < file->count);
    return &file->tensors[i].entry;
}

const gs_tensor_entry *gs_safetensors_find(const gs_safetensors *file, const char *name) {
    const gs_tensor_entry wanted = {.name = name}, *key = &wanted;
    const gs_tensor_entry *const *found =
        bsearch(&key, file->by_name, file->count, sizeof(gs_tensor_entry *), compare_names);
    return found ? *found : NULL;
}

const char *gs_safetensors_metadata(const gs_safetensors *file, const char *key) {
    return json_string_value(json_object_get(json_object_get(file->header, metadata_name), key));
}

/* ---- writing ---- */

static gs_status fail_memory(gs_error *err) {
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a safetensors header");
}

/* A JSON string of `text`, which must be UTF-8. `what` names it in the error text. */
static gs_status make_string(const char *what, const char *text, json_t **out, gs_error *err) {
    json_error_t error;
    json_t *string = json_pack_ex(&error, 0, "s", text);
    if (!string && json_error_code(&error) == json_error_invalid_utf8)
        return gs_fail(err, GS_INVALID_ARGUMENT, "the %s of a safetensors file is not UTF-8", what);
    if (!string) return fail_memory(err);
    *out = string;
    return GS_OK;
}

/* Checks a name that becomes a member of `object`. */
static gs_status check_name(const json_t *object, const char *what, const char *name,
                            gs_error *err) {
    json_t *string = NULL;
    const size_t length = strnlen(name, GS_SAFETENSORS_MAX_NAME + 1);
    if (length < 1 || length > GS_SAFETENSORS_MAX_NAME)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a %s of %s bytes, allowed are 1 to %d", what,
                       length < 1 ? "0" : "more", GS_SAFETENSORS_MAX_NAME);
    GS_TRY(make_string(what, name, &string, err));
    json_decref(string);
    if (json_object_get(object, name))
        return gs_fail(err, GS_INVALID_ARGUMENT, "two %ss are \"%.80s\"", what, name);
    return GS_OK;
}

static gs_status add_metadata(json_t *header, const gs_safetensors_content *content,
                              gs_error *err) {
    json_t *map = json_object();
    if (json_object_set_new(header, metadata_name, map) != 0) return fail_memory(err);
    for (size_t i = 0; i < content->metadata_count; i++) {
        const gs_metadata_entry *entry = &content->metadata[i];
        json_t *value = NULL;
        GS_TRY(check_name(map, "metadata key", entry->key, err));
        GS_TRY(make_string("metadata value", entry->value, &value, err));
        if (json_object_set_new(map, entry->key, value) != 0) return fail_memory(err);
    }
    return GS_OK;
}

/* The bytes that the shape stands for. */
static gs_status measure_tensor(const gs_tensor_entry *entry, size_t *size_out, gs_error *err) {
    size_t size = sizeof(float);
    if (entry->rank > GS_SAFETENSORS_MAX_RANK)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%.80s has %zu dimensions, the limit is %d",
                       entry->name, entry->rank, GS_SAFETENSORS_MAX_RANK);
    for (size_t i = 0; i < entry->rank; i++)
        if (!gs_mul_size(size, entry->shape[i], &size) || size > GS_SAFETENSORS_MAX_FILE)
            return gs_fail(err, GS_INVALID_ARGUMENT, "%.80s is larger than a file may be",
                           entry->name);
    *size_out = size;
    return GS_OK;
}

/* Adds a tensor whose data begin at *offset, and moves *offset behind them. */
static gs_status add_tensor(json_t *header, const gs_tensor_entry *entry, size_t *offset,
                            gs_error *err) {
    size_t size;
    GS_TRY(check_name(header, "tensor name", entry->name, err));
    if (strcmp(entry->name, metadata_name) == 0)
        return gs_fail(err, GS_INVALID_ARGUMENT, "no tensor can be called %s", metadata_name);
    GS_TRY(measure_tensor(entry, &size, err));
    if (size > GS_SAFETENSORS_MAX_FILE - *offset)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%.80s does not fit the largest file",
                       entry->name);
    json_t *shape = json_array();
    for (size_t i = 0; i < entry->rank; i++)
        if (json_array_append_new(shape, json_integer((json_int_t)entry->shape[i])) != 0) {
            json_decref(shape);
            return fail_memory(err);
        }
    json_t *json = json_pack("{s: s, s: o, s: [I, I]}", "dtype", "F32", "shape", shape,
                             "data_offsets", (json_int_t)*offset, (json_int_t)(*offset + size));
    if (json_object_set_new(header, entry->name, json) != 0) return fail_memory(err);
    *offset += size;
    return GS_OK;
}

/* jansson keeps the order in which members were added. */
static gs_status add_content(json_t *header, const gs_safetensors_content *content, gs_error *err) {
    size_t offset = 0;
    if (content->metadata_count > 0) GS_TRY(add_metadata(header, content, err));
    for (size_t i = 0; i < content->tensor_count; i++)
        GS_TRY(add_tensor(header, &content->tensors[i], &offset, err));
    return GS_OK;
}

/* The header's text, padded with spaces. json_dumps would drop bytes where memory fails it (2.14);
 * json_dumpb needs none. */
static gs_status print_header(const json_t *header, char **text_out, size_t *size_out,
                              gs_error *err) {
    const size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT); /* 0: no memory */
    const size_t size = (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (size > GS_SAFETENSORS_MAX_HEADER)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "a safetensors header of %zu bytes, the limit is %d", size,
                       GS_SAFETENSORS_MAX_HEADER);
    char *text = length > 0 ? gs_alloc(size, 1) : NULL;
    if (!text) return fail_memory(err);
    memset(text, ' ', size);
    if (json_dumpb(header, text, size, JSON_COMPACT) != length) {
        gs_free(text);
        return fail_memory(err);
    }
    *text_out = text;
    *size_out = size;
    return GS_OK;
}

gs_status gs_safetensors_save(const char *path, const gs_safetensors_content *content,
                              gs_error *err) {
    char *header = NULL;
    size_t header_size = 0;
    if (content->tensor_count > GS_SAFETENSORS_MAX_TENSORS)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%zu tensors, the limit is %d",
                       content->tensor_count, GS_SAFETENSORS_MAX_TENSORS);
    json_t *json = json_object();
    gs_status status = json ? add_content(json, content, err) : fail_memory(err);
    if (status == GS_OK) status = print_header(json, &header, &header_size, err);
    json_decref(json);
    GS_TRY(status);
    gs_file_piece *pieces = gs_alloc(content->tensor_count + 2, sizeof *pieces);
    if (!pieces) {
        gs_free(header);
        return fail_memory(err);
    }
    const uint64_t prefix = header_size;
    pieces[0] = (gs_file_piece){&prefix, sizeof prefix};
    pieces[1] = (gs_file_piece){header, header_size};
    for (size_t i = 0; i < content->tensor_count && status == GS_OK; i++) {
        pieces[i + 2].bytes = content->tensors[i].data;
        status = measure_tensor(&content->tensors[i], &pieces[i + 2].size, err);
    }
    if (status == GS_OK) status = gs_file_replace(path, pieces, content->tensor_count + 2, err);
    gs_free(pieces);
    gs_free(header);
    return status;
}

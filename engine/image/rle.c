/* Owns the COCO run-length code. Invariants while decoding: runs so far sum to `filled` <= pixels,
 * and no number is trusted before it is compared with what is left. */
#include "engine/image/rle.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

enum {
    GROUP_BITS = 5,
    MAX_GROUPS = 6, /* of one number: 30 bits hold any difference of two runs within the limits */
    MORE = 0x20,
    SIGN = 0x10,
    FIRST_CHARACTER = 48,
};
_Static_assert(GS_IMAGE_MAX_VALUES < (size_t)1 << (MAX_GROUPS * GROUP_BITS - 1), "runs fit");

static size_t pixel_count(const gs_mask *mask) {
    return (size_t)mask->height * (size_t)mask->width;
}

/* ---- encoding ---- */

/* Walks a mask in the order of the runs: down the columns. */
static bool is_target(const gs_mask *mask, size_t i) {
    const size_t height = (size_t)mask->height;
    return mask->values[i % height * (size_t)mask->width + i / height] == GS_MASK_TARGET;
}

static char *write_number(char *at, long long value) {
    bool more;
    do {
        int group = (int)(value & 0x1f);
        value >>= GROUP_BITS; /* arithmetic: keeps the sign */
        more = group & SIGN ? value != -1 : value != 0;
        *at++ = (char)((group | (more ? MORE : 0)) + FIRST_CHARACTER);
    } while (more);
    return at;
}

static size_t count_runs(const gs_mask *mask) {
    size_t runs = 1;
    bool current = false;
    for (size_t i = 0; i < pixel_count(mask); i++) {
        if (is_target(mask, i) == current) continue;
        current = !current;
        runs++;
    }
    return runs;
}

gs_status gs_rle_encode(const gs_mask *mask, char **counts_out, gs_error *err) {
    const size_t pixels = pixel_count(mask), runs = count_runs(mask);
    char *counts = gs_alloc(runs * MAX_GROUPS + 1, 1);
    if (!counts) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu runs of a mask", runs);
    char *at = counts;
    long long before[2] = {0, 0}; /* the two runs before, the older first */
    size_t end = 0;
    for (size_t run = 0; run < runs; run++) {
        const size_t start = end;
        while (end < pixels && is_target(mask, end) == (run % 2 == 1)) end++;
        const long long length = (long long)(end - start);
        at = write_number(at, run > 2 ? length - before[0] : length);
        before[0] = before[1];
        before[1] = length;
    }
    *at = '\0';
    *counts_out = counts;
    return GS_OK;
}

/* ---- decoding ---- */

typedef struct run_writer {
    gs_mask mask;
    size_t filled; /* pixels, in the order of the runs */
    size_t run;    /* runs so far */
} run_writer;

static gs_status add_run(run_writer *writer, long long length, gs_error *err) {
    gs_mask *mask = &writer->mask;
    const size_t pixels = pixel_count(mask), height = (size_t)mask->height;
    if (length < 0 || (unsigned long long)length > pixels - writer->filled)
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "run %zu of the mask is %lld pixels long; %zu of %d x %d are left",
                       writer->run, length, pixels - writer->filled, mask->height, mask->width);
    const size_t end = writer->filled + (size_t)length;
    if (writer->run % 2 == 1)
        for (size_t i = writer->filled; i < end; i++)
            mask->values[i % height * (size_t)mask->width + i / height] = GS_MASK_TARGET;
    writer->filled = end;
    writer->run++;
    return GS_OK;
}

static gs_status finish_runs(run_writer *writer, gs_mask *out, gs_error *err) {
    const size_t pixels = pixel_count(&writer->mask);
    if (writer->filled != pixels)
        return gs_fail(err, GS_SHAPE_MISMATCH,
                       "the runs of the mask sum to %zu pixels, its size says %d x %d",
                       writer->filled, writer->mask.height, writer->mask.width);
    *out = writer->mask;
    return GS_OK;
}

/* Reads one number from *at on and moves *at behind it. */
static gs_status read_number(const char **at, long long *value_out, gs_error *err) {
    long long value = 0;
    for (int group = 0; group < MAX_GROUPS; group++) {
        const int character = (unsigned char)**at;
        if (character < FIRST_CHARACTER || character >= FIRST_CHARACTER + 64)
            return character == 0
                       ? gs_fail(err, GS_MALFORMED, "counts end in the middle of a number")
                       : gs_fail(err, GS_MALFORMED,
                                 "character 0x%02x in counts is not part of the run-length code",
                                 character);
        const int bits = character - FIRST_CHARACTER;
        const long long unit = 1LL << (GROUP_BITS * group);
        value += (bits & 0x1f) * unit;
        ++*at;
        if (bits & MORE) continue;
        *value_out = bits & SIGN ? value - 32 * unit : value;
        return GS_OK;
    }
    return gs_fail(err, GS_MALFORMED, "a number in counts has more than %d characters", MAX_GROUPS);
}

static gs_status add_string(run_writer *writer, const char *counts, gs_error *err) {
    long long before[2] = {0, 0};
    while (*counts) {
        long long length = 0;
        GS_TRY(read_number(&counts, &length, err));
        if (writer->run > 2) length += before[0];
        GS_TRY(add_run(writer, length, err));
        before[0] = before[1];
        before[1] = length;
    }
    return GS_OK;
}

static gs_status add_array(run_writer *writer, const json_t *counts, gs_error *err) {
    for (size_t i = 0; i < json_array_size(counts); i++) {
        const json_t *count = json_array_get(counts, i);
        if (!json_is_integer(count))
            return gs_fail(err, GS_MALFORMED, "counts[%zu] of the mask is not an integer", i);
        GS_TRY(add_run(writer, json_integer_value(count), err));
    }
    return GS_OK;
}

gs_status gs_rle_decode(const char *counts, int height, int width, const gs_image_limits *limits,
                        gs_mask *out, gs_error *err) {
    run_writer writer = {0};
    GS_TRY(gs_mask_init(height, width, limits, &writer.mask, err));
    gs_status status = add_string(&writer, counts, err);
    if (status == GS_OK) status = finish_runs(&writer, out, err);
    if (status != GS_OK) gs_mask_deinit(&writer.mask);
    return status;
}

/* ---- JSON ---- */

gs_status gs_rle_to_json(const gs_mask *mask, json_t **json_out, gs_error *err) {
    char *counts = NULL;
    GS_TRY(gs_rle_encode(mask, &counts, err));
    json_t *json =
        json_pack("{s: [i, i], s: s}", "size", mask->height, mask->width, "counts", counts);
    gs_free(counts);
    if (!json) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the JSON of a mask");
    *json_out = json;
    return GS_OK;
}

static gs_status read_size(const json_t *size, const gs_image_limits *limits, int *height_out,
                           int *width_out, gs_error *err) {
    const json_t *height = json_array_get(size, 0), *width = json_array_get(size, 1);
    if (json_array_size(size) != 2 || !json_is_integer(height) || !json_is_integer(width))
        return gs_fail(err, GS_MALFORMED,
                       "\"size\" of the mask is not an array of two integers, height and width");
    GS_TRY(
        gs_image_check_size(1, json_integer_value(height), json_integer_value(width), limits, err));
    *height_out = (int)json_integer_value(height);
    *width_out = (int)json_integer_value(width);
    return GS_OK;
}

gs_status gs_rle_from_json(const json_t *json, const gs_image_limits *limits, gs_mask *out,
                           gs_error *err) {
    const json_t *counts = json_object_get(json, "counts");
    if (!json_is_object(json) || json_object_size(json) != 2 || !json_object_get(json, "size") ||
        !(json_is_string(counts) || json_is_array(counts)))
        return gs_fail(
            err, GS_MALFORMED,
            "a run-length mask is {\"size\": [height, width], \"counts\": a string or an "
            "array of integers} and nothing else");
    int height = 0, width = 0;
    GS_TRY(read_size(json_object_get(json, "size"), limits, &height, &width, err));
    if (json_is_string(counts)) {
        if (strlen(json_string_value(counts)) != json_string_length(counts))
            return gs_fail(err, GS_MALFORMED, "\"counts\" of the mask contains a zero byte");
        return gs_rle_decode(json_string_value(counts), height, width, limits, out, err);
    }
    run_writer writer = {0};
    GS_TRY(gs_mask_init(height, width, limits, &writer.mask, err));
    gs_status status = add_array(&writer, counts, err);
    if (status == GS_OK) status = finish_runs(&writer, out, err);
    if (status != GS_OK) gs_mask_deinit(&writer.mask);
    return status;
}

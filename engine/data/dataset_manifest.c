/* Owns the meaning of dataset.json: every field is checked here, before any pixel is looked at.
 * Must not know the .npy files. */
#include "engine/data/dataset_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/image/normalize.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const label_names[] = {"unknown", "presence", "absence"};
static const char *const split_names[] = {"", "train", "validation", "test"};

const char *gs_label_name(gs_label label) {
    return label_names[label];
}

const char *gs_split_name(gs_split split) {
    return split_names[split];
}

/* The position of `text` in names[first…count), or -1. */
static int find_name(const char *text, const char *const *names, int first, int count) {
    for (int i = first; i < count; i++)
        if (strcmp(text, names[i]) == 0) return i;
    return -1;
}

/* A string of 1 to GS_DATASET_MAX_TEXT - 1 bytes without zeros inside. Borrowed from the object. */
static gs_status get_text(const json_t *object, const char *key, const char *where,
                          const char **out, gs_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value))
        return gs_fail(err, GS_MALFORMED, "%s: \"%s\" is not a string", where, key);
    size_t length = json_string_length(value);
    const char *text = json_string_value(value);
    if (length == 0 || strlen(text) != length)
        return gs_fail(err, GS_MALFORMED, "%s: \"%s\" is empty or holds a zero", where, key);
    if (length >= GS_DATASET_MAX_TEXT)
        return gs_fail(err, GS_TOO_LARGE, "%s: \"%s\" has %zu bytes, the limit is %d", where, key,
                       length, GS_DATASET_MAX_TEXT - 1);
    *out = text;
    return GS_OK;
}

static gs_status get_size(const json_t *object, const char *key, int limit, int *out,
                          gs_error *err) {
    const json_t *value = json_object_get(object, key);
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > limit)
        return gs_fail(err, GS_MALFORMED, "dataset.json: \"%s\" is not a number from 1 to %d", key,
                       limit);
    *out = (int)number;
    return GS_OK;
}

static gs_status read_info(const json_t *root, gs_dataset_info *info, gs_error *err) {
    const char *text;
    GS_TRY(get_text(root, "format", "dataset.json", &text, err));
    if (strcmp(text, "genseg-dataset-1") != 0)
        return gs_fail(err, GS_UNSUPPORTED,
                       "dataset.json: format \"%s\", expected \"genseg-dataset-1\"", text);
    GS_TRY(get_text(root, "name", "dataset.json", &info->name, err));
    GS_TRY(get_text(root, "made_by", "dataset.json", &info->made_by, err));
    GS_TRY(get_text(root, "normalization", "dataset.json", &text, err));
    if (gs_normalization_parse(text, &info->normalization, NULL) != GS_OK)
        return gs_fail(err, GS_UNSUPPORTED, "dataset.json: normalization \"%s\"", text);
    GS_TRY(get_size(root, "channels", GS_MAX_CHANNELS, &info->channels, err));
    GS_TRY(get_size(root, "height", GS_MAX_SIDE, &info->height, err));
    return get_size(root, "width", GS_MAX_SIDE, &info->width, err);
}

/* Optional; the slice's index lies in it. */
static gs_status read_extent(const json_t *extent, const char *where, gs_dataset_slice *slice,
                             gs_error *err) {
    if (!extent) return GS_OK;
    bool is_pair = json_array_size(extent) == 2;
    for (size_t i = 0; i < 2 && is_pair; i++) {
        const json_t *end = json_array_get(extent, i);
        is_pair = json_is_integer(end);
        slice->extent[i] = json_integer_value(end);
    }
    if (is_pair && slice->extent[0] <= slice->index && slice->index <= slice->extent[1])
        return GS_OK;
    return gs_fail(err, GS_MALFORMED,
                   "%s: \"extent\" is not two whole numbers with \"index\" between them", where);
}

/* The strings of *slice are borrowed from the entry. */
static gs_status read_slice(const json_t *entry, size_t row, gs_dataset_slice *slice,
                            int64_t *mask_row, gs_error *err) {
    char where[48];
    snprintf(where, sizeof where, "dataset.json: slice %zu", row);
    GS_TRY(get_text(entry, "case", where, &slice->case_name, err));
    GS_TRY(get_text(entry, "name", where, &slice->name, err));
    const char *text;
    GS_TRY(get_text(entry, "label", where, &text, err));
    int found = find_name(text, label_names, 0, 3);
    if (found < 0) return gs_fail(err, GS_MALFORMED, "%s: label \"%s\"", where, text);
    slice->label = (gs_label)found;
    if (json_object_get(entry, "split")) {
        GS_TRY(get_text(entry, "split", where, &text, err));
        found = find_name(text, split_names, 1, 4);
        if (found < 0) return gs_fail(err, GS_MALFORMED, "%s: split \"%s\"", where, text);
        slice->split = (gs_split)found;
    }
    const json_t *index = json_object_get(entry, "index");
    if (!json_is_integer(index))
        return gs_fail(err, GS_MALFORMED, "%s: \"index\" is not a whole number", where);
    slice->index = json_integer_value(index);
    GS_TRY(read_extent(json_object_get(entry, "extent"), where, slice, err));
    const json_t *mask = json_object_get(entry, "mask");
    *mask_row = -1;
    if (!mask) return GS_OK;
    if (!json_is_integer(mask) || json_integer_value(mask) < 0)
        return gs_fail(err, GS_MALFORMED, "%s: \"mask\" is not a row number", where);
    *mask_row = json_integer_value(mask);
    return GS_OK;
}

static gs_status read_slices(const json_t *rows, gs_dataset *dataset, gs_error *err) {
    dataset->count = json_array_size(rows);
    if (!json_is_array(rows))
        return gs_fail(err, GS_MALFORMED, "dataset.json: \"slices\" is not a list");
    if (dataset->count > GS_DATASET_MAX_SLICES)
        return gs_fail(err, GS_TOO_LARGE, "dataset.json: %zu slices, the limit is %d",
                       dataset->count, GS_DATASET_MAX_SLICES);
    dataset->slices = gs_alloc(dataset->count, sizeof *dataset->slices);
    dataset->mask_rows = gs_alloc(dataset->count, sizeof *dataset->mask_rows);
    if (!dataset->slices || !dataset->mask_rows)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", dataset->count);
    for (size_t i = 0; i < dataset->count; i++)
        GS_TRY(read_slice(json_array_get(rows, i), i, &dataset->slices[i], &dataset->mask_rows[i],
                          err));
    return GS_OK;
}

/* Moves every string out of the JSON document, which is then free to go. */
static gs_status keep_texts(gs_dataset *dataset, gs_error *err) {
    size_t size = strlen(dataset->info.name) + strlen(dataset->info.made_by) + 2;
    for (size_t i = 0; i < dataset->count; i++)
        size += strlen(dataset->slices[i].case_name) + strlen(dataset->slices[i].name) + 2;
    char *to = dataset->text = gs_alloc(size, 1);
    if (!to) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu bytes of names", size);
#define KEEP(text) (to = stpcpy(to, text) + 1, (text) = to - 1 - strlen(text))
    KEEP(dataset->info.name);
    KEEP(dataset->info.made_by);
    for (size_t i = 0; i < dataset->count; i++) {
        KEEP(dataset->slices[i].case_name);
        KEEP(dataset->slices[i].name);
    }
#undef KEEP
    return GS_OK;
}

/* ---- cases ---- */

static int compare_case(const void *a, const void *b) {
    const gs_dataset_slice *left = *(gs_dataset_slice *const *)a;
    const gs_dataset_slice *right = *(gs_dataset_slice *const *)b;
    int order = strcmp(left->case_name, right->case_name);
    return order ? order : (left > right) - (left < right); /* both in one array: by row */
}

/* Sorted by case, then row: one run per case, numbered by its first row. */
static gs_status number_cases(gs_dataset *dataset, gs_error *err) {
    size_t count = dataset->count;
    gs_dataset_slice **order = gs_alloc(count, sizeof *order);
    if (!order) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", count);
    for (size_t i = 0; i < count; i++) order[i] = &dataset->slices[i];
    qsort(order, count, sizeof *order, compare_case);
    gs_status status = GS_OK;
    for (size_t i = 0, first = 0; i < count && status == GS_OK; i++) {
        if (strcmp(order[i]->case_name, order[first]->case_name) != 0) first = i;
        order[i]->case_number = (uint32_t)(order[first] - dataset->slices); /* its first row */
        if (order[i]->split != order[first]->split)
            status = gs_fail(err, GS_UNUSABLE,
                             "dataset.json: case \"%s\" is in split \"%s\" and in split \"%s\"",
                             order[i]->case_name, gs_split_name(order[first]->split),
                             gs_split_name(order[i]->split));
    }
    gs_free(order);
    for (size_t i = 0; i < count; i++) { /* rows before i are numbered densely already */
        uint32_t first = dataset->slices[i].case_number;
        dataset->slices[i].case_number =
            first == i ? (uint32_t)dataset->cases++ : dataset->slices[first].case_number;
    }
    return status;
}

/* Each row of masks.npy belongs to exactly one slice. */
static gs_status check_mask_rows(gs_dataset *dataset, gs_error *err) {
    uint8_t *seen = gs_alloc(dataset->count, 1);
    if (!seen) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu slices", dataset->count);
    gs_status status = GS_OK;
    for (size_t i = 0; i < dataset->count; i++) dataset->masks += dataset->mask_rows[i] >= 0;
    for (size_t i = 0; i < dataset->count && status == GS_OK; i++) {
        int64_t row = dataset->mask_rows[i];
        if (row >= 0 && ((size_t)row >= dataset->masks || seen[row]++))
            status = gs_fail(err, GS_SHAPE_MISMATCH,
                             "dataset.json: slice %zu: mask row %lld of %zu is out of range or "
                             "another slice's",
                             i, (long long)row, dataset->masks);
    }
    gs_free(seen);
    return status;
}

gs_status gs__dataset_read_manifest(const char *path, gs_dataset *dataset, gs_error *err) {
    char *bytes = NULL;
    size_t size = 0;
    GS_TRY(gs_file_read(path, (size_t)GS_DATASET_MAX_JSON_MIB << 20, &bytes, &size, err));
    json_error_t why;
    json_t *root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    gs_free(bytes);
    if (!root)
        return gs_fail(err, GS_MALFORMED, "%s: line %d, column %d: %s", path, why.line, why.column,
                       why.text);
    gs_status status = read_info(root, &dataset->info, err);
    if (status == GS_OK) status = read_slices(json_object_get(root, "slices"), dataset, err);
    if (status == GS_OK) status = keep_texts(dataset, err);
    json_decref(root);
    if (status == GS_OK) status = number_cases(dataset, err);
    if (status == GS_OK) status = check_mask_rows(dataset, err);
    return status;
}

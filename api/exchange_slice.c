/* One slice of an exchange folder: what coco.json says of it, its bytes and its mask, all checked.
 */
#include <string.h>

#include "api/annotation.h"
#include "api/exchange_read_internal.h"
#include "base/memory.h"
#include "engine/image/decode.h"

void gs__exchange_slice_deinit(gs_exchange_slice *slice) {
    gs_free(slice->content);
    gs_free(slice->mask);
    *slice = (gs_exchange_slice){0};
}

/* A text, NULL for null. */
static gs_status text_of(const json_t *object, const char *key, const char **out, gs_error *err) {
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) && !json_is_null(value))
        return gs_fail(err, GS_MALFORMED, "%s is neither a text nor null", key);
    *out = json_string_value(value);
    return GS_OK;
}

static gs_status word_of(const json_t *object, const char *key, const char *const *words,
                         const char **out, gs_error *err) {
    const char *word = NULL;
    GS_TRY(text_of(object, key, &word, err));
    for (size_t i = 0; word && words[i]; i++)
        if (strcmp(words[i], word) == 0) {
            *out = word;
            return GS_OK;
        }
    return gs_fail(err, GS_MALFORMED, "%s is '%.40s'", key, word ? word : "null");
}

static gs_status index_of(const json_t *object, int64_t *out, gs_error *err) {
    const json_t *index = json_object_get(object, "index");
    bool is_given = json_is_integer(index);
    json_int_t value = json_integer_value(index);
    if (!is_given && !json_is_null(index))
        return gs_fail(err, GS_MALFORMED, "index is neither a number nor null");
    if (is_given && (value < 0 || value > INT32_MAX))
        return gs_fail(err, GS_MALFORMED, "index is %lld", (long long)value);
    *out = is_given ? value : -1;
    return GS_OK;
}

/* Folders of earlier versions have no such member. */
static gs_status origin_of(const json_t *own, const char **out, gs_error *err) {
    if (!json_object_get(own, "began_with")) return GS_OK;
    GS_TRY(text_of(own, "began_with", out, err));
    if (!*out || gs_annotation_origin_is_id(*out)) return GS_OK;
    return gs_fail(err, GS_MALFORMED, "began_with is no id of a model");
}

static gs_status describe(const json_t *own, gs_new_slice *slice, gs_error *err) {
    static const char *const labels[] = {"presence", "absence", "unknown", NULL};
    static const char *const splits[] = {"train", "validation", "test", NULL};
    static const char *const parts[] = {"left", "right", NULL};
    GS_TRY(word_of(own, "label", labels, &slice->label, err));
    if (!json_is_null(json_object_get(own, "split")))
        GS_TRY(word_of(own, "split", splits, &slice->split, err));
    if (!json_is_null(json_object_get(own, "part")))
        GS_TRY(word_of(own, "part", parts, &slice->part, err));
    GS_TRY(index_of(own, &slice->index, err));
    GS_TRY(text_of(own, "case", &slice->case_name, err));
    GS_TRY(text_of(own, "name", &slice->name, err));
    GS_TRY(text_of(own, "author", &slice->author, err));
    return origin_of(own, &slice->began_with, err);
}

/* The stored bytes, and that they are the image they are said to be. */
static gs_status read_content(const gs_exchange *x, const json_t *image, const json_t *own,
                              gs_exchange_slice *slice, gs_error *err) {
    const char *stored = NULL, *sha256 = NULL;
    gs_new_slice *record = &slice->record;
    gs_image decoded;
    GS_TRY(text_of(own, "stored", &stored, err));
    GS_TRY(text_of(own, "sha256", &sha256, err));
    GS_TRY(text_of(own, "content_type", &record->content_type, err));
    if (!stored || !sha256 || !record->content_type)
        return gs_fail(err, GS_MALFORMED, "stored, sha256 and content_type must be given");
    GS_TRY(gs__exchange_get(x->folder, stored, sha256, GS_SLICE_BYTES_MAX, &slice->content,
                            &record->content_size, err));
    record->content = slice->content;
    GS_TRY(gs_image_decode(record->content_type, slice->content, record->content_size, NULL,
                           &decoded, err));
    record->channels = decoded.channels;
    record->height = decoded.height;
    record->width = decoded.width;
    gs_image_deinit(&decoded);
    if (record->height == json_integer_value(json_object_get(image, "height")) &&
        record->width == json_integer_value(json_object_get(image, "width")))
        return GS_OK;
    return gs_fail(err, GS_SHAPE_MISMATCH,
                   "%s has height %d and width %d, which is not what %s says", stored,
                   record->height, record->width, GS__EXCHANGE_FILE);
}

static gs_status fill_mask(const json_t *objects, gs_mask *mask, gs_error *err) {
    for (size_t i = 0; i < json_array_size(objects); i++)
        GS_TRY(gs__exchange_mask_read(json_array_get(objects, i), mask, err));
    return GS_OK;
}

/* A mask where the image says that it has one, or an object marks pixels of it. */
static gs_status read_mask(const gs_exchange *x, const json_t *image, const json_t *own,
                           gs_exchange_slice *slice, gs_error *err) {
    gs_mask mask;
    const json_t *objects = gs__exchange_objects_of(x, image);
    if (!objects && !json_is_true(json_object_get(own, "annotated"))) return GS_OK;
    GS_TRY(gs_mask_init(slice->record.height, slice->record.width, NULL, &mask, err));
    gs_status status = fill_mask(objects, &mask, err);
    if (!status)
        status = gs_annotation_encode(&mask, slice->record.began_with, &slice->mask,
                                      &slice->record.mask_size, err);
    gs_mask_deinit(&mask);
    slice->record.mask = slice->mask;
    return status;
}

static gs_status read_volume(const gs_exchange *x, const json_t *own, size_t *out, gs_error *err) {
    const json_t *volume = json_object_get(own, "volume");
    json_int_t number = json_integer_value(volume);
    bool is_none = json_is_null(volume);
    if (!is_none && (number < 1 || (size_t)number > json_array_size(x->volumes)))
        return gs_fail(err, GS_MALFORMED, "volume is none of the %zu there are",
                       json_array_size(x->volumes));
    *out = is_none ? 0 : (size_t)number;
    return GS_OK;
}

gs_status gs__exchange_slice_read(const gs_exchange *x, size_t i, gs_exchange_slice *out,
                                  gs_error *err) {
    const json_t *image = json_array_get(x->images, i), *own = json_object_get(image, "genseg");
    gs_exchange_slice slice = {0};
    gs_error why;
    gs_status status = describe(own, &slice.record, &why);
    if (!status) status = read_volume(x, own, &slice.volume, &why);
    if (!status) status = read_content(x, image, own, &slice, &why);
    if (!status) status = read_mask(x, image, own, &slice, &why);
    if (status) {
        gs__exchange_slice_deinit(&slice);
        return gs_fail(err, status, "images[%zu] of %s: %s", i, GS__EXCHANGE_FILE, why.text);
    }
    *out = slice;
    return GS_OK;
}

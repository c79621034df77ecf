/* Masks as COCO has them. COCO knows one kind of pixel per object, so a mask that is not annotated
 * everywhere becomes two objects. */
#include <string.h>

#include "api/exchange_internal.h"
#include "engine/image/rle.h"

typedef struct extent {
    size_t area;
    int left, top, right, bottom; /* inclusive */
} extent;

static extent extent_of(const gs_mask *mask) {
    extent e = {.left = mask->width, .top = mask->height, .right = -1, .bottom = -1};
    for (int y = 0; y < mask->height; y++)
        for (int x = 0; x < mask->width; x++) {
            if (mask->values[(size_t)y * (size_t)mask->width + (size_t)x] != GS_MASK_TARGET)
                continue;
            e.area++;
            e.left = x < e.left ? x : e.left;
            e.right = x > e.right ? x : e.right;
            e.top = y < e.top ? y : e.top;
            e.bottom = y > e.bottom ? y : e.bottom;
        }
    return e;
}

/* The target of `mask` as an object of the category; nothing if there is none. */
static gs_status append(const gs_mask *mask, int category, size_t image, size_t *next_id,
                        json_t *annotations, gs_error *err) {
    json_t *runs;
    extent e = extent_of(mask);
    if (e.area == 0) return GS_OK;
    GS_TRY(gs_rle_to_json(mask, &runs, err));
    json_t *object =
        json_pack("{s:I, s:I, s:i, s:o, s:I, s:[i, i, i, i], s:i}", "id", (json_int_t)*next_id,
                  "image_id", (json_int_t)image, "category_id", category, "segmentation", runs,
                  "area", (json_int_t)e.area, "bbox", e.left, e.top, e.right - e.left + 1,
                  e.bottom - e.top + 1, "iscrowd", 1);
    if (!object || json_array_append_new(annotations, object) != 0)
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a mask");
    ++*next_id;
    return GS_OK;
}

gs_status gs__exchange_mask_write(const gs_mask *mask, size_t image, size_t *next_id,
                                  json_t *annotations, gs_error *err) {
    gs_mask unknown;
    size_t count = (size_t)mask->height * (size_t)mask->width;
    GS_TRY(append(mask, GS__CATEGORY_TARGET, image, next_id, annotations, err));
    if (!gs_mask_is_partial(mask)) return GS_OK;
    GS_TRY(gs_mask_init(mask->height, mask->width, NULL, &unknown, err));
    for (size_t i = 0; i < count; i++)
        if (mask->values[i] == GS_MASK_UNKNOWN) unknown.values[i] = GS_MASK_TARGET;
    gs_status status = append(&unknown, GS__CATEGORY_UNKNOWN, image, next_id, annotations, err);
    gs_mask_deinit(&unknown);
    return status;
}

static gs_status merge(const gs_mask *part, uint8_t value, gs_mask *mask, gs_error *err) {
    if (part->height != mask->height || part->width != mask->width)
        return gs_fail(err, GS_SHAPE_MISMATCH, "a mask of %d x %d for an image of %d x %d",
                       part->height, part->width, mask->height, mask->width);
    size_t count = (size_t)mask->height * (size_t)mask->width;
    for (size_t i = 0; i < count; i++) {
        if (part->values[i] != GS_MASK_TARGET) continue;
        if (mask->values[i] != GS_MASK_BACKGROUND && mask->values[i] != value)
            return gs_fail(err, GS_UNUSABLE, "row %zu, column %zu is both target and not annotated",
                           i / (size_t)mask->width, i % (size_t)mask->width);
        mask->values[i] = value;
    }
    return GS_OK;
}

gs_status gs__exchange_mask_read(const json_t *annotation, gs_mask *mask, gs_error *err) {
    const json_t *runs = json_object_get(annotation, "segmentation");
    json_int_t category = json_integer_value(json_object_get(annotation, "category_id"));
    gs_mask part;
    if (category != GS__CATEGORY_TARGET && category != GS__CATEGORY_UNKNOWN)
        return gs_fail(err, GS_UNUSABLE, "category_id is %lld; known: %d target, %d not annotated",
                       (long long)category, GS__CATEGORY_TARGET, GS__CATEGORY_UNKNOWN);
    if (json_is_array(runs))
        return gs_fail(err, GS_UNSUPPORTED, "a polygon; masks must be run-length encoded");
    GS_TRY(gs_rle_from_json(runs, NULL, &part, err));
    gs_status status =
        merge(&part, category == GS__CATEGORY_TARGET ? GS_MASK_TARGET : GS_MASK_UNKNOWN, mask, err);
    gs_mask_deinit(&part);
    return status;
}

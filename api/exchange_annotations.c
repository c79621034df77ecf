/* What was drawn on the slices of volumes, as a label volume beside each volume's files. It is made
 * of the masks that are in the exchange folder already: those of one moment. */
#include <stdlib.h>
#include <string.h>

#include "api/exchange_internal.h"
#include "api/volume_masks.h"
#include "base/file.h"
#include "base/memory.h"

/* One mask in the folder, and where in which volume it lies. */
typedef struct gs__mask_place {
    size_t volume, image; /* both from 1 */
    int64_t level;
    char part[GS_WORD_SIZE], began_with[GS_ID_SIZE];
} mask_place;

void gs__mask_places_deinit(gs__mask_places *places) {
    gs_free(places->items);
    *places = (gs__mask_places){0};
}

gs_status gs__mask_places_add(gs__mask_places *places, const gs_slice_view *slice, size_t volume,
                              size_t image, gs_error *err) {
    if (places->count == places->room) {
        size_t room = places->room ? 2 * places->room : 64;
        mask_place *items = gs_resize(places->items, room, sizeof *items);
        if (!items) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu masks", room);
        places->items = items;
        places->room = room;
    }
    mask_place *place = &places->items[places->count++];
    *place = (mask_place){.volume = volume, .image = image, .level = slice->record.index};
    memcpy(place->part, slice->record.part, sizeof place->part);
    memcpy(place->began_with, slice->began_with, sizeof place->began_with);
    return GS_OK;
}

/* By volume, then as gs_volume_masks_put wants them. */
static int compare(const void *a, const void *b) {
    const mask_place *one = a, *other = b;
    if (one->volume != other->volume) return one->volume < other->volume ? -1 : 1;
    if (one->level != other->level) return one->level < other->level ? -1 : 1;
    return strcmp(one->part, other->part);
}

static gs_status put_mask(gs_volume_masks *masks, const char *folder, const mask_place *place,
                          gs_error *err) {
    char *bytes;
    size_t size;
    char *path = gs_format("%s/masks/%06zu.png", folder, place->image);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_file_read(path, GS_SLICE_BYTES_MAX, &bytes, &size, err);
    gs_free(path);
    if (status) return status;
    gs_volume_mask mask = {.index = place->level, .mask = bytes, .mask_size = size};
    memcpy(mask.part, place->part, sizeof mask.part);
    memcpy(mask.began_with, place->began_with, sizeof mask.began_with);
    status = gs_volume_masks_put(masks, &mask, err);
    gs_free(bytes);
    return status;
}

static gs_status put_masks(gs_volume_masks *masks, const char *folder, const mask_place *places,
                           size_t count, gs_error *err) {
    for (size_t i = 0; i < count; i++) GS_TRY(put_mask(masks, folder, &places[i], err));
    return gs_volume_masks_finish(masks, err);
}

/* *written_out is false where the volume has no place for its slices. */
static gs_status write_masks(gs_store *store, const char *id, const char *folder, const char *path,
                             const mask_place *places, size_t count, bool *written_out,
                             gs_error *err) {
    gs_volume_record volume;
    gs_volume_masks *masks = NULL;
    GS_TRY(gs_store_volume_get(store, id, &volume, err));
    gs_status status = gs_volume_masks_open(store, &volume, path, &masks, err);
    *written_out = status != GS_UNUSABLE;
    if (status == GS_UNUSABLE)
        status = GS_OK;
    else if (!status)
        status = put_masks(masks, folder, places, count, err);
    gs_volume_masks_close(masks);
    gs_volume_record_deinit(&volume);
    return status;
}

/* What coco.json says of the file; the caller owns it. */
static gs_status describe(const char *path, const char *name, json_t **json_out, gs_error *err) {
    char sha256[GS_SHA256_SIZE], *bytes;
    size_t size;
    GS_TRY(gs_file_read(path, GS__EXCHANGE_VOLUME_BYTES, &bytes, &size, err));
    gs_sha256_hex(bytes, size, sha256);
    gs_free(bytes);
    *json_out = json_pack("{s:s, s:s}", "file", name, "sha256", sha256);
    return *json_out ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", name);
}

static gs_status write_volume(gs_store *store, const char *id, const char *folder,
                              const mask_place *places, size_t count, json_t *volume,
                              gs_error *err) {
    json_t *file = NULL;
    bool written = false;
    char *name = gs_format("volumes/%04zu/annotations.nii.gz", places->volume);
    char *path = name ? gs_format("%s/%s", folder, name) : NULL;
    gs_status status = path ? write_masks(store, id, folder, path, places, count, &written, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    if (!status && written) status = describe(path, name, &file, err);
    if (!status && written && json_object_set_new(volume, "annotations", file) != 0)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    gs_free(path);
    gs_free(name);
    return status;
}

gs_status gs__mask_places_write(gs__mask_places *places, gs_store *store,
                                const char (*volume_ids)[GS_ID_SIZE], const char *folder,
                                json_t *volumes, gs_error *err) {
    if (places->count == 0) return GS_OK;
    qsort(places->items, places->count, sizeof *places->items, compare);
    for (size_t first = 0, end; first < places->count; first = end) {
        const mask_place *at = &places->items[first];
        for (end = first; end < places->count && places->items[end].volume == at->volume;) end++;
        GS_TRY(write_volume(store, volume_ids[at->volume - 1], folder, at, end - first,
                            json_array_get(volumes, at->volume - 1), err));
    }
    return GS_OK;
}

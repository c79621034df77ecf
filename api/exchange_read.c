/* Into the store. The folder is gone through twice: everything is checked, then it is stored. */
#include <string.h>

#include "api/exchange.h"
#include "api/exchange_read_internal.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/data/dataset.h"
#include "engine/image/normalize.h"

enum { CHUNK_SLICES = 64 }; /* per transaction: few syncs, bounded memory */

static gs_status malformed(gs_error *err, const char *what) {
    return gs_fail(err, GS_MALFORMED, "%s: %s", GS__EXCHANGE_FILE, what);
}

/* ==== coco.json ==== */

/* Image ids are numbers; 24 characters hold any. */
static void key_of(const json_t *id, char out[24]) {
    snprintf(out, 24, "%lld", (long long)json_integer_value(id));
}

const json_t *gs__exchange_objects_of(const gs_exchange *x, const json_t *image) {
    char key[24];
    key_of(json_object_get(image, "id"), key);
    return json_object_get(x->objects, key);
}

/* An empty list of objects for each image. */
static gs_status enter_images(gs_exchange *x, gs_error *err) {
    for (size_t i = 0; i < json_array_size(x->images); i++) {
        const json_t *id = json_object_get(json_array_get(x->images, i), "id");
        char key[24];
        if (!json_is_integer(id)) return malformed(err, "an image without id");
        key_of(id, key);
        if (json_object_get(x->objects, key)) return malformed(err, "an image id comes twice");
        if (json_object_set_new(x->objects, key, json_array()) != 0)
            return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list of images");
    }
    return GS_OK;
}

static gs_status enter_objects(gs_exchange *x, gs_error *err) {
    const json_t *annotations = json_object_get(x->root, "annotations");
    if (!json_is_array(annotations)) return malformed(err, "annotations is no list");
    for (size_t i = 0; i < json_array_size(annotations); i++) {
        json_t *annotation = json_array_get(annotations, i);
        const json_t *id = json_object_get(annotation, "image_id");
        char key[24];
        key_of(id, key);
        json_t *objects = json_is_integer(id) ? json_object_get(x->objects, key) : NULL;
        if (!objects) return malformed(err, "an annotation of no image");
        if (json_array_append(objects, annotation) != 0)
            return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list of masks");
    }
    return GS_OK;
}

/* Images without objects are none that have a mask by them. */
static void drop_empty(gs_exchange *x) {
    const char *key;
    void *next;
    json_t *objects;
    json_object_foreach_safe(x->objects, next, key, objects) {
        if (json_array_size(objects) == 0) json_object_del(x->objects, key);
    }
}

static gs_status check_head(gs_exchange *x, gs_error *err) {
    const json_t *own = json_object_get(x->root, "genseg");
    const char *format = json_string_value(json_object_get(own, "format"));
    if (!format || strcmp(format, GS__EXCHANGE_FORMAT) != 0)
        return malformed(err, "genseg.format is not " GS__EXCHANGE_FORMAT);
    x->dataset = json_string_value(json_object_get(own, "dataset"));
    x->normalization = json_string_value(json_object_get(own, "normalization"));
    x->volumes = json_object_get(own, "volumes");
    x->images = json_object_get(x->root, "images");
    if (!x->dataset || !x->normalization || !json_is_array(x->volumes))
        return malformed(err, "genseg lacks dataset, normalization or volumes");
    if (!json_is_array(x->images)) return malformed(err, "images is no list");
    gs_normalization known;
    return gs_normalization_parse(x->normalization, &known, err);
}

static gs_status open_json(gs_exchange *x, gs_error *err) {
    char *bytes, *path = gs_format("%s/%s", x->folder, GS__EXCHANGE_FILE);
    size_t size;
    json_error_t where;
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status =
        gs_file_read(path, (size_t)GS_DATASET_MAX_JSON_MIB << 20, &bytes, &size, err);
    gs_free(path);
    if (status) return status;
    x->root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &where);
    gs_free(bytes);
    if (!x->root)
        return gs_fail(err, GS_MALFORMED, "%s, line %d: %s", GS__EXCHANGE_FILE, where.line,
                       where.text);
    x->objects = json_object();
    if (!x->objects) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the list of masks");
    GS_TRY(check_head(x, err));
    GS_TRY(enter_images(x, err));
    GS_TRY(enter_objects(x, err));
    drop_empty(x);
    return GS_OK;
}

/* ==== Checking ==== */

static gs_status check_all(const gs_exchange *x, gs_store *store, gs_exchange_summary *summary,
                           gs_error *err) {
    gs_exchange_slice slice;
    summary->slices = json_array_size(x->images);
    summary->volumes = json_array_size(x->volumes);
    for (size_t i = 0; i < summary->slices; i++) {
        GS_TRY(gs__exchange_slice_read(x, i, &slice, err));
        summary->masks += slice.mask != NULL;
        gs__exchange_slice_deinit(&slice);
    }
    for (size_t i = 1; i <= summary->volumes; i++)
        GS_TRY(gs__exchange_volume_check(x, store, i, err));
    return GS_OK;
}

/* ==== Storing ==== */

typedef struct chunk {
    gs_exchange_slice slices[CHUNK_SLICES];
    gs_new_slice given[CHUNK_SLICES];
    gs_slice_record records[CHUNK_SLICES];
    bool created[CHUNK_SLICES];
    size_t count;
} chunk;

static void empty_chunk(chunk *c) {
    for (size_t i = 0; i < c->count; i++) gs__exchange_slice_deinit(&c->slices[i]);
    c->count = 0;
}

static gs_status store_chunk(gs_store *store, const char *dataset, chunk *c, size_t *added,
                             gs_error *err) {
    for (size_t i = 0; i < c->count; i++) c->given[i] = c->slices[i].record;
    GS_TRY(
        gs_store_slice_add(store, dataset, c->given, c->count, NULL, c->records, c->created, err));
    for (size_t i = 0; i < c->count; i++) *added += c->created[i];
    empty_chunk(c);
    return GS_OK;
}

/* Slices in their order; a volume where its first slice stands. */
static gs_status store_slices(const gs_exchange *x, gs_store *store, const char *dataset, chunk *c,
                              bool *is_stored, size_t *added, gs_error *err) {
    for (size_t i = 0; i < json_array_size(x->images); i++) {
        size_t of_volume = 0;
        gs_exchange_slice *slice = &c->slices[c->count];
        GS_TRY(gs__exchange_slice_read(x, i, slice, err));
        size_t volume = slice->volume;
        if (volume == 0) {
            if (++c->count == CHUNK_SLICES) GS_TRY(store_chunk(store, dataset, c, added, err));
            continue;
        }
        gs__exchange_slice_deinit(slice);
        if (is_stored[volume - 1]) continue;
        GS_TRY(store_chunk(store, dataset, c, added, err));
        GS_TRY(gs__exchange_volume_read(x, store, dataset, volume, &of_volume, err));
        is_stored[volume - 1] = true;
        *added += of_volume;
    }
    return store_chunk(store, dataset, c, added, err);
}

static gs_status ensure_dataset(const gs_exchange *x, gs_store *store, const char *name,
                                gs_error *err) {
    gs_dataset_record record;
    const json_t *own = json_object_get(x->root, "genseg");
    gs_status status = gs_store_dataset_get(store, name, &record, err);
    if (!status && strcmp(record.normalization, x->normalization) != 0)
        return gs_fail(err, GS_CONFLICT, "data set '%s' has normalization %s, the folder %s", name,
                       record.normalization, x->normalization);
    if (status != GS_NOT_FOUND) return status;
    gs_dataset_settings settings = {
        .normalization = x->normalization,
        .channels = (int)json_integer_value(json_object_get(own, "channels")),
        .height = (int)json_integer_value(json_object_get(own, "height")),
        .width = (int)json_integer_value(json_object_get(own, "width"))};
    return gs_store_dataset_put(store, name, &settings, &record, NULL, err);
}

static gs_status store_all(const gs_exchange *x, gs_store *store, const char *dataset,
                           gs_exchange_summary *summary, gs_error *err) {
    chunk *c = gs_alloc(1, sizeof *c);
    bool *is_stored = gs_alloc(json_array_size(x->volumes), sizeof *is_stored);
    gs_status status = c && is_stored ? ensure_dataset(x, store, dataset, err)
                                      : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to import");
    if (!status) status = store_slices(x, store, dataset, c, is_stored, &summary->added, err);
    if (c) empty_chunk(c);
    gs_free(is_stored);
    gs_free(c);
    return status;
}

gs_status gs_exchange_read(gs_store *store, const char *folder, const char *dataset,
                           gs_exchange_summary *out, gs_error *err) {
    gs_exchange x = {.folder = folder};
    gs_exchange_summary summary = {0};
    gs_status status = open_json(&x, err);
    if (!status) status = check_all(&x, store, &summary, err);
    if (!status) status = store_all(&x, store, dataset ? dataset : x.dataset, &summary, err);
    json_decref(x.objects);
    json_decref(x.root);
    if (!status) *out = summary;
    return status;
}

#include "api/import.h"

#include <string.h>

#include "base/memory.h"
#include "engine/data/dataset.h"
#include "engine/image/mask.h"
#include "engine/image/normalize.h"
#include "engine/image/npy.h"
#include "store/slice.h"

enum { CHUNK_SLICES = 64 }; /* per transaction: few syncs, bounded memory */

/* The slices of one transaction, encoded. */
typedef struct import_chunk {
    gs_new_slice slices[CHUNK_SLICES];
    gs_slice_record records[CHUNK_SLICES];
    bool created[CHUNK_SLICES];
    char *contents[CHUNK_SLICES], *masks[CHUNK_SLICES]; /* owned */
    size_t count;
} import_chunk;

static void empty_chunk(import_chunk *chunk) {
    for (size_t i = 0; i < CHUNK_SLICES; i++) {
        gs_free(chunk->contents[i]);
        gs_free(chunk->masks[i]);
        chunk->contents[i] = chunk->masks[i] = NULL;
    }
    chunk->count = 0;
}

static gs_status encode_mask(const gs_dataset_info *info, const uint8_t *values, char **bytes,
                             size_t *size, gs_error *err) {
    gs_mask mask;
    GS_TRY(gs_mask_init(info->height, info->width, NULL, &mask, err));
    memcpy(mask.values, values, (size_t)info->height * (size_t)info->width);
    gs_status status = gs_mask_check(&mask, err);
    if (!status) status = gs_mask_encode_png(&mask, bytes, size, err);
    gs_mask_deinit(&mask);
    return status;
}

static gs_status encode_slice(const gs_dataset *dataset, size_t i, import_chunk *chunk,
                              gs_error *err) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    const gs_dataset_slice *from = gs_dataset_get_slice(dataset, i);
    const uint8_t *mask = gs_dataset_mask(dataset, i);
    const size_t shape[] = {(size_t)info->channels, (size_t)info->height, (size_t)info->width};
    size_t n = chunk->count++;
    gs_new_slice *slice = &chunk->slices[n];
    const char *split = gs_split_name(from->split);
    *slice = (gs_new_slice){
        .case_name = from->case_name,
        .name = from->name,
        .index = from->index >= 0 ? from->index : -1,
        .channels = info->channels,
        .height = info->height,
        .width = info->width,
        .content_type = "application/x-npy",
        .label = gs_label_name(from->label),
        .split = split[0] ? split : NULL,
        .author = "import",
        .unless_deleted = true,
    };
    GS_TRY(gs_npy_encode(GS_NPY_F32, gs_dataset_image(dataset, i), shape, 3, &chunk->contents[n],
                         &slice->content_size, err));
    slice->content = chunk->contents[n];
    if (!mask) return GS_OK;
    GS_TRY(encode_mask(info, mask, &chunk->masks[n], &slice->mask_size, err));
    slice->mask = chunk->masks[n];
    return GS_OK;
}

static gs_status store_chunk(gs_store *store, const char *name, import_chunk *chunk,
                             gs_import_summary *summary, gs_error *err) {
    GS_TRY(gs_store_slice_add(store, name, chunk->slices, chunk->count, NULL, chunk->records,
                              chunk->created, err));
    for (size_t i = 0; i < chunk->count; i++) summary->added += chunk->created[i];
    summary->slices += chunk->count;
    return GS_OK;
}

static gs_status store_slices(gs_store *store, const char *name, const gs_dataset *dataset,
                              import_chunk *chunk, gs_import_summary *summary, gs_error *err) {
    size_t count = gs_dataset_count(dataset);
    for (size_t i = 0; i < count; i++) {
        GS_TRY(encode_slice(dataset, i, chunk, err));
        if (chunk->count < CHUNK_SLICES && i + 1 < count) continue;
        GS_TRY(store_chunk(store, name, chunk, summary, err));
        empty_chunk(chunk);
    }
    return GS_OK;
}

/* A data set that is there keeps its settings; its slices' size is compared when they are added. */
static gs_status ensure_dataset(gs_store *store, const char *name, const gs_dataset_info *info,
                                gs_error *err) {
    gs_dataset_record record;
    gs_status status = gs_store_dataset_get(store, name, &record, err);
    if (status != GS_NOT_FOUND) return status;
    gs_dataset_settings settings = {.normalization = gs_normalization_name(info->normalization),
                                    .channels = info->channels,
                                    .height = info->height,
                                    .width = info->width};
    return gs_store_dataset_put(store, name, &settings, &record, NULL, err);
}

static gs_status import_dataset(gs_store *store, const gs_dataset *dataset, const char *name,
                                gs_import_summary *summary, gs_error *err) {
    import_chunk *buffer = gs_alloc(1, sizeof *buffer);
    if (!buffer) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to import '%s'", name);
    gs_status status = gs_dataset_check_pixels(dataset, err);
    if (!status) status = gs_dataset_check_labels(dataset, err);
    if (!status) status = ensure_dataset(store, name, gs_dataset_get_info(dataset), err);
    if (!status) status = store_slices(store, name, dataset, buffer, summary, err);
    empty_chunk(buffer);
    gs_free(buffer);
    return status;
}

gs_status gs_api_import_directory(gs_store *store, const char *folder, const char *dataset,
                                  gs_import_summary *out, gs_error *err) {
    gs_dataset *directory = NULL;
    gs_import_summary summary = {0};
    GS_TRY(gs_dataset_open(folder, &directory, err));
    if (!dataset) dataset = gs_dataset_get_info(directory)->name;
    gs_status status = import_dataset(store, directory, dataset, &summary, err);
    gs_dataset_close(directory);
    if (!status && out) *out = summary;
    return status;
}

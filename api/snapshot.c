#include "api/snapshot.h"

#include <nettle/sha2.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/data/dataset.h"
#include "engine/image/decode.h"
#include "engine/image/mask.h"
#include "engine/image/normalize.h"
#include "store/slice.h"

/* What a walk over the slices writes to, and what it counts. */
typedef struct snapshot_state {
    gs_dataset_writer *writer;
    struct sha256_ctx digest;
    json_int_t slices, presence, absence, annotated, masks_left_out;
} snapshot_state;

static gs_split split_of(const char *name) {
    for (int split = GS_SPLIT_NONE; split <= GS_SPLIT_TEST; split++)
        if (strcmp(gs_split_name((gs_split)split), name) == 0) return (gs_split)split;
    return GS_SPLIT_NONE;
}

/* One line per slice: whatever changes what a trainer sees changes the digest. */
static gs_status digest_slice(snapshot_state *snapshot, const gs_slice_view *slice, gs_error *err) {
    char mask[GS_SHA256_SIZE] = "";
    if (slice->mask) gs_sha256_hex(slice->mask, slice->mask_size, mask);
    char *line = gs_format("%s %s %s %s %s\n", slice->record.sha256, slice->record.label,
                           slice->record.split, mask, slice->record.case_name);
    if (!line) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a snapshot");
    sha256_update(&snapshot->digest, strlen(line), (const uint8_t *)line);
    gs_free(line);
    return GS_OK;
}

static gs_status write_slice(snapshot_state *snapshot, const gs_slice_view *view,
                             const gs_image *image, const gs_mask *mask, gs_error *err) {
    const gs_slice_record *record = &view->record;
    bool presence = strcmp(record->label, "presence") == 0;
    gs_dataset_slice slice = {
        .case_name = record->case_name[0] ? record->case_name : record->id,
        .name = record->name[0] ? record->name : record->id,
        .index = record->index >= 0 ? record->index : 0,
        .label = presence ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE,
        .split = split_of(record->split),
    };
    GS_TRY(gs_dataset_writer_add(snapshot->writer, &slice, image->pixels,
                                 mask ? mask->values : NULL, err));
    snapshot->slices++;
    snapshot->presence += presence;
    snapshot->absence += !presence;
    snapshot->annotated += mask != NULL;
    return digest_slice(snapshot, view, err);
}

/* A label that was changed after the mask was drawn: no training takes the two together. */
static bool is_contradicted(const gs_slice_record *record, const gs_mask *mask) {
    return strcmp(record->label, "absence") == 0 && gs_mask_count(mask, GS_MASK_TARGET) > 0;
}

static gs_status visit_slice(void *context, const gs_slice_view *view, gs_error *err) {
    const gs_slice_record *record = &view->record;
    snapshot_state *snapshot = context;
    bool has_mask = view->mask != NULL;
    gs_image image;
    gs_mask mask = {0};
    if (strcmp(record->label, "unknown") == 0) return GS_OK;
    GS_TRY(gs_image_decode(record->content_type, view->content, (size_t)record->content_size, NULL,
                           &image, err));
    gs_status status = GS_OK;
    if (view->mask) status = gs_mask_decode_png(view->mask, view->mask_size, NULL, &mask, err);
    if (!status && has_mask && is_contradicted(record, &mask)) {
        has_mask = false;
        snapshot->masks_left_out++;
    }
    if (!status) status = write_slice(snapshot, view, &image, has_mask ? &mask : NULL, err);
    gs_mask_deinit(&mask);
    gs_image_deinit(&image);
    return status;
}

static gs_status summarize(snapshot_state *snapshot, const char *dataset, char **out,
                           gs_error *err) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[GS_SHA256_SIZE], now[GS_TIME_SIZE];
    sha256_digest(&snapshot->digest, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    gs_time_now(now);
    json_t *json = json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s, s:s}", "dataset", dataset,
                             "slices", snapshot->slices, "presence", snapshot->presence, "absence",
                             snapshot->absence, "annotated", snapshot->annotated, "masks_left_out",
                             snapshot->masks_left_out, "sha256", hex, "taken_at", now);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    char *copy = text ? gs_copy_string(text) : NULL;
    free(text); /* jansson's own allocator */
    if (!copy) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a snapshot");
    *out = copy;
    return GS_OK;
}

static gs_status write_all(gs_store *store, const char *dataset, snapshot_state *snapshot,
                           char **summary_json_out, gs_error *err) {
    char *summary = NULL;
    GS_TRY(gs_store_slice_each(store, dataset, visit_slice, snapshot, err));
    if (snapshot->slices == 0)
        return gs_fail(err, GS_UNUSABLE, "data set '%s' has no slice labelled presence or absence",
                       dataset);
    GS_TRY(summarize(snapshot, dataset, &summary, err));
    gs_status status = gs_dataset_writer_finish(snapshot->writer, err);
    if (status)
        gs_free(summary);
    else
        *summary_json_out = summary;
    return status;
}

gs_status gs_api_snapshot_dataset(gs_store *store, const char *dataset, const char *folder,
                                  char **summary_json_out, gs_error *err) {
    gs_dataset_record record;
    snapshot_state snapshot = {0};
    gs_dataset_info info = {.name = dataset, .made_by = "genseg serve: snapshot of a data set"};
    GS_TRY(gs_store_dataset_get(store, dataset, &record, err));
    if (!record.channels || !record.height || !record.width)
        return gs_fail(err, GS_UNUSABLE, "data set '%s' has no slices", dataset);
    GS_TRY(gs_normalization_parse(record.normalization, &info.normalization, err));
    info.channels = record.channels;
    info.height = record.height;
    info.width = record.width;
    sha256_init(&snapshot.digest);
    GS_TRY(gs_dataset_writer_open(folder, &info, &snapshot.writer, err));
    gs_status status = write_all(store, dataset, &snapshot, summary_json_out, err);
    gs_dataset_writer_close(snapshot.writer);
    return status;
}

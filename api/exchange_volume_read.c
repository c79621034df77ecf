/* Volumes out of an exchange folder: files into the store's folder of uploads, as an upload's. */
#include <stdlib.h>
#include <string.h>

#include "api/exchange_read_internal.h"
#include "api/upload_folder.h"
#include "api/volume_files.h"
#include "api/volume_json.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/data/volume_cut.h"

typedef struct volume_reader {
    const gs_exchange *x;
    size_t number, image; /* the next image to look at */
    int channels;
    bool has_labels, has_organ;
    char *folder; /* of the files, in the store's folder */
    gs_exchange_slice slice;
    size_t given;
    bool ended; /* there is no further one */
} volume_reader;

/* ==== Files ==== */

/* Which file of a volume this is; false for one too many. */
static bool take_role(volume_reader *r, const char *role, int *channel_out) {
    if (strcmp(role, "image") == 0 && r->channels < GS_MAX_CHANNELS) {
        *channel_out = r->channels++;
        return true;
    }
    bool is_label = strcmp(role, "label") == 0, is_organ = strcmp(role, "organ") == 0;
    bool *is_there = is_label ? &r->has_labels : &r->has_organ;
    if ((!is_label && !is_organ) || *is_there) return false;
    *is_there = true;
    *channel_out = is_label ? GS_VOLUME_FILE_LABEL : GS_VOLUME_FILE_ORGAN;
    return true;
}

static gs_status take_bytes(const volume_reader *r, const char *name, const char *sha256,
                            int channel, gs_error *err) {
    char own[GS_VOLUME_FILE_NAME_SIZE], *bytes;
    size_t size;
    GS_TRY(gs__exchange_get(r->x->folder, name, sha256, GS__EXCHANGE_VOLUME_BYTES, &bytes, &size,
                            err));
    gs_volume_file_name(channel, own);
    char *path = gs_format("%s/%s", r->folder, own);
    gs_status status = path ? gs_volume_file_take(bytes, size, GS_VOLUME_MAX_VOXELS, path, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(path);
    gs_free(bytes);
    return status;
}

static gs_status take_files(volume_reader *r, const json_t *volume, gs_error *err) {
    const json_t *files = json_object_get(volume, "files");
    for (size_t i = 0; i < json_array_size(files); i++) {
        const json_t *file = json_array_get(files, i);
        const char *name = json_string_value(json_object_get(file, "file"));
        const char *sha256 = json_string_value(json_object_get(file, "sha256"));
        const char *role = json_string_value(json_object_get(file, "role"));
        int channel;
        if (!name || !sha256 || !role || !take_role(r, role, &channel))
            return gs_fail(err, GS_MALFORMED, "files[%zu] lacks something, or is one too many", i);
        GS_TRY(take_bytes(r, name, sha256, channel, err));
    }
    return r->channels > 0 ? GS_OK : gs_fail(err, GS_MALFORMED, "no image among the files");
}

/* What the files' headers say, as the store keeps it; caller frees with free. */
static gs_status read_geometry(const volume_reader *r, char **out, gs_error *err) {
    gs_volume_set set = {0};
    gs_status status =
        gs_volume_set_open_folder(r->folder, r->channels, r->has_labels, r->has_organ, &set, err);
    if (!status) {
        *out = gs_volume_geometry_text(gs_volume_file_grid(set.volume.channels[0]));
        if (!*out) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    }
    gs_volume_set_close(&set);
    return status;
}

/* ==== The row ==== */

/* A gs_volume_next. */
static gs_status next_slice(void *context, gs_new_slice *slice, bool *more, gs_error *err) {
    volume_reader *r = context;
    gs__exchange_slice_deinit(&r->slice);
    *more = false;
    for (; r->image < json_array_size(r->x->images) && !*more; r->image++) {
        const json_t *own = json_object_get(json_array_get(r->x->images, r->image), "genseg");
        json_int_t of = json_integer_value(json_object_get(own, "volume"));
        if (of != (json_int_t)r->number) continue;
        GS_TRY(gs__exchange_slice_read(r->x, r->image, &r->slice, err));
        *slice = r->slice.record;
        *more = true;
        r->given++;
    }
    r->ended = !*more;
    return GS_OK;
}

static gs_status describe(const json_t *volume, gs_new_volume *out, gs_error *err) {
    gs_volume_preset preset;
    out->case_name = json_string_value(json_object_get(volume, "case"));
    out->name = json_string_value(json_object_get(volume, "name"));
    out->preset = json_string_value(json_object_get(volume, "preset"));
    out->sha256 = json_string_value(json_object_get(volume, "sha256"));
    if (!out->case_name || !out->name || !out->preset || !out->sha256)
        return gs_fail(err, GS_MALFORMED, "case, name, preset and sha256 must be texts");
    if (!gs_volume_preset_find(out->preset, &preset))
        return gs_fail(err, GS_MALFORMED, "preset is '%.40s'", out->preset);
    if (strlen(out->sha256) != GS_SHA256_SIZE - 1 ||
        strspn(out->sha256, "0123456789abcdef") != GS_SHA256_SIZE - 1)
        return gs_fail(err, GS_MALFORMED, "sha256 is no SHA-256");
    return GS_OK;
}

/* All slices of a case have one split. */
static const char *split_of(const gs_exchange *x, size_t number) {
    for (size_t i = 0; i < json_array_size(x->images); i++) {
        const json_t *own = json_object_get(json_array_get(x->images, i), "genseg");
        if (json_integer_value(json_object_get(own, "volume")) == (json_int_t)number)
            return json_string_value(json_object_get(own, "split"));
    }
    return NULL;
}

static gs_status add(volume_reader *r, gs_store *store, const char *dataset, gs_new_volume *volume,
                     size_t *added_out, gs_error *err) {
    gs_volume_record record = {0};
    bool created = false;
    volume->split = split_of(r->x, r->number);
    volume->next = next_slice;
    volume->context = r;
    gs_status status = gs_store_volume_add(store, dataset, volume, NULL, &record, &created, err);
    if (status == GS_CONFLICT && r->ended) { /* it has slices, and all of them are there */
        *added_out = 0;
        return GS_OK;
    }
    if (status) return status;
    *added_out = created ? r->given : 0;
    if (created) { /* the folder is the volume's now */
        gs_free(r->folder);
        r->folder = NULL;
    }
    gs_volume_record_deinit(&record);
    return GS_OK;
}

/* store_it false: everything but the row. */
static gs_status read_volume(const gs_exchange *x, gs_store *store, const char *dataset,
                             size_t number, size_t *added_out, gs_error *err) {
    const json_t *json = json_array_get(x->volumes, number - 1);
    volume_reader r = {.x = x, .number = number};
    gs_new_volume volume = {0};
    char *geometry = NULL;
    gs_status status = describe(json, &volume, err);
    if (!status) status = gs_upload_folder_make(gs_store_get_folder(store), &r.folder, err);
    if (!status) status = take_files(&r, json, err);
    if (!status) status = read_geometry(&r, &geometry, err);
    if (!status && dataset) {
        volume.geometry_json = geometry;
        volume.folder = r.folder;
        volume.channels = r.channels;
        volume.has_labels = r.has_labels;
        volume.has_organ = r.has_organ;
        status = add(&r, store, dataset, &volume, added_out, err);
    }
    free(geometry);
    gs__exchange_slice_deinit(&r.slice);
    if (r.folder) gs_folder_remove(r.folder);
    gs_free(r.folder);
    return status;
}

gs_status gs__exchange_volume_check(const gs_exchange *x, gs_store *store, size_t number,
                                    gs_error *err) {
    gs_error why;
    gs_status status = read_volume(x, store, NULL, number, NULL, &why);
    if (status == GS_OK) return GS_OK;
    return gs_fail(err, status, "volumes[%zu] of %s: %s", number - 1, GS__EXCHANGE_FILE, why.text);
}

gs_status gs__exchange_volume_read(const gs_exchange *x, gs_store *store, const char *dataset,
                                   size_t number, size_t *added_out, gs_error *err) {
    return read_volume(x, store, dataset, number, added_out, err);
}

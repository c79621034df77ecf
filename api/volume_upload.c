/* POST /v1/volumes: NIfTI files in, a volume with its slices out. The files are inflated into a
 * folder of uploads, looked at there, cut as the store asks for slices, and moved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/resources.h"
#include "api/upload_folder.h"
#include "api/volume_files.h"
#include "api/volume_json.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/image/mask.h"
#include "engine/image/normalize.h"
#include "engine/image/npy.h"

enum { LABEL_PART, ORGAN_PART, NAMED_PARTS };
static const char *const named_parts[NAMED_PARTS] = {"label", "organ"};

typedef struct upload {
    const gs_api_context *context;
    gs_response *response;
    /* The query: */
    const char *dataset, *case_name, *name, *split;
    gs_volume_preset preset;
    int scale; /* 0 = not given */
    bool annotate;
    /* The body: */
    gs_part images[GS_MAX_CHANNELS], named[NAMED_PARTS]; /* bytes NULL: not given */
    int channels;
    char sha256[GS_SHA256_SIZE];
    /* What is made of it: */
    char *folder;
    gs_dataset_record record;
    gs_volume_form form;
    gs_volume_set files;
    gs_volume_cutter *cutter;
    /* The slice that the store takes: */
    int level, part;
    float *image; /* [C,H,W] */
    gs_mask mask;
    char *content, *mask_bytes;
    char slice_name[GS_SLICE_NAME_SIZE];
} upload;

/* ==== The request ==== */

static gs_status read_query(const gs_request *request, upload *u, gs_error *err) {
    static const char *const presets[] = {"brain", "liver", "plain", NULL};
    static const char *const splits[] = {"train", "validation", "test", NULL};
    gs_fields fields;
    gs_fields_of_query(request, u->response, &fields);
    u->dataset = gs_fields_string(&fields, "dataset", GS_REQUIRED, GS_DATASET_NAME_SIZE - 1);
    int preset = gs_fields_choice(&fields, "preset", GS_REQUIRED, presets);
    u->case_name = gs_fields_string(&fields, "case", GS_OPTIONAL, GS_CASE_SIZE - 1);
    u->name = gs_fields_string(&fields, "name", GS_OPTIONAL, GS_SLICE_NAME_SIZE - 1);
    int split = gs_fields_choice(&fields, "split", GS_OPTIONAL, splits);
    u->scale = (int)gs_fields_integer(&fields, "scale", GS_OPTIONAL, 1, GS_VOLUME_MAX_SCALE, 0);
    u->annotate = gs_fields_boolean(&fields, "annotate", GS_OPTIONAL, false);
    GS_TRY(gs_fields_finish(&fields, err));
    (void)gs_volume_preset_find(presets[preset], &u->preset);
    if (split >= 0) u->split = splits[split];
    if (u->preset == GS_VOLUME_PLAIN && u->scale > 1)
        return gs_response_add_error(u->response, err, "scale",
                                     "must be 1 with the preset plain, which does not resample");
    return GS_OK;
}

static gs_status take_part(upload *u, const gs_part *part, gs_error *err) {
    if (part->size == 0) return gs_fail(err, GS_MALFORMED, "part \"%s\" has no bytes", part->name);
    if (strcmp(part->name, "image") == 0) {
        if (u->channels == GS_MAX_CHANNELS)
            return gs_fail(err, GS_TOO_LARGE, "more than %d parts \"image\"", GS_MAX_CHANNELS);
        u->images[u->channels++] = *part;
        return GS_OK;
    }
    for (int i = 0; i < NAMED_PARTS; i++) {
        if (strcmp(part->name, named_parts[i]) != 0) continue;
        if (u->named[i].bytes)
            return gs_response_add_error(u->response, err, named_parts[i],
                                         "is given more than once");
        u->named[i] = *part;
        return GS_OK;
    }
    return gs_response_add_error(u->response, err, part->name,
                                 "unknown part; known: image (one per channel), label, organ");
}

static gs_status read_body(const gs_request *request, upload *u, gs_error *err) {
    if (gs_request_has_type(request, "application/x-nifti")) {
        u->images[u->channels++] = (gs_part){.bytes = request->body, .size = request->body_size};
        return request->body_size > 0 ? GS_OK : gs_fail(err, GS_MALFORMED, "the body is empty");
    }
    if (!gs_request_has_type(request, "multipart/form-data"))
        return gs_fail(err, GS_UNSUPPORTED,
                       "the body must be application/x-nifti, one channel, or multipart/form-data "
                       "with a part \"image\" per channel");
    gs_part parts[GS_MAX_PARTS];
    size_t count;
    GS_TRY(gs_request_multipart(request, parts, &count, err));
    for (size_t i = 0; i < count; i++) GS_TRY(take_part(u, &parts[i], err));
    if (u->channels == 0)
        return gs_response_add_error(u->response, err, "image", "is required, one per channel");
    return GS_OK;
}

static gs_status check_body(upload *u, gs_error *err) {
    if (u->annotate && !u->named[LABEL_PART].bytes)
        return gs_response_add_error(u->response, err, "annotate", "needs a part \"label\"");
    return GS_OK;
}

/* Of the bytes and of what is made of them: another size of slices is another volume. */
static gs_status digest(upload *u, gs_error *err) {
    char *text = gs_format("%s %d %d", gs_volume_preset_name(u->preset), u->scale, u->annotate);
    for (int i = -NAMED_PARTS; i < u->channels && text; i++) {
        const gs_part *part = i < 0 ? &u->named[-1 - i] : &u->images[i];
        char sha256[GS_SHA256_SIZE] = "none";
        if (part->bytes) gs_sha256_hex(part->bytes, part->size, sha256);
        char *longer = gs_format("%s\n%s", text, sha256);
        gs_free(text);
        text = longer;
    }
    if (!text) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the upload");
    gs_sha256_hex(text, strlen(text), u->sha256);
    gs_free(text);
    return GS_OK;
}

/* ==== Files ==== */

/* One part to its file; the room for voxels is that of all channels together. */
static gs_status take_file(upload *u, const gs_part *part, int channel, size_t *voxels,
                           gs_error *err) {
    char name[GS_VOLUME_FILE_NAME_SIZE], field[32];
    gs_error why;
    gs_volume_file_name(channel, name);
    char *path = gs_format("%s/%s", u->folder, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    size_t limit = u->context->limits.volume_voxels;
    size_t room = channel < 0 ? limit : *voxels < limit ? limit - *voxels : 0;
    gs_status status = gs_volume_file_take(part->bytes, part->size, room, path, &why);
    gs_volume_file *file;
    if (status == GS_OK) status = gs_volume_file_open(path, &file, &why);
    if (status == GS_OK) {
        if (channel >= 0) *voxels += gs_volume_voxels(gs_volume_file_grid(file));
        gs_volume_file_close(file);
    }
    gs_free(path);
    if (status == GS_OK) return GS_OK;
    snprintf(field, sizeof field, channel >= 0 ? "image" : "%s",
             channel < 0 ? named_parts[-1 - channel] : "");
    (void)gs_response_add_error(u->response, NULL, field, "%.300s", why.text);
    if (channel >= 0) return gs_fail(err, status, "channel %d: %s", channel, why.text);
    return gs_fail(err, status, "part \"%s\": %s", field, why.text);
}

static gs_status take_files(upload *u, gs_error *err) {
    size_t voxels = 0;
    GS_TRY(gs_upload_folder_make(u->context->data_folder, &u->folder, err));
    for (int i = 0; i < u->channels; i++) GS_TRY(take_file(u, &u->images[i], i, &voxels, err));
    for (int i = 0; i < NAMED_PARTS; i++)
        if (u->named[i].bytes) GS_TRY(take_file(u, &u->named[i], -1 - i, &voxels, err));
    return gs_volume_set_open_folder(u->folder, u->channels, u->named[LABEL_PART].bytes != NULL,
                                     u->named[ORGAN_PART].bytes != NULL, &u->files, err);
}

/* ==== Slices ==== */

/* The size that the data set has, or, of an open one, that of the preset at the scale. */
static gs_status choose_form(upload *u, gs_error *err) {
    const gs_dataset_record *record = &u->record;
    gs_volume_form wished;
    gs_volume_form_size(u->preset, &u->files.volume, u->scale ? u->scale : 1, &wished);
    GS_TRY(gs_normalization_parse(record->normalization, &u->form.normalization, err));
    u->form.height = record->height ? record->height : wished.height;
    u->form.width = record->width ? record->width : wished.width;
    if (u->scale && (u->form.height != wished.height || u->form.width != wished.width))
        return gs_response_add_error(u->response, err, "scale",
                                     "%d gives height %d and width %d; data set '%s' has %d and %d",
                                     u->scale, wished.height, wished.width, record->name,
                                     u->form.height, u->form.width);
    if (record->channels && record->channels != u->channels)
        return gs_fail(err, GS_SHAPE_MISMATCH, "the volume has %d channels, data set '%s' has %d",
                       u->channels, record->name, record->channels);
    return gs_image_check_size(u->channels, u->form.height, u->form.width,
                               &u->context->limits.image, err);
}

static gs_status open_cutter(upload *u, gs_error *err) {
    GS_TRY(choose_form(u, err));
    size_t pixels = (size_t)u->form.height * (size_t)u->form.width;
    u->image = gs_alloc((size_t)u->channels * pixels, sizeof *u->image);
    if (!u->image) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a slice");
    GS_TRY(gs_mask_init(u->form.height, u->form.width, NULL, &u->mask, err));
    return gs_volume_cutter_open(u->preset, &u->files.volume, &u->form, &u->cutter, err);
}

static void free_encoded(upload *u) {
    gs_free(u->content);
    gs_free(u->mask_bytes);
    u->content = u->mask_bytes = NULL;
}

/* At most `size` bytes of UTF-8, without half a character at the end. */
static int cut_text(const char *text, int size) {
    int length = (int)strnlen(text, (size_t)size + 1);
    if (length <= size) return length;
    while (size > 0 && ((unsigned char)text[size] & 0xc0) == 0x80) size--;
    return size;
}

static gs_status encode_slice(upload *u, const gs_volume_slice *cut, gs_new_slice *slice,
                              gs_error *err) {
    const size_t shape[] = {(size_t)u->channels, (size_t)u->form.height, (size_t)u->form.width};
    const char *part = gs_volume_cutter_part_name(u->cutter, u->part);
    const char *title = u->name ? u->name : u->case_name ? u->case_name : "";
    snprintf(u->slice_name, sizeof u->slice_name, "%.*s%sz%d%s%s",
             cut_text(title, GS_SLICE_NAME_SIZE - 24), title, title[0] ? " " : "", u->level,
             part[0] ? " " : "", part);
    *slice = (gs_new_slice){.name = u->slice_name,
                            .index = u->level,
                            .part = part[0] ? part : NULL,
                            .channels = u->channels,
                            .height = u->form.height,
                            .width = u->form.width,
                            .content_type = "application/x-npy",
                            .label = gs_label_name(cut->label),
                            .author = "label volume"};
    GS_TRY(gs_npy_encode(GS_NPY_F32, u->image, shape, 3, &u->content, &slice->content_size, err));
    slice->content = u->content;
    if (!u->annotate || cut->label != GS_LABEL_PRESENCE) return GS_OK;
    GS_TRY(gs_mask_encode_png(&u->mask, &u->mask_bytes, &slice->mask_size, err));
    slice->mask = u->mask_bytes;
    return GS_OK;
}

/* A gs_volume_next. */
static gs_status next_slice(void *context, gs_new_slice *slice, bool *more, gs_error *err) {
    upload *u = context;
    gs_volume_slice cut = {0};
    free_encoded(u);
    while (!cut.is_kept) {
        if (++u->part >= gs_volume_cutter_parts(u->cutter)) u->part = 0, u->level++;
        if (u->level >= gs_volume_cutter_levels(u->cutter)) {
            *more = false;
            return GS_OK;
        }
        GS_TRY(gs_volume_cutter_cut(u->cutter, u->level, u->part, u->image, u->mask.values, &cut,
                                    err));
    }
    *more = true;
    return encode_slice(u, &cut, slice, err);
}

/* ==== The whole ==== */

static gs_status store(upload *u, const gs_idempotency *key, gs_volume_record *out, bool *created,
                       gs_error *err) {
    GS_TRY(gs_store_dataset_get(u->context->store, u->dataset, &u->record, err));
    GS_TRY(take_files(u, err));
    GS_TRY(open_cutter(u, err));
    char *geometry = gs_volume_geometry_text(gs_volume_file_grid(u->files.volume.channels[0]));
    if (!geometry) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the volume");
    u->part = gs_volume_cutter_parts(u->cutter) - 1; /* the next one is the first of all */
    u->level = -1;
    const gs_new_volume volume = {.case_name = u->case_name,
                                  .name = u->name,
                                  .split = u->split,
                                  .preset = gs_volume_preset_name(u->preset),
                                  .geometry_json = geometry,
                                  .sha256 = u->sha256,
                                  .channels = u->channels,
                                  .has_labels = u->named[LABEL_PART].bytes != NULL,
                                  .has_organ = u->named[ORGAN_PART].bytes != NULL,
                                  .folder = u->folder,
                                  .next = next_slice,
                                  .context = u};
    gs_status status =
        gs_store_volume_add(u->context->store, u->dataset, &volume, key, out, created, err);
    free(geometry);
    return status;
}

static void upload_deinit(upload *u) {
    free_encoded(u);
    gs_volume_cutter_close(u->cutter);
    gs_volume_set_close(&u->files);
    gs_mask_deinit(&u->mask);
    gs_free(u->image);
    if (u->folder) gs_folder_remove(u->folder); /* it is not there any more when all went well */
    gs_free(u->folder);
}

gs_status gs_api_volume_create(const gs_api_context *context, const gs_request *request,
                               gs_response *response, gs_error *err) {
    gs_request_key storage;
    const gs_idempotency *key;
    gs_volume_record volume;
    bool created = false;
    upload *u = gs_alloc(1, sizeof *u); /* its parts are too large for a stack */
    if (!u) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the upload");
    u->context = context;
    u->response = response;
    gs_status status = read_query(request, u, err);
    if (status == GS_OK) status = read_body(request, u, err);
    if (status == GS_OK) status = check_body(u, err);
    if (status == GS_OK) status = gs_request_idempotency(request, &storage, &key, err);
    if (status == GS_OK) status = digest(u, err);
    if (status == GS_OK && !key)
        status = gs_store_volume_find(context->store, u->dataset, u->sha256, &volume, err);
    else if (status == GS_OK)
        status = GS_NOT_FOUND; /* the key decides, in the store */
    if (status == GS_NOT_FOUND) status = store(u, key, &volume, &created, err);
    upload_deinit(u);
    gs_free(u);
    if (status != GS_OK) return status;
    status = gs_response_set_header(response, err, "Location", "/v1/volumes/%s", volume.id);
    if (status == GS_OK)
        status =
            gs_response_set_json(response, created ? 201 : 200, gs_volume_to_json(&volume), err);
    gs_volume_record_deinit(&volume);
    return status;
}

/* Out of the store. Slices are visited as of one moment; what COCO says of images goes straight
 * into coco.json, what it says of masks into a file that is appended to it, so that memory holds
 * one slice, the list of volumes and where their masks lie. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/exchange.h"
#include "api/exchange_internal.h"
#include "api/slice_json.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/staging.h"
#include "engine/image/decode.h"
#include "engine/image/png.h"
#include "store/slice.h"

enum { NAME_SIZE = 48 };

typedef struct writer {
    gs_store *store;
    const char *dataset, *folder;
    FILE *json, *annotations;
    size_t annotation_id; /* of the next */
    char (*volume_ids)[GS_ID_SIZE];
    json_t *volumes; /* as many as volume_ids */
    gs__mask_places places;
    gs_exchange_summary summary;
} writer;

static gs_status no_memory(gs_error *err) {
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to export");
}

/* One item of a list that is being written. Takes ownership. */
static gs_status put_item(FILE *out, bool is_first, json_t *item, gs_error *err) {
    if (!item) return no_memory(err);
    bool failed = fputs(is_first ? "\n" : ",\n", out) < 0 || json_dumpf(item, out, JSON_COMPACT);
    json_decref(item);
    return failed ? gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE) : GS_OK;
}

/* ==== One slice ==== */

static const char *extension_of(const gs_slice_view *slice) {
    const char *type = gs_image_type_find(slice->record.content_type);
    if (type && strcmp(type, "image/png") == 0) return "png";
    if (type && strcmp(type, "application/x-npy") == 0) return "npy";
    bool is_gzip = slice->record.content_size > 1 && memcmp(slice->content, "\x1f\x8b", 2) == 0;
    return is_gzip ? "nii.gz" : "nii";
}

/* A PNG of the first channel, and what it shows. */
static gs_status put_picture(const writer *w, const gs_slice_view *slice, const char *name,
                             json_t **shown, gs_error *err) {
    gs_image image;
    char *png = NULL;
    size_t size;
    GS_TRY(gs_image_decode(slice->record.content_type, slice->content,
                           (size_t)slice->record.content_size, NULL, &image, err));
    gs_png_options options = {.height = image.height, .width = image.width};
    gs_image_range(image.pixels, gs_image_plane(&image), &options.low, &options.high);
    gs_status status = gs_png_encode_float(image.pixels, &options, &png, &size, err);
    gs_image_deinit(&image);
    if (!status) status = gs__exchange_put(w->folder, name, png, size, err);
    gs_free(png);
    if (status) return status;
    *shown = json_pack("{s:i, s:f, s:f}", "channel", 0, "min", (double)options.low, "max",
                       (double)options.high);
    return *shown ? GS_OK : no_memory(err);
}

/* The stored bytes, and the picture if they are none. */
static gs_status put_content(const writer *w, const gs_slice_view *slice, const char *picture,
                             char stored[NAME_SIZE], json_t **shown, gs_error *err) {
    const char *extension = extension_of(slice);
    bool is_picture = strcmp(extension, "png") == 0;
    snprintf(stored, NAME_SIZE, "%s/%06zu.%s", is_picture ? "images" : "slices",
             w->summary.slices + 1, extension);
    GS_TRY(gs__exchange_put(w->folder, stored, slice->content, (size_t)slice->record.content_size,
                            err));
    *shown = json_null();
    return is_picture ? GS_OK : put_picture(w, slice, picture, shown, err);
}

static gs_status put_mask(writer *w, const gs_slice_view *slice, gs_error *err) {
    gs_mask mask;
    char name[NAME_SIZE];
    size_t image = w->summary.slices + 1, i, first = w->annotation_id;
    json_t *annotation, *annotations = json_array();
    if (!annotations) return no_memory(err);
    snprintf(name, sizeof name, "masks/%06zu.png", image);
    gs_status status = gs__exchange_put(w->folder, name, slice->mask, slice->mask_size, err);
    if (!status) status = gs_mask_decode_png(slice->mask, slice->mask_size, NULL, &mask, err);
    if (!status) {
        status = gs__exchange_mask_write(&mask, image, &w->annotation_id, annotations, err);
        gs_mask_deinit(&mask);
    }
    json_array_foreach(annotations, i, annotation) {
        if (!status)
            status = put_item(w->annotations, first + i == 1, json_incref(annotation), err);
    }
    json_decref(annotations);
    w->summary.masks += !status;
    return status;
}

/* The number of the slice's volume, from 1, which is written when it is met first; 0 = none. */
static gs_status enter_volume(writer *w, const gs_slice_view *slice, size_t *number_out,
                              gs_error *err) {
    const char *id = slice->record.volume;
    size_t count = w->summary.volumes;
    char name[NAME_SIZE];
    json_t *volume;
    *number_out = 0;
    if (!id[0]) return GS_OK;
    for (size_t i = count; i > 0; i--) /* mostly the last one */
        if (strcmp(w->volume_ids[i - 1], id) == 0) {
            *number_out = i;
            return GS_OK;
        }
    void *ids = gs_resize(w->volume_ids, count + 1, sizeof *w->volume_ids);
    if (!ids) return no_memory(err);
    w->volume_ids = ids;
    memcpy(w->volume_ids[count], id, GS_ID_SIZE);
    snprintf(name, sizeof name, "volumes/%04zu", count + 1);
    GS_TRY(gs__exchange_volume_write(w->store, id, w->folder, name, &volume, &w->summary.generated,
                                     err));
    if (json_array_append_new(w->volumes, volume) != 0) return no_memory(err);
    *number_out = w->summary.volumes = count + 1;
    return GS_OK;
}

static json_t *text_or_null(const char *text) {
    return text[0] ? json_string(text) : json_null();
}

/* What COCO has no word for. Takes ownership of `shown`. */
static json_t *describe(const gs_slice_view *slice, const char *stored, json_t *shown,
                        size_t volume) {
    const gs_slice_record *r = &slice->record;
    return json_pack(
        "{s:s, s:s, s:s, s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o}", "stored",
        stored, "content_type", r->content_type, "sha256", r->sha256, "channels", r->channels,
        "label", r->label, "split", text_or_null(r->split), "case", text_or_null(r->case_name),
        "index", r->index >= 0 ? json_integer(r->index) : json_null(), "name",
        text_or_null(r->name), "volume", volume ? json_integer((json_int_t)volume) : json_null(),
        "part", text_or_null(r->part), "annotated", slice->mask != NULL, "author",
        text_or_null(slice->author), "began_with", text_or_null(slice->began_with), "shown", shown);
}

static gs_status put_slice(void *context, const gs_slice_view *slice, gs_error *err) {
    writer *w = context;
    char picture[NAME_SIZE], stored[NAME_SIZE];
    size_t volume = 0;
    json_t *shown = NULL;
    snprintf(picture, sizeof picture, "images/%06zu.png", w->summary.slices + 1);
    GS_TRY(enter_volume(w, slice, &volume, err));
    if (slice->mask) GS_TRY(put_mask(w, slice, err));
    if (slice->mask && volume)
        GS_TRY(gs__mask_places_add(&w->places, slice, volume, w->summary.slices + 1, err));
    GS_TRY(put_content(w, slice, picture, stored, &shown, err));
    json_t *image =
        json_pack("{s:I, s:s, s:i, s:i, s:o}", "id", (json_int_t)w->summary.slices + 1, "file_name",
                  picture, "width", slice->record.width, "height", slice->record.height, "genseg",
                  describe(slice, stored, shown, volume));
    GS_TRY(put_item(w->json, w->summary.slices == 0, image, err));
    w->summary.slices++;
    return GS_OK;
}

/* ==== coco.json ==== */

static gs_status put_text(FILE *out, const char *text, gs_error *err) {
    return fputs(text, out) < 0 ? gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE) : GS_OK;
}

/* `name`: value, at the end of an object's members so far. Takes ownership. */
static gs_status put_member(FILE *out, const char *name, json_t *value, gs_error *err) {
    if (!value) return no_memory(err);
    bool failed = fprintf(out, "\"%s\": ", name) < 0 || json_dumpf(value, out, JSON_COMPACT);
    json_decref(value);
    return failed ? gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE) : GS_OK;
}

static gs_status put_head(const writer *w, gs_error *err) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    GS_TRY(put_text(w->json, "{\n", err));
    GS_TRY(put_member(w->json, "info",
                      json_pack("{s:o, s:s, s:s, s:s}", "description",
                                json_sprintf("data set %s", w->dataset), "version", GENSEG_VERSION,
                                "contributor", "GenSeg Server", "date_created", now),
                      err));
    GS_TRY(put_text(w->json, ",\n", err));
    GS_TRY(put_member(w->json, "categories",
                      json_pack("[{s:i, s:s}, {s:i, s:s}]", "id", GS__CATEGORY_TARGET, "name",
                                "target", "id", GS__CATEGORY_UNKNOWN, "name", "not annotated"),
                      err));
    return put_text(w->json, ",\n\"images\": [", err);
}

/* Appends what is in w->annotations. */
static gs_status put_annotations(const writer *w, gs_error *err) {
    char chunk[8192];
    if (fflush(w->annotations) != 0 || fseek(w->annotations, 0, SEEK_SET) != 0)
        return gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE);
    GS_TRY(put_text(w->json, "\n],\n\"annotations\": [", err));
    for (size_t got; (got = fread(chunk, 1, sizeof chunk, w->annotations)) > 0;)
        if (fwrite(chunk, 1, got, w->json) != got)
            return gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE);
    if (ferror(w->annotations)) return gs_fail_errno(err, "cannot read what was written");
    return put_text(w->json, "\n],\n", err);
}

static gs_status put_tail(const writer *w, const gs_dataset_record *dataset, gs_error *err) {
    GS_TRY(put_annotations(w, err));
    GS_TRY(put_member(w->json, "genseg",
                      json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:O}", "format",
                                GS__EXCHANGE_FORMAT, "dataset", dataset->name, "normalization",
                                dataset->normalization, "channels", dataset->channels, "height",
                                dataset->height, "width", dataset->width, "volumes", w->volumes),
                      err));
    GS_TRY(put_text(w->json, "\n}\n", err));
    return fflush(w->json) == 0 ? GS_OK : gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE);
}

static gs_status make_folders(const char *folder, gs_error *err) {
    static const char *const names[] = {"images", "slices", "masks", "volumes"};
    gs_status status = GS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && !status; i++) {
        char *path = gs_format("%s/%s", folder, names[i]);
        status = path ? gs_folder_make(path, err) : no_memory(err);
        gs_free(path);
    }
    return status;
}

/* Everything that was written into the folder is on the disk then. */
static gs_status sync_all(const char *folder, gs_error *err) {
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gs_status status =
        fd >= 0 && syncfs(fd) == 0 ? GS_OK : gs_fail_errno(err, "cannot sync %s", folder);
    if (fd >= 0) close(fd);
    return status;
}

static gs_status write_all(writer *w, gs_error *err) {
    gs_dataset_record dataset;
    GS_TRY(make_folders(w->folder, err));
    GS_TRY(put_head(w, err));
    GS_TRY(gs_store_slice_each(w->store, w->dataset, put_slice, w, err));
    GS_TRY(gs__mask_places_write(&w->places, w->store, (const char(*)[GS_ID_SIZE])w->volume_ids,
                                 w->folder, w->volumes, err));
    GS_TRY(gs_store_dataset_get(w->store, w->dataset, &dataset, err));
    return put_tail(w, &dataset, err);
}

/* coco.json, and the file that is appended to it. */
static gs_status open_files(writer *w, const char *path, const char *aside, gs_error *err) {
    w->volumes = json_array();
    if (!path || !aside || !w->volumes) return no_memory(err);
    w->json = fopen(path, "wxe");
    w->annotations = fopen(aside, "w+xe");
    return w->json && w->annotations ? GS_OK : gs_fail_errno(err, "cannot write to %s", w->folder);
}

/* A gs_staging_fill. */
static gs_status fill(void *context, const char *staging, gs_error *err) {
    writer *w = context;
    w->folder = staging;
    w->annotation_id = 1;
    char *path = gs_format("%s/%s", staging, GS__EXCHANGE_FILE);
    char *aside = gs_format("%s/annotations.partial", staging);
    gs_status status = open_files(w, path, aside, err);
    if (!status) status = write_all(w, err);
    if (w->annotations) fclose(w->annotations);
    if (w->json && fclose(w->json) != 0 && !status)
        status = gs_fail_errno(err, "cannot write %s", GS__EXCHANGE_FILE);
    if (!status && unlink(aside) != 0) status = gs_fail_errno(err, "cannot remove %s", aside);
    if (!status) status = sync_all(staging, err);
    json_decref(w->volumes);
    gs_free(w->volume_ids);
    gs__mask_places_deinit(&w->places);
    gs_free(aside);
    gs_free(path);
    return status;
}

gs_status gs_exchange_write(gs_store *store, const char *dataset, const char *folder,
                            gs_exchange_summary *out, gs_error *err) {
    gs_dataset_record record;
    writer w = {.store = store, .dataset = dataset};
    GS_TRY(gs_store_dataset_get(store, dataset, &record, err));
    GS_TRY(gs_folder_build(folder, "exporting", fill, &w, err));
    *out = w.summary;
    return GS_OK;
}

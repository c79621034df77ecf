/* Owns the writer: three partial files that grow with every slice and are renamed at the end. Must
 * not know who makes the slices. Invariants: (1) while dataset.json is in the folder, images.npy
 * and masks.npy are the ones it describes; (2) whoever writes holds the folder's lock, which the
 * system releases with the process. */
#include "engine/data/dataset_internal.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/data/npy_file.h"
#include "engine/image/normalize.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { IMAGES, MASKS, MANIFEST, FILES };
static const char *const file_names[FILES] = {"images.npy", "masks.npy", "dataset.json"};

struct gs_dataset_writer {
    char *folder;
    char *partial[FILES]; /* paths */
    FILE *files[FILES];   /* NULL before the file is made */
    int lock;             /* the open folder; -1 before it is locked */
    bool made_folder;     /* by this writer: goes again unless the dataset is finished */
    int channels, height, width;
    size_t images, slices, masks; /* written and described */
};

static gs_status write_bytes(gs_dataset_writer *writer, int file, const void *bytes, size_t size,
                             gs_error *err) {
    if (fwrite(bytes, 1, size, writer->files[file]) == size) return GS_OK;
    return gs_fail_errno(err, "cannot write %s", writer->partial[file]);
}

/* The .npy header of one of the two arrays for as many rows as there are by now. */
static gs_status write_header(gs_dataset_writer *writer, int file, gs_error *err) {
    size_t height = (size_t)writer->height, width = (size_t)writer->width;
    gs_npy_header header = {"<f4", 4, {writer->images, (size_t)writer->channels, height, width}, 0};
    if (file == MASKS) header = (gs_npy_header){"|u1", 3, {writer->masks, height, width}, 0};
    char bytes[GS_NPY_WRITTEN_HEADER];
    gs_npy_header_write(&header, bytes);
    return write_bytes(writer, file, bytes, sizeof bytes, err);
}

static gs_status write_json(gs_dataset_writer *writer, json_t *value, const char *before,
                            size_t flags, gs_error *err) {
    char *text = value ? json_dumps(value, flags) : NULL;
    json_decref(value);
    if (!text)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "slice %zu: a name that is not UTF-8, or no memory", writer->slices);
    gs_status status = write_bytes(writer, MANIFEST, before, strlen(before), err);
    if (status == GS_OK) status = write_bytes(writer, MANIFEST, text, strlen(text), err);
    free(text); /* made by jansson */
    return status;
}

static gs_status write_info(gs_dataset_writer *writer, const gs_dataset_info *info, gs_error *err) {
    json_t *value = json_pack(
        "{ss ss ss si si si ss}", "format", "genseg-dataset-1", "name", info->name, "normalization",
        gs_normalization_name(info->normalization), "channels", info->channels, "height",
        info->height, "width", info->width, "made_by", info->made_by);
    GS_TRY(write_json(writer, value, "{", JSON_EMBED, err));
    return write_bytes(writer, MANIFEST, ", \"slices\": [", 13, err);
}

/* Waits for nobody: two runs that write one folder are a mistake. */
static gs_status lock_folder(gs_dataset_writer *writer, gs_error *err) {
    gs_status status = gs_folder_lock(writer->folder, &writer->lock, err);
    if (status != GS_OK) writer->made_folder = false; /* it is the other's now */
    return status;
}

static gs_status make_file(gs_dataset_writer *writer, int file, gs_error *err) {
    char *path = gs_format("%s/%s.partial", writer->folder, file_names[file]);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", writer->folder);
    writer->partial[file] = path;
    writer->files[file] = fopen(path, "we");
    return writer->files[file] ? GS_OK : gs_fail_errno(err, "cannot make %s", path);
}

static gs_status check_text(const char *what, const char *text, gs_error *err) {
    if (text && text[0] && strlen(text) < GS_DATASET_MAX_TEXT) return GS_OK;
    return gs_fail(err, GS_INVALID_ARGUMENT, "the %s is empty or longer than %d bytes", what,
                   GS_DATASET_MAX_TEXT - 1);
}

static gs_status check_info(const gs_dataset_info *info, gs_error *err) {
    GS_TRY(check_text("dataset's name", info->name, err));
    GS_TRY(check_text("dataset's origin", info->made_by, err));
    if (info->channels < 1 || info->channels > GS_MAX_CHANNELS || info->height < 1 ||
        info->height > GS_MAX_SIDE || info->width < 1 || info->width > GS_MAX_SIDE)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "images of %d x %d x %d, the limits are %d x %d x %d", info->channels,
                       info->height, info->width, GS_MAX_CHANNELS, GS_MAX_SIDE, GS_MAX_SIDE);
    return GS_OK;
}

gs_status gs_dataset_writer_open(const char *folder, const gs_dataset_info *info,
                                 gs_dataset_writer **out, gs_error *err) {
    GS_TRY(check_info(info, err));
    gs_status status = GS_OK;
    gs_dataset_writer *writer = gs_alloc(1, sizeof *writer);
    if (writer) writer->lock = -1, writer->folder = gs_copy_string(folder);
    if (!writer || !writer->folder) {
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to write %s", folder);
        goto done;
    }
    bool is_there = access(folder, F_OK) == 0;
    status = gs_folder_make(folder, err);
    writer->made_folder = !is_there && status == GS_OK;
    if (status == GS_OK) status = lock_folder(writer, err);
    if (status != GS_OK) goto done;
    writer->channels = info->channels;
    writer->height = info->height;
    writer->width = info->width;
    for (int file = 0; file < FILES && status == GS_OK; file++)
        status = make_file(writer, file, err);
    if (status == GS_OK) status = write_header(writer, IMAGES, err);
    if (status == GS_OK) status = write_header(writer, MASKS, err);
    if (status == GS_OK) status = write_info(writer, info, err);
done:
    if (status == GS_OK)
        *out = writer;
    else
        gs_dataset_writer_close(writer);
    return status;
}

/* The entry of dataset.json; NULL when a text is not UTF-8 or memory is short. */
static json_t *describe(const gs_dataset_writer *writer, const gs_dataset_slice *slice,
                        bool is_annotated) {
    json_t *entry =
        json_pack("{ss sI ss ss}", "case", slice->case_name, "index", (json_int_t)slice->index,
                  "name", slice->name, "label", gs_label_name(slice->label));
    if (entry && slice->extent[0] < slice->extent[1] &&
        json_object_set_new(
            entry, "extent",
            json_pack("[II]", (json_int_t)slice->extent[0], (json_int_t)slice->extent[1])) != 0)
        json_decref(entry), entry = NULL;
    if (entry && slice->split != GS_SPLIT_NONE &&
        json_object_set_new(entry, "split", json_string(gs_split_name(slice->split))) != 0)
        json_decref(entry), entry = NULL;
    if (entry && is_annotated &&
        json_object_set_new(entry, "mask", json_integer((json_int_t)writer->masks)) != 0)
        json_decref(entry), entry = NULL;
    return entry;
}

gs_status gs_dataset_writer_add_image(gs_dataset_writer *writer, const float *image,
                                      gs_error *err) {
    if (writer->images == GS_DATASET_MAX_SLICES)
        return gs_fail(err, GS_TOO_LARGE, "more than %d slices", GS_DATASET_MAX_SLICES);
    size_t values = (size_t)writer->channels * (size_t)writer->height * (size_t)writer->width;
    GS_TRY(write_bytes(writer, IMAGES, image, values * sizeof *image, err));
    writer->images++;
    return GS_OK;
}

gs_status gs_dataset_writer_describe(gs_dataset_writer *writer, const gs_dataset_slice *slice,
                                     const uint8_t *mask, gs_error *err) {
    GS_TRY(check_text("slice's case", slice->case_name, err));
    GS_TRY(check_text("slice's name", slice->name, err));
    GS_TRY(write_json(writer, describe(writer, slice, mask != NULL),
                      writer->slices ? ",\n  " : "\n  ", 0, err));
    if (mask)
        GS_TRY(
            write_bytes(writer, MASKS, mask, (size_t)writer->height * (size_t)writer->width, err));
    writer->slices++;
    writer->masks += mask != NULL;
    return GS_OK;
}

gs_status gs_dataset_writer_add(gs_dataset_writer *writer, const gs_dataset_slice *slice,
                                const float *image, const uint8_t *mask, gs_error *err) {
    GS_TRY(gs_dataset_writer_describe(writer, slice, mask, err));
    return gs_dataset_writer_add_image(writer, image, err);
}

/* ---- the end ---- */

static gs_status settle_file(gs_dataset_writer *writer, int file, gs_error *err) {
    FILE *stream = writer->files[file];
    if (fflush(stream) != 0 || fsync(fileno(stream)) != 0)
        return gs_fail_errno(err, "cannot write %s", writer->partial[file]);
    return GS_OK;
}

static gs_status sync_folder(const gs_dataset_writer *writer, gs_error *err) {
    int fd = open(writer->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    gs_status status = GS_OK;
    if (fd < 0 || fsync(fd) != 0) status = gs_fail_errno(err, "cannot fsync %s", writer->folder);
    if (fd >= 0) close(fd);
    return status;
}

/* The old dataset.json goes first and the new one comes last, so that it never describes other
 * files. */
static gs_status rename_files(gs_dataset_writer *writer, gs_error *err) {
    gs_status status = GS_OK;
    char *paths[FILES] = {NULL};
    for (int file = 0; file < FILES; file++) {
        paths[file] = gs_format("%s/%s", writer->folder, file_names[file]);
        if (!paths[file]) {
            status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory to finish %s", writer->folder);
            goto done;
        }
    }
    if (unlink(paths[MANIFEST]) != 0 && errno != ENOENT) {
        status = gs_fail_errno(err, "cannot remove %s", paths[MANIFEST]);
        goto done;
    }
    for (int file = 0; file < FILES && status == GS_OK; file++) {
        if (file == MANIFEST) status = sync_folder(writer, err);
        if (status == GS_OK && rename(writer->partial[file], paths[file]) != 0)
            status = gs_fail_errno(err, "cannot rename to %s", paths[file]);
    }
    if (status == GS_OK) status = sync_folder(writer, err);
done:
    for (int file = 0; file < FILES; file++) gs_free(paths[file]);
    return status;
}

gs_status gs_dataset_writer_finish(gs_dataset_writer *writer, gs_error *err) {
    if (writer->images != writer->slices)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%zu images, but %zu are described",
                       writer->images, writer->slices);
    GS_TRY(write_bytes(writer, MANIFEST, "\n]}\n", 4, err));
    for (int file = IMAGES; file <= MASKS; file++) {
        if (fseeko(writer->files[file], 0, SEEK_SET) != 0)
            return gs_fail_errno(err, "cannot write %s", writer->partial[file]);
        GS_TRY(write_header(writer, file, err));
    }
    for (int file = 0; file < FILES; file++) GS_TRY(settle_file(writer, file, err));
    GS_TRY(rename_files(writer, err));
    writer->made_folder = false;
    return GS_OK;
}

void gs_dataset_writer_close(gs_dataset_writer *writer) {
    if (!writer) return;
    for (int file = 0; file < FILES; file++) {
        if (writer->files[file]) fclose(writer->files[file]);
        if (writer->partial[file]) unlink(writer->partial[file]); /* gone already when finished */
        gs_free(writer->partial[file]);
    }
    if (writer->made_folder) rmdir(writer->folder); /* its parents may have other uses */
    if (writer->lock >= 0) close(writer->lock);
    gs_free(writer->folder);
    gs_free(writer);
}

/* Volumes into an exchange folder: the scan's files, and beside them what jobs generated. */
#include <string.h>

#include "api/exchange_internal.h"
#include "api/volume_files.h"
#include "base/file.h"
#include "base/memory.h"
#include "store/job.h"

/* Where files go, and what is said of them. */
typedef struct copying {
    const char *source; /* the volume's folder in the store */
    const char *folder, *name;
    json_t *files, *generated;
} copying;

/* Copies source/`from` to folder/name/`to`; *json_out describes it, and is the caller's. */
static gs_status copy(const copying *c, const char *from, const char *to, json_t **json_out,
                      gs_error *err) {
    char sha256[GS_SHA256_SIZE], *bytes = NULL;
    size_t size;
    char *path = gs_format("%s/%s", c->source, from), *target = gs_format("%s/%s", c->name, to);
    gs_status status = path && target
                           ? gs_file_read(path, GS__EXCHANGE_VOLUME_BYTES, &bytes, &size, err)
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    if (!status) status = gs__exchange_put(c->folder, target, bytes, size, err);
    if (!status) {
        gs_sha256_hex(bytes, size, sha256);
        *json_out = json_pack("{s:s, s:s}", "file", target, "sha256", sha256);
        if (!*json_out) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", target);
    }
    gs_free(bytes);
    gs_free(target);
    gs_free(path);
    return status;
}

static gs_status copy_file(const copying *c, int channel, const char *role, gs_error *err) {
    char name[GS_VOLUME_FILE_NAME_SIZE];
    json_t *file = NULL;
    gs_volume_file_name(channel, name);
    GS_TRY(copy(c, name, name, &file, err));
    int failed = json_object_set_new(file, "role", json_string(role));
    failed |= json_array_append_new(c->files, file);
    return failed ? gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", name) : GS_OK;
}

static gs_status copy_files(const copying *c, const gs_volume_record *volume, gs_error *err) {
    for (int k = 0; k < volume->channels; k++) GS_TRY(copy_file(c, k, "image", err));
    if (volume->has_labels) GS_TRY(copy_file(c, GS_VOLUME_FILE_LABEL, "label", err));
    if (volume->has_organ) GS_TRY(copy_file(c, GS_VOLUME_FILE_ORGAN, "organ", err));
    return GS_OK;
}

static gs_status copy_output(const copying *c, const gs_job_record *job, const char *output,
                             gs_error *err) {
    json_t *file = NULL;
    char *from = gs_format("%s/%s.nii.gz", job->id, output);
    char *to = gs_format("generated/%s-%s.nii.gz", job->id, output);
    gs_status status = from && to ? copy(c, from, to, &file, err)
                                  : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(from);
    gs_free(to);
    if (status) return status;
    int failed = json_object_set_new(file, "generated", json_true());
    failed |= json_object_set_new(file, "model", json_string(job->model));
    failed |= json_object_set_new(file, "output", json_string(output));
    failed |= json_array_append_new(c->generated, file);
    return failed ? gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a job's outputs") : GS_OK;
}

static gs_status copy_outputs(const copying *c, const gs_job_record *job, gs_error *err) {
    size_t i;
    json_t *output, *list = json_loads(job->outputs_json, 0, NULL);
    gs_status status = GS_OK;
    json_array_foreach(list, i, output) {
        const char *name = json_string_value(json_object_get(output, "name"));
        if (name) status = copy_output(c, job, name, err);
        if (status) break;
    }
    json_decref(list);
    return status;
}

/* Of all jobs on the volume that succeeded, newest first. */
static gs_status copy_generated(gs_store *store, const copying *c, const char *id, gs_error *err) {
    const gs_job_state done = GS_JOB_SUCCEEDED;
    const gs_job_filter filter = {.state = &done, .volume = id};
    gs_job_list list = {0};
    gs_status status = GS_OK;
    char cursor[GS_CURSOR_SIZE] = "";
    do {
        const gs_page page = {.cursor = cursor};
        GS_TRY(gs_store_job_list(store, &filter, &page, &list, err));
        for (size_t i = 0; i < list.count && !status; i++)
            status = copy_outputs(c, &list.items[i], err);
        memcpy(cursor, list.next_cursor, sizeof cursor);
        gs_job_list_deinit(&list);
    } while (!status && cursor[0]);
    return status;
}

static gs_status make_folders(const copying *c, gs_error *err) {
    char *path = gs_format("%s/%s/generated", c->folder, c->name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_folder_make(path, err);
    gs_free(path);
    return status;
}

static json_t *describe(const gs_volume_record *volume, const copying *c) {
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:O, s:O}", "case", volume->case_name, "name",
                     volume->name, "preset", volume->preset, "sha256", volume->sha256, "geometry",
                     json_loads(volume->geometry_json, 0, NULL), "files", c->files, "generated",
                     c->generated);
}

static gs_status write_volume(gs_store *store, const gs_volume_record *volume, copying *c,
                              json_t **json_out, gs_error *err) {
    GS_TRY(make_folders(c, err));
    GS_TRY(copy_files(c, volume, err));
    GS_TRY(copy_generated(store, c, volume->id, err));
    *json_out = describe(volume, c);
    return *json_out ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
}

gs_status gs__exchange_volume_write(gs_store *store, const char *id, const char *folder,
                                    const char *name, json_t **json_out, size_t *generated,
                                    gs_error *err) {
    gs_volume_record volume;
    GS_TRY(gs_store_volume_get(store, id, &volume, err));
    char *source = gs_store_volume_folder(store, id);
    copying c = {.source = source,
                 .folder = folder,
                 .name = name,
                 .files = json_array(),
                 .generated = json_array()};
    gs_status status = source && c.files && c.generated
                           ? write_volume(store, &volume, &c, json_out, err)
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a volume");
    if (!status) *generated += json_array_size(c.generated);
    json_decref(c.files);
    json_decref(c.generated);
    gs_free(source);
    gs_volume_record_deinit(&volume);
    return status;
}

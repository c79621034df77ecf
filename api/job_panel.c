/* GET /v1/jobs/{id}/panel: the same few validation slices as training goes. The sheets are files
 * that `genseg train` writes (docs/training-process.md): in the job's folder while that is there,
 * then in panels/. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/resources.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/train/trainer.h"

enum { INDEX_BYTES_MAX = 64 * 1024 };

/* Caller frees; NULL when out of memory. */
static char *find_folder(const gs_api_context *context, const char *job) {
    const char *data = gs_store_get_folder(context->store);
    struct stat status;
    char *kept = gs_format("%s/panels/%s", data, job);
    if (!kept || stat(kept, &status) == 0) return kept;
    gs_free(kept);
    return gs_format("%s/jobs/%s/out/" GS_PANEL_FOLDER, data, job);
}

static int is_sheet(const struct dirent *entry) {
    const char *dot = strchr(entry->d_name, '.');
    return isdigit((unsigned char)entry->d_name[0]) && dot && strcmp(dot, ".png") == 0;
}

static json_t *list_steps(const char *folder, const char *job) {
    struct dirent **entries;
    int count = scandir(folder, &entries, is_sheet, alphasort);
    json_t *steps = json_array();
    for (int i = 0; i < count; i++) {
        long long step = strtoll(entries[i]->d_name, NULL, 10);
        (void)json_array_append_new(steps,
                                    json_pack("{s:I, s:o}", "step", (json_int_t)step, "href",
                                              json_sprintf("/v1/jobs/%s/panel/%lld", job, step)));
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    return steps;
}

/* What panel.json says; of a panel that is not there yet, nothing. NULL when out of memory. */
static json_t *read_index(const char *folder) {
    char *path = gs_format("%s/panel.json", folder), *text = NULL;
    size_t size;
    gs_error ignored;
    json_t *index = NULL;
    if (path && gs_file_read(path, INDEX_BYTES_MAX, &text, &size, &ignored) == GS_OK)
        index = json_loadb(text, size, 0, NULL);
    gs_free(text);
    gs_free(path);
    if (index) return index;
    return json_pack("{s:[], s:[], s:n, s:n}", "rows", "slices", "height", "width");
}

/* NOT_FOUND unless there is such a job. */
static gs_status check_job(const gs_api_context *context, const char *id, gs_error *err) {
    gs_job_record job;
    GS_TRY(gs_store_job_get(context->store, id, &job, err));
    gs_job_record_deinit(&job);
    return GS_OK;
}

gs_status gs_api_job_panel(const gs_api_context *context, const gs_request *request,
                           gs_response *response, gs_error *err) {
    const char *id = request->params[0];
    GS_TRY(check_job(context, id, err));
    char *folder = find_folder(context, id);
    if (!folder) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    json_t *steps = list_steps(folder, id), *index = read_index(folder);
    gs_free(folder);
    if (index && json_object_set_new(index, "steps", steps) == 0)
        return gs_response_set_json(response, 200, index, err);
    json_decref(index);
    return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the panel");
}

static gs_status send_sheet(const char *path, const char *id, long long step,
                            const gs_request *request, gs_response *response, gs_error *err) {
    struct stat status;
    char tag[96];
    bool not_modified = false;
    if (stat(path, &status) != 0)
        return gs_fail(err, GS_NOT_FOUND, "job %s has no panel of step %lld", id, step);
    /* A training that went back may draw a step anew. */
    snprintf(tag, sizeof tag, "%s-%lld-%lld%09ld", id, step, (long long)status.st_mtim.tv_sec,
             status.st_mtim.tv_nsec);
    GS_TRY(gs_response_set_etag(request, response, tag, &not_modified, err));
    return not_modified ? GS_OK : gs_response_set_file(response, "image/png", path, err);
}

gs_status gs_api_job_panel_sheet(const gs_api_context *context, const gs_request *request,
                                 gs_response *response, gs_error *err) {
    const char *id = request->params[0], *text = request->params[1];
    GS_TRY(check_job(context, id, err));
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] || digits > 12)
        return gs_fail(err, GS_NOT_FOUND, "'%.40s' is not a step", text);
    long long step = strtoll(text, NULL, 10);
    char *folder = find_folder(context, id);
    char *path = folder ? gs_format("%s/%012lld.png", folder, step) : NULL;
    gs_status status = path ? send_sheet(path, id, step, request, response, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(path);
    gs_free(folder);
    return status;
}

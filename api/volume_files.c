#include "api/volume_files.h"

#include <stdint.h>
#include <stdio.h>

#include "base/memory.h"

void gs_volume_file_name(int channel, char out[GS_VOLUME_FILE_NAME_SIZE]) {
    if (channel >= 0)
        snprintf(out, GS_VOLUME_FILE_NAME_SIZE, "image-%d.nii", channel);
    else
        snprintf(out, GS_VOLUME_FILE_NAME_SIZE, "%s.nii",
                 channel == GS_VOLUME_FILE_LABEL ? "label" : "organ");
}

static gs_status open_file(const char *folder, int channel, const gs_volume_file **out,
                           gs_error *err) {
    char name[GS_VOLUME_FILE_NAME_SIZE];
    gs_volume_file *file;
    gs_volume_file_name(channel, name);
    char *path = gs_format("%s/%s", folder, name);
    gs_status status = path ? gs_volume_file_open(path, &file, err)
                            : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(path);
    if (status == GS_OK) *out = file;
    return status;
}

gs_status gs_volume_set_open_folder(const char *folder, int channels, bool has_labels,
                                    bool has_organ, gs_volume_set *set, gs_error *err) {
    *set = (gs_volume_set){.volume = {.channel_count = channels}};
    for (int k = 0; k < channels; k++) GS_TRY(open_file(folder, k, &set->volume.channels[k], err));
    if (has_labels) GS_TRY(open_file(folder, GS_VOLUME_FILE_LABEL, &set->volume.labels, err));
    if (has_organ) GS_TRY(open_file(folder, GS_VOLUME_FILE_ORGAN, &set->volume.organ, err));
    return GS_OK;
}

gs_status gs_volume_set_open(gs_store *store, const gs_volume_record *volume, gs_volume_set *set,
                             gs_error *err) {
    char *folder = gs_store_volume_folder(store, volume->id);
    gs_error why;
    gs_status status = folder
                           ? gs_volume_set_open_folder(folder, volume->channels, volume->has_labels,
                                                       volume->has_organ, set, &why)
                           : gs_fail(&why, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(folder);
    if (status == GS_OK) return GS_OK;
    if (status == GS_OUT_OF_MEMORY) return gs_fail(err, status, "%s", why.text);
    return gs_fail(err, GS_IO, "the files of volume %s are damaged: %s", volume->id, why.text);
}

/* The set owns them, whatever the cutter may do with them. */
static void close_file(const gs_volume_file *file) {
    gs_volume_file_close((gs_volume_file *)(uintptr_t)file);
}

void gs_volume_set_close(gs_volume_set *set) {
    for (int k = 0; k < set->volume.channel_count; k++) close_file(set->volume.channels[k]);
    close_file(set->volume.labels);
    close_file(set->volume.organ);
    *set = (gs_volume_set){0};
}

/* The files of a stored volume, opened together. */
#ifndef GS_API_VOLUME_FILES_H
#define GS_API_VOLUME_FILES_H

#include "engine/data/volume_cut.h"
#include "store/volume.h"

/* Owns what `volume` points to. */
typedef struct gs_volume_set {
    gs_volume_files volume;
} gs_volume_set;

/* What a volume's file is called in its folder: "image-0.nii", "label.nii", "organ.nii". */
enum { GS_VOLUME_FILE_LABEL = -1, GS_VOLUME_FILE_ORGAN = -2, GS_VOLUME_FILE_NAME_SIZE = 24 };
void gs_volume_file_name(int channel, char out[GS_VOLUME_FILE_NAME_SIZE]);

/* Opens those of a folder that the record speaks of. Close also after a failure of a zeroed set. */
GS_MUST_CHECK gs_status gs_volume_set_open_folder(const char *folder, int channels, bool has_labels,
                                                  bool has_organ, gs_volume_set *set,
                                                  gs_error *err);
GS_MUST_CHECK gs_status gs_volume_set_open(gs_store *store, const gs_volume_record *volume,
                                           gs_volume_set *set, gs_error *err);
void gs_volume_set_close(gs_volume_set *set); /* a zeroed set is allowed */

#endif

#include "api/upload_folder.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/memory.h"

gs_status gs_upload_folder_make(const char *data_folder, char **path_out, gs_error *err) {
    char *parent = gs_format("%s/uploads", data_folder);
    char *path = parent ? gs_format("%s/volume-XXXXXX", parent) : NULL;
    gs_status status =
        path ? gs_folder_make(parent, err) : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(parent);
    if (status == GS_OK && !mkdtemp(path))
        status = gs_fail_errno(err, "cannot make a folder for the upload");
    if (status != GS_OK)
        gs_free(path);
    else
        *path_out = path;
    return status;
}

/* The viewer's files, read once at start. Immutable afterwards, so any thread may look them up. */
#ifndef GS_SERVER_WEB_FOLDER_H
#define GS_SERVER_WEB_FOLDER_H

#include "api/handler.h"

enum {
    GS_WEB_FILES_MAX = 200,
    GS_WEB_FILE_BYTES_MAX = 16 * 1024 * 1024, /* of one file */
    GS_WEB_DEPTH_MAX = 4,
};

typedef struct gs_web_folder gs_web_folder;

/* Reads all files below `folder` whose names do not begin with '.'. A folder that does not exist
 * gives an empty set. Texts are compressed here, once. TOO_LARGE beyond the limits above. Caller
 * frees with gs_web_folder_free. */
GS_MUST_CHECK gs_status gs_web_folder_read(const char *folder, gs_web_folder **out, gs_error *err);
void gs_web_folder_free(gs_web_folder *web); /* NULL is allowed */

/* Borrowed from the folder; NULL when there is no such file. */
const gs_web_file *gs_web_folder_find(const gs_web_folder *web, const char *path);

#endif

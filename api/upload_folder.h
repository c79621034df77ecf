/* Where files lie until they have their place: a folder of its own in the data folder's uploads/,
 * which the next start of the server removes. */
#ifndef GS_API_UPLOAD_FOLDER_H
#define GS_API_UPLOAD_FOLDER_H

#include "base/status.h"

/* Makes a new folder. Caller removes it with what is in it, and gs_frees the path. */
GS_MUST_CHECK gs_status gs_upload_folder_make(const char *data_folder, char **path_out,
                                              gs_error *err);

#endif

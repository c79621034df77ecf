/* Whole files: read with a limit, replace atomically. Thread-safe. */
#ifndef GS_BASE_FILE_H
#define GS_BASE_FILE_H

#include "base/status.h"

#include <stddef.h>

/* Reads all of `path` (at most `limit_bytes`, else TOO_LARGE) into *bytes_out, which gets a
 * terminating zero beyond *size_out. Caller frees with gs_free. */
GS_MUST_CHECK gs_status gs_file_read(const char *path, size_t limit_bytes, char **bytes_out,
                                     size_t *size_out, gs_error *err);

/* One piece of a file to write; pieces follow each other without gaps. */
typedef struct gs_file_piece {
    const void *bytes;
    size_t size;
} gs_file_piece;

/* Writes `path` whole or not at all: a temporary file beside it, fsync, rename, fsync of the
 * folder. */
GS_MUST_CHECK gs_status gs_file_replace(const char *path, const gs_file_piece *pieces, size_t count,
                                        gs_error *err);

/* All `size` bytes to an open file. `path` is for the error. */
GS_MUST_CHECK gs_status gs_file_write(int fd, const char *path, const void *bytes, size_t size,
                                      gs_error *err);

/* Until a file's bytes, or a folder's names, are on the disk. */
GS_MUST_CHECK gs_status gs_file_sync(const char *path, gs_error *err);

/* Makes the folder and its missing parents; an existing folder is fine. */
GS_MUST_CHECK gs_status gs_folder_make(const char *path, gs_error *err);

/* Takes the folder for one run, which holds it until it closes *fd_out; waits for nobody: CONFLICT
 * while another process, or another descriptor of this one, has it. */
GS_MUST_CHECK gs_status gs_folder_lock(const char *path, int *fd_out, gs_error *err);

/* Removes the folder and everything in it, following no links; what is not there or cannot be
 * removed is left. */
void gs_folder_remove(const char *path);

#endif

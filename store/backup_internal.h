/* What writing and reading a backup share. */
#ifndef GS_STORE_BACKUP_INTERNAL_H
#define GS_STORE_BACKUP_INTERNAL_H

#include "store/backup.h"
#include "store/store_internal.h"

#include <stdbool.h>
#include <stdio.h>

#define GS__SUMS_NAME "SHA256SUMS"

enum { GS__COPY_BYTES = 256 * 1024, GS__ENTRY_NAME_MAX = 200 };

/* A database file outside any store, which must exist. Caller sqlite3_closes *db_out, also after a
 * failure. UNUSABLE for another program's. */
GS_MUST_CHECK gs_status gs__backup_open_database(const char *path, sqlite3 **db_out, gs_error *err);

/* What is at a name; of folders only the files right in them are meant. */
typedef enum gs__backup_kind {
    GS__BACKUP_FILE,
    GS__BACKUP_FOLDER,
    GS__BACKUP_FOLDER_IF_THERE,
} gs__backup_kind;

typedef gs_status gs__backup_visit(void *state, const char *name, gs__backup_kind kind,
                                   gs_error *err);

/* Calls `visit` with the name in the archive of all that the rows of `db` ask for: weights as
 * files, volumes ("volumes/<id>") and results of jobs on them as folders, and the panels of
 * trainings, which not every training has, the oldest first. Stops at the first failure. */
GS_MUST_CHECK gs_status gs__backup_walk(sqlite3 *db, gs__backup_visit *visit, void *state,
                                        gs_error *err);

#endif

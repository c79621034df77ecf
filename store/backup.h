/* A data folder as one file, and back.
 *
 * The file is a tar archive (POSIX pax, as every tar reads): genseg.db, models/<id>.safetensors,
 * volumes/<id>/…, panels/<job>/…, and as its last entry SHA256SUMS, a line for each of the others
 * as sha256sum prints it. Checkpoints and panels of unfinished trainings are not in it. */
#ifndef GS_STORE_BACKUP_H
#define GS_STORE_BACKUP_H

#include "store/store.h"

/* What an archive holds. */
typedef struct gs_backup_summary {
    int64_t files, bytes;
} gs_backup_summary;

/* Writes `path` whole or not at all, from a folder that another process may have open and be
 * writing to: the database is that of one moment, with the files that it names. CONFLICT when
 * `path` exists, NOT_FOUND without a database, UNUSABLE for one that is not genseg's, DISK_FULL. */
GS_MUST_CHECK gs_status gs_backup_write(const char *folder, const char *path,
                                        gs_backup_summary *out, gs_error *err);

/* Makes `folder` from an archive, whole or not at all: it is put together beside it and renamed.
 * CONFLICT unless `folder` is missing or empty; MALFORMED for an archive that is cut off, whose
 * bytes differ from their sums, that names anything else than above or anything twice, or whose
 * database names files that it lacks; UNUSABLE when a newer genseg wrote it. */
GS_MUST_CHECK gs_status gs_backup_restore(const char *path, const char *folder,
                                          gs_backup_summary *out, gs_error *err);

#endif

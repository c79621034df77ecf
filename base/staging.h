/* Folders that appear whole or not at all. Thread-safe. */
#ifndef GS_BASE_STAGING_H
#define GS_BASE_STAGING_H

#include "base/status.h"

/* Fills the empty folder `staging`, whose files are on the disk when it returns GS_OK. */
typedef gs_status gs_staging_fill(void *context, const char *staging, gs_error *err);

/* Makes `folder`, which must be missing or empty (else CONFLICT): `fill` gets a folder beside it,
 * called `folder`.WORD-XXXXXX, that is renamed when it is filled and removed when that fails. */
GS_MUST_CHECK gs_status gs_folder_build(const char *folder, const char *word, gs_staging_fill *fill,
                                        void *context, gs_error *err);

#endif

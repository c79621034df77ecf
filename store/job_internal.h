/* What job.c and job_event.c share. */
#ifndef GS_STORE_JOB_INTERNAL_H
#define GS_STORE_JOB_INTERNAL_H

#include "store/job.h"
#include "store/store_internal.h"

GS_MUST_CHECK gs_status gs__job_find(sqlite3 *db, const char *id, int64_t *seq_out,
                                     gs_job_state *state_out, gs_error *err);

#endif

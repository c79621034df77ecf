/* One run of one job on a volume: its slices through the executor, in the background, and what
 * comes out into .nii.gz files with the volume's geometry. Called by a supervisor's thread. */
#ifndef GS_SERVER_VOLUME_RUN_H
#define GS_SERVER_VOLUME_RUN_H

#include "api/handler.h"

/* What runs need; the supervisor's `runner`. Borrowed for its life. */
typedef struct gs_volume_runner {
    const gs_api_services *services;
    void *server;
    int max_batch; /* slices that are computed together */
} gs_volume_runner;

struct gs_job_run;
struct gs_run_end;

/* The results lie in volumes/<volume>/<job>/ and are described in the job's outputs. Memory: a
 * batch of slices and some planes, whatever the volume. */
void gs_volume_run_execute(const struct gs_job_run *run, struct gs_run_end *end_out);

#endif

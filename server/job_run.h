/* One run of one training job, from its folder to its end; called by the supervisor's thread. */
#ifndef GS_SERVER_JOB_RUN_H
#define GS_SERVER_JOB_RUN_H

#include "server/supervisor.h"

/* What the supervisor wants from the run that goes on. */
typedef enum gs_run_wish {
    GS_RUN_GO_ON,
    GS_RUN_CANCEL, /* the client's wish: the job ends */
    GS_RUN_YIELD,  /* the server stops: the job goes on later */
} gs_run_wish;

typedef struct gs_job_run {
    const gs_supervisor_options *options;
    gs_store *store;
    const gs_job_record *job;
    int wake_fd; /* becomes readable when the wish may have changed */
    gs_run_wish (*wish)(void *context);
    void (*event)(void *context, int64_t sequence); /* an event was stored */
    void *context;
} gs_job_run;

typedef struct gs_run_end {
    gs_job_state state; /* terminal, or GS_JOB_QUEUED: to be continued */
    char model[GS_ID_SIZE];
    char error[2000]; /* "" = none */
} gs_run_end;

/* Blocks until the run has ended; the panel of a training that is done moves to DATA/panels/ID,
 * where those of the latest are kept. Never fails: what went wrong is in *end_out. */
void gs_job_run_execute(const gs_job_run *run, gs_run_end *end_out);

/* Removes the job's folder; a job that is over for good has no use for it. */
void gs_job_run_clean(gs_store *store, const char *job_id);

#endif

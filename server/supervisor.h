/* Runs the queued jobs of one queue one after the other and keeps their records. Trainings run in
 * child processes (job_run.h), as drawn; jobs on volumes and predictions run on the supervisor's
 * thread (volume_run.h, predict_run.h) and make no model. After an interruption a job on a volume
 * begins anew, predictions go on where they were.
 *
 *                 ┌────────────── the server stops: SIGTERM, checkpoint ──────────────┐
 *                 ▼                                                                   │
 *   queued ──▶ running ──▶ exit 0: the model is registered ──▶ succeeded              │
 *     ▲           ├──────▶ cancel: SIGTERM, checkpoint, exit 75 ──▶ cancelled ──┐     │
 *     │           └──────▶ anything else ──▶ failed ────────────────────────────┤     │
 *     └──────────────────────────── resume ◀────────────────────────────────────┘ ◀───┘
 *
 * A job's folder DATA/jobs/ID holds its snapshot of the data set and the trainer's output; it is
 * removed once the model is registered. Thread-safe. */
#ifndef GS_SERVER_SUPERVISOR_H
#define GS_SERVER_SUPERVISOR_H

#include "api/handler.h"
#include "engine/backend/choice.h"

typedef struct gs_supervisor gs_supervisor;

struct gs_job_run;
struct gs_run_end;

typedef struct gs_supervisor_options {
    gs_job_queue queue;
    /* Blocks until the run has ended; never fails, what went wrong is in *end_out. */
    void (*execute)(const struct gs_job_run *run, struct gs_run_end *end_out);
    const void *runner;    /* for execute; borrowed */
    const char *trainer;   /* the program that has the subcommand `train` */
    gs_engine_wish engine; /* for the trainer */
    int threads;           /* for the trainer; 0 = its own default */
    int stop_seconds;      /* how long a trainer may take to write its last checkpoint */
} gs_supervisor_options;

/* Called with the job and the id of the model that it made, before the job succeeds and while its
 * folder is there. May be NULL. */
typedef void gs_model_made(void *context, const gs_job_record *job, const char *model_id);

/* Puts jobs that a dead server left running back into the queue and starts the thread. Strings of
 * the options and `store` are borrowed. Caller closes. */
GS_MUST_CHECK gs_status gs_supervisor_open(const gs_supervisor_options *options, gs_store *store,
                                           gs_model_made *made, void *context, gs_supervisor **out,
                                           gs_error *err);
/* From now on nobody waits for events, and a running trainer is asked to stop. */
void gs_supervisor_stop(gs_supervisor *supervisor);
/* Stops, waits for the trainer's checkpoint (bounded) and puts its job back into the queue. NULL is
 * allowed. */
void gs_supervisor_close(gs_supervisor *supervisor);

/* The services of gs_api_services with the same names. */
void gs_supervisor_jobs_changed(gs_supervisor *supervisor);
GS_MUST_CHECK gs_status gs_supervisor_stop_job(gs_supervisor *supervisor, const char *job_id,
                                               gs_error *err);
gs_wait gs_supervisor_wait_for_event(gs_supervisor *supervisor, const char *job_id,
                                     int64_t sequence, int timeout_ms);

#endif

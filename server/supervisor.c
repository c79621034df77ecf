/* One thread. It claims the oldest queued job, runs it (job_run.c) and writes how it ended.
 *
 * Lock order: supervisor->mutex before the store's own locks. Claiming and cancelling hold the
 * mutex, so a job is either cancelled in the queue or known to be running. */
#include "server/supervisor.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "server/clock.h"
#include "server/job_run.h"
#include "server/log.h"

enum { RETRY_MS = 2000 /* after the store refused a change, on a full disk for example */ };

struct gs_supervisor {
    gs_supervisor_options options;
    gs_store *store;
    gs_model_made *made;
    void *context;
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* any of the below */
    /* guarded by mutex: */
    bool stopping;
    bool look_again;           /* something may wait in the queue */
    char running[GS_ID_SIZE];  /* "" = no job */
    bool cancel;               /* of the running job */
    char news_job[GS_ID_SIZE]; /* the job of the latest event */
    int64_t news_sequence;
};

/* ==== What a run asks and tells ==== */

static gs_run_wish wish(void *context) {
    gs_supervisor *supervisor = context;
    pthread_mutex_lock(&supervisor->mutex);
    gs_run_wish now = supervisor->cancel     ? GS_RUN_CANCEL
                      : supervisor->stopping ? GS_RUN_YIELD
                                             : GS_RUN_GO_ON;
    pthread_mutex_unlock(&supervisor->mutex);
    return now;
}

static void event(void *context, int64_t sequence) {
    gs_supervisor *supervisor = context;
    pthread_mutex_lock(&supervisor->mutex);
    memcpy(supervisor->news_job, supervisor->running, sizeof supervisor->news_job);
    supervisor->news_sequence = sequence;
    pthread_cond_broadcast(&supervisor->changed);
    pthread_mutex_unlock(&supervisor->mutex);
}

/* ==== The thread ==== */

static void log_job(const char *event_name, const char *id, const gs_run_end *end) {
    gs_log(GS_LOG_INFO, event_name,
           json_pack("{s:s, s:s*, s:s*, s:s*}", "job", id, "state",
                     end ? gs_job_state_name(end->state) : NULL, "model",
                     end && end->model[0] ? end->model : NULL, "error",
                     end && end->error[0] ? end->error : NULL));
}

static gs_status write_end(gs_supervisor *supervisor, const char *id, const gs_run_end *end,
                           gs_error *err) {
    if (end->state == GS_JOB_QUEUED) return gs_store_job_requeue(supervisor->store, id, err);
    return gs_store_job_finish(supervisor->store, id, end->state, end->model[0] ? end->model : NULL,
                               end->error[0] ? end->error : NULL, err);
}

/* Tries until the store takes it or the server stops; the next start requeues a job left running.
 */
static void keep_end(gs_supervisor *supervisor, const char *id, const gs_run_end *end) {
    gs_error err;
    while (write_end(supervisor, id, end, &err) != GS_OK) {
        gs_log_text(GS_LOG_ERROR, "job_end_not_written", "%s: %s", id, err.text);
        pthread_mutex_lock(&supervisor->mutex);
        struct timespec deadline = gs_clock_after_ms(RETRY_MS);
        if (!supervisor->stopping)
            pthread_cond_timedwait(&supervisor->changed, &supervisor->mutex, &deadline);
        bool stopping = supervisor->stopping;
        pthread_mutex_unlock(&supervisor->mutex);
        if (stopping) return;
    }
}

static void run_job(gs_supervisor *supervisor, const gs_job_record *job) {
    gs_job_run run = {.options = &supervisor->options,
                      .store = supervisor->store,
                      .job = job,
                      .wake_fd = supervisor->wake_fd,
                      .wish = wish,
                      .event = event,
                      .context = supervisor};
    gs_run_end end;
    log_job("job_started", job->id, NULL);
    supervisor->options.execute(&run, &end);
    if (end.model[0] && supervisor->made) supervisor->made(supervisor->context, job, end.model);
    keep_end(supervisor, job->id, &end);
    if (end.state == GS_JOB_SUCCEEDED) gs_job_run_clean(supervisor->store, job->id);
    log_job("job_ended", job->id, &end);
}

/* The oldest queued job, now running; false when there is none (or the store cannot say). */
static bool claim_locked(gs_supervisor *supervisor, gs_job_record *out) {
    gs_error err;
    gs_status status = gs_store_job_claim(supervisor->store, supervisor->options.queue, out, &err);
    if (status == GS_OK) {
        memcpy(supervisor->running, out->id, sizeof supervisor->running);
        supervisor->cancel = false;
        pthread_cond_broadcast(&supervisor->changed);
        return true;
    }
    if (status != GS_NOT_FOUND) gs_log_text(GS_LOG_ERROR, "job_not_claimed", "%s", err.text);
    return false;
}

static void *run_supervisor(void *argument) {
    gs_supervisor *supervisor = argument;
    pthread_mutex_lock(&supervisor->mutex);
    while (!supervisor->stopping) {
        supervisor->look_again = false;
        gs_job_record job;
        if (claim_locked(supervisor, &job)) {
            pthread_mutex_unlock(&supervisor->mutex);
            run_job(supervisor, &job);
            pthread_mutex_lock(&supervisor->mutex);
            supervisor->running[0] = '\0';
            pthread_cond_broadcast(&supervisor->changed);
            gs_job_record_deinit(&job);
            continue;
        }
        while (!supervisor->look_again && !supervisor->stopping)
            pthread_cond_wait(&supervisor->changed, &supervisor->mutex);
    }
    pthread_mutex_unlock(&supervisor->mutex);
    return NULL;
}

/* ==== Life ==== */

static gs_status start(gs_supervisor *supervisor, gs_error *err) {
    size_t count;
    GS_TRY(gs_store_job_requeue_all(supervisor->store, supervisor->options.queue, &count, err));
    if (count > 0) gs_log_text(GS_LOG_INFO, "jobs_requeued", "%zu interrupted jobs go on", count);
    supervisor->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (supervisor->wake_fd < 0) return gs_fail_errno(err, "cannot make an eventfd");
    errno = pthread_create(&supervisor->thread, NULL, run_supervisor, supervisor);
    if (errno == 0) return GS_OK;
    gs_status status = gs_fail_errno(err, "cannot start the job supervisor");
    close(supervisor->wake_fd);
    return status;
}

gs_status gs_supervisor_open(const gs_supervisor_options *options, gs_store *store,
                             gs_model_made *made, void *context, gs_supervisor **out,
                             gs_error *err) {
    gs_supervisor *supervisor = gs_alloc(1, sizeof *supervisor);
    if (!supervisor) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the job supervisor");
    supervisor->options = *options;
    supervisor->store = store;
    supervisor->made = made;
    supervisor->context = context;
    pthread_mutex_init(&supervisor->mutex, NULL);
    gs_cond_init(&supervisor->changed);
    gs_status status = start(supervisor, err);
    if (status != GS_OK) {
        pthread_cond_destroy(&supervisor->changed);
        pthread_mutex_destroy(&supervisor->mutex);
        gs_free(supervisor);
        return status;
    }
    *out = supervisor;
    return GS_OK;
}

static void wake(gs_supervisor *supervisor) {
    uint64_t one = 1;
    ssize_t written = write(supervisor->wake_fd, &one, sizeof one);
    (void)written; /* it fails only when it is readable already */
}

void gs_supervisor_stop(gs_supervisor *supervisor) {
    pthread_mutex_lock(&supervisor->mutex);
    supervisor->stopping = true;
    pthread_cond_broadcast(&supervisor->changed);
    pthread_mutex_unlock(&supervisor->mutex);
    wake(supervisor);
}

void gs_supervisor_close(gs_supervisor *supervisor) {
    if (!supervisor) return;
    gs_supervisor_stop(supervisor);
    pthread_join(supervisor->thread, NULL);
    close(supervisor->wake_fd);
    pthread_cond_destroy(&supervisor->changed);
    pthread_mutex_destroy(&supervisor->mutex);
    gs_free(supervisor);
}

/* ==== Services ==== */

void gs_supervisor_jobs_changed(gs_supervisor *supervisor) {
    pthread_mutex_lock(&supervisor->mutex);
    supervisor->look_again = true;
    pthread_cond_broadcast(&supervisor->changed);
    pthread_mutex_unlock(&supervisor->mutex);
}

gs_status gs_supervisor_stop_job(gs_supervisor *supervisor, const char *job_id, gs_error *err) {
    gs_status status = GS_OK;
    pthread_mutex_lock(&supervisor->mutex);
    if (strcmp(supervisor->running, job_id) == 0) {
        supervisor->cancel = true;
    } else {
        status = gs_store_job_finish(supervisor->store, job_id, GS_JOB_CANCELLED, NULL, NULL, err);
    }
    pthread_cond_broadcast(&supervisor->changed);
    pthread_mutex_unlock(&supervisor->mutex);
    wake(supervisor);
    return status;
}

gs_wait gs_supervisor_wait_for_event(gs_supervisor *supervisor, const char *job_id,
                                     int64_t sequence, int timeout_ms) {
    struct timespec deadline = gs_clock_after_ms(timeout_ms);
    int waited = 0;
    gs_wait result = GS_WAIT_TIMEOUT;
    pthread_mutex_lock(&supervisor->mutex);
    while (result == GS_WAIT_TIMEOUT && waited != ETIMEDOUT) {
        if (supervisor->stopping) {
            result = GS_WAIT_STOPPING;
        } else if (supervisor->news_sequence > sequence &&
                   strcmp(supervisor->news_job, job_id) == 0) {
            result = GS_WAIT_NEWS;
        } else {
            waited = pthread_cond_timedwait(&supervisor->changed, &supervisor->mutex, &deadline);
            if (waited == 0 && !supervisor->stopping) result = GS_WAIT_NEWS; /* maybe its state */
        }
    }
    pthread_mutex_unlock(&supervisor->mutex);
    return result;
}

/* A task belongs to two parties: the caller that waits and the queue that computes. Each drops its
 * reference when it is done, so a caller that gives up leaves nothing dangling.
 *
 *   queued ──▶ running ──▶ done
 *      └─ given up: taken out of the queue by its caller
 *
 * Lock order: executor->mutex is the only lock here; no other is taken under it. */
#include "server/executor.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/memory.h"
#include "server/clock.h"

typedef enum task_state { TASK_QUEUED, TASK_RUNNING, TASK_DONE } task_state;

typedef struct gs_task {
    struct gs_task *next;
    gs_model_slot *slot; /* retained */
    gs_operation operation;
    gs_priority priority;
    gs_grouping grouping;
    size_t count;
    float *images;         /* [count,C,H,W], owned */
    gs_unique_code *codes; /* [count], owned; NULL unless GS_INSERT */
    float *maps[3];        /* owned until the caller takes them */
    double queued_at;
    task_state state; /* guarded by executor->mutex, as references */
    int references;
    gs_status status; /* written by the executor's thread before the task is done */
    gs_error error;
} gs_task;

struct gs_executor {
    gs_executor_options options;
    gs_metrics *metrics;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t arrived;  /* a task was queued, or stopping */
    pthread_cond_t finished; /* some task is done */
    /* guarded by mutex: */
    gs_task *first, **last; /* in order of arrival */
    size_t queued_images;   /* of requests */
    uint64_t arrivals;      /* requests queued so far */
    bool stopping;
};

/* ==== Tasks ==== */

static int map_count(gs_operation operation) {
    return operation == GS_SEGMENT ? 1 : 3;
}

static size_t image_values(const gs_task *task) {
    const gs_model_config *config = gs_model_slot_config(task->slot);
    return (size_t)config->channels * (size_t)config->height * (size_t)config->columns;
}

static size_t map_values(const gs_task *task) {
    const gs_model_config *config = gs_model_slot_config(task->slot);
    if (task->operation != GS_SEGMENT) return image_values(task);
    return (size_t)config->height * (size_t)config->columns;
}

static void free_task(gs_task *task) {
    for (int i = 0; i < 3; i++) gs_free(task->maps[i]);
    gs_free(task->images);
    gs_free(task->codes);
    gs_model_slot_release(task->slot);
    gs_free(task);
}

static gs_task *new_task(const gs_work *work) {
    gs_task *new = gs_alloc(1, sizeof *new);
    if (!new) {
        gs_free(work->images);
        return NULL;
    }
    new->slot = gs_model_slot_retain(work->slot);
    new->operation = work->operation;
    new->priority = work->priority;
    new->grouping = work->grouping;
    new->count = work->count;
    new->images = work->images;
    new->references = 2;
    bool failed = false;
    if (work->operation == GS_INSERT) {
        new->codes =
            (gs_unique_code *)gs_copy_bytes(work->codes, work->count * sizeof *work->codes);
        failed = !new->codes;
    }
    for (int i = 0; i < map_count(new->operation); i++) {
        new->maps[i] = gs_alloc(work->count * map_values(new), sizeof(float));
        failed = failed || !new->maps[i];
    }
    if (!failed) return new;
    free_task(new);
    return NULL;
}

/* Drops one reference; the last one frees. Called without the lock. */
static void drop_task(gs_executor *executor, gs_task *task) {
    pthread_mutex_lock(&executor->mutex);
    bool last = --task->references == 0;
    pthread_mutex_unlock(&executor->mutex);
    if (last) free_task(task);
}

/* ==== Computing ==== */

static gs_status segment(const gs_task *like, size_t count, const float *images,
                         float *probabilities, gs_error *err) {
    gs_session *session = gs_model_slot_session(like->slot);
    if (like->grouping == GS_TOGETHER)
        return gs_session_segment(session, count, images, probabilities, err);
    for (size_t i = 0; i < count; i++)
        GS_TRY(gs_session_segment(session, 1, images + i * image_values(like),
                                  probabilities + i * map_values(like), err));
    return GS_OK;
}

static gs_status compute(const gs_task *like, size_t count, const float *images,
                         const gs_unique_code *codes, float *const maps[3], gs_error *err) {
    gs_session *session = gs_model_slot_session(like->slot);
    switch (like->operation) {
    case GS_SEGMENT:
        return segment(like, count, images, maps[0], err);
    case GS_REMOVE:
        return gs_session_remove(session, count, images, maps[0], maps[1], maps[2], err);
    case GS_INSERT:
        return gs_session_insert_codes(session, count, images, codes, maps[0], maps[1], maps[2],
                                       err);
    }
    return gs_fail(err, GS_INTERNAL, "unknown operation");
}

static gs_status compute_alone(gs_task *task) {
    return compute(task, task->count, task->images, task->codes, task->maps, &task->error);
}

/* What several tasks share while they run as one call. */
typedef struct joined_data {
    float *images, *maps[3];
    gs_unique_code *codes;
} joined_data;

static void free_joined(joined_data *joined) {
    gs_free(joined->images);
    for (int i = 0; i < 3; i++) gs_free(joined->maps[i]);
    gs_free(joined->codes);
}

static bool join(const gs_task *tasks, size_t images, joined_data *out) {
    *out = (joined_data){.images = gs_alloc(images * image_values(tasks), sizeof(float)),
                         .codes = gs_alloc(images, sizeof(gs_unique_code))};
    bool failed = !out->images || !out->codes;
    for (int i = 0; i < map_count(tasks->operation); i++) {
        out->maps[i] = gs_alloc(images * map_values(tasks), sizeof(float));
        failed = failed || !out->maps[i];
    }
    if (failed) return false;
    size_t at = 0;
    for (const gs_task *task = tasks; task; at += task->count, task = task->next) {
        memcpy(out->images + at * image_values(task), task->images,
               task->count * image_values(task) * sizeof(float));
        if (task->codes) memcpy(out->codes + at, task->codes, task->count * sizeof *task->codes);
    }
    return true;
}

static void share_out(gs_task *tasks, const joined_data *joined) {
    size_t at = 0;
    for (gs_task *task = tasks; task; at += task->count, task = task->next) {
        size_t values = map_values(task);
        for (int i = 0; i < map_count(task->operation); i++)
            memcpy(task->maps[i], joined->maps[i] + at * values,
                   task->count * values * sizeof(float));
    }
}

/* All tasks as one call of the engine; false when that failed. */
static bool compute_together(gs_task *tasks, size_t images) {
    joined_data joined;
    gs_error err;
    bool done = join(tasks, images, &joined) &&
                compute(tasks, images, joined.images, joined.codes, joined.maps, &err) == GS_OK;
    if (done) share_out(tasks, &joined);
    free_joined(&joined);
    return done;
}

static void run_batch(gs_executor *executor, gs_task *tasks, size_t images) {
    double start = gs_clock_seconds();
    for (gs_task *task = tasks; task; task = task->next)
        gs_metrics_count_wait(executor->metrics, task->operation, start - task->queued_at);
    bool together = tasks->next && compute_together(tasks, images);
    for (gs_task *task = tasks; task; task = task->next)
        task->status = together ? GS_OK : compute_alone(task); /* one bad task spoils no other */
    gs_metrics_count_batch(executor->metrics, tasks->operation, images, gs_clock_seconds() - start);
}

/* ==== Queue ==== */

/* The link to the first request, or without one to the first task. */
static gs_task **find_leader_locked(gs_executor *executor) {
    for (gs_task **link = &executor->first; *link; link = &(*link)->next)
        if ((*link)->priority == GS_PRIORITY_REQUEST) return link;
    return &executor->first;
}

/* Takes the leader and the others that can run with it; a NULL-terminated list. */
static gs_task *take_batch_locked(gs_executor *executor, size_t *images_out) {
    gs_task **link = find_leader_locked(executor);
    gs_task *batch = *link, **batch_end = &batch->next;
    size_t images = batch->count;
    *link = batch->next;
    *batch_end = NULL;
    batch->state = TASK_RUNNING;
    link = &executor->first;
    while (*link) {
        gs_task *at = *link;
        if (at->slot != batch->slot || at->operation != batch->operation ||
            at->priority != batch->priority || at->grouping != batch->grouping ||
            images + at->count > executor->options.max_batch) {
            link = &at->next;
            continue;
        }
        *link = at->next;
        at->next = NULL;
        at->state = TASK_RUNNING;
        *batch_end = at;
        batch_end = &at->next;
        images += at->count;
    }
    executor->last = link;
    if (batch->priority == GS_PRIORITY_REQUEST) executor->queued_images -= images;
    *images_out = images;
    return batch;
}

/* Gives clients that answer quickly the time to come back, so that batches stay full under load. */
static void wait_for_more_locked(gs_executor *executor) {
    double until = gs_clock_seconds() + 1e-6 * executor->options.wait_us;
    while (!executor->stopping && executor->queued_images < executor->options.max_batch) {
        int left_ms = (int)((until - gs_clock_seconds()) * 1000) + 1;
        if (gs_clock_seconds() >= until) return;
        struct timespec deadline = gs_clock_after_ms(left_ms);
        if (pthread_cond_timedwait(&executor->arrived, &executor->mutex, &deadline) == ETIMEDOUT)
            return;
    }
}

static void finish_batch_locked(gs_executor *executor, gs_task *tasks) {
    for (gs_task *task = tasks; task; task = task->next) task->state = TASK_DONE;
    pthread_cond_broadcast(&executor->finished);
}

static void drop_all(gs_executor *executor, gs_task *tasks) {
    while (tasks) {
        gs_task *next = tasks->next; /* read before the reference that keeps it alive is gone */
        drop_task(executor, tasks);
        tasks = next;
    }
}

static void cancel_all_locked(gs_executor *executor) {
    for (gs_task *task = executor->first; task; task = task->next)
        task->status = gs_fail(&task->error, GS_CANCELLED, "the server is stopping");
    finish_batch_locked(executor, executor->first);
}

static void *run_executor(void *argument) {
    gs_executor *executor = argument;
    bool crowded = false; /* others arrived while the last batch ran */
    pthread_mutex_lock(&executor->mutex);
    while (!executor->stopping) {
        if (!executor->first) {
            pthread_cond_wait(&executor->arrived, &executor->mutex);
            continue;
        }
        if (crowded && executor->queued_images > 0) wait_for_more_locked(executor);
        if (!executor->first) continue; /* its caller gave up meanwhile */
        size_t images;
        gs_task *batch = take_batch_locked(executor, &images);
        uint64_t arrivals = executor->arrivals;
        pthread_mutex_unlock(&executor->mutex);
        run_batch(executor, batch, images);
        pthread_mutex_lock(&executor->mutex);
        crowded = executor->arrivals > arrivals || batch->next;
        finish_batch_locked(executor, batch);
        pthread_mutex_unlock(&executor->mutex);
        drop_all(executor, batch);
        pthread_mutex_lock(&executor->mutex);
    }
    gs_task *left = executor->first;
    cancel_all_locked(executor);
    executor->first = NULL;
    pthread_mutex_unlock(&executor->mutex);
    drop_all(executor, left);
    return NULL;
}

static gs_status queue_locked(gs_executor *executor, gs_task *task, gs_error *err) {
    if (executor->stopping) return gs_fail(err, GS_CANCELLED, "the server is stopping");
    bool is_request = task->priority == GS_PRIORITY_REQUEST;
    if (is_request && executor->queued_images + task->count > executor->options.queue_images &&
        executor->queued_images > 0)
        return gs_fail(err, GS_BUSY, "%zu images are waiting already, the limit is %zu",
                       executor->queued_images, executor->options.queue_images);
    task->queued_at = gs_clock_seconds();
    *executor->last = task;
    executor->last = &task->next;
    if (is_request) {
        executor->queued_images += task->count;
        executor->arrivals++;
    }
    pthread_cond_signal(&executor->arrived);
    return GS_OK;
}

static void take_out_locked(gs_executor *executor, gs_task *task) {
    gs_task **link = &executor->first;
    while (*link != task) link = &(*link)->next;
    *link = task->next;
    if (!task->next) executor->last = link;
    if (task->priority == GS_PRIORITY_REQUEST) executor->queued_images -= task->count;
    task->references--; /* the queue's */
}

/* Waits for the end of a queued task; the caller's reference is dropped afterwards. */
static gs_status wait_locked(gs_executor *executor, gs_task *task, gs_error *err) {
    struct timespec deadline = gs_clock_after_ms(executor->options.timeout_ms);
    int waited = 0;
    while (task->state != TASK_DONE && waited != ETIMEDOUT) {
        if (task->priority == GS_PRIORITY_REQUEST)
            waited = pthread_cond_timedwait(&executor->finished, &executor->mutex, &deadline);
        else
            pthread_cond_wait(&executor->finished, &executor->mutex);
    }
    if (task->state == TASK_DONE) {
        if (task->status == GS_OK) return GS_OK;
        return gs_fail(err, task->status, "%s", task->error.text);
    }
    if (task->state == TASK_QUEUED) take_out_locked(executor, task);
    return gs_fail(err, GS_BUSY, "no answer within %d ms", executor->options.timeout_ms);
}

gs_status gs_executor_run(gs_executor *executor, const gs_work *work, float *maps_out[3],
                          gs_error *err) {
    gs_task *task = new_task(work);
    if (!task) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %zu images", work->count);
    pthread_mutex_lock(&executor->mutex);
    gs_status status = queue_locked(executor, task, err);
    if (status != GS_OK) {
        task->references--; /* it never was the queue's */
    } else {
        status = wait_locked(executor, task, err);
    }
    pthread_mutex_unlock(&executor->mutex);
    if (status == GS_BUSY) gs_metrics_count_refusal(executor->metrics);
    for (int i = 0; i < 3 && status == GS_OK; i++) {
        maps_out[i] = task->maps[i];
        task->maps[i] = NULL;
    }
    drop_task(executor, task);
    return status;
}

size_t gs_executor_queued(gs_executor *executor) {
    pthread_mutex_lock(&executor->mutex);
    size_t images = executor->queued_images;
    pthread_mutex_unlock(&executor->mutex);
    return images;
}

/* ==== Life ==== */

gs_status gs_executor_open(const gs_executor_options *options, gs_metrics *metrics,
                           gs_executor **out, gs_error *err) {
    gs_executor *executor = gs_alloc(1, sizeof *executor);
    if (!executor) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the executor");
    executor->options = *options;
    executor->metrics = metrics;
    executor->last = &executor->first;
    pthread_mutex_init(&executor->mutex, NULL);
    gs_cond_init(&executor->arrived);
    gs_cond_init(&executor->finished);
    errno = pthread_create(&executor->thread, NULL, run_executor, executor);
    if (errno != 0) {
        gs_status status = gs_fail_errno(err, "cannot start the executor");
        pthread_cond_destroy(&executor->finished);
        pthread_cond_destroy(&executor->arrived);
        pthread_mutex_destroy(&executor->mutex);
        gs_free(executor);
        return status;
    }
    *out = executor;
    return GS_OK;
}

void gs_executor_stop(gs_executor *executor) {
    pthread_mutex_lock(&executor->mutex);
    executor->stopping = true;
    pthread_cond_broadcast(&executor->arrived);
    pthread_mutex_unlock(&executor->mutex);
}

void gs_executor_close(gs_executor *executor) {
    if (!executor) return;
    gs_executor_stop(executor);
    pthread_join(executor->thread, NULL);
    pthread_cond_destroy(&executor->finished);
    pthread_cond_destroy(&executor->arrived);
    pthread_mutex_destroy(&executor->mutex);
    gs_free(executor);
}

/* Owns when the audit log is pruned; the store knows how. What fails is logged and tried again in
 * the next period. */
#include "server/audit_pruner.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/memory.h"
#include "server/clock.h"
#include "server/log.h"
#include "store/audit.h"

struct gs_audit_pruner {
    gs_store *store;
    gs_audit_pruner_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool stopping; /* guarded by mutex */
};

/* True when it is to stop. */
static bool wait_ms(gs_audit_pruner *pruner, int timeout_ms) {
    const struct timespec deadline = gs_clock_after_ms(timeout_ms);
    pthread_mutex_lock(&pruner->mutex);
    int rc = 0;
    while (!pruner->stopping && rc == 0)
        rc = pthread_cond_timedwait(&pruner->changed, &pruner->mutex, &deadline);
    bool stopping = pruner->stopping;
    pthread_mutex_unlock(&pruner->mutex);
    return stopping;
}

static void prune(gs_audit_pruner *pruner) {
    char before[GS_TIME_SIZE];
    gs_error err;
    size_t count = GS_AUDIT_PRUNE_MAX, total = 0;
    gs_time_before(24 * pruner->options.days, before);
    while (count == GS_AUDIT_PRUNE_MAX) {
        gs_status status = gs_store_audit_prune(pruner->store, before, &count, &err);
        if (status != GS_OK) {
            gs_log_text(GS_LOG_ERROR, "audit_not_pruned", "%s", err.text);
            break;
        }
        total += count;
        if (wait_ms(pruner, GS_AUDIT_PRUNE_PAUSE_MS)) break;
    }
    if (total > 0)
        gs_log(GS_LOG_INFO, "audit_pruned",
               json_pack("{s:I, s:s}", "entries", (json_int_t)total, "before", before));
}

static void *run(void *argument) {
    gs_audit_pruner *pruner = argument;
    do {
        prune(pruner);
    } while (!wait_ms(pruner, pruner->options.period_ms));
    return NULL;
}

gs_status gs_audit_pruner_open(gs_store *store, const gs_audit_pruner_options *options,
                               gs_audit_pruner **out, gs_error *err) {
    gs_audit_pruner *pruner = gs_alloc(1, sizeof *pruner);
    if (!pruner) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to prune the audit log");
    pruner->store = store;
    pruner->options = *options;
    pthread_mutex_init(&pruner->mutex, NULL);
    gs_cond_init(&pruner->changed);
    errno = pthread_create(&pruner->thread, NULL, run, pruner);
    if (errno != 0) {
        gs_status status = gs_fail_errno(err, "cannot start a thread to prune the audit log");
        pthread_cond_destroy(&pruner->changed);
        pthread_mutex_destroy(&pruner->mutex);
        gs_free(pruner);
        return status;
    }
    *out = pruner;
    return GS_OK;
}

void gs_audit_pruner_close(gs_audit_pruner *pruner) {
    if (!pruner) return;
    pthread_mutex_lock(&pruner->mutex);
    pruner->stopping = true;
    pthread_cond_signal(&pruner->changed);
    pthread_mutex_unlock(&pruner->mutex);
    pthread_join(pruner->thread, NULL);
    pthread_cond_destroy(&pruner->changed);
    pthread_mutex_destroy(&pruner->mutex);
    gs_free(pruner);
}

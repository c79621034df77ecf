/* The one thread that computes. Requests wait in a bounded queue; what waits for the same model and
 * operation runs as one batch. Work in the background is taken when no request waits, in batches of
 * its own: a request waits for one of those at most.
 *
 * Threads: gs_executor_run from any; sessions are touched by the executor's own thread alone. */
#ifndef GS_SERVER_EXECUTOR_H
#define GS_SERVER_EXECUTOR_H

#include "server/metrics.h"
#include "server/model_cache.h"

typedef struct gs_executor gs_executor;

typedef struct gs_executor_options {
    size_t max_batch;    /* images of one batch */
    size_t queue_images; /* images of requests that may wait; more are refused */
    int wait_us;         /* how long an unfilled batch waits for more, when more seem to come */
    int timeout_ms;      /* how long a request may wait for its answer */
} gs_executor_options;

/* metrics is borrowed and must outlive the executor. Caller closes. */
GS_MUST_CHECK gs_status gs_executor_open(const gs_executor_options *options, gs_metrics *metrics,
                                         gs_executor **out, gs_error *err);
/* What waits and what comes from now on gets CANCELLED; nothing waits any more. */
void gs_executor_stop(gs_executor *executor);
/* Stops and finishes the batch that runs. No gs_executor_run may be in progress. NULL is allowed.
 */
void gs_executor_close(gs_executor *executor);

/* One request; arrays of `count` images one after the other. */
typedef struct gs_work {
    gs_model_slot *slot; /* borrowed */
    gs_operation operation;
    size_t count;                /* 1 or more */
    float *images;               /* [count,C,H,W]; owned by the executor from the call on */
    const gs_unique_code *codes; /* [count] for GS_INSERT; borrowed */
    gs_priority priority;
    gs_grouping grouping;
} gs_work;

/* Queues the work and waits for its end. maps_out: as in gs_inference_result; the caller frees
 * each. BUSY: queue full, or no answer within the time limit; never for work in the background.
 * Takes work->images, also on failure.
 */
GS_MUST_CHECK gs_status gs_executor_run(gs_executor *executor, const gs_work *work,
                                        float *maps_out[3], gs_error *err);

/* Images of requests that wait now. */
size_t gs_executor_queued(gs_executor *executor);

#endif

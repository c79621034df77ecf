/* Counters and histograms in the Prometheus text format. Thread-safe: one mutex, held briefly. */
#ifndef GS_SERVER_METRICS_H
#define GS_SERVER_METRICS_H

#include "api/handler.h"

typedef struct gs_metrics gs_metrics;

GS_MUST_CHECK gs_status gs_metrics_new(gs_metrics **out, gs_error *err);
void gs_metrics_free(gs_metrics *metrics); /* NULL is allowed */

/* One answered request. `route` is an index as gs_router_answer returns. */
void gs_metrics_count_request(gs_metrics *metrics, size_t route, int http_status, double seconds);

/* One batch that the executor ran, and how long each of its requests had waited. */
void gs_metrics_count_batch(gs_metrics *metrics, gs_operation operation, size_t images,
                            double compute_seconds);
void gs_metrics_count_wait(gs_metrics *metrics, gs_operation operation, double queue_seconds);
/* A request refused because the queue was full. */
void gs_metrics_count_refusal(gs_metrics *metrics);

/* What the server is at this moment; read by the caller just before. */
typedef struct gs_metrics_gauges {
    size_t queued_images, requests_in_flight;
    int64_t jobs[GS_JOB_STATES];
    char active_model[GS_ID_SIZE]; /* "" = none */
    const char *backend;
} gs_metrics_gauges;

/* NULL when out of memory. Caller gs_frees. */
char *gs_metrics_text(gs_metrics *metrics, const gs_metrics_gauges *gauges);

#endif

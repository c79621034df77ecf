#include "server/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/router.h"
#include "base/memory.h"
#include "server/process_stats.h"

enum { STATUS_FIRST = 100, STATUS_COUNT = 500, OPERATIONS = 3, BOUND_COUNT = 13, SIZE_BOUNDS = 6 };

static const double seconds_bounds[BOUND_COUNT] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                   0.25,  0.5,    1,     2.5,  5,     10};
static const double size_bounds[SIZE_BOUNDS] = {1, 2, 4, 8, 16, 32};
static const char *const operation_names[OPERATIONS] = {"segment", "remove", "insert"};

typedef struct histogram {
    const double *bounds;
    int bound_count;
    uint64_t buckets[BOUND_COUNT]; /* values <= bounds[i], not cumulative */
    uint64_t count;
    double sum;
} histogram;

typedef uint64_t route_counts[STATUS_COUNT];

struct gs_metrics {
    pthread_mutex_t mutex;
    /* guarded by mutex: */
    route_counts *requests;     /* [gs_route_count + 2] */
    histogram *request_seconds; /* [gs_route_count + 2] */
    histogram queue_seconds[OPERATIONS], compute_seconds[OPERATIONS], batch_images[OPERATIONS];
    uint64_t refusals;
};

gs_status gs_metrics_new(gs_metrics **out, gs_error *err) {
    gs_metrics *metrics = gs_alloc(1, sizeof *metrics);
    size_t routes = gs_route_count + 2;
    if (metrics) {
        metrics->requests = gs_alloc(routes, sizeof *metrics->requests);
        metrics->request_seconds = gs_alloc(routes, sizeof *metrics->request_seconds);
    }
    if (!metrics || !metrics->requests || !metrics->request_seconds) {
        if (metrics) gs_free(metrics->requests);
        if (metrics) gs_free(metrics->request_seconds);
        gs_free(metrics);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the metrics");
    }
    pthread_mutex_init(&metrics->mutex, NULL);
    histogram seconds = {.bounds = seconds_bounds, .bound_count = BOUND_COUNT};
    for (size_t i = 0; i < routes; i++) metrics->request_seconds[i] = seconds;
    for (int i = 0; i < OPERATIONS; i++) {
        metrics->queue_seconds[i] = seconds;
        metrics->compute_seconds[i] = seconds;
        metrics->batch_images[i] = (histogram){.bounds = size_bounds, .bound_count = SIZE_BOUNDS};
    }
    *out = metrics;
    return GS_OK;
}

void gs_metrics_free(gs_metrics *metrics) {
    if (!metrics) return;
    pthread_mutex_destroy(&metrics->mutex);
    gs_free(metrics->requests);
    gs_free(metrics->request_seconds);
    gs_free(metrics);
}

static void observe(histogram *h, double value) {
    h->count++;
    h->sum += value;
    for (int i = 0; i < h->bound_count; i++) {
        if (value > h->bounds[i]) continue;
        h->buckets[i]++;
        return;
    }
}

void gs_metrics_count_request(gs_metrics *metrics, size_t route, int http_status, double seconds) {
    gs_assert(http_status >= STATUS_FIRST && http_status < STATUS_FIRST + STATUS_COUNT);
    pthread_mutex_lock(&metrics->mutex);
    metrics->requests[route][http_status - STATUS_FIRST]++;
    observe(&metrics->request_seconds[route], seconds);
    pthread_mutex_unlock(&metrics->mutex);
}

void gs_metrics_count_batch(gs_metrics *metrics, gs_operation operation, size_t images,
                            double compute_seconds) {
    pthread_mutex_lock(&metrics->mutex);
    observe(&metrics->compute_seconds[operation], compute_seconds);
    observe(&metrics->batch_images[operation], (double)images);
    pthread_mutex_unlock(&metrics->mutex);
}

void gs_metrics_count_wait(gs_metrics *metrics, gs_operation operation, double queue_seconds) {
    pthread_mutex_lock(&metrics->mutex);
    observe(&metrics->queue_seconds[operation], queue_seconds);
    pthread_mutex_unlock(&metrics->mutex);
}

void gs_metrics_count_refusal(gs_metrics *metrics) {
    pthread_mutex_lock(&metrics->mutex);
    metrics->refusals++;
    pthread_mutex_unlock(&metrics->mutex);
}

/* ==== Text ==== */

static void print_head(FILE *out, const char *name, const char *type, const char *help) {
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* `label` is `operation="segment"` or "". */
static void print_histogram(FILE *out, const char *name, const char *label, const histogram *h) {
    const char *comma = *label ? "," : "";
    uint64_t total = 0;
    for (int i = 0; i < h->bound_count; i++) {
        total += h->buckets[i];
        fprintf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, label, comma, h->bounds[i],
                (unsigned long long)total);
    }
    fprintf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, label, comma,
            (unsigned long long)h->count);
    const char *open = *label ? "{" : "", *close = *label ? "}" : "";
    fprintf(out, "%s_sum%s%s%s %g\n", name, open, label, close, h->sum);
    fprintf(out, "%s_count%s%s%s %llu\n", name, open, label, close, (unsigned long long)h->count);
}

static void print_by_operation(FILE *out, const char *name, const char *help,
                               const histogram histograms[OPERATIONS]) {
    print_head(out, name, "histogram", help);
    for (int i = 0; i < OPERATIONS; i++) {
        char label[48];
        snprintf(label, sizeof label, "operation=\"%s\"", operation_names[i]);
        print_histogram(out, name, label, &histograms[i]);
    }
}

static const char *method_of(size_t route) {
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    return route < gs_route_count ? methods[gs_routes[route].method] : "any";
}

static void print_requests_locked(FILE *out, const gs_metrics *metrics) {
    print_head(out, "genseg_http_requests_total", "counter", "Answered requests.");
    for (size_t route = 0; route < gs_route_count + 2; route++) {
        for (int i = 0; i < STATUS_COUNT; i++) {
            uint64_t count = metrics->requests[route][i];
            if (count == 0) continue;
            fprintf(out,
                    "genseg_http_requests_total{method=\"%s\",route=\"%s\",status=\"%d\"} %llu\n",
                    method_of(route), gs_route_label(route), i + STATUS_FIRST,
                    (unsigned long long)count);
        }
    }
    print_head(out, "genseg_http_request_seconds", "histogram", "From the headers to the answer.");
    for (size_t route = 0; route < gs_route_count + 2; route++) {
        if (metrics->request_seconds[route].count == 0) continue;
        char label[160];
        snprintf(label, sizeof label, "method=\"%s\",route=\"%s\"", method_of(route),
                 gs_route_label(route));
        print_histogram(out, "genseg_http_request_seconds", label,
                        &metrics->request_seconds[route]);
    }
}

static void print_gauges(FILE *out, const gs_metrics_gauges *gauges) {
    print_head(out, "genseg_http_requests_in_flight", "gauge", "Requests being answered.");
    fprintf(out, "genseg_http_requests_in_flight %zu\n", gauges->requests_in_flight);
    print_head(out, "genseg_queue_images", "gauge", "Images waiting for inference.");
    fprintf(out, "genseg_queue_images %zu\n", gauges->queued_images);
    print_head(out, "genseg_jobs", "gauge", "Jobs by state.");
    for (int i = 0; i < GS_JOB_STATES; i++)
        fprintf(out, "genseg_jobs{state=\"%s\"} %lld\n", gs_job_state_name((gs_job_state)i),
                (long long)gauges->jobs[i]);
    print_head(out, "genseg_info", "gauge", "Version and backend.");
    fprintf(out, "genseg_info{version=\"%s\",backend=\"%s\"} 1\n", GENSEG_VERSION, gauges->backend);
    print_head(out, "genseg_active_model", "gauge", "The model that answers requests naming none.");
    if (gauges->active_model[0])
        fprintf(out, "genseg_active_model{model=\"%s\"} 1\n", gauges->active_model);
}

/* As Prometheus' own client libraries call them. */
static void print_process(FILE *out) {
    gs_process_stats stats;
    gs_process_stats_read(&stats);
    print_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    fprintf(out, "process_resident_memory_bytes %llu\n", (unsigned long long)stats.resident_bytes);
    print_head(out, "process_cpu_seconds_total", "counter", "Processor time, user and system.");
    fprintf(out, "process_cpu_seconds_total %.3f\n", stats.cpu_seconds);
    print_head(out, "process_open_fds", "gauge", "Open file descriptors.");
    fprintf(out, "process_open_fds %llu\n", (unsigned long long)stats.open_descriptors);
    print_head(out, "process_start_time_seconds", "gauge", "Start, seconds since 1970.");
    fprintf(out, "process_start_time_seconds %.2f\n", stats.started_at);
}

char *gs_metrics_text(gs_metrics *metrics, const gs_metrics_gauges *gauges) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    print_gauges(out, gauges);
    print_process(out);
    pthread_mutex_lock(&metrics->mutex);
    print_requests_locked(out, metrics);
    print_head(out, "genseg_queue_refused_total", "counter", "Inferences refused: queue full.");
    fprintf(out, "genseg_queue_refused_total %llu\n", (unsigned long long)metrics->refusals);
    print_by_operation(out, "genseg_queue_seconds", "Waiting before a batch.",
                       metrics->queue_seconds);
    print_by_operation(out, "genseg_compute_seconds", "Computing a batch.",
                       metrics->compute_seconds);
    print_by_operation(out, "genseg_batch_images", "Images of a batch.", metrics->batch_images);
    pthread_mutex_unlock(&metrics->mutex);
    char *whole = gs_text_finish(out, &text), *copy = whole ? gs_copy_string(whole) : NULL;
    free(whole);
    return copy;
}

/* Life of a request, as libmicrohttpd calls us, all on the connection's own thread:
 *
 *   on_target ──▶ on_request (headers) ──▶ on_request (body, repeatedly) ──▶ on_request (end)
 *       └──────────────────────────────────────────────▶ on_completed, also when the client hung up
 *
 * A refused body (too large, no room) is read and dropped up to a limit, since a client that is cut
 * off while it sends does not see the answer. */
#include "server/http_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api/router.h"
#include "base/memory.h"
#include "server/clock.h"
#include "server/log.h"

void gs__exchange_refuse(gs__exchange *exchange, int http_status, const char *format, ...) {
    if (exchange->refusal) return;
    exchange->refusal = http_status;
    va_list args;
    va_start(args, format);
    vsnprintf(exchange->refusal_text, sizeof exchange->refusal_text, format, args);
    va_end(args);
    gs__exchange_drop_body(exchange);
}

/* ==== Bodies ==== */

void gs__exchange_drop_body(gs__exchange *exchange) {
    gs_free(exchange->body);
    atomic_fetch_sub(&exchange->http->buffered_bytes, exchange->body_capacity);
    exchange->body = NULL;
    exchange->body_size = exchange->body_capacity = 0;
}

/* Grows by doubling, so that a lying Content-Length costs nothing, within the server's budget. */
static bool reserve(gs__exchange *exchange, size_t size) {
    if (size <= exchange->body_capacity) return true;
    gs_http *http = exchange->http;
    size_t limit = http->context->limits.body_bytes;
    size_t capacity = exchange->body_capacity ? exchange->body_capacity : 64 * 1024;
    while (capacity < size) capacity *= 2;
    if (capacity > limit) capacity = limit;
    size_t more = capacity - exchange->body_capacity;
    if (atomic_fetch_add(&http->buffered_bytes, more) + more > http->options.buffered_bytes) {
        atomic_fetch_sub(&http->buffered_bytes, more);
        return false;
    }
    char *body = gs_resize(exchange->body, capacity, 1);
    if (!body) {
        atomic_fetch_sub(&http->buffered_bytes, more);
        return false;
    }
    exchange->body = body;
    exchange->body_capacity = capacity;
    return true;
}

/* False: give up on this connection. */
static bool take_body(gs__exchange *exchange, const char *bytes, size_t size) {
    size_t limit = exchange->http->context->limits.body_bytes;
    if (gs_clock_seconds() - exchange->started > GS__UPLOAD_SECONDS) return false;
    if (!exchange->refusal && !exchange->unwanted && size > limit - exchange->body_size)
        gs__exchange_refuse(exchange, 413, "the body is larger than %zu bytes", limit);
    if (!exchange->refusal && !exchange->unwanted && !reserve(exchange, exchange->body_size + size))
        gs__exchange_refuse(exchange, 503, "too many uploads at once, try again");
    if (exchange->refusal || exchange->unwanted) {
        exchange->discarded += size;
        return exchange->discarded <= GS__DISCARD_MAX;
    }
    memcpy(exchange->body + exchange->body_size, bytes, size);
    exchange->body_size += size;
    return true;
}

/* ==== libmicrohttpd's calls ==== */

static void *on_target(void *cls, const char *target, struct MHD_Connection *connection) {
    (void)connection;
    gs__exchange *exchange = gs_alloc(1, sizeof *exchange);
    if (!exchange) return NULL;
    exchange->http = cls;
    exchange->route = gs_route_count + 1;
    exchange->started = gs_clock_seconds();
    exchange->target = gs_copy_string(target);
    exchange->path = gs_copy_bytes(target, strcspn(target, "?"));
    atomic_fetch_add(&exchange->http->in_flight, 1);
    return exchange;
}

/* What can be refused without reading the body. */
static void check_size(gs__exchange *exchange) {
    if (strlen(exchange->target) > GS__TARGET_MAX)
        gs__exchange_refuse(exchange, 414, "the URL is longer than %d bytes", GS__TARGET_MAX);
    const char *length = gs_request_get_header(&exchange->request, "Content-Length");
    size_t limit = exchange->http->context->limits.body_bytes;
    if (length && strtoull(length, NULL, 10) > limit)
        gs__exchange_refuse(exchange, 413, "the body is larger than %zu bytes", limit);
}

/* Whether to answer before the body: the client asks first (Expect), or sends more than we read. */
static bool refuses_at_once(const gs__exchange *exchange) {
    if (!exchange->refusal && !exchange->unwanted) return false;
    const char *expect = gs_request_get_header(&exchange->request, "Expect");
    const char *length = gs_request_get_header(&exchange->request, "Content-Length");
    return (expect && strcasecmp(expect, "100-continue") == 0) ||
           (length && strtoull(length, NULL, 10) > GS__DISCARD_MAX);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state) {
    (void)cls;
    (void)url;
    (void)version;
    gs__exchange *exchange = *state;
    if (!exchange || !exchange->target || !exchange->path) return MHD_NO;
    if (!exchange->begun) {
        exchange->begun = true;
        exchange->method = method;
        gs__exchange_read_headers(exchange, connection);
        check_size(exchange);
        return refuses_at_once(exchange) ? gs__exchange_answer(exchange, connection) : MHD_YES;
    }
    if (exchange->status != 0) return MHD_NO; /* answered before its body, which nobody wants */
    if (*upload_size == 0) return gs__exchange_answer(exchange, connection);
    bool goes_on = take_body(exchange, upload, *upload_size);
    *upload_size = 0;
    return goes_on ? MHD_YES : MHD_NO;
}

static void log_exchange(const gs__exchange *exchange, enum MHD_RequestTerminationCode end) {
    static const char *const ends[] = {"complete",        "connection failed", "timeout",
                                       "server stopping", "connection closed", "client hung up"};
    const char *why = (size_t)end < sizeof ends / sizeof ends[0] ? ends[end] : "unknown";
    json_t *path = json_string(exchange->path ? exchange->path : "");
    gs_log(GS_LOG_INFO, "request",
           json_pack("{s:s, s:s, s:o, s:s, s:i, s:I, s:I, s:f, s:s, s:s, s:s}", "request_id",
                     exchange->id, "method", exchange->method ? exchange->method : "", "path",
                     path ? path : json_string("(not UTF-8)"), "route",
                     gs_route_label(exchange->route), "status", exchange->status, "bytes_in",
                     (json_int_t)exchange->body_size, "bytes_out",
                     (json_int_t)exchange->answer_bytes, "seconds",
                     gs_clock_seconds() - exchange->started, "end", why, "address",
                     exchange->request.caller.address, "token", exchange->request.caller.token));
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode end) {
    (void)connection;
    gs_http *http = cls;
    gs__exchange *exchange = *state;
    if (!exchange) return;
    *state = NULL;
    if (exchange->begun) log_exchange(exchange, end);
    if (exchange->status != 0)
        gs_metrics_count_request(http->metrics, exchange->route, exchange->status,
                                 gs_clock_seconds() - exchange->started);
    gs__exchange_drop_body(exchange);
    gs_free(exchange->target);
    gs_free(exchange->path);
    gs_free(exchange);
    if (atomic_fetch_sub(&http->in_flight, 1) > 1) return;
    pthread_mutex_lock(&http->mutex);
    pthread_cond_broadcast(&http->idle);
    pthread_mutex_unlock(&http->mutex);
}

static void on_library_message(void *cls, const char *format, va_list args) GS_PRINTF(2, 0);
static void on_library_message(void *cls, const char *format, va_list args) {
    (void)cls;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    gs_log_text(GS_LOG_WARNING, "http", "%s", text);
}

/* ==== Life ==== */

static struct MHD_Daemon *start_daemon(gs_http *http) {
    const gs_http_options *options = &http->options;
    const gs_tls *tls = options->tls;
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem encryption[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, tls->certificate},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, tls->key},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t) "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"},
        {MHD_OPTION_END, 0, NULL}};
    if (tls->certificate)
        flags |= MHD_USE_TLS;
    else
        encryption[0] = encryption[3];
    return MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, http,               /* the port is the socket's */
        MHD_OPTION_EXTERNAL_LOGGER, on_library_message, NULL, /* first: it reports the rest */
        MHD_OPTION_LISTEN_SOCKET, options->socket, MHD_OPTION_CONNECTION_LIMIT,
        options->connections, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)GS__CONNECTION_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, http, MHD_OPTION_ARRAY, encryption,
        MHD_OPTION_END);
}

gs_status gs_http_start(const gs_http_options *options, const gs_api_context *context,
                        gs_metrics *metrics, gs_http **out, gs_error *err) {
    gs_http *http = gs_alloc(1, sizeof *http);
    if (!http) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the HTTP server");
    http->context = context;
    http->metrics = metrics;
    http->options = *options;
    pthread_mutex_init(&http->mutex, NULL);
    gs_cond_init(&http->idle);
    http->daemon = start_daemon(http);
    if (!http->daemon) {
        pthread_cond_destroy(&http->idle);
        pthread_mutex_destroy(&http->mutex);
        gs_free(http);
        return gs_fail(err, GS_IO, "cannot start the HTTP server");
    }
    *out = http;
    return GS_OK;
}

void gs_http_drain(gs_http *http, int timeout_ms) {
    atomic_store(&http->draining, true);
    MHD_socket listening = MHD_quiesce_daemon(http->daemon);
    if (listening != MHD_INVALID_SOCKET) close(listening);
    struct timespec deadline = gs_clock_after_ms(timeout_ms);
    int waited = 0;
    pthread_mutex_lock(&http->mutex);
    while (atomic_load(&http->in_flight) > 0 && waited != ETIMEDOUT)
        waited = pthread_cond_timedwait(&http->idle, &http->mutex, &deadline);
    pthread_mutex_unlock(&http->mutex);
}

void gs_http_stop(gs_http *http) {
    if (!http) return;
    MHD_stop_daemon(http->daemon);
    pthread_cond_destroy(&http->idle);
    pthread_mutex_destroy(&http->mutex);
    gs_free(http);
}

size_t gs_http_in_flight(const gs_http *http) {
    return atomic_load(&http->in_flight);
}

/* HTTP on a listening socket: libmicrohttpd in, gs_router_answer out. One thread per connection,
 * all of them bounded: connections, headers, bodies, the sum of all bodies, and time. */
#ifndef GS_SERVER_HTTP_H
#define GS_SERVER_HTTP_H

#include "server/cors.h"
#include "server/metrics.h"
#include "server/rate_limit.h"
#include "server/tls.h"

typedef struct gs_http gs_http;

typedef struct gs_http_options {
    int socket;            /* listening; owned by the gs_http once started */
    unsigned connections;  /* open at once; more wait to be accepted */
    unsigned idle_seconds; /* without a byte in or out, a connection is closed */
    const gs_tls *tls;     /* borrowed until stop; without a certificate: plain HTTP */
    gs_cors cors;
    size_t buffered_bytes;   /* of all bodies being received; beyond it 503 */
    gs_rate_limit *requests; /* of each token; borrowed; NULL = as often as it likes */
} gs_http_options;

/* context and metrics are borrowed and must outlive the gs_http. Caller stops. */
GS_MUST_CHECK gs_status gs_http_start(const gs_http_options *options, const gs_api_context *context,
                                      gs_metrics *metrics, gs_http **out, gs_error *err);

/* Accepts nothing more and waits until all requests are answered, at most timeout_ms. */
void gs_http_drain(gs_http *http, int timeout_ms);

/* Closes every connection. No service may block for long any more. NULL is allowed. */
void gs_http_stop(gs_http *http);

/* Requests being received or answered. */
size_t gs_http_in_flight(const gs_http *http);

#endif

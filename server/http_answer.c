/* Headers in, response out. Who may talk to us at all is decided here: see check_sender. */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "api/access.h"
#include "api/router.h"
#include "api/uri.h"
#include "base/memory.h"
#include "server/address.h"
#include "server/http_internal.h"

/* ==== Headers ==== */

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value) {
    (void)kind;
    gs__exchange *exchange = cls;
    gs_request *request = &exchange->request;
    if (!value) value = "";
    if (request->header_count == GS_MAX_HEADERS) {
        gs__exchange_refuse(exchange, 431, "the request has more than %d header fields",
                            GS_MAX_HEADERS);
        return MHD_NO;
    }
    if (!gs_text_is_clean(name, strlen(name)) || !gs_text_is_clean(value, strlen(value))) {
        gs__exchange_refuse(exchange, 400, "a header field is not UTF-8 or has control characters");
        return MHD_YES;
    }
    request->headers[request->header_count++] = (gs_pair){.name = name, .value = value};
    return MHD_YES;
}

/* A client's own id is kept when it is short and plain, so that it can be logged and echoed. */
static void choose_id(gs__exchange *exchange) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *given = gs_request_get_header(&exchange->request, "X-Request-Id");
    size_t length = given ? strlen(given) : 0;
    if (length > 0 && length <= GS__REQUEST_ID_MAX && strspn(given, plain) == length) {
        strcpy(exchange->id, given);
        return;
    }
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = (uint64_t)(uintptr_t)exchange; /* still tells requests of the moment apart */
    snprintf(exchange->id, sizeof exchange->id, "%016llx", (unsigned long long)random);
}

static bool is_friendly_origin(const gs__exchange *exchange, const char *origin, const char *host) {
    /* With tokens there may be TLS in front of us. */
    return gs_cors_allows(&exchange->http->options.cors, origin) ||
           gs_origin_is_host(origin, "http://", host) ||
           (exchange->http->context->access.required &&
            gs_origin_is_host(origin, "https://", host));
}

/* Without tokens, whoever reaches the loopback address is trusted; a web page in this machine's
 * browser reaches it too. A page that rebinds its name to 127.0.0.1 betrays itself by Host, a page
 * of another origin that posts to us by Origin. */
static void check_sender(gs__exchange *exchange) {
    const char *host = gs_request_get_header(&exchange->request, "Host");
    const char *origin = gs_request_get_header(&exchange->request, "Origin");
    if (!host) {
        gs__exchange_refuse(exchange, 400, "the request has no Host header");
    } else if (!exchange->http->context->access.required && !gs_host_is_loopback(host)) {
        gs__exchange_refuse(exchange, 421,
                            "this server answers as localhost or 127.0.0.1, not as "
                            "'%.80s'",
                            host);
    } else if (origin && !is_friendly_origin(exchange, origin, host)) {
        gs__exchange_refuse(exchange, 403, "requests of pages from '%.80s' are refused", origin);
    }
}

/* The last entry of X-Forwarded-For: what the proxy itself added. Those before it anybody can send.
 * Left alone when it is no address. */
static void note_forwarded(gs_request *request) {
    const char *list = gs_request_get_header(request, "X-Forwarded-For");
    const char *comma = list ? strrchr(list, ',') : NULL;
    unsigned char parsed[sizeof(struct in6_addr)];
    if (!list) return;
    const char *last = comma ? comma + 1 : list;
    last += strspn(last, " \t");
    if (inet_pton(AF_INET, last, parsed) == 1 || inet_pton(AF_INET6, last, parsed) == 1)
        snprintf(request->caller.address, GS_ADDRESS_SIZE, "%s", last);
}

static void note_address(gs__exchange *exchange, struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (!info || !info->client_addr) return;
    char *out = exchange->request.caller.address;
    socklen_t size = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                              : sizeof(struct sockaddr_in);
    if (getnameinfo(info->client_addr, size, out, GS_ADDRESS_SIZE, NULL, 0, NI_NUMERICHOST) != 0)
        out[0] = '\0';
    if (exchange->http->context->access.behind_proxy) note_forwarded(&exchange->request);
}

void gs__exchange_read_headers(gs__exchange *exchange, struct MHD_Connection *connection) {
    MHD_get_connection_values(connection, MHD_HEADER_KIND, take_header, exchange);
    choose_id(exchange);
    note_address(exchange, connection);
    check_sender(exchange);
    gs_caller *caller = &exchange->request.caller;
    gs_access_identify(exchange->http->context, &exchange->request);
    caller->wait_seconds =
        gs_rate_limit_take(exchange->http->options.requests, caller->token, exchange->started);
    exchange->unwanted = !gs_router_admits(&exchange->request, exchange->target, exchange->method);
}

/* ==== Responses ==== */

static ssize_t read_stream(void *cls, uint64_t position, char *buffer, size_t size) {
    (void)position;
    gs_stream *stream = cls;
    ssize_t count = stream->read(stream->state, buffer, size);
    return count < 0 ? (ssize_t)MHD_CONTENT_READER_END_OF_STREAM : count;
}

static void free_stream(void *cls) {
    gs_stream *stream = cls;
    if (stream->free) stream->free(stream->state);
    gs_free(stream);
}

static struct MHD_Response *stream_response(gs_response *response) {
    gs_stream *stream = gs_alloc(1, sizeof *stream);
    if (!stream) return NULL;
    *stream = response->stream;
    struct MHD_Response *made = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 16 * 1024,
                                                                  read_stream, stream, free_stream);
    if (made) {
        response->stream = (gs_stream){0}; /* the library frees it */
    } else {
        gs_free(stream);
    }
    return made;
}

/* Moves the body, file or stream out of `response`; NULL without memory. */
static struct MHD_Response *take_response(gs__exchange *exchange, gs_response *response) {
    if (response->stream.read) return stream_response(response);
    struct MHD_Response *made;
    if (response->file.is_set) {
        made = MHD_create_response_from_fd64(response->file.size, response->file.descriptor);
        if (made) response->file.is_set = false;
        exchange->answer_bytes = response->file.size;
    } else if (response->body) {
        made = MHD_create_response_from_buffer_with_free_callback(response->body_size,
                                                                  response->body, gs_free);
        if (made) response->body = NULL;
        exchange->answer_bytes = response->body_size;
    } else {
        made = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
    }
    return made;
}

static void add_headers(const gs__exchange *exchange, const gs_response *response,
                        struct MHD_Response *made) {
    bool has_cache_control = false;
    for (size_t i = 0; i < response->header_count; i++) {
        MHD_add_response_header(made, response->headers[i].name, response->headers[i].value);
        has_cache_control =
            has_cache_control || strcmp(response->headers[i].name, "Cache-Control") == 0;
    }
    if (!has_cache_control) MHD_add_response_header(made, "Cache-Control", "no-cache");
    if (response->content_type)
        MHD_add_response_header(made, "Content-Type", response->content_type);
    MHD_add_response_header(made, "X-Request-Id", exchange->id);
    MHD_add_response_header(made, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(made, "Cross-Origin-Resource-Policy", "same-origin");
    const gs_request *request = &exchange->request;
    bool is_preflight = exchange->method && strcmp(exchange->method, "OPTIONS") == 0;
    gs_cors_add_headers(
        &exchange->http->options.cors, gs_request_get_header(request, "Origin"),
        is_preflight ? gs_request_get_header(request, "Access-Control-Request-Method") : NULL,
        made);
    if (atomic_load(&exchange->http->draining))
        MHD_add_response_header(made, "Connection", "close");
}

static void give_refusal(gs__exchange *exchange, gs_response *response) {
    gs_error err;
    gs_status status = exchange->refusal == 413   ? GS_TOO_LARGE
                       : exchange->refusal == 503 ? GS_BUSY
                                                  : GS_INVALID_ARGUMENT;
    gs_fail(&err, status, "%s", exchange->refusal_text);
    response->problem_status = exchange->refusal;
    gs_response_set_problem(response, status, &err, exchange->id);
}

static void route(gs__exchange *exchange, gs_response *response) {
    gs_request *request = &exchange->request;
    request->path = exchange->path;
    request->id = exchange->id;
    request->body = exchange->body_size ? exchange->body : NULL;
    request->body_size = exchange->body_size;
    exchange->route = gs_router_answer(exchange->http->context, request, exchange->target,
                                       exchange->method, response);
}

enum MHD_Result gs__exchange_answer(gs__exchange *exchange, struct MHD_Connection *connection) {
    gs_response response = {0};
    /* A handler may take longer than an idle connection is kept: the clock stands meanwhile, and
     * starts anew when the limit is set again. */
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0U);
    if (exchange->refusal) {
        give_refusal(exchange, &response);
    } else {
        route(exchange, &response);
    }
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              exchange->http->options.idle_seconds);
    size_t received = exchange->body_size;
    gs__exchange_drop_body(exchange);
    exchange->body_size = received; /* for the log */
    exchange->status = response.status;
    struct MHD_Response *made = take_response(exchange, &response);
    enum MHD_Result result = MHD_NO;
    if (made) {
        add_headers(exchange, &response, made);
        result = MHD_queue_response(connection, (unsigned)response.status, made);
        MHD_destroy_response(made);
    }
    gs_response_deinit(&response);
    return result;
}

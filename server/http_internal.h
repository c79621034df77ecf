/* Shared by http.c (connections, bodies) and http_answer.c (responses). */
#ifndef GS_SERVER_HTTP_INTERNAL_H
#define GS_SERVER_HTTP_INTERNAL_H

#include "server/http.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    GS__REQUEST_ID_MAX = 64,
    GS__TARGET_MAX = 8 * 1024,           /* bytes of a request target */
    GS__DISCARD_MAX = 256 * 1024 * 1024, /* of a refused body read so that the refusal arrives */
    GS__UPLOAD_SECONDS = 600,            /* from the headers to the end of the body */
    GS__CONNECTION_BYTES = 64 * 1024,    /* headers of one request and buffers */
};

struct gs_http {
    struct MHD_Daemon *daemon;
    const gs_api_context *context;
    gs_metrics *metrics;
    gs_http_options options;
    atomic_size_t buffered_bytes;
    atomic_size_t in_flight;
    atomic_bool draining;
    pthread_mutex_t mutex; /* for the condition only */
    pthread_cond_t idle;   /* in_flight became 0 */
};

/* One request and its answer; lives from the request line to the end of the answer. */
typedef struct gs__exchange {
    gs_http *http;
    char *target;       /* as sent; taken apart by the router */
    char *path;         /* as sent, without the query */
    const char *method; /* borrowed from the connection, as the headers of `request` */
    bool begun;         /* headers were read */
    double started;     /* gs_clock_seconds */
    char *body;
    size_t body_size, body_capacity;
    size_t discarded; /* bytes of a refused body */
    int refusal;      /* HTTP status of an answer given before any handler; 0 = none */
    char refusal_text[160];
    bool unwanted; /* the router will refuse: the body is read and dropped */
    char id[GS__REQUEST_ID_MAX + 1];
    gs_request request;
    size_t route;
    int status;          /* 0 until answered */
    size_t answer_bytes; /* of a body that is not streamed */
} gs__exchange;

/* Notes the refusal unless there is one already. */
void gs__exchange_refuse(gs__exchange *exchange, int http_status, const char *format, ...)
    GS_PRINTF(3, 4);

/* Checks and notes the headers, the request's id among them. */
void gs__exchange_read_headers(gs__exchange *exchange, struct MHD_Connection *connection);

/* Calls the router (or gives the refusal) and queues the response. */
enum MHD_Result gs__exchange_answer(gs__exchange *exchange, struct MHD_Connection *connection);

/* Releases the body and its share of the budget. */
void gs__exchange_drop_body(gs__exchange *exchange);

#endif

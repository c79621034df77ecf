/* The whole server: store, models, executor, job supervisor and HTTP, started and stopped together.
 */
#ifndef GS_SERVER_SERVER_H
#define GS_SERVER_SERVER_H

#include "base/status.h"
#include "engine/backend/choice.h"
#include "server/cors.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct gs_server gs_server;

enum { GS_SERVER_IMPORTS_MAX = 16, GS_AUDIT_DAYS_DEFAULT = 365, GS_AUDIT_DAYS_MAX = 36500 };

/* Strings are borrowed for the life of the server. Zero or NULL means the default named here. */
typedef struct gs_server_options {
    const char *data;      /* folder; required */
    const char *listen;    /* "127.0.0.1:8080" */
    const char *web;       /* the viewer's folder; the one of the source tree */
    const char *trainer;   /* the program that has `train`; this one */
    gs_engine_wish engine; /* also of trainings; its backend: "auto" */
    int threads;           /* of the engine; all processors */
    int max_batch;         /* images computed together; 8 */
    int queue;             /* images that may wait; 64 */
    int max_body_mib;      /* of one request; 256 */
    int max_pixels;        /* channels x height x width of an image; 16777216 */
    int max_voxels;        /* of all channels of a volume; 268435456 */
    bool auth;             /* who asks needs a token */
    const char *tls_cert;  /* PEM files; NULL: plain HTTP */
    const char *tls_key;
    gs_cors cors;      /* pages of these origins may ask, too */
    int rate_limit;    /* requests per second of one token, bursts of four times that; 0 = any */
    int failure_limit; /* bad tokens per minute and address, before 429; 60 */
    int audit_days;    /* the audit log is kept for; 0 = for ever */
    bool tls_by_proxy; /* who connects is a proxy that has TLS, and says for whom it asks */
    const char *imports[GS_SERVER_IMPORTS_MAX]; /* data set folders, taken into the store first */
    size_t import_count;
    const char *import_model; /* weights to register, and to activate when no model is */
    /* Called once, from any thread, when the engine's device is lost: the process should be started
     * anew. NULL: nobody will. */
    void (*on_engine_lost)(void);
} gs_server_options;

/* Opens everything and answers requests when it returns. Caller closes. */
GS_MUST_CHECK gs_status gs_server_open(const gs_server_options *options, gs_server **out,
                                       gs_error *err);

/* "http://127.0.0.1:8080", with the port the system chose. Borrowed from the server. */
const char *gs_server_url(const gs_server *server);

/* Answers what was asked, has the trainer write a checkpoint, then stops; bounded in time. NULL is
 * allowed. */
void gs_server_close(gs_server *server);

#endif

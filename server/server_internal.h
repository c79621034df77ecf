/* Shared by server.c (life) and services.c (what handlers ask for). */
#ifndef GS_SERVER_SERVER_INTERNAL_H
#define GS_SERVER_SERVER_INTERNAL_H

#include "server/audit_pruner.h"
#include "server/executor.h"
#include "server/http.h"
#include "server/server.h"
#include "server/supervisor.h"
#include "server/volume_run.h"
#include "server/web_folder.h"

#include <pthread.h>
#include <stdatomic.h>

struct gs_server {
    gs_server_options options; /* with the defaults filled in */
    gs_engine_choice engine;   /* what became of options.engine */
    gs_api_context context;
    gs_tls tls;
    gs_rate_limit *requests; /* of each token; NULL = no limit */
    gs_rate_limit *failures; /* of each address */
    gs_store *store;
    gs_audit_pruner *pruner; /* NULL = the audit log is kept for ever */
    gs_web_folder *web;
    gs_metrics *metrics;
    gs_model_cache *cache;
    gs_executor *executor;
    gs_supervisor *supervisor; /* of trainings */
    gs_supervisor *volumes;    /* of jobs on volumes */
    gs_supervisor *predictions;
    gs_volume_runner volume_runner;
    _Atomic(gs_http *)
        http;   /* NULL until gs_http_start returned, while requests may come already */
    int socket; /* listening; -1 once http owns it */
    char url[96];
    char trainer[4096];
    pthread_mutex_t activation; /* one change of the active model at a time */
    pthread_mutex_t losing;
    gs_error lost; /* why the engine's device cannot be used; guarded by losing */
};

extern const gs_api_services gs__services;

/* Makes the model active when none is. */
GS_MUST_CHECK gs_status gs__activate_if_none(gs_server *server, const char *model_id,
                                             gs_error *err);

/* ---- engine_loss.c ---- */

/* DEVICE_LOST with the reason once the engine's device was lost. */
GS_MUST_CHECK gs_status gs__engine_check(gs_server *server, gs_error *err);
/* Looks whether what failed was the device: from then on the server is not ready, and whoever
 * started it is told. Returns `status`; *err says why. */
GS_MUST_CHECK gs_status gs__engine_note(gs_server *server, gs_status status, gs_error *err);

/* Begins to load the model that the store calls active, if there is one. */
void gs__preload_active(gs_server *server);

#endif

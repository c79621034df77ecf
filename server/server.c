/* Starts the parts in the order in which they need each other and stops them in the reverse one. */
#include "server/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/import.h"
#include "api/model_register.h"
#include "api/thumbnail_cache.h"
#include "base/file.h"
#include "base/memory.h"
#include "server/activation.h"
#include "server/address.h"
#include "server/job_run.h"
#include "server/log.h"
#include "server/predict_run.h"
#include "server/server_internal.h"

enum {
    CONNECTIONS = 256,
    IDLE_SECONDS = 60,
    BODIES_AT_ONCE = 4,        /* full-sized bodies being received */
    BATCH_WAIT_US = 1500,      /* see gs_executor_options.wait_us */
    INFERENCE_MS = 120 * 1000, /* longest wait for an answer of the executor */
    DRAIN_MS = 30 * 1000,
    TRAINER_STOP_SECONDS = 60,
    AUDIT_PERIOD_MS = 24 * 60 * 60 * 1000,
};

static void fill_defaults(gs_server *server) {
    gs_server_options *options = &server->options;
    if (!options->listen) options->listen = "127.0.0.1:8080";
    if (!options->engine.backend) options->engine.backend = "auto";
    if (!options->web) options->web = GENSEG_WEB_FOLDER;
    if (!options->failure_limit) options->failure_limit = 60;
    if (!options->max_batch) options->max_batch = 8;
    if (!options->queue) options->queue = 64;
    if (!options->max_body_mib) options->max_body_mib = 256;
    if (!options->max_pixels) options->max_pixels = 16 * 1024 * 1024;
    if (!options->max_voxels) options->max_voxels = 256 * 1024 * 1024;
    server->context = (gs_api_context){
        .store = server->store,
        .data_folder = options->data,
        .limits = {.body_bytes = (size_t)options->max_body_mib << 20,
                   .image = {.values = (size_t)options->max_pixels},
                   .volume_voxels = (size_t)options->max_voxels},
        .access = {.required = options->auth,
                   .secure_cookie = server->tls.certificate || options->tls_by_proxy,
                   .behind_proxy = options->tls_by_proxy},
        .services = &gs__services,
        .server = server,
    };
}

/* The program that trains: the one given, or the one that runs. */
static gs_status find_trainer(gs_server *server, gs_error *err) {
    const char *given = server->options.trainer;
    ssize_t size = 0;
    if (given) {
        size = snprintf(server->trainer, sizeof server->trainer, "%s", given);
    } else {
        size = readlink("/proc/self/exe", server->trainer, sizeof server->trainer - 1);
        if (size < 0) return gs_fail_errno(err, "cannot find this program's own file");
        server->trainer[size] = '\0';
    }
    if (size >= (ssize_t)sizeof server->trainer - 1)
        return gs_fail(err, GS_INVALID_ARGUMENT, "the trainer's path is too long");
    if (access(server->trainer, X_OK) != 0)
        return gs_fail_errno(err, "cannot run the trainer %s", server->trainer);
    return GS_OK;
}

/* ==== What is taken in at the start ==== */

static gs_status import_folders(gs_server *server, gs_error *err) {
    for (size_t i = 0; i < server->options.import_count; i++) {
        gs_import_summary summary;
        const char *folder = server->options.imports[i];
        GS_TRY(gs_api_import_directory(server->store, folder, NULL, &summary, err));
        gs_log(GS_LOG_INFO, "data_set_imported",
               json_pack("{s:s, s:I, s:I}", "folder", folder, "slices", (json_int_t)summary.slices,
                         "added", (json_int_t)summary.added));
    }
    return GS_OK;
}

/* Registers the weights unless they are there already, and activates them when no model is. */
static gs_status import_model(gs_server *server, gs_error *err) {
    const char *path = server->options.import_model;
    if (!path) return GS_OK;
    char *bytes, sha256[GS_SHA256_SIZE];
    size_t size;
    GS_TRY(gs_file_read(path, (size_t)8 << 30, &bytes, &size, err));
    gs_sha256_hex(bytes, size, sha256);
    gs_free(bytes);
    gs_model_record model;
    gs_status status = gs_store_model_find(server->store, sha256, &model, err);
    if (status == GS_NOT_FOUND) {
        const char *slash = strrchr(path, '/');
        gs_model_origin origin = {.path = path, .name = slash ? slash + 1 : path};
        status = gs_model_register(server->store, &origin, NULL, &model, NULL, err);
    }
    if (status != GS_OK) return status;
    status = gs__activate_if_none(server, model.id, err);
    gs_model_record_deinit(&model);
    return status;
}

static void drop_old_uploads(const gs_server *server) {
    char *folder = gs_format("%s/uploads", server->options.data);
    if (folder) gs_folder_remove(folder);
    gs_free(folder);
}

/* ==== Parts ==== */

static gs_status open_compute(gs_server *server, gs_error *err) {
    const gs_server_options *options = &server->options;
    GS_TRY(gs_engine_choose(&options->engine, &server->engine, err));
    const gs_engine_choice *engine = &server->engine;
    gs_session_options session = {.engine = {.backend = engine->backend,
                                             .device = engine->device,
                                             .precision = options->engine.precision},
                                  .threads = options->threads,
                                  .max_batch = options->max_batch};
    gs_executor_options executor = {.max_batch = (size_t)options->max_batch,
                                    .queue_images = (size_t)options->queue,
                                    .wait_us = BATCH_WAIT_US,
                                    .timeout_ms = INFERENCE_MS};
    gs_log(GS_LOG_INFO, "engine",
           json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "backend", engine->backend, "wanted_backend",
                     options->engine.backend, "device", engine->device_name, "precision",
                     gs_precision_name(engine->precision), "wanted",
                     gs_precision_name(options->engine.precision), "remark", engine->remark));
    GS_TRY(gs_metrics_new(&server->metrics, err));
    GS_TRY(gs_model_cache_open(&session, &server->cache, err));
    return gs_executor_open(&executor, server->metrics, &server->executor, err);
}

static void on_model_made(void *context, const gs_job_record *job, const char *model_id) {
    gs__activation_decide(context, job, model_id);
}

static gs_status open_supervisors(gs_server *server, gs_error *err) {
    gs_supervisor_options options = {.queue = GS_QUEUE_TRAINING,
                                     .execute = gs_job_run_execute,
                                     .trainer = server->trainer,
                                     .engine = {.backend = server->engine.backend,
                                                .device = server->engine.device,
                                                .precision = server->options.engine.precision},
                                     .threads = server->options.threads,
                                     .stop_seconds = TRAINER_STOP_SECONDS};
    GS_TRY(gs_supervisor_open(&options, server->store, on_model_made, server, &server->supervisor,
                              err));
    server->volume_runner = (gs_volume_runner){
        .services = &gs__services, .server = server, .max_batch = server->options.max_batch};
    gs_supervisor_options volumes = {.queue = GS_QUEUE_VOLUMES,
                                     .execute = gs_volume_run_execute,
                                     .runner = &server->volume_runner};
    GS_TRY(gs_supervisor_open(&volumes, server->store, NULL, NULL, &server->volumes, err));
    gs_supervisor_options predictions = {.queue = GS_QUEUE_PREDICTIONS,
                                         .execute = gs_predict_run_execute,
                                         .runner = &server->volume_runner};
    return gs_supervisor_open(&predictions, server->store, NULL, NULL, &server->predictions, err);
}

static gs_status open_limits(gs_server *server, gs_error *err) {
    const gs_server_options *options = &server->options;
    if (options->rate_limit > 0)
        GS_TRY(gs_rate_limit_new(options->rate_limit, 4.0 * options->rate_limit, &server->requests,
                                 err));
    return gs_rate_limit_new(options->failure_limit / 60.0, options->failure_limit,
                             &server->failures, err);
}

static gs_status open_http(gs_server *server, gs_error *err) {
    gs_http_options options = {.socket = server->socket,
                               .connections = CONNECTIONS,
                               .idle_seconds = IDLE_SECONDS,
                               .tls = &server->tls,
                               .cors = server->options.cors,
                               .requests = server->requests,
                               .buffered_bytes =
                                   BODIES_AT_ONCE * server->context.limits.body_bytes};
    gs_http *http;
    GS_TRY(gs_http_start(&options, &server->context, server->metrics, &http, err));
    server->socket = -1;
    atomic_store(&server->http, http);
    return GS_OK;
}

static gs_status open_pruner(gs_server *server, gs_error *err) {
    const gs_audit_pruner_options options = {.days = server->options.audit_days,
                                             .period_ms = AUDIT_PERIOD_MS};
    if (options.days == 0) return GS_OK;
    return gs_audit_pruner_open(server->store, &options, &server->pruner, err);
}

/* Beyond this machine only with tokens, and tokens only where nobody in between can read them. */
static gs_status open_address(gs_server *server, gs_error *err) {
    const gs_server_options *options = &server->options;
    GS_TRY(gs_cors_check(&options->cors, err));
    GS_TRY(gs_tls_read(options->tls_cert, options->tls_key, &server->tls, err));
    bool has_tls = server->tls.certificate != NULL;
    if (options->tls_by_proxy && !options->auth)
        return gs_fail(
            err, GS_INVALID_ARGUMENT,
            "--tls-by-proxy is for servers with --auth: without, all that the proxy lets "
            "through would be allowed");
    bool is_safe = options->auth && (has_tls || options->tls_by_proxy);
    gs_address_wish wish = {.text = options->listen ? options->listen : "127.0.0.1:8080",
                            .reach = is_safe ? GS_REACH_ANY : GS_REACH_LOOPBACK,
                            .scheme = has_tls ? "https" : "http"};
    return gs_address_listen(&wish, &server->socket, server->url, err);
}

static gs_status open_all(gs_server *server, gs_error *err) {
    GS_TRY(find_trainer(server, err));
    /* The address first: refusing it costs nothing, and nothing has been changed yet. */
    GS_TRY(open_address(server, err));
    GS_TRY(gs_store_open(server->options.data, &server->store, err));
    fill_defaults(server);
    drop_old_uploads(server);
    server->context.thumbnails = gs_thumbnail_cache_new();
    if (!server->context.thumbnails) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to start");
    GS_TRY(gs_web_folder_read(server->options.web, &server->web, err));
    GS_TRY(open_compute(server, err));
    GS_TRY(import_folders(server, err));
    GS_TRY(import_model(server, err));
    gs__preload_active(server);
    GS_TRY(open_supervisors(server, err));
    GS_TRY(open_limits(server, err));
    GS_TRY(open_pruner(server, err));
    return open_http(server, err);
}

gs_status gs_server_open(const gs_server_options *options, gs_server **out, gs_error *err) {
    gs_server *server = gs_alloc(1, sizeof *server);
    if (!server) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the server");
    server->options = *options;
    server->socket = -1;
    pthread_mutex_init(&server->activation, NULL);
    pthread_mutex_init(&server->losing, NULL);
    gs_status status = open_all(server, err);
    if (status != GS_OK) {
        gs_server_close(server);
        return status;
    }
    *out = server;
    return GS_OK;
}

const char *gs_server_url(const gs_server *server) {
    return server->url;
}

void gs_server_close(gs_server *server) {
    if (!server) return;
    gs_http *http = atomic_load(&server->http);
    /* Event streams end. */
    if (server->supervisor) gs_supervisor_stop(server->supervisor);
    if (server->volumes) gs_supervisor_stop(server->volumes);
    if (server->predictions) gs_supervisor_stop(server->predictions);
    if (http) gs_http_drain(http, DRAIN_MS);
    if (server->cache) gs_model_cache_stop(server->cache);
    if (server->executor) gs_executor_stop(server->executor);
    gs_http_stop(http);
    gs_supervisor_close(server->volumes); /* what they wait for was cancelled just now */
    gs_supervisor_close(server->predictions);
    gs_supervisor_close(server->supervisor);
    gs_executor_close(server->executor);
    gs_model_cache_close(server->cache);
    gs_metrics_free(server->metrics);
    gs_web_folder_free(server->web);
    gs_thumbnail_cache_free(server->context.thumbnails);
    gs_audit_pruner_close(server->pruner);
    gs_store_close(server->store);
    gs_rate_limit_free(server->requests);
    gs_rate_limit_free(server->failures);
    gs_tls_deinit(&server->tls);
    if (server->socket >= 0) close(server->socket);
    pthread_mutex_destroy(&server->activation);
    pthread_mutex_destroy(&server->losing);
    gs_free(server);
}

/* Owns the options of `genseg serve` and its signals. Must not know how anything is served. */
#include "cli/serve.h"

#include "cli/restart.h"

#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/log.h"
#include "server/server.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: genseg serve --data DIR [options]\n"
    "\n"
    "  --data DIR             everything the server keeps; made when missing\n"
    "  --listen HOST:PORT     a loopback address (default 127.0.0.1:8080; port 0: any free one),\n"
    "                         or with --auth and TLS any address\n"
    "  --auth                 who asks needs a token of `genseg token`\n"
    "  --tls-cert FILE        certificate (PEM, with what lies between it and a root): HTTPS\n"
    "  --tls-key FILE         its private key (PEM)\n"
    "  --tls-by-proxy         a proxy in front has TLS; clients are told apart by what it adds to\n"
    "                         X-Forwarded-For\n"
    "  --rate-limit N         requests per second of one token, in bursts of 4 N (default: any)\n"
    "  --failure-limit N      bad tokens per minute and address before 429 (default 60)\n"
    "  --audit-days N         how long the audit log is kept (default 365; 0: for ever)\n"
    "  --cors-origin ORIGIN   pages of this origin may ask, too; may be repeated\n"
    "  --import DIR           take this data set directory into the store first; may be repeated\n"
    "  --import-model FILE    register these weights, and activate them when no model is active\n"
    "  --web DIR              the viewer's files (default: those it was built with)\n"
    "  --backend NAME         auto, cpu, cuda or reference (default auto: cuda where it can be "
    "used)\n"
    "  --device N             which of the visible CUDA devices (default 0)\n"
    "  --precision NAME       auto, fp32, tf32 or bf16 (default auto: bf16 where there is hardware "
    "for it)\n"
    "  --threads N            threads that compute (default: all processors)\n"
    "  --max-batch N          images computed together (default 8)\n"
    "  --queue N              images that may wait for inference (default 64)\n"
    "  --max-body-mib N       largest request body (default 256)\n"
    "  --max-pixels N         channels x height x width of an image (default 16777216)\n"
    "  --max-voxels N         voxels of a volume, all channels together (default 268435456)\n"
    "  --log-format NAME      json or text, one line per event on standard error (default json)\n"
    "  --trainer PROGRAM      the program that trains; default: this one\n";

typedef enum option_id {
    OPTION_DATA = 256, /* beyond any character, so that no option has a short form */
    OPTION_LISTEN,
    OPTION_AUTH,
    OPTION_TLS_CERT,
    OPTION_TLS_KEY,
    OPTION_TLS_BY_PROXY,
    OPTION_RATE_LIMIT,
    OPTION_FAILURE_LIMIT,
    OPTION_AUDIT_DAYS,
    OPTION_CORS_ORIGIN,
    OPTION_IMPORT,
    OPTION_IMPORT_MODEL,
    OPTION_WEB,
    OPTION_BACKEND,
    OPTION_DEVICE,
    OPTION_PRECISION,
    OPTION_THREADS,
    OPTION_MAX_BATCH,
    OPTION_QUEUE,
    OPTION_MAX_BODY_MIB,
    OPTION_MAX_PIXELS,
    OPTION_MAX_VOXELS,
    OPTION_LOG_FORMAT,
    OPTION_TRAINER,
    OPTION_HELP,
} option_id;

static const struct option option_table[] = {
    {"data", required_argument, NULL, OPTION_DATA},
    {"listen", required_argument, NULL, OPTION_LISTEN},
    {"auth", no_argument, NULL, OPTION_AUTH},
    {"tls-cert", required_argument, NULL, OPTION_TLS_CERT},
    {"tls-key", required_argument, NULL, OPTION_TLS_KEY},
    {"tls-by-proxy", no_argument, NULL, OPTION_TLS_BY_PROXY},
    {"rate-limit", required_argument, NULL, OPTION_RATE_LIMIT},
    {"failure-limit", required_argument, NULL, OPTION_FAILURE_LIMIT},
    {"audit-days", required_argument, NULL, OPTION_AUDIT_DAYS},
    {"cors-origin", required_argument, NULL, OPTION_CORS_ORIGIN},
    {"import", required_argument, NULL, OPTION_IMPORT},
    {"import-model", required_argument, NULL, OPTION_IMPORT_MODEL},
    {"web", required_argument, NULL, OPTION_WEB},
    {"backend", required_argument, NULL, OPTION_BACKEND},
    {"device", required_argument, NULL, OPTION_DEVICE},
    {"precision", required_argument, NULL, OPTION_PRECISION},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"max-batch", required_argument, NULL, OPTION_MAX_BATCH},
    {"queue", required_argument, NULL, OPTION_QUEUE},
    {"max-body-mib", required_argument, NULL, OPTION_MAX_BODY_MIB},
    {"max-pixels", required_argument, NULL, OPTION_MAX_PIXELS},
    {"max-voxels", required_argument, NULL, OPTION_MAX_VOXELS},
    {"log-format", required_argument, NULL, OPTION_LOG_FORMAT},
    {"trainer", required_argument, NULL, OPTION_TRAINER},
    {"help", no_argument, NULL, OPTION_HELP},
    {0},
};

/* A number of [min, max] into *out. */
static bool read_number(const char *name, const char *text, int min, int max, int *out) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno == 0 && end != text && *end == '\0' && value >= min && value <= max) {
        *out = (int)value;
        return true;
    }
    fprintf(stderr, "genseg serve: --%s: '%s' is not a number from %d to %d\n", name, text, min,
            max);
    return false;
}

static bool read_backend(const char *text, const char **out) {
    static const char *const names[] = {"auto", "cpu", "cuda", "reference"};
    *out = text;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) return true;
    fprintf(stderr, "genseg serve: --backend must be auto, cpu, cuda or reference, not '%s'\n",
            text);
    return false;
}

static bool read_precision(const char *text, gs_precision *out) {
    gs_error err;
    if (gs_precision_parse(text, out, &err) == GS_OK) return true;
    fprintf(stderr, "genseg serve: --precision: %s\n", err.text);
    return false;
}

static bool choose_log_format(const char *text) {
    gs_log_format format;
    if (gs_log_format_find(text, &format)) {
        gs_log_set_format(format);
        return true;
    }
    fprintf(stderr, "genseg serve: --log-format must be json or text, not '%s'\n", text);
    return false;
}

static bool add_import(gs_server_options *options, const char *folder) {
    if (options->import_count < GS_SERVER_IMPORTS_MAX) {
        options->imports[options->import_count++] = folder;
        return true;
    }
    fprintf(stderr, "genseg serve: more than %d --import\n", GS_SERVER_IMPORTS_MAX);
    return false;
}

static bool add_origin(gs_cors *cors, const char *origin) {
    if (cors->count < GS_CORS_ORIGINS_MAX) {
        cors->origins[cors->count++] = origin;
        return true;
    }
    fprintf(stderr, "genseg serve: more than %d --cors-origin\n", GS_CORS_ORIGINS_MAX);
    return false;
}

/* One option; false when its value is wrong. */
static bool take_option(gs_server_options *options, int id, const char *name, const char *value) {
    switch (id) {
    case OPTION_DATA:
        options->data = value;
        return true;
    case OPTION_LISTEN:
        options->listen = value;
        return true;
    case OPTION_AUTH:
        options->auth = true;
        return true;
    case OPTION_TLS_CERT:
        options->tls_cert = value;
        return true;
    case OPTION_TLS_KEY:
        options->tls_key = value;
        return true;
    case OPTION_TLS_BY_PROXY:
        options->tls_by_proxy = true;
        return true;
    case OPTION_RATE_LIMIT:
        return read_number(name, value, 1, 1000000, &options->rate_limit);
    case OPTION_FAILURE_LIMIT:
        return read_number(name, value, 1, 1000000, &options->failure_limit);
    case OPTION_AUDIT_DAYS:
        return read_number(name, value, 0, GS_AUDIT_DAYS_MAX, &options->audit_days);
    case OPTION_CORS_ORIGIN:
        return add_origin(&options->cors, value);
    case OPTION_IMPORT:
        return add_import(options, value);
    case OPTION_IMPORT_MODEL:
        options->import_model = value;
        return true;
    case OPTION_WEB:
        options->web = value;
        return true;
    case OPTION_BACKEND:
        return read_backend(value, &options->engine.backend);
    case OPTION_DEVICE:
        return read_number(name, value, 0, 1023, &options->engine.device);
    case OPTION_PRECISION:
        return read_precision(value, &options->engine.precision);
    case OPTION_THREADS:
        return read_number(name, value, 1, 1024, &options->threads);
    case OPTION_MAX_BATCH:
        return read_number(name, value, 1, 256, &options->max_batch);
    case OPTION_QUEUE:
        return read_number(name, value, 1, 100000, &options->queue);
    case OPTION_MAX_BODY_MIB:
        return read_number(name, value, 1, 4096, &options->max_body_mib);
    case OPTION_MAX_PIXELS:
        return read_number(name, value, 1, 1 << 25, &options->max_pixels);
    case OPTION_MAX_VOXELS:
        return read_number(name, value, 1, 1 << 30, &options->max_voxels);
    case OPTION_LOG_FORMAT:
        return choose_log_format(value);
    case OPTION_TRAINER:
        options->trainer = value;
        return true;
    default:
        return false; /* getopt has said why */
    }
}

/* -1: serve; otherwise the exit status. */
static int read_options(int argc, char **argv, gs_server_options *options) {
    int index = 0;
    optind = 1;
    for (int id; (id = getopt_long(argc, argv, "", option_table, &index)) != -1;) {
        if (id == OPTION_HELP) {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        }
        const char *name = id >= OPTION_DATA ? option_table[index].name : "";
        if (!take_option(options, id, name, optarg)) return EXIT_USAGE;
    }
    if (optind < argc || !options->data) {
        fprintf(stderr, "genseg serve: %s%s\n\n%s",
                optind < argc ? "unexpected argument: " : "--data is required",
                optind < argc ? argv[optind] : "", usage);
        return EXIT_USAGE;
    }
    return -1;
}

/* ---- Serving --------------------------------------------------------------------------------- */

static void ask_for_restart(void) {
    kill(getpid(), GS_RESTART_SIGNAL);
}

/* How serving ended. */
typedef struct ending {
    bool restarts; /* the engine lost its device */
    int status;
    char url[128]; /* that was served; "" if none was */
} ending;

/* Serves until a signal of `stops` arrives; no thread takes them, since all inherit the mask. */
static ending serve(const gs_server_options *options, const sigset_t *stops) {
    gs_server *server;
    gs_error err;
    sigset_t wakes = *stops;
    sigaddset(&wakes, GS_RESTART_SIGNAL);
    if (gs_server_open(options, &server, &err) != GS_OK) {
        fprintf(stderr, "genseg serve: %s\n", err.text);
        /* What was restarted may find a device that is not back yet. */
        bool tries_again = gs_restart_count() > 0 && gs_restart_count() < GS_RESTARTS_MAX;
        return (ending){.restarts = tries_again && !gs_restart_pause(stops),
                        .status = EXIT_FAILURE};
    }
    ending end = {.status = EXIT_SUCCESS};
    snprintf(end.url, sizeof end.url, "%s", gs_server_url(server));
    printf("GenSeg serves on %s\n", end.url);
    fflush(stdout);
    int received;
    sigwait(&wakes, &received);
    if (received == GS_RESTART_SIGNAL) end.restarts = !gs_restart_pause(stops);
    if (end.restarts)
        printf("GenSeg starts anew: the engine lost its device\n");
    else
        printf("GenSeg stops: %s\n", strsignal(received));
    fflush(stdout);
    sigprocmask(SIG_UNBLOCK, stops, NULL); /* the next one ends us at once */
    gs_server_close(server);
    return end;
}

/* Each client has a thread, and glibc gives threads heaps of their own, up to 8 for a processor.
 * What requests free stays in the heap they had, so that memory grows for minutes under load, until
 * every heap has seen the largest requests. Allocation is no matter of speed here: one heap serves
 * all. */
static void share_heap(void) {
    mallopt(M_ARENA_MAX, 1);
}

int gs_cli_serve(int argc, char **argv) {
    gs_server_options options = {.engine = {.precision = GS_PRECISION_AUTO},
                                 .audit_days = GS_AUDIT_DAYS_DEFAULT};
    int status = read_options(argc, argv, &options);
    if (status >= 0) return status;
    share_heap();
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigset_t blocked = stops;
    sigaddset(&blocked, GS_RESTART_SIGNAL);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    /* For the trainers that this process starts: waiting threads that spin would take the
     * processors that inference needs. This process's own OpenMP has read its settings already. */
    setenv("OMP_WAIT_POLICY", "passive", 0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, as a full disk is */
    int restarts = gs_restart_count();
    if (restarts < GS_RESTARTS_MAX) options.on_engine_lost = ask_for_restart;
    if (restarts > 0) { /* what was imported is there, or was deleted since */
        options.import_count = 0;
        options.import_model = NULL;
    }
    ending end = serve(&options, &stops);
    if (!end.restarts) return end.status;
    gs_restart_now(argc, argv, end.url[0] ? end.url : NULL);
    return EXIT_FAILURE;
}

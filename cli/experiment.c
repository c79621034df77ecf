/* `genseg experiment`: methods compared on one task (docs/experiments.md). */
#include "cli/commands.h"
#include "cli/options.h"
#include "engine/experiment/experiment.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EXIT_RESUMABLE = 75 /* EX_TEMPFAIL */ };

static atomic_bool stop_requested;

static void request_stop(int signal_number) {
    (void)signal_number;
    atomic_store(&stop_requested, true);
}

static void print_note(void *context, const char *text) {
    (void)context;
    char clock[16];
    time_t now = time(NULL);
    struct tm local;
    strftime(clock, sizeof clock, "%H:%M:%S", localtime_r(&now, &local));
    printf("%s %s\n", clock, text);
    fflush(stdout);
}

/* The command as it was given, for the page; cut where it is very long. */
static void join_arguments(int argc, char **argv, char *text, size_t size) {
    size_t used = (size_t)snprintf(text, size, "genseg");
    for (int i = 0; i < argc && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, " %s", argv[i]);
}

static int finish(gs_status status, size_t failed, const char *out, const gs_error *err) {
    if (status == GS_OK && failed == 0) {
        printf("%s/index.html\n", out);
        return EXIT_SUCCESS;
    }
    if (status == GS_OK) {
        fprintf(stderr, "genseg experiment: the training of %zu runs failed, see %s/index.html\n",
                failed, out);
        return EXIT_FAILURE;
    }
    if (status != GS_CANCELLED) return gs_cli_refuse("experiment", err);
    fprintf(stderr, "genseg experiment: %s; the same command goes on\n", err->text);
    return EXIT_RESUMABLE;
}

static gs_status parse(int argc, char **argv, gs_experiment_options *o, gs_error *err) {
    const gs_option options[] = {
        {"--out", GS_OPTION_TEXT, &o->out, "folder for runs and results; one in use goes on"},
        {"--threads", GS_OPTION_INT, &o->threads, "threads (all processors)"},
        {"--precision", GS_OPTION_PRECISION, &o->engine.precision,
         "auto, fp32, tf32 or bf16 (auto)"},
        {"--loader-threads", GS_OPTION_INT, &o->loader_threads,
         "further threads that make batches ready (one for each 8 processors, 1 to 4)"},
        {"--backend", GS_OPTION_TEXT, &o->engine.backend,
         "auto, cpu, cuda or reference (auto: cuda where it can be used)"},
        {"--device", GS_OPTION_INT, &o->engine.device, "which of the visible CUDA devices (0)"},
    };
    GS_TRY(gs_options_parse(argc, argv, "experiment FILE --out DIR [options]", options,
                            sizeof options / sizeof *options, err));
    return o->out ? GS_OK : gs_fail(err, GS_INVALID_ARGUMENT, "--out is needed");
}

int gs_cli_experiment(int argc, char **argv) {
    char command[2000];
    gs_experiment_options options = {.command = command,
                                     .engine = {.backend = "auto", .precision = GS_PRECISION_AUTO}};
    gs_experiment experiment;
    gs_error err;
    bool has_file = argc > 1 && argv[1][0] != '-';
    size_t failed = 0;
    join_arguments(argc, argv, command, sizeof command);
    gs_status status = parse(argc - has_file, argv + has_file, &options, &err);
    if (status == GS_OK && !has_file)
        status = gs_fail(&err, GS_INVALID_ARGUMENT, "the FILE is missing (see --help)");
    if (status != GS_OK) return gs_cli_refuse("experiment", &err);
    if (gs_experiment_load(argv[1], &experiment, &err) != GS_OK)
        return gs_cli_refuse("experiment", &err);
    const struct sigaction action = {.sa_handler = request_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a reader that went away does not end the training */
    const gs_experiment_observer observer = {print_note, NULL, &stop_requested};
    gs_cli_tell_engine(&options.engine);
    status = gs_experiment_run(&experiment, &options, &observer, &failed, &err);
    gs_experiment_deinit(&experiment);
    return finish(status, failed, options.out, &err);
}

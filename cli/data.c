/* Owns the dispatch of `genseg data`, and what its subcommands print alike. Must not know how
 * datasets are made or stored. */
#include "cli/data.h"

#include "cli/data_internal.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/data/dataset.h"
#include "engine/data/preview.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_BAD_INPUT = 2 };

static const struct subcommand {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} subcommands[] = {
    {"brats", gs_cli_data_brats, "brain half-slices from folders in the layout of BraTS"},
    {"lits", gs_cli_data_lits, "liver slices from folders in the layout of LiTS"},
    {"synthetic", gs_cli_data_synthetic, "digits in clutter, from the files of MNIST"},
    {"phantom", gs_cli_data_phantom, "simulated patients in the layout of BraTS or LiTS"},
    {"info", gs_cli_data_info, "check a dataset directory and count what it has"},
};

/* ---- what subcommands print ---- */

int gs_cli_data_fail(const char *what, const gs_error *err) {
    if (err->status == GS_CANCELLED && strcmp(err->text, "help was asked for") == 0) return 0;
    gs_progress_clear();
    fprintf(stderr, "genseg data %s: %s: %s\n", what, gs_status_text(err->status), err->text);
    return gs_cli_exit_status(err->status);
}

static volatile sig_atomic_t stop_requested;

/* Asked twice, the process ends at once. */
static void request_stop(int signal_number) {
    stop_requested = 1;
    signal(signal_number, SIG_DFL);
}

static bool print_progress(void *context, int done, int total) {
    gs_progress_show(context, done, total);
    return !stop_requested;
}

static void print_note(void *context, const char *text) {
    (void)context;
    gs_progress_clear();
    fprintf(stderr, "%s\n", text);
}

gs_data_report gs_cli_data_report(const char *what) {
    static gs_progress progress; /* a process runs one command */
    progress = gs_progress_start(what);
    signal(SIGINT, request_stop);
    signal(SIGTERM, request_stop);
    return (gs_data_report){.progress = print_progress, .note = print_note, .context = &progress};
}

gs_status gs_cli_data_preview(const char *folder, const char *path, gs_error *err) {
    gs_dataset *dataset;
    if (!path) return GS_OK;
    GS_TRY(gs_dataset_open(folder, &dataset, err));
    gs_status status = gs_dataset_preview(dataset, path, err);
    gs_dataset_close(dataset);
    return status;
}

/* ---- dispatch ---- */

static int print_usage(FILE *out) {
    fprintf(out, "usage: genseg data WHAT [options]   (WHAT --help lists them)\n\n");
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        fprintf(out, "  %-10s %s\n", subcommands[i].name, subcommands[i].help);
    return out == stdout ? EXIT_SUCCESS : EXIT_BAD_INPUT;
}

int gs_cli_data(int argc, char **argv) {
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, as a full disk is */
    if (argc < 2) return print_usage(stderr);
    if (strcmp(argv[1], "--help") == 0) return print_usage(stdout);
    for (size_t i = 0; i < sizeof subcommands / sizeof *subcommands; i++)
        if (strcmp(argv[1], subcommands[i].name) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "genseg data: there is no \"%.60s\"\n\n", argv[1]);
    return print_usage(stderr);
}

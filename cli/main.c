/* `genseg`: one program, a subcommand for everything a server does. */
#include "cli/commands.h"
#include "cli/data.h"
#include "cli/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"serve", gs_cli_serve, "the HTTP server"},
    {"token", gs_cli_token, "who may use a server with --auth"},
    {"audit", gs_cli_audit, "who wrote what on a server with --auth"},
    {"backup", gs_cli_backup, "a server's data folder as one file, also while it runs"},
    {"restore", gs_cli_restore, "a data folder from such a file"},
    {"export", gs_cli_export, "a data set as PNG, NIfTI and COCO JSON"},
    {"import", gs_cli_import, "a data set from such a folder, or from a dataset directory"},
    {"train", gs_cli_train, "train a model on a dataset directory"},
    {"eval", gs_cli_eval, "Dice of a model on a dataset directory"},
    {"experiment", gs_cli_experiment, "compare methods on one task: tables, curves, pictures"},
    {"segment", gs_cli_segment, "where is the tumour in an image"},
    {"translate", gs_cli_translate, "what the image would look like healthy, or with a tumour"},
    {"sample", gs_cli_sample, "several tumours in a healthy image"},
    {"data", gs_cli_data, "make and inspect dataset directories"},
    {"bench", gs_cli_bench, "time and memory of segmentation, translation and training"},
    {"parity", gs_cli_parity, "compare the engine with a dump of the reference program"},
};

/* Compute threads that find nothing to do spin, and GCC's OpenMP spins for milliseconds: where
 * processors are shared, that takes them from those who have something to do, ourselves included
 * (docs/performance.md, Waiting threads). OpenMP reads its settings before main, so the program
 * starts itself anew with a shorter wait, unless the user has chosen one. */
static void shorten_waiting(char **argv) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv("/proc/self/exe", argv);
}

int main(int argc, char **argv) {
    shorten_waiting(argv);
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0) return commands[i].run(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        printf("genseg %s\n", GENSEG_VERSION);
        return 0;
    }
    FILE *out = argc > 1 && strcmp(argv[1], "--help") == 0 ? stdout : stderr;
    fprintf(out, "usage: genseg COMMAND [options]   (COMMAND --help lists them)\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
    return out == stdout ? 0 : 2;
}

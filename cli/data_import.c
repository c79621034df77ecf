/* Owns the options of `genseg data brats` and `genseg data lits`. Must not know how folders are
 * read. */
#include "base/memory.h"
#include "cli/data_internal.h"
#include "cli/options.h"
#include "engine/data/import.h"
#include "engine/image/normalize.h"

#include <stdlib.h>

typedef struct request {
    const char *what, *out, *preview, *normalization;
    gs_import_options options;
    gs_status (*import)(const char *folder, const gs_import_options *options, gs_error *err);
} request;

static gs_status run(request *r, const gs_option *known, size_t count, gs_error *err) {
    if (!r->out) return gs_fail(err, GS_INVALID_ARGUMENT, "--out is missing");
    if (!r->options.in) return gs_fail(err, GS_INVALID_ARGUMENT, "--in is missing");
    GS_TRY(gs_normalization_parse(r->normalization, &r->options.normalization, err));
    char *made_by;
    GS_TRY(gs_cli_data_origin(r->what, known, count, &made_by, err));
    r->options.made_by = made_by;
    gs_status status = r->import(r->out, &r->options, err);
    gs_free(made_by);
    return status == GS_OK ? gs_cli_data_preview(r->out, r->preview, err) : status;
}

static int parse_and_run(int argc, char **argv, request *r, const char *usage) {
    gs_import_options *o = &r->options;
    const gs_option known[] = {
        {"--in", GS_OPTION_TEXT, &o->in, "folder to import"},
        {"--out", GS_OPTION_TEXT, &r->out, "dataset directory to write"},
        {"--healthy", GS_OPTION_TEXT, &o->healthy,
         "brats: take the pixels from this folder of the phantom's lesion-free volumes"},
        {"--name", GS_OPTION_TEXT, &o->name, "of the dataset (that of the layout)"},
        {"--scale", GS_OPTION_INT, &o->scale, "images of 1/N of the task's height and width (1)"},
        {"--annotated", GS_OPTION_NUMBER, &o->annotated,
         "fraction of the training cases with presence slices that keep their masks (0.01)"},
        {"--validation", GS_OPTION_NUMBER, &o->validation, "fraction of the cases (0.1)"},
        {"--test", GS_OPTION_NUMBER, &o->test, "fraction of the cases (0.1)"},
        {"--min-width", GS_OPTION_INT, &o->min_width,
         "lits: pixels across the widest lesion of a presence slice (6)"},
        {"--normalization", GS_OPTION_TEXT, &r->normalization,
         "unit: stored in [0,1]; none: in [-1,1] (unit)"},
        {"--seed", GS_OPTION_UINT64, &o->seed, "of splits and annotated cases (1)"},
        {"--threads", GS_OPTION_INT, &o->threads, "(all processors); does not change the result"},
        {"--preview", GS_OPTION_TEXT, &r->preview, "also write a contact sheet as PNG"},
    };
    enum { KNOWN = sizeof known / sizeof *known };
    gs_error err = {0};
    gs_status status = gs_options_parse(argc, argv, usage, known, KNOWN, &err);
    if (status == GS_OK) status = run(r, known, KNOWN, &err);
    return status == GS_OK ? EXIT_SUCCESS : gs_cli_data_fail(r->what, &err);
}

static request defaults(const char *what) {
    return (request){.what = what,
                     .normalization = "unit",
                     .options = {.annotated = 0.01,
                                 .validation = 0.1,
                                 .test = 0.1,
                                 .scale = 1,
                                 .min_width = 6,
                                 .seed = 1,
                                 .report = gs_cli_data_report("cases")}};
}

int gs_cli_data_brats(int argc, char **argv) {
    request r = defaults("brats");
    r.import = gs_import_brats;
    return parse_and_run(argc, argv, &r, "data brats --in FOLDER --out DIR [options]");
}

int gs_cli_data_lits(int argc, char **argv) {
    request r = defaults("lits");
    r.import = gs_import_lits;
    return parse_and_run(argc, argv, &r, "data lits --in FOLDER --out DIR [options]");
}

/* Owns the options of `genseg data demo`. Must not know how the population is made. */
#include "base/memory.h"
#include "cli/data_internal.h"
#include "cli/options.h"
#include "engine/data/demo.h"
#include "engine/image/normalize.h"

#include <stdlib.h>

static void print_progress(void *context, int done, int total) {
    const gs_data_report *report = context;
    (void)report->progress(report->context, done, total);
}

/* For dataset.json: what makes the same bytes again. */
static char *command_line(const gs_demo_options *options) {
    return gs_format("genseg data demo --cases %d --annotated %g --scale %d --normalization %s "
                     "--seed %llu --source %s",
                     options->cases, options->annotated, options->scale,
                     gs_normalization_name(options->normalization),
                     (unsigned long long)options->seed,
                     options->source ? options->source : GS_DEMO_SOURCE);
}

static gs_status make(const char *out, const char *normalization, const char *preview,
                      gs_demo_options *options, gs_error *err) {
    if (!out) return gs_fail(err, GS_INVALID_ARGUMENT, "--out is missing");
    GS_TRY(gs_normalization_parse(normalization, &options->normalization, err));
    char *made_by = command_line(options);
    options->made_by = made_by;
    gs_status status = gs_demo_write(out, options, err);
    gs_free(made_by);
    return status == GS_OK ? gs_cli_data_preview(out, preview, err) : status;
}

int gs_cli_data_demo(int argc, char **argv) {
    gs_data_report report = gs_cli_data_report("cases");
    const char *out = NULL, *preview = NULL, *normalization = "unit";
    gs_demo_options options = {.cases = 120,
                               .annotated = 0.05,
                               .scale = 1,
                               .seed = 1,
                               .progress = print_progress,
                               .context = &report};
    const gs_option known[] = {
        {"--out", GS_OPTION_TEXT, &out, "dataset directory to write"},
        {"--source", GS_OPTION_TEXT, &options.source,
         "skull-stripped T1 volume, NIfTI (" GS_DEMO_SOURCE ")"},
        {"--cases", GS_OPTION_INT, &options.cases, "cases, half of them with lesions (120)"},
        {"--annotated", GS_OPTION_NUMBER, &options.annotated,
         "fraction of the training cases with lesions that keep their masks (0.05)"},
        {"--scale", GS_OPTION_INT, &options.scale,
         "pixel size in mm, 1 to 4: images are 240/N x 120/N (1)"},
        {"--normalization", GS_OPTION_TEXT, &normalization,
         "unit: normalised here, in [0,1]; none: in [-1,1]; foreground: when read (unit)"},
        {"--seed", GS_OPTION_UINT64, &options.seed, "(1)"},
        {"--threads", GS_OPTION_INT, &options.threads,
         "(all processors); does not change the result"},
        {"--preview", GS_OPTION_TEXT, &preview, "also write a contact sheet as PNG"},
    };
    gs_error err = {0};
    gs_status status = gs_options_parse(argc, argv, "data demo --out DIR [options]", known,
                                        sizeof known / sizeof *known, &err);
    if (status == GS_OK) status = make(out, normalization, preview, &options, &err);
    return status == GS_OK ? EXIT_SUCCESS : gs_cli_data_fail("demo", &err);
}

/* Owns the options of `genseg data phantom`. Must not know how patients are simulated. */
#include "cli/data_internal.h"
#include "cli/options.h"
#include "engine/data/phantom.h"

#include <stdlib.h>
#include <string.h>

static gs_status make(const char *kind, const char *out, const gs_phantom_options *options,
                      gs_error *err) {
    if (!out) return gs_fail(err, GS_INVALID_ARGUMENT, "--out is missing");
    if (!kind) return gs_fail(err, GS_INVALID_ARGUMENT, "--kind is missing: brain or liver");
    if (strcmp(kind, "brain") == 0) return gs_phantom_brain(out, options, err);
    if (strcmp(kind, "liver") != 0)
        return gs_fail(err, GS_INVALID_ARGUMENT, "no kind \"%.40s\"; there are brain and liver",
                       kind);
    if (options->healthy) return gs_fail(err, GS_INVALID_ARGUMENT, "--healthy is for --kind brain");
    return gs_phantom_liver(out, options, err);
}

int gs_cli_data_phantom(int argc, char **argv) {
    const char *kind = NULL, *out = NULL;
    gs_phantom_options options = {
        .cases = 40, .scale = 1, .seed = 1, .report = gs_cli_data_report("cases")};
    const gs_option known[] = {
        {"--kind", GS_OPTION_TEXT, &kind, "brain: the layout of BraTS; liver: that of LiTS"},
        {"--out", GS_OPTION_TEXT, &out, "folder to make"},
        {"--healthy", GS_OPTION_TEXT, &options.healthy,
         "brain: another folder, for the same cases without tumours"},
        {"--source", GS_OPTION_TEXT, &options.source,
         "brain: skull-stripped T1 volume, NIfTI (" GS_PHANTOM_SOURCE ")"},
        {"--cases", GS_OPTION_INT, &options.cases, "(40)"},
        {"--scale", GS_OPTION_INT, &options.scale, "voxels N times as large, 1 to 4 (1)"},
        {"--seed", GS_OPTION_UINT64, &options.seed, "(1)"},
        {"--threads", GS_OPTION_INT, &options.threads,
         "(all processors); does not change the result"},
    };
    gs_error err = {0};
    gs_status status =
        gs_options_parse(argc, argv, "data phantom --kind KIND --out FOLDER [options]", known,
                         sizeof known / sizeof *known, &err);
    if (status == GS_OK) status = make(kind, out, &options, &err);
    return status == GS_OK ? EXIT_SUCCESS : gs_cli_data_fail("phantom", &err);
}

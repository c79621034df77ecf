/* Owns the options of `genseg data synthetic`. Must not know how digits become images. */
#include "base/memory.h"
#include "cli/data_internal.h"
#include "cli/options.h"
#include "engine/data/synthetic.h"

#include <stdlib.h>
#include <string.h>

typedef struct request {
    const char *out, *variant, *digits, *preview;
    gs_synthetic_options options;
} request;

/* "9" or "0,4,9" or "all". */
static gs_status parse_digits(const char *text, unsigned *out, gs_error *err) {
    unsigned digits = strcmp(text, "all") == 0 ? 1023u : 0;
    for (const char *at = text; !digits || at != text;) {
        if (*at < '0' || *at > '9' || (at[1] != ',' && at[1] != '\0'))
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "--annotate-digits: \"%.40s\" is no list of digits like 4,9, nor all",
                           text);
        digits |= 1u << (*at - '0');
        if (at[1] == '\0') break;
        at += 2;
    }
    *out = digits;
    return GS_OK;
}

static gs_status run(request *r, const gs_option *known, size_t count, gs_error *err) {
    if (!r->out) return gs_fail(err, GS_INVALID_ARGUMENT, "--out is missing");
    if (!r->options.mnist) return gs_fail(err, GS_INVALID_ARGUMENT, "--mnist is missing");
    GS_TRY(gs_synthetic_parse(r->variant, &r->options.variant, err));
    GS_TRY(parse_digits(r->digits, &r->options.annotated_digits, err));
    char *made_by;
    GS_TRY(gs_cli_data_origin("synthetic", known, count, &made_by, err));
    r->options.made_by = made_by;
    gs_status status = gs_synthetic_write(r->out, &r->options, err);
    gs_free(made_by);
    return status == GS_OK ? gs_cli_data_preview(r->out, r->preview, err) : status;
}

int gs_cli_data_synthetic(int argc, char **argv) {
    request r = {.variant = "simple",
                 .digits = "9",
                 .options = {.train = -1,
                             .validation = 500,
                             .test = -1,
                             .annotated = 0.01,
                             .seed = 1,
                             .report = gs_cli_data_report("images")}};
    gs_synthetic_options *o = &r.options;
    const gs_option known[] = {
        {"--mnist", GS_OPTION_TEXT, &o->mnist, "folder with MNIST's four files, plain or .gz"},
        {"--out", GS_OPTION_TEXT, &r.out, "dataset directory to write"},
        {"--variant", GS_OPTION_TEXT, &r.variant,
         "simple: 48 x 48, 8 pieces of clutter; hard: 24; large: 128 x 128, 80 (simple)"},
        {"--train", GS_OPTION_INT, &o->train,
         "presence images, and as many absence images (-1: all digits)"},
        {"--validation", GS_OPTION_INT, &o->validation, "as well, of the training digits (500)"},
        {"--test", GS_OPTION_INT, &o->test, "as well, of the test digits (-1: all)"},
        {"--annotated", GS_OPTION_NUMBER, &o->annotated,
         "masks, as a fraction of the training presence images (0.01)"},
        {"--annotate-digits", GS_OPTION_TEXT, &r.digits,
         "digits that may be annotated in training: 4,9 or all (9)"},
        {"--seed", GS_OPTION_UINT64, &o->seed, "(1)"},
        {"--threads", GS_OPTION_INT, &o->threads, "(all processors); does not change the result"},
        {"--preview", GS_OPTION_TEXT, &r.preview, "also write a contact sheet as PNG"},
    };
    enum { KNOWN = sizeof known / sizeof *known };
    gs_error err = {0};
    gs_status status = gs_options_parse(
        argc, argv, "data synthetic --mnist FOLDER --out DIR [options]", known, KNOWN, &err);
    if (status == GS_OK) status = run(&r, known, KNOWN, &err);
    return status == GS_OK ? EXIT_SUCCESS : gs_cli_data_fail("synthetic", &err);
}

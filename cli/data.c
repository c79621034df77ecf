/* Owns the options of `genseg data`. Must not know how datasets are made or stored. */
#include "cli/data.h"

#include "base/memory.h"
#include "engine/data/dataset.h"
#include "engine/data/demo.h"
#include "engine/data/preview.h"
#include "engine/image/normalize.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: genseg data demo --out DIR [options]   make the demo population\n"
    "       genseg data info DIR [--preview FILE]  check a dataset directory and count what it "
    "has\n"
    "\n"
    "options of demo:\n"
    "  --source FILE          a skull-stripped T1 volume, NIfTI (default " GS_DEMO_SOURCE ")\n"
    "  --cases N              cases, half of them with lesions (default 120)\n"
    "  --annotated F          fraction of the training cases with lesions that keep their masks\n"
    "                         (default 0.05)\n"
    "  --scale N              pixel size in mm, 1 to 4: images are 240/N x 120/N (default 1)\n"
    "  --normalization NAME   unit: each volume is normalised here and stored in\n"
    "                         [0,1] (default); none: the same in [-1,1]; foreground: each\n"
    "                         slice is normalised when it is read\n"
    "  --seed N               (default 1)\n"
    "  --threads N            (default: all processors); does not change the result\n"
    "  --preview FILE         also write a contact sheet as PNG\n";

static int fail_usage(const char *text, const char *what) {
    fprintf(stderr, "genseg data: %s%s\n\n%s", text, what, usage);
    return EXIT_USAGE;
}

static int fail(gs_status status, const gs_error *err) {
    fprintf(stderr, "genseg data: %s: %s\n", gs_status_text(status), err->text);
    return EXIT_FAILURE;
}

static bool parse_int(const char *text, int *out) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > 1 << 30) return false;
    *out = (int)value;
    return true;
}

static bool parse_u64(const char *text, uint64_t *out) {
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || strchr(text, '-')) return false;
    *out = value;
    return true;
}

static bool parse_fraction(const char *text, double *out) {
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0 && value <= 1)) return false;
    *out = value;
    return true;
}

static void print_progress(void *context, int done, int total) {
    const bool *is_terminal = context;
    if (*is_terminal)
        fprintf(stderr, "\r%d of %d cases%s", done, total, done == total ? "\n" : "");
    else if (done == total || done % 20 == 0)
        fprintf(stderr, "%d of %d cases\n", done, total);
}

/* ---- demo ---- */

typedef struct demo_request {
    const char *out, *preview;
    gs_demo_options options;
} demo_request;

static bool take_option(demo_request *request, int option, const char *value) {
    gs_demo_options *options = &request->options;
    switch (option) {
    case 'o':
        request->out = value;
        return true;
    case 'p':
        request->preview = value;
        return true;
    case 'i':
        options->source = value;
        return true;
    case 'c':
        return parse_int(value, &options->cases);
    case 'a':
        return parse_fraction(value, &options->annotated);
    case 'x':
        return parse_int(value, &options->scale);
    case 'n':
        return gs_normalization_parse(value, &options->normalization, NULL) == GS_OK;
    case 's':
        return parse_u64(value, &options->seed);
    case 't':
        return parse_int(value, &options->threads);
    default:
        return false;
    }
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

static gs_status preview_of(const char *folder, const char *path, gs_error *err) {
    gs_dataset *dataset;
    GS_TRY(gs_dataset_open(folder, &dataset, err));
    gs_status status = gs_dataset_preview(dataset, path, err);
    gs_dataset_close(dataset);
    return status;
}

static int run_demo(int argc, char **argv) {
    static const struct option known[] = {
        {"out", required_argument, NULL, 'o'},     {"source", required_argument, NULL, 'i'},
        {"cases", required_argument, NULL, 'c'},   {"annotated", required_argument, NULL, 'a'},
        {"scale", required_argument, NULL, 'x'},   {"normalization", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},    {"threads", required_argument, NULL, 't'},
        {"preview", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    bool is_terminal = isatty(STDERR_FILENO) == 1;
    demo_request request = {.options = {.cases = 120,
                                        .annotated = 0.05,
                                        .scale = 1,
                                        .normalization = GS_NORMALIZE_UNIT,
                                        .seed = 1,
                                        .progress = print_progress,
                                        .context = &is_terminal}};
    optind = 1;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, ":", known, NULL)) != -1;) {
        if (option == '?' || option == ':')
            return fail_usage("unknown option or missing value: ", argv[optind - 1]);
        if (!take_option(&request, option, optarg))
            return fail_usage("not an allowed value: ", optarg);
    }
    if (optind < argc) return fail_usage("not expected: ", argv[optind]);
    if (!request.out) return fail_usage("--out is missing", "");
    gs_error err;
    char *made_by = command_line(&request.options);
    request.options.made_by = made_by;
    gs_status status = gs_demo_write(request.out, &request.options, &err);
    if (status == GS_OK && request.preview) status = preview_of(request.out, request.preview, &err);
    gs_free(made_by);
    return status == GS_OK ? EXIT_SUCCESS : fail(status, &err);
}

/* ---- info ---- */

typedef struct counts {
    size_t labels[3], splits[4], annotated;
} counts;

static void print_counts(const gs_dataset *dataset) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    counts total = {0};
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        total.labels[slice->label]++;
        total.splits[slice->split]++;
        total.annotated += gs_dataset_mask(dataset, i) != NULL;
    }
    printf("name %s\nmade_by %s\nnormalization %s\nchannels %d\nheight %d\nwidth %d\n", info->name,
           info->made_by, gs_normalization_name(info->normalization), info->channels, info->height,
           info->width);
    printf("slices %zu\ncases %zu\nannotated %zu\n", gs_dataset_count(dataset),
           gs_dataset_cases(dataset), total.annotated);
    for (int label = GS_LABEL_UNKNOWN; label <= GS_LABEL_ABSENCE; label++)
        printf("%s %zu\n", gs_label_name((gs_label)label), total.labels[label]);
    printf("unassigned %zu\n", total.splits[GS_SPLIT_NONE]);
    for (int split = GS_SPLIT_TRAIN; split <= GS_SPLIT_TEST; split++)
        printf("%s %zu\n", gs_split_name((gs_split)split), total.splits[split]);
}

static int run_info(int argc, char **argv) {
    bool with_preview = argc == 4 && strcmp(argv[2], "--preview") == 0;
    if (argc != 2 && !with_preview) return fail_usage("info takes a directory", "");
    gs_error err;
    gs_dataset *dataset;
    gs_status status = gs_dataset_open(argv[1], &dataset, &err);
    if (status != GS_OK) return fail(status, &err);
    status = gs_dataset_check_pixels(dataset, &err);
    if (status == GS_OK) print_counts(dataset);
    if (status == GS_OK && with_preview) status = gs_dataset_preview(dataset, argv[3], &err);
    gs_dataset_close(dataset);
    return status == GS_OK ? EXIT_SUCCESS : fail(status, &err);
}

int gs_cli_data(int argc, char **argv) {
    if (argc < 2) return fail_usage("what to do is missing", "");
    if (strcmp(argv[1], "demo") == 0) return run_demo(argc - 1, argv + 1);
    if (strcmp(argv[1], "info") == 0) return run_info(argc - 1, argv + 1);
    if (strcmp(argv[1], "--help") == 0) return fputs(usage, stdout) < 0;
    return fail_usage("unknown: ", argv[1]);
}

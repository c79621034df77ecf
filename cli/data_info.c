/* Owns what `genseg data info` counts and prints. */
#include "cli/data_internal.h"
#include "cli/options.h"
#include "engine/data/dataset.h"
#include "engine/data/preview.h"
#include "engine/image/normalize.h"

#include <stdio.h>
#include <stdlib.h>

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

static gs_status inspect(const char *folder, const char *preview, gs_error *err) {
    gs_dataset *dataset;
    GS_TRY(gs_dataset_open(folder, &dataset, err));
    gs_status status = gs_dataset_check_pixels(dataset, err);
    if (status == GS_OK) status = gs_dataset_check_labels(dataset, err);
    if (status == GS_OK) print_counts(dataset);
    if (status == GS_OK && preview) status = gs_dataset_preview(dataset, preview, err);
    gs_dataset_close(dataset);
    return status;
}

int gs_cli_data_info(int argc, char **argv) {
    const char *preview = NULL;
    const gs_option options[] = {
        {"--preview", GS_OPTION_TEXT, &preview, "also write a contact sheet as PNG"}};
    gs_error err = {0};
    gs_status status = GS_OK;
    const char *folder = argc > 1 && argv[1][0] != '-' ? argv[1] : NULL;
    int skipped = folder ? 1 : 0;
    status = gs_options_parse(argc - skipped, argv + skipped, "data info DIR [options]", options, 1,
                              &err);
    if (status == GS_OK && !folder)
        status = gs_fail(&err, GS_INVALID_ARGUMENT, "which directory? (see --help)");
    if (status == GS_OK) status = inspect(folder, preview, &err);
    return status == GS_OK ? EXIT_SUCCESS : gs_cli_data_fail("info", &err);
}

/* `genseg export` and `genseg import`: data sets as folders that other programs read, and back. */
#include "cli/commands.h"

#include "api/exchange.h"
#include "api/import.h"
#include "base/memory.h"
#include "cli/options.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static gs_status export_dataset(const char *data, const char *dataset, const char *folder,
                                gs_error *err) {
    gs_store *store = NULL;
    gs_exchange_summary summary = {0};
    if (!data || !dataset || !folder)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "--data DIR, --dataset NAME and --out DIR are required (see --help)");
    GS_TRY(gs_store_open_to_read(data, &store, err));
    gs_status status = gs_exchange_write(store, dataset, folder, &summary, err);
    gs_store_close(store);
    if (status) return status;
    printf("exported %zu slices, %zu with a mask, %zu volumes, %zu generated files\n",
           summary.slices, summary.masks, summary.volumes, summary.generated);
    return GS_OK;
}

int gs_cli_export(int argc, char **argv) {
    const char *data = NULL, *dataset = NULL, *folder = NULL;
    const gs_option options[] = {
        {"--data", GS_OPTION_TEXT, &data, "the folder of `genseg serve`, which may be running"},
        {"--dataset", GS_OPTION_TEXT, &dataset, "the data set's name"},
        {"--out", GS_OPTION_TEXT, &folder, "the folder to make; missing or empty"},
    };
    gs_error err;
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, as a full disk is */
    gs_status status = gs_options_parse(argc, argv, "export --data DIR --dataset NAME --out DIR",
                                        options, sizeof options / sizeof *options, &err);
    if (!status) status = export_dataset(data, dataset, folder, &err);
    return status ? gs_cli_fail("export", &err) : 0;
}

/* A dataset directory has dataset.json; anything else is what `genseg export` made. */
static gs_status is_dataset_directory(const char *folder, bool *out, gs_error *err) {
    char *path = gs_format("%s/dataset.json", folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    *out = access(path, F_OK) == 0;
    gs_free(path);
    return GS_OK;
}

static gs_status read_folder(gs_store *store, const char *folder, const char *dataset,
                             gs_exchange_summary *out, gs_error *err) {
    bool is_directory = false;
    gs_import_summary summary = {0};
    GS_TRY(is_dataset_directory(folder, &is_directory, err));
    if (!is_directory) return gs_exchange_read(store, folder, dataset, out, err);
    GS_TRY(gs_api_import_directory(store, folder, dataset, &summary, err));
    out->slices = summary.slices;
    out->added = summary.added;
    return GS_OK;
}

static gs_status import_dataset(const char *data, const char *folder, const char *dataset,
                                gs_error *err) {
    gs_store *store = NULL;
    gs_exchange_summary summary = {0};
    if (!data || !folder)
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "--data DIR and --from DIR are required (see --help)");
    GS_TRY(gs_store_open(data, &store, err));
    gs_status status = read_folder(store, folder, dataset, &summary, err);
    gs_store_close(store);
    if (status) return status;
    printf("imported %zu of %zu slices, the others were there\n", summary.added, summary.slices);
    return GS_OK;
}

int gs_cli_import(int argc, char **argv) {
    const char *data = NULL, *folder = NULL, *dataset = NULL;
    const gs_option options[] = {
        {"--data", GS_OPTION_TEXT, &data,
         "the folder of `genseg serve`, which must not be running"},
        {"--from", GS_OPTION_TEXT, &folder, "what `genseg export` or `genseg data` made"},
        {"--dataset", GS_OPTION_TEXT, &dataset, "the data set's name (default: as there)"},
    };
    gs_error err;
    signal(SIGXFSZ, SIG_IGN);
    gs_status status = gs_options_parse(argc, argv, "import --data DIR --from DIR [--dataset NAME]",
                                        options, sizeof options / sizeof *options, &err);
    if (!status) status = import_dataset(data, folder, dataset, &err);
    return status ? gs_cli_fail("import", &err) : 0;
}

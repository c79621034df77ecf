/* `genseg backup` and `genseg restore`: a data folder as one file, and back. */
#include "cli/commands.h"

#include "cli/options.h"
#include "store/backup.h"

#include <signal.h>
#include <stdio.h>

typedef gs_status (*work)(const char *file, const char *folder, gs_backup_summary *out,
                          gs_error *err);

static gs_status write_backup(const char *file, const char *folder, gs_backup_summary *out,
                              gs_error *err) {
    return gs_backup_write(folder, file, out, err);
}

/* `COMMAND FILE --data DIR`. */
static gs_status run(int argc, char **argv, const char *usage, const char *help, const char *verb,
                     work act, gs_error *err) {
    const char *folder = NULL, *file = NULL;
    const gs_option options[] = {{"--data", GS_OPTION_TEXT, &folder, help}};
    bool has_file = argc > 1 && argv[1][0] != '-';
    if (has_file) file = argv[1];
    GS_TRY(gs_options_parse(argc - has_file, argv + has_file, usage, options, 1, err));
    if (!file || !folder)
        return gs_fail(err, GS_INVALID_ARGUMENT, "it takes a FILE and --data DIR (see --help)");
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, as a full disk is */
    gs_backup_summary summary;
    GS_TRY(act(file, folder, &summary, err));
    printf("%s %lld files, %lld bytes\n", verb, (long long)summary.files, (long long)summary.bytes);
    return GS_OK;
}

int gs_cli_backup(int argc, char **argv) {
    gs_error err;
    return run(argc, argv, "backup FILE --data DIR   (while a server runs on it, too)",
               "the folder of `genseg serve`", "backed up", write_backup, &err)
               ? gs_cli_fail("backup", &err)
               : 0;
}

int gs_cli_restore(int argc, char **argv) {
    gs_error err;
    return run(argc, argv, "restore FILE --data DIR", "the folder to make; missing or empty",
               "restored", gs_backup_restore, &err)
               ? gs_cli_fail("restore", &err)
               : 0;
}

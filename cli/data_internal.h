/* What the files of `genseg data` share. */
#ifndef GS_CLI_DATA_INTERNAL_H
#define GS_CLI_DATA_INTERNAL_H

#include "base/status.h"
#include "cli/options.h"
#include "engine/data/report.h"

#include <stddef.h>

/* One subcommand each: argv[0] is its name. The exit status of gs_cli_data. */
int gs_cli_data_brats(int argc, char **argv);
int gs_cli_data_lits(int argc, char **argv);
int gs_cli_data_phantom(int argc, char **argv);
int gs_cli_data_synthetic(int argc, char **argv);
int gs_cli_data_info(int argc, char **argv);

/* Prints the error of `what`, and gives the exit status. */
int gs_cli_data_fail(const char *what, const gs_error *err);

/* Progress and notes on standard error; what: "cases". An interrupt or a request to terminate stops
 * the maker in good order. */
gs_data_report gs_cli_data_report(const char *what);

/* For dataset.json: the command line that makes the same bytes again once it is told where (--out),
 * as a shell takes it, with every option's value; a sentence where that would be too long. Caller
 * frees with gs_free. */
GS_MUST_CHECK gs_status gs_cli_data_origin(const char *what, const gs_option *options, size_t count,
                                           char **origin_out, gs_error *err);

/* The contact sheet of the dataset in `folder`; path NULL: none. */
GS_MUST_CHECK gs_status gs_cli_data_preview(const char *folder, const char *path, gs_error *err);

#endif

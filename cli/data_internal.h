/* What the files of `genseg data` share. */
#ifndef GS_CLI_DATA_INTERNAL_H
#define GS_CLI_DATA_INTERNAL_H

#include "base/status.h"
#include "engine/data/report.h"

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

/* The contact sheet of the dataset in `folder`; path NULL: none. */
GS_MUST_CHECK gs_status gs_cli_data_preview(const char *folder, const char *path, gs_error *err);

#endif

/* Command-line options of the subcommands: --name value, declared as a table. */
#ifndef GS_CLI_OPTIONS_H
#define GS_CLI_OPTIONS_H

#include "base/status.h"
#include "engine/backend/choice.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum gs_option_kind {
    GS_OPTION_TEXT,      /* const char * */
    GS_OPTION_INT,       /* int */
    GS_OPTION_UINT64,    /* uint64_t */
    GS_OPTION_NUMBER,    /* double */
    GS_OPTION_FLAG,      /* bool, takes no value */
    GS_OPTION_PRECISION, /* gs_precision */
} gs_option_kind;

typedef struct gs_option {
    const char *name; /* with the dashes */
    gs_option_kind kind;
    void *value;      /* keeps its initial value when the option is absent */
    const char *help; /* one line, with the default */
} gs_option;

/* Reads argv[1] … into the table's values. INVALID_ARGUMENT names an unknown option, a missing or a
 * malformed value. CANCELLED after `--help` was answered on standard output. */
GS_MUST_CHECK gs_status gs_options_parse(int argc, char **argv, const char *usage,
                                         const gs_option *options, int count, gs_error *err);

/* The exit status of what works on data (data, train, experiment, eval): 0 for OK, 2 for what the
 * caller can set right - arguments, files, folders, a full disk -, 1 for the rest. */
int gs_cli_exit_status(gs_status status);

/* Prints the error to standard error as "genseg COMMAND: text"; returns 0 for CANCELLED by --help,
 * else the exit status as above. */
int gs_cli_refuse(const char *command, const gs_error *err);

/* The same for the other commands: 0 for CANCELLED by --help, 2 for INVALID_ARGUMENT, else 1. */
int gs_cli_fail(const char *command, const gs_error *err);

/* Says on standard error what computes where that is not the processor, and which precision that was
 * asked for there is none of. */
void gs_cli_tell_engine(const gs_engine_wish *wish);

#endif

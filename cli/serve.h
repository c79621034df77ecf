/* `genseg serve`: the HTTP server. */
#ifndef GS_CLI_SERVE_H
#define GS_CLI_SERVE_H

/* argv[0] is the subcommand's name. Serves until SIGTERM or SIGINT; a second one ends it at once.
 * Returns the process's exit status: 0 after an orderly stop, 2 for wrong options, else 1. */
int gs_cli_serve(int argc, char **argv);

#endif

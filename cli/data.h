/* `genseg data …`: makes and inspects dataset directories. */
#ifndef GS_CLI_DATA_H
#define GS_CLI_DATA_H

/* argv[0] is "data", argv[1] what to do. Prints results to standard output, progress and errors to
 * standard error. The exit status: 0 done, 1 failed, 2 wrong usage. */
int gs_cli_data(int argc, char **argv);

#endif

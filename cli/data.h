/* `genseg data …`: makes and inspects dataset directories. */
#ifndef GS_CLI_DATA_H
#define GS_CLI_DATA_H

/* argv[0] is "data", argv[1] what to do. Prints results to standard output, progress and errors to
 * standard error. The exit status: 0 done; 2 for wrong usage and whatever the caller can set right
 * (input files, a full disk, a folder in use); 1 for the rest (memory, an interrupt). */
int gs_cli_data(int argc, char **argv);

#endif

/* The subcommands of `genseg`. Each takes argv from its own name on and returns the exit status. */
#ifndef GS_CLI_COMMANDS_H
#define GS_CLI_COMMANDS_H

int gs_cli_serve(int argc, char **argv);
int gs_cli_token(int argc, char **argv);
int gs_cli_audit(int argc, char **argv);
int gs_cli_backup(int argc, char **argv);
int gs_cli_restore(int argc, char **argv);
int gs_cli_export(int argc, char **argv);
int gs_cli_import(int argc, char **argv);
int gs_cli_train(int argc, char **argv);
int gs_cli_eval(int argc, char **argv);
int gs_cli_experiment(int argc, char **argv);
int gs_cli_segment(int argc, char **argv);
int gs_cli_translate(int argc, char **argv);
int gs_cli_sample(int argc, char **argv);
int gs_cli_data(int argc, char **argv);
int gs_cli_bench(int argc, char **argv);
int gs_cli_parity(int argc, char **argv);

#endif

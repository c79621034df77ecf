/* Starting `genseg serve` anew in its own process, after the engine has lost its device: with the
 * same options and address, a few times. */
#ifndef GS_CLI_RESTART_H
#define GS_CLI_RESTART_H

#include <signal.h>
#include <stdbool.h>

enum {
    GS_RESTARTS_MAX = 3,         /* within … */
    GS_RESTART_WINDOW_S = 600,   /* … this time; then they count anew */
    GS_RESTART_SIGNAL = SIGUSR2, /* wakes the main thread */
};

/* Restarts so far within the window; 0 for a process that somebody started. */
int gs_restart_count(void);

/* Waits a little, longer each time; true if one of `stops` came meanwhile. */
bool gs_restart_pause(const sigset_t *stops);

/* Replaces the process. `url` is the address to keep, or NULL for that of the arguments. Returns
 * only if that fails. */
void gs_restart_now(int argc, char **argv, const char *url);

#endif

/* How far a command is: a bar with rate and time left on a terminal, lines elsewhere. For one
 * thread at a time. */
#ifndef GS_CLI_PROGRESS_H
#define GS_CLI_PROGRESS_H

#include <stddef.h>

typedef struct gs_progress {
    const char *what;      /* "cases" */
    double started, shown; /* seconds of some clock; shown: when the bar last was, 0: not yet */
} gs_progress;

/* The clock starts. `what` is borrowed. */
gs_progress gs_progress_start(const char *what);

/* On standard error: a terminal's bar ten times a second at most and when all is done, elsewhere a
 * line for every twentieth. */
void gs_progress_show(gs_progress *progress, int done, int total);

/* Makes the terminal's line, where the bar may stand, empty. For what is printed in between. */
void gs_progress_clear(void);

/* The bar, `columns` wide or as its text needs: [====>    ] 15/60 cases, 3.0/s, 0:15 left. */
void gs_progress_format(char *line, size_t size, int columns, const gs_progress *progress, int done,
                        int total, double seconds);

#endif

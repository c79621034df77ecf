/* A child process whose standard output is read line by line. It dies with this process, whatever
 * ends that, and runs at a lower priority. Threads: one at a time, and the one that started the
 * child must outlive it (the kernel ties the child's life to that thread). */
#ifndef GS_SERVER_CHILD_H
#define GS_SERVER_CHILD_H

#include "base/status.h"

#include <stddef.h>

enum {
    GS_CHILD_LINE_MAX = 64 * 1024, /* bytes; longer lines are dropped */
    GS_CHILD_STDERR_KEPT = 2000,   /* the last bytes of standard error */
    GS_CHILD_NICENESS = 10,        /* below this process */
};

typedef struct gs_child gs_child;

/* Starts arguments[0] (a path) with the NULL-terminated arguments. Caller closes. */
GS_MUST_CHECK gs_status gs_child_start(char *const arguments[], gs_child **out, gs_error *err);
/* Kills the child if it still runs. NULL is allowed. */
void gs_child_close(gs_child *child);

typedef enum gs_child_news {
    GS_CHILD_LINE,  /* gs_child_line has one */
    GS_CHILD_WOKEN, /* wake_fd became readable; the caller empties it */
    GS_CHILD_TIMEOUT,
    GS_CHILD_ENDED, /* it exited and every line was given */
} gs_child_news;

/* Waits for the next of these, at most timeout_ms. */
gs_child_news gs_child_wait(gs_child *child, int wake_fd, int timeout_ms);

/* The line without its end. Borrowed, valid until the next gs_child_wait. */
const char *gs_child_line(const gs_child *child);
void gs_child_signal(gs_child *child, int signal);

/* After GS_CHILD_ENDED: the exit status, or -1 when a signal ended it; then *signal_out is which.
 */
int gs_child_exit_status(const gs_child *child, int *signal_out);
/* The end of its standard error, newlines as spaces. Borrowed from the child. */
const char *gs_child_stderr(gs_child *child);

#endif

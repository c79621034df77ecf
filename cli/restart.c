#include "cli/restart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

/* "count first": of this window's restarts, and when the first was, by the monotonic clock. */
#define HISTORY "GENSEG_ENGINE_RESTARTS"

static long long now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec;
}

static int read_history(long long *first_out) {
    const char *text = getenv(HISTORY);
    int count = 0;
    long long first = 0;
    if (!text || sscanf(text, "%d %lld", &count, &first) != 2 || count < 0) return 0;
    if (now_seconds() - first > GS_RESTART_WINDOW_S) return 0;
    *first_out = first;
    return count;
}

int gs_restart_count(void) {
    long long ignored;
    return read_history(&ignored);
}

bool gs_restart_pause(const sigset_t *stops) {
    const struct timespec pause = {.tv_sec = 1 << gs_restart_count()};
    return sigtimedwait(stops, NULL, &pause) > 0;
}

static bool note_restart(void) {
    char text[64];
    long long first = now_seconds();
    int count = read_history(&first);
    snprintf(text, sizeof text, "%d %lld", count + 1, first);
    return setenv(HISTORY, text, 1) == 0;
}

void gs_restart_now(int argc, char **argv, const char *url) {
    enum { MORE = 4 }; /* the program, the address and the end */
    static char program[] = "genseg", option[] = "--listen";
    char **all = gs_alloc((size_t)argc + MORE, sizeof *all);
    const char *address = url ? strstr(url, "://") : NULL;
    char *listen = address ? gs_copy_string(address + strlen("://")) : NULL;
    int count = 0;
    if (!all || (address && !listen) || !note_restart()) return;
    all[count++] = program;
    for (int i = 0; i < argc; i++) all[count++] = argv[i];
    if (listen) {
        all[count++] = option; /* the last one holds */
        all[count++] = listen;
    }
    fflush(NULL);
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    execv("/proc/self/exe", all);
    perror("genseg serve: cannot be started anew");
}

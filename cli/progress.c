/* Owns what progress looks like. Must not know what makes it. */
#include "cli/progress.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 256, DEFAULT_COLUMNS = 80, LARGEST_BAR = 40, SMALLEST_BAR = 5, LINES = 20 };
static const double pause_seconds = 0.1, longest_seconds = 360000; /* 100 hours */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

gs_progress gs_progress_start(const char *what) {
    return (gs_progress){.what = what, .started = now()};
}

static bool is_terminal(void) {
    return isatty(STDERR_FILENO) == 1;
}

static int terminal_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return DEFAULT_COLUMNS;
}

static void format_time(char *text, size_t size, double seconds) {
    int whole = (int)fmin(ceil(seconds), longest_seconds);
    if (whole < 3600)
        snprintf(text, size, "%d:%02d", whole / 60, whole % 60);
    else
        snprintf(text, size, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
}

/* Three digits, however fast or slow. */
static void format_rate(char *text, size_t size, double rate) {
    if (rate >= 100)
        snprintf(text, size, "%.0f/s", rate);
    else if (rate >= 1)
        snprintf(text, size, "%.1f/s", rate);
    else
        snprintf(text, size, "%.1f s each", fmin(1 / rate, longest_seconds));
}

void gs_progress_format(char *line, size_t size, int columns, const gs_progress *progress, int done,
                        int total, double seconds) {
    char text[LINE], rate[32], time[32], bar[LARGEST_BAR + 1];
    double rest = (double)(total - done) / done * seconds;
    format_rate(rate, sizeof rate, done / fmax(seconds, 1e-6));
    format_time(time, sizeof time, done < total ? rest : seconds);
    int length = snprintf(text, sizeof text, "%d/%d %s, %s, %s %s", done, total, progress->what,
                          rate, time, done < total ? "left" : "in all");
    int width = columns - length - 4; /* brackets, a space, and the last column stays free */
    if (width > LARGEST_BAR) width = LARGEST_BAR;
    if (width < SMALLEST_BAR) {
        snprintf(line, size, "%s", text);
        return;
    }
    int filled = (int)((double)done / total * width);
    memset(bar, ' ', sizeof bar);
    memset(bar, '=', (size_t)filled);
    if (filled < width) bar[filled] = '>';
    snprintf(line, size, "[%.*s] %s", width, bar, text);
}

void gs_progress_show(gs_progress *progress, int done, int total) {
    if (!is_terminal()) {
        int step = total < LINES ? 1 : total / LINES;
        if (done == total || done % step == 0)
            fprintf(stderr, "%d of %d %s\n", done, total, progress->what);
        return;
    }
    double time = now();
    if (done < total && progress->shown > 0 && time - progress->shown < pause_seconds) return;
    char line[LINE];
    gs_progress_format(line, sizeof line, terminal_columns(), progress, done, total,
                       time - progress->started);
    fprintf(stderr, "\r%s\x1b[K%s", line, done == total ? "\n" : "");
    progress->shown = time;
}

void gs_progress_clear(void) {
    if (is_terminal()) fputs("\r\x1b[K", stderr);
}

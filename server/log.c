#include "server/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store.h"

void gs_log(gs_log_level level, const char *event, json_t *fields) {
    static const char *const levels[] = {"info", "warning", "error"};
    char time[GS_TIME_SIZE];
    gs_time_now(time);
    json_t *line =
        json_pack("{s:s, s:s, s:s}", "time", time, "level", levels[level], "event", event);
    if (fields) (void)json_object_update(line, fields);
    json_decref(fields);
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (!text) return;
    size_t size = strlen(text);
    text[size] = '\n'; /* over the terminator: the line leaves in one write */
    ssize_t written = write(STDERR_FILENO, text, size + 1);
    (void)written;
    free(text);
}

void gs_log_text(gs_log_level level, const char *event, const char *format, ...) {
    char detail[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    gs_log(level, event, json_pack("{s:s}", "detail", detail));
}

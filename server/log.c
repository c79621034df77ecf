#include "server/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/store.h"

static _Atomic gs_log_format log_format = GS_LOG_JSON;

void gs_log_set_format(gs_log_format format) {
    atomic_store(&log_format, format);
}

bool gs_log_format_find(const char *name, gs_log_format *out) {
    bool is_text = strcmp(name, "text") == 0;
    if (!is_text && strcmp(name, "json") != 0) return false;
    *out = is_text ? GS_LOG_TEXT : GS_LOG_JSON;
    return true;
}

/* Whether a reader, and a program that splits at blanks and '=', takes it for one word. */
static bool is_word(const char *text) {
    for (const char *at = text; *at; at++)
        if ((unsigned char)*at <= ' ' || (unsigned char)*at >= 127 || strchr("\"=\\", *at))
            return false;
    return text[0] != '\0';
}

/* Control characters are escaped by JSON, so a value cannot begin a line of its own. */
static void print_value(FILE *out, const json_t *value) {
    if (json_is_string(value) && is_word(json_string_value(value)))
        fputs(json_string_value(value), out);
    else
        (void)json_dumpf(value, out, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
}

/* NULL when out of memory; caller frees with free. */
static char *text_line(json_t *line) {
    char *text = NULL;
    size_t size;
    const char *key;
    json_t *value;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fprintf(out, "%s %s %s", json_string_value(json_object_get(line, "time")),
            json_string_value(json_object_get(line, "level")),
            json_string_value(json_object_get(line, "event")));
    json_object_foreach(line, key, value) {
        if (strcmp(key, "time") == 0 || strcmp(key, "level") == 0 || strcmp(key, "event") == 0)
            continue;
        fprintf(out, " %s=", key);
        print_value(out, value);
    }
    return gs_text_finish(out, &text);
}

void gs_log(gs_log_level level, const char *event, json_t *fields) {
    static const char *const levels[] = {"info", "warning", "error"};
    char time[GS_TIME_SIZE];
    gs_time_now(time);
    json_t *line =
        json_pack("{s:s, s:s, s:s}", "time", time, "level", levels[level], "event", event);
    if (fields) (void)json_object_update(line, fields);
    json_decref(fields);
    bool is_text = atomic_load(&log_format) == GS_LOG_TEXT;
    char *text = !line ? NULL : is_text ? text_line(line) : json_dumps(line, JSON_COMPACT);
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

/* Structured log: one line per event on standard error. Thread-safe; a line is one write. */
#ifndef GS_SERVER_LOG_H
#define GS_SERVER_LOG_H

#include "base/status.h"

#include <jansson.h>
#include <stdbool.h>

typedef enum gs_log_level { GS_LOG_INFO, GS_LOG_WARNING, GS_LOG_ERROR } gs_log_level;

typedef enum gs_log_format {
    GS_LOG_JSON, /* {"time", "level", "event", …fields} */
    GS_LOG_TEXT, /* TIME LEVEL EVENT KEY=VALUE …; values with blanks or signs as JSON writes them */
} gs_log_format;

/* Of all lines from now on, of the whole process; JSON without it. */
void gs_log_set_format(gs_log_format format);
/* false when `name` is neither "json" nor "text". */
bool gs_log_format_find(const char *name, gs_log_format *out);

/* Time, level, event and fields. Takes `fields` (an object, or NULL). Never fails: a line
 * that cannot be written is lost. */
void gs_log(gs_log_level level, const char *event, json_t *fields);

/* gs_log with the one field "detail". */
void gs_log_text(gs_log_level level, const char *event, const char *format, ...) GS_PRINTF(3, 4);

#endif

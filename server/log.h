/* Structured log: one JSON object per line on standard error. Thread-safe; a line is one write. */
#ifndef GS_SERVER_LOG_H
#define GS_SERVER_LOG_H

#include "base/status.h"

#include <jansson.h>

typedef enum gs_log_level { GS_LOG_INFO, GS_LOG_WARNING, GS_LOG_ERROR } gs_log_level;

/* {"time", "level", "event", …fields}. Takes `fields` (an object, or NULL). Never fails: a line
 * that cannot be written is lost. */
void gs_log(gs_log_level level, const char *event, json_t *fields);

/* gs_log with the one field "detail". */
void gs_log_text(gs_log_level level, const char *event, const char *format, ...) GS_PRINTF(3, 4);

#endif

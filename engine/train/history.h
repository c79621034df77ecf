/* What happens in a training, as the JSON lines of docs/training-process.md. */
#ifndef GS_ENGINE_TRAIN_HISTORY_H
#define GS_ENGINE_TRAIN_HISTORY_H

#include "engine/train/trainer.h"

#include <jansson.h>
#include <stdio.h>

#define GS_HISTORY_FILE "history.jsonl"

/* The object of one event. Caller decrefs; NULL when out of memory. */
json_t *gs_history_line(const gs_trainer_options *options, const gs_training_event *event);

/* Opens out/history.jsonl, making the folder: to go on in, or anew without `resume`. Caller
 * fcloses; NULL when that cannot be done, which is the trainer's to report. */
FILE *gs_history_open(const gs_trainer_options *options);

/* Writes the object as one line, and flushes. Nothing for NULL. */
void gs_history_write(FILE *file, const json_t *line);

#endif

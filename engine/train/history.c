#include "engine/train/history.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

static json_t *number_or_null(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *start_json(const gs_trainer_options *o, const gs_training_event *e) {
    const gs_model_config *c = e->config;
    return json_pack(
        "{s:s, s:I, s:s, s:s, s:f, s:i, s:i, s:i, s:o, s:I, s:i, s:o, s:{s:I, s:I, s:I, s:I}, s:o}",
        "event", "start", "step", (json_int_t)e->step, "method",
        gs_method_get(o->objective.method)->name, "preset", c->preset, "width", c->width,
        "channels", c->channels, "height", c->height, "columns", c->columns, "architecture",
        gs_architecture_to_json(&c->architecture), "parameters", (json_int_t)e->parameters,
        "batch_size", o->batch_size, "total_steps",
        e->total_steps ? json_integer((json_int_t)e->total_steps) : json_null(), "slices",
        "presence", (json_int_t)e->presence, "absence", (json_int_t)e->absence, "annotated",
        (json_int_t)e->annotated, "validation", (json_int_t)e->validation, "resumed_from",
        e->resumed_from >= 0 ? json_integer((json_int_t)e->resumed_from) : json_null());
}

static json_t *progress_json(const gs_trainer_options *o, const gs_training_event *e) {
    json_t *losses = json_object();
    for (gs_term k = 0; losses && k < GS_TERM_COUNT; k++)
        if (gs_objective_has_term(&o->objective, k))
            json_object_set_new(losses, gs_term_name(k), number_or_null(e->losses[k]));
    return json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:o}", "event", "progress", "step",
                     (json_int_t)e->step, "epoch", e->epoch, "fraction", e->fraction, "seconds",
                     e->seconds, "loader_wait", e->loader_wait, "losses", losses);
}

static json_t *validation_json(const gs_training_event *e) {
    return json_pack("{s:s, s:I, s:f, s:o, s:b, s:o, s:o, s:o}", "event", "validation", "step",
                     (json_int_t)e->step, "epoch", e->epoch, "dice", number_or_null(e->dice),
                     "best", e->is_best, "area", number_or_null(e->area), "diversity",
                     number_or_null(e->diversity), "sample_diversity",
                     number_or_null(e->sample_diversity));
}

json_t *gs_history_line(const gs_trainer_options *o, const gs_training_event *e) {
    json_int_t step = (json_int_t)e->step;
    switch (e->kind) {
    case GS_EVENT_START:
        return start_json(o, e);
    case GS_EVENT_PROGRESS:
        return progress_json(o, e);
    case GS_EVENT_VALIDATION:
        return validation_json(e);
    case GS_EVENT_CHECKPOINT:
        return json_pack("{s:s, s:I}", "event", "checkpoint", "step", step);
    case GS_EVENT_RECOVERY:
        return json_pack("{s:s, s:I, s:s, s:I, s:i, s:f}", "event", "recovery", "step", step,
                         "reason", e->reason, "back_to", (json_int_t)e->back_to, "recoveries",
                         e->recoveries, "learning_rate", e->learning_rate);
    case GS_EVENT_WARNING:
        return json_pack("{s:s, s:I, s:s}", "event", "warning", "step", step, "detail", e->reason);
    case GS_EVENT_DONE:
        return json_pack("{s:s, s:I, s:o, s:f, s:f, s:b}", "event", "done", "step", step, "dice",
                         number_or_null(e->dice), "seconds", e->seconds, "loader_wait",
                         e->loader_wait, "stopped_early", e->stopped_early);
    }
    return NULL;
}

/* A process that was killed may have left half a line. */
static void end_last_line(FILE *file) {
    if (fseek(file, -1, SEEK_END) != 0) return; /* empty */
    int last = fgetc(file);
    (void)!fseek(file, 0, SEEK_END);
    if (last != '\n') fputc('\n', file);
}

FILE *gs_history_open(const gs_trainer_options *o) {
    gs_error ignored;
    char *path = gs_format("%s/%s", o->out, GS_HISTORY_FILE);
    FILE *file = NULL;
    if (path && gs_folder_make(o->out, &ignored) == GS_OK)
        file = fopen(path, o->resume ? "a+" : "w");
    if (file && o->resume) end_last_line(file);
    gs_free(path);
    return file;
}

void gs_history_write(FILE *file, const json_t *line) {
    const size_t flags = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9);
    char *text = line ? json_dumps(line, flags) : NULL;
    if (!text) return;
    fprintf(file, "%s\n", text);
    fflush(file);
    free(text);
}

/* Invariants: 1. The snapshot of the data set is taken once; every later run trains on the same
 * one, so that it ends with the same bytes. 2. A run that finds a checkpoint goes on from it. */
#include "server/job_run.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/job_request.h"
#include "api/model_register.h"
#include "api/snapshot.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/train/trainer.h"
#include "server/child.h"
#include "server/clock.h"
#include "server/log.h"

enum { EXIT_AT_CHECKPOINT = 75, POLL_MS = 1000, FIXED_ARGUMENTS = 22, PANELS_KEPT = 32 };

/* A run that goes on. */
typedef struct progress {
    const gs_job_run *run;
    char *dataset, *output; /* folders */
    gs_child *child;
    gs_run_wish obeyed; /* the wish that SIGTERM was sent for */
    double kill_at;     /* gs_clock_seconds when it will be SIGKILL; 0 = not asked to stop */
    double dice;        /* best so far; NaN = none */
    double seconds;
    int64_t step;
    json_t *losses;   /* latest; NULL = none */
    char error[1000]; /* detail of the trainer's `error` line */
    char method[40];  /* of its `start` line */
} progress;

static void end_with(gs_run_end *end, gs_job_state state, const char *format, ...) GS_PRINTF(3, 4);
static void end_with(gs_run_end *end, gs_job_state state, const char *format, ...) {
    *end = (gs_run_end){.state = state};
    va_list args;
    va_start(args, format);
    vsnprintf(end->error, sizeof end->error, format, args);
    va_end(args);
}

/* ==== Folders ==== */

static char *job_path(gs_store *store, const char *job_id, const char *rest) {
    return gs_format("%s/jobs/%s%s", gs_store_get_folder(store), job_id, rest);
}

static bool file_exists(const char *folder, const char *name) {
    char *path = gs_format("%s/%s", folder, name);
    bool exists = path && access(path, R_OK) == 0;
    gs_free(path);
    return exists;
}

static int is_panel(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static bool is_before(struct timespec a, struct timespec b) {
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

/* Of finished trainings only the latest PANELS_KEPT are shown. A restore makes them anew in their
 * order, all within a second. */
static void drop_old_panels(const char *folder) {
    struct dirent **entries;
    int count = scandir(folder, &entries, is_panel, NULL);
    for (int kept = count; kept > PANELS_KEPT; kept--) {
        char *oldest = NULL;
        struct timespec age = {0};
        for (int i = 0; i < count; i++) {
            char *path = gs_format("%s/%s", folder, entries[i]->d_name);
            struct stat status;
            bool older =
                path && stat(path, &status) == 0 && (!oldest || is_before(status.st_mtim, age));
            if (older) age = status.st_mtim;
            gs_free(older ? oldest : path);
            if (older) oldest = path;
        }
        if (oldest) gs_folder_remove(oldest);
        gs_free(oldest);
    }
    for (int i = 0; i < count; i++) free(entries[i]);
    if (count >= 0) free(entries);
}

/* The panel outlives the job's folder; it moves before anybody hears that the job is done. */
static void keep_panel(gs_store *store, const char *job_id) {
    gs_error ignored;
    char *from = job_path(store, job_id, "/out/" GS_PANEL_FOLDER);
    char *all = gs_format("%s/panels", gs_store_get_folder(store));
    char *to = all ? gs_format("%s/%s", all, job_id) : NULL;
    if (from && to && access(from, R_OK) == 0 && gs_folder_make(all, &ignored) == GS_OK &&
        rename(from, to) == 0)
        drop_old_panels(all);
    gs_free(from);
    gs_free(all);
    gs_free(to);
}

void gs_job_run_clean(gs_store *store, const char *job_id) {
    char *folder = job_path(store, job_id, "");
    if (folder) gs_folder_remove(folder);
    gs_free(folder);
}

/* Makes the folders and, at the first run, the snapshot. */
static gs_status prepare(progress *p, gs_error *err) {
    const gs_job_run *run = p->run;
    p->dataset = job_path(run->store, run->job->id, "/dataset");
    p->output = job_path(run->store, run->job->id, "/out");
    if (!p->dataset || !p->output) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the job");
    GS_TRY(gs_folder_make(p->output, err));
    if (file_exists(p->dataset, "dataset.json")) return GS_OK;
    char *summary;
    GS_TRY(gs_api_snapshot_dataset(run->store, run->job->dataset, p->dataset, &summary, err));
    gs_status status = gs_store_job_set_dataset(run->store, run->job->id, summary, err);
    gs_free(summary);
    return status;
}

/* ==== The trainer's command line ==== */

/* The path of the weights to begin from; *path_out is NULL for scratch. */
static gs_status find_init(const gs_job_run *run, char **path_out, char id_out[GS_ID_SIZE],
                           gs_error *err) {
    json_t *request = json_loads(run->job->request_json, 0, NULL);
    const char *init = json_string_value(json_object_get(request, "init"));
    snprintf(id_out, GS_ID_SIZE, "%s", init && strcmp(init, "scratch") != 0 ? init : "");
    json_decref(request);
    *path_out = NULL;
    if (!id_out[0]) return GS_OK;
    gs_model_record model;
    GS_TRY(gs_store_model_get(run->store, id_out, &model, err));
    gs_model_record_deinit(&model);
    *path_out = gs_store_model_weights_path(run->store, id_out);
    return *path_out ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the job");
}

static gs_status start_trainer(progress *p, gs_error *err) {
    const gs_supervisor_options *options = p->run->options;
    char *init = NULL, init_id[GS_ID_SIZE], threads[16], device[16];
    char **wished = NULL;
    gs_status status = find_init(p->run, &init, init_id, err);
    if (status == GS_OK) status = gs_job_request_arguments(p->run->job->request_json, &wished, err);
    size_t count = 0, at = 0;
    while (status == GS_OK && wished[count]) count++;
    const char **all = gs_alloc(FIXED_ARGUMENTS + count + 1, sizeof *all);
    if (status == GS_OK && !all) status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the job");
    if (status == GS_OK) {
        snprintf(device, sizeof device, "%d", options->engine.device);
        const char *fixed[] = {options->trainer, "train",
                               "--dataset",      p->dataset,
                               "--out",          p->output,
                               "--backend",      options->engine.backend,
                               "--device",       device,
                               "--precision",    gs_precision_name(options->engine.precision),
                               "--panel",        "4"};
        memcpy(all, fixed, sizeof fixed);
        at = sizeof fixed / sizeof fixed[0];
        memcpy(all + at, wished, count * sizeof *wished);
        at += count;
        snprintf(threads, sizeof threads, "%d", options->threads);
        if (options->threads > 0) all[at++] = "--threads", all[at++] = threads;
        if (init) all[at++] = "--init", all[at++] = init;
        if (file_exists(p->output, "checkpoint.safetensors")) all[at++] = "--resume";
        status = gs_child_start((char *const *)all, &p->child, err);
    }
    gs_free(all);
    gs_arguments_free(wished);
    gs_free(init);
    return status;
}

/* ==== Lines ==== */

static bool event_is_known(const char *name) {
    static const char *const names[] = {"start",    "progress", "validation", "checkpoint",
                                        "recovery", "warning",  "done",       "error"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

/* Keeps what later lines and the model's metrics need. */
static void note_line(progress *p, const char *name, const json_t *line) {
    const json_t *step = json_object_get(line, "step");
    const json_t *dice = json_object_get(line, "dice");
    const json_t *seconds = json_object_get(line, "seconds");
    json_t *losses = json_object_get(line, "losses");
    if (json_is_integer(step)) p->step = json_integer_value(step);
    if (json_is_number(seconds)) p->seconds = json_number_value(seconds);
    if (json_is_number(dice) && !(json_number_value(dice) <= p->dice))
        p->dice = json_number_value(dice);
    if (json_is_object(losses)) {
        json_decref(p->losses);
        p->losses = json_incref(losses);
    }
    const char *method = json_string_value(json_object_get(line, "method"));
    if (method) snprintf(p->method, sizeof p->method, "%s", method);
    const char *detail = json_string_value(json_object_get(line, "detail"));
    if (strcmp(name, "error") == 0)
        snprintf(p->error, sizeof p->error, "%s",
                 detail ? detail : "the trainer reported an error");
}

static void store_line(progress *p, const char *name, const json_t *line) {
    const json_t *fraction = json_object_get(line, "fraction");
    double done = fmin(fmax(json_number_value(fraction), 0), 1);
    if (strcmp(name, "done") == 0) done = 1;
    char *losses = p->losses ? json_dumps(p->losses, JSON_COMPACT) : NULL;
    char *text = json_dumps(line, JSON_COMPACT);
    gs_job_update update = {
        .progress = json_is_number(fraction) || done > 0 ? &done : NULL,
        .step = &p->step,
        .losses_json = losses,
        .dice = isnan(p->dice) ? NULL : &p->dice,
    };
    int64_t sequence;
    gs_error err;
    if (text && gs_store_job_append(p->run->store, p->run->job->id, name, text, &update, &sequence,
                                    &err) == GS_OK) {
        p->run->event(p->run->context, sequence);
    } else {
        gs_log_text(GS_LOG_ERROR, "job_event_lost", "%s: %s", p->run->job->id,
                    text ? err.text : "out of memory");
    }
    free(text);
    free(losses);
}

static void take_line(progress *p, const char *text) {
    json_t *line = NULL;
    gs_error err;
    const char *name = NULL;
    if (gs_json_parse(text, strlen(text), &line, &err) == GS_OK)
        name = json_string_value(json_object_get(line, "event"));
    if (name && event_is_known(name)) {
        note_line(p, name, line);
        store_line(p, name, line);
    } else {
        gs_log_text(GS_LOG_WARNING, "trainer_line_ignored", "%s: %.200s", p->run->job->id, text);
    }
    json_decref(line);
}

/* ==== Watching ==== */

/* Turns a wish into SIGTERM, and into SIGKILL when the trainer does not follow. */
static void obey(progress *p) {
    gs_run_wish wish = p->run->wish(p->run->context);
    double now = gs_clock_seconds();
    if (wish != GS_RUN_GO_ON && p->kill_at == 0) {
        gs_child_signal(p->child, SIGTERM);
        p->kill_at = now + p->run->options->stop_seconds;
    }
    if (wish != GS_RUN_GO_ON) p->obeyed = wish;
    if (p->kill_at > 0 && now > p->kill_at) gs_child_signal(p->child, SIGKILL);
}

static void watch(progress *p) {
    for (;;) {
        obey(p);
        uint64_t wakes;
        switch (gs_child_wait(p->child, p->run->wake_fd, POLL_MS)) {
        case GS_CHILD_LINE:
            take_line(p, gs_child_line(p->child));
            break;
        case GS_CHILD_WOKEN:
            if (read(p->run->wake_fd, &wakes, sizeof wakes) < 0) continue;
            break;
        case GS_CHILD_TIMEOUT:
            break;
        case GS_CHILD_ENDED:
            return;
        }
    }
}

/* ==== The end ==== */

static char *metrics_text(const progress *p) {
    json_t *json = json_pack("{s:s, s:o, s:I, s:f, s:O?}", "method", p->method, "dice",
                             isnan(p->dice) ? json_null() : json_real(p->dice), "steps",
                             (json_int_t)p->step, "seconds", p->seconds, "losses", p->losses);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

static gs_status register_model(const progress *p, char id_out[GS_ID_SIZE], gs_error *err) {
    const gs_job_run *run = p->run;
    char *init_path = NULL, init[GS_ID_SIZE];
    gs_error
        ignored; /* the parent may have been deleted since; its id is still where it came from */
    (void)!find_init(run, &init_path, init, &ignored);
    gs_free(init_path);
    gs_job_record now;
    GS_TRY(gs_store_job_get(run->store, run->job->id, &now, err));
    char *path = gs_format("%s/model.safetensors", p->output);
    char *metrics = metrics_text(p);
    gs_model_origin origin = {.path = path,
                              .job = run->job->id,
                              .parent = init[0] ? init : NULL,
                              .metrics_json = metrics,
                              .dataset_json = now.dataset_json};
    gs_model_record model;
    gs_status status = path && metrics
                           ? gs_model_register(run->store, &origin, NULL, &model, NULL, err)
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the model");
    if (status == GS_OK) {
        snprintf(id_out, GS_ID_SIZE, "%s", model.id);
        gs_model_record_deinit(&model);
    }
    free(metrics);
    gs_free(path);
    gs_job_record_deinit(&now);
    return status;
}

static void describe_failure(const progress *p, int exit_status, int signal, gs_run_end *end) {
    const char *tail = gs_child_stderr(p->child);
    if (p->error[0]) {
        end_with(end, GS_JOB_FAILED, "%s", p->error);
    } else if (exit_status < 0) {
        end_with(end, GS_JOB_FAILED, "the trainer was ended by signal %d (%s)%s%.1500s", signal,
                 strsignal(signal), tail[0] ? ": " : "", tail);
    } else {
        end_with(end, GS_JOB_FAILED, "the trainer ended with status %d%s%.1500s", exit_status,
                 tail[0] ? ": " : "", tail);
    }
}

static void conclude(const progress *p, gs_run_end *end) {
    int signal = 0;
    int exit_status = gs_child_exit_status(p->child, &signal);
    gs_error err;
    if (exit_status == 0) {
        *end = (gs_run_end){.state = GS_JOB_SUCCEEDED};
        keep_panel(p->run->store, p->run->job->id);
        if (register_model(p, end->model, &err) != GS_OK)
            end_with(end, GS_JOB_FAILED, "the trained model cannot be registered: %s", err.text);
    } else if (p->obeyed == GS_RUN_YIELD) {
        end_with(end, GS_JOB_QUEUED, "%s", "");
    } else if (p->obeyed == GS_RUN_CANCEL) {
        end_with(end, GS_JOB_CANCELLED, "%s", "");
    } else if (exit_status == EXIT_AT_CHECKPOINT) {
        end_with(end, GS_JOB_CANCELLED, "the trainer was asked to stop by somebody else");
    } else {
        describe_failure(p, exit_status, signal, end);
    }
}

void gs_job_run_execute(const gs_job_run *run, gs_run_end *end_out) {
    gs_error err;
    progress p = {.run = run, .dice = run->job->dice, .step = run->job->step};
    gs_status status = prepare(&p, &err);
    gs_run_wish wish = run->wish(run->context); /* a snapshot may have taken a while */
    if (status != GS_OK) {
        end_with(end_out, GS_JOB_FAILED, "the data set cannot be written for the trainer: %s",
                 err.text);
    } else if (wish != GS_RUN_GO_ON) {
        end_with(end_out, wish == GS_RUN_YIELD ? GS_JOB_QUEUED : GS_JOB_CANCELLED, "%s", "");
    } else if (start_trainer(&p, &err) != GS_OK) {
        end_with(end_out, GS_JOB_FAILED, "the trainer cannot be started: %s", err.text);
    } else {
        watch(&p);
        conclude(&p, end_out);
    }
    gs_child_close(p.child);
    json_decref(p.losses);
    gs_free(p.dataset);
    gs_free(p.output);
}

/* Jobs - trainings, inference on volumes and on data sets - and their events.
 *
 *               claim              finish
 *   add ──▶ queued ──▶ running ──▶ succeeded
 *             │  ▲        │  ├───▶ failed ────┐
 *             │  └requeue─┘  └───▶ cancelled ─┤
 *             └─finish(cancelled)──────▲      │
 *             ▲───────── requeue (resume) ◀───┘
 *
 * Any other edge is CONFLICT. */
#ifndef GS_STORE_JOB_H
#define GS_STORE_JOB_H

#include "store/dataset.h"
#include "store/model.h"
#include "store/slice.h"

enum {
    GS_JOB_KIND_SIZE = 16,
    GS_EVENT_NAME_SIZE = 24,
    GS_JOB_EVENTS_MAX = 4000,    /* of one name in one job; beyond it every second one goes */
    GS_JOB_EVENT_NAMES_MAX = 16, /* different names in one job */
    GS_EVENT_BYTES_MAX = 16 * 1024
};

typedef enum gs_job_state {
    GS_JOB_QUEUED,
    GS_JOB_RUNNING,
    GS_JOB_SUCCEEDED,
    GS_JOB_FAILED,
    GS_JOB_CANCELLED,
    GS_JOB_STATES, /* how many */
} gs_job_state;

/* "queued" … "cancelled". Static storage. */
const char *gs_job_state_name(gs_job_state state);
/* false when `name` is none of them. */
bool gs_job_state_find(const char *name, gs_job_state *out);
bool gs_job_state_is_terminal(gs_job_state state);

typedef struct gs_job_record {
    char id[GS_ID_SIZE]; /* "job_…" */
    char kind[GS_JOB_KIND_SIZE];
    gs_job_state state;
    char dataset[GS_DATASET_NAME_SIZE];
    char *request_json; /* owned; the validated request with defaults filled in */
    char *dataset_json; /* owned; what the snapshot held; "null" until there is one */
    double progress;    /* 0…1 */
    int64_t step;
    char *losses_json;           /* owned; the latest; "null" = none */
    double dice;                 /* best validation Dice; NaN = none */
    char model[GS_ID_SIZE];      /* a training: what it made, "" = nothing yet; else what it ran */
    char author[GS_AUTHOR_SIZE]; /* who asked for it; "" = unknown */
    char volume[GS_ID_SIZE];     /* it works on; "" = none */
    char *outputs_json;          /* owned; what it made of a volume; "[]" = nothing */
    char
        *activation_json; /* owned; of a training: what became of its model; "null" = nothing yet */
    char *error;          /* owned; a sentence; "" = none */
    int runs;             /* how often it was claimed */
    char created_at[GS_TIME_SIZE];
    char started_at[GS_TIME_SIZE];  /* first claim; "" = not yet */
    char finished_at[GS_TIME_SIZE]; /* "" unless terminal */
} gs_job_record;

void gs_job_record_deinit(gs_job_record *record);

/* Adds a queued job. author: who asked for it; NULL or "" = nobody with a name. request_json: at
 * most GS_JSON_MAX bytes. key may be NULL; *created_out may be NULL and is false when the key gave
 * an earlier job. Caller deinits *out. */
GS_MUST_CHECK gs_status gs_store_job_add(gs_store *store, const char *kind, const char *dataset,
                                         const char *request_json, const char *author,
                                         const gs_idempotency *key, gs_job_record *out,
                                         bool *created_out, gs_error *err);
GS_MUST_CHECK gs_status gs_store_job_get(gs_store *store, const char *id, gs_job_record *out,
                                         gs_error *err);

/* Adds a queued job of `kind` on a volume. NOT_FOUND: no such volume. Else as gs_store_job_add. */
GS_MUST_CHECK gs_status gs_store_job_add_for_volume(gs_store *store, const char *kind,
                                                    const char *volume, const char *request_json,
                                                    const char *author, const gs_idempotency *key,
                                                    gs_job_record *out, bool *created_out,
                                                    gs_error *err);

/* Trainings, jobs on volumes and jobs of the kind "predict" wait in queues of their own. */
typedef enum gs_job_queue {
    GS_QUEUE_TRAINING,
    GS_QUEUE_VOLUMES,
    GS_QUEUE_PREDICTIONS
} gs_job_queue;
gs_job_queue gs_job_record_queue(const gs_job_record *record);

/* The oldest queued job of the queue becomes running; NOT_FOUND when none waits. Caller deinits
 * *out. */
GS_MUST_CHECK gs_status gs_store_job_claim(gs_store *store, gs_job_queue queue, gs_job_record *out,
                                           gs_error *err);
/* running, failed or cancelled -> queued: after an interruption, or to resume. It goes to its old
 * place in the order. error and finished_at are cleared. */
GS_MUST_CHECK gs_status gs_store_job_requeue(gs_store *store, const char *id, gs_error *err);
/* All running jobs of the queue -> queued; for the start of a server, after the last one died. */
GS_MUST_CHECK gs_status gs_store_job_requeue_all(gs_store *store, gs_job_queue queue,
                                                 size_t *count_out, gs_error *err);
/* What a job made of a volume. */
GS_MUST_CHECK gs_status gs_store_job_set_outputs(gs_store *store, const char *id,
                                                 const char *outputs_json, gs_error *err);
/* To a terminal state. model: NULL or what it made; error: NULL or a sentence (cut at 2000 bytes).
 */
GS_MUST_CHECK gs_status gs_store_job_finish(gs_store *store, const char *id, gs_job_state state,
                                            const char *model, const char *error, gs_error *err);
/* What the snapshot held. */
GS_MUST_CHECK gs_status gs_store_job_set_dataset(gs_store *store, const char *id,
                                                 const char *dataset_json, gs_error *err);

/* Changes of the job's row that come with an event; NULL leaves a field as it is. */
typedef struct gs_job_update {
    const double *progress;
    const int64_t *step;
    const char *losses_json;
    const double *dice;
} gs_job_update;

typedef struct gs_job_event {
    int64_t seq; /* 1, 2, … in a job; grows, with gaps where events were thinned out */
    char name[GS_EVENT_NAME_SIZE];
    char created_at[GS_TIME_SIZE];
    char *json; /* owned */
} gs_job_event;

/* Appends an event and applies `update` (may be NULL) in one transaction. Beyond GS_JOB_EVENTS_MAX
 * of one name every second of them is removed, so that a curve stays whole and gets coarser.
 * seq_out may be NULL. TOO_LARGE: json beyond GS_EVENT_BYTES_MAX. UNUSABLE: too many names. */
GS_MUST_CHECK gs_status gs_store_job_append(gs_store *store, const char *id, const char *name,
                                            const char *json, const gs_job_update *update,
                                            int64_t *seq_out, gs_error *err);

typedef struct gs_job_event_list {
    gs_job_event *items;
    size_t count;
} gs_job_event_list;

/* Events with seq > after, in order, at most `limit` (1…GS_PAGE_MAX). NOT_FOUND: no such job.
 * Caller deinits the list. */
GS_MUST_CHECK gs_status gs_store_job_events(gs_store *store, const char *id, int64_t after,
                                            size_t limit, gs_job_event_list *out, gs_error *err);
void gs_job_event_list_deinit(gs_job_event_list *list);

typedef struct gs_job_filter {
    const gs_job_state *state; /* NULL = any */
    const char *dataset;       /* NULL = any */
    const char *volume;        /* NULL = any */
    const char *kind;          /* NULL = any */
} gs_job_filter;

typedef struct gs_job_list {
    gs_job_record *items;
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_job_list;

/* Newest first. Caller deinits the list. */
GS_MUST_CHECK gs_status gs_store_job_list(gs_store *store, const gs_job_filter *filter,
                                          const gs_page *page, gs_job_list *out, gs_error *err);
void gs_job_list_deinit(gs_job_list *list);

GS_MUST_CHECK gs_status gs_store_job_count(gs_store *store, int64_t counts[GS_JOB_STATES],
                                           gs_error *err);

#endif

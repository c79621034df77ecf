/* GET /v1/jobs/{id}/events: server-sent events (WHATWG HTML, 9.2), resumable with Last-Event-ID.
 *
 * Every stored event is one message: `id:` its number, `event:` its name, `data:` one line of JSON.
 * Between them, whenever the job's state is another than last told (so also at first), comes a
 * message `event: state` without an id, whose data is {"state", "model", "error"}. The stream ends
 * after the state that ends the job, with all events before it; a client that then connects again
 * with the last id is told by 204 that nothing follows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/resources.h"
#include "base/memory.h"

enum {
    EVENTS_PER_READ = 100,
    POLL_MS = 1000, /* news of another job can hide ours: look again at least this often */
    HEARTBEAT_SECONDS = 10,
    CLIENT_RETRY_MS = 2000,
};

typedef struct event_stream {
    const gs_api_context *context;
    char job[GS_ID_SIZE];
    int64_t sequence; /* of the last event taken from the store */
    int told_state;   /* a gs_job_state; -1 = none yet */
    char *text;       /* messages being sent */
    size_t size, sent;
    time_t last_sent;
    bool ended; /* nothing follows what is in text */
} event_stream;

static time_t seconds_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void set_text(event_stream *stream, char *text, size_t size) {
    gs_free(stream->text);
    stream->text = text;
    stream->size = text ? size : 0;
    stream->sent = 0;
}

/* The message that tells the job's state; "" when it was told before, NULL without memory. */
static char *state_message(event_stream *stream, const gs_job_record *job) {
    if (stream->told_state == (int)job->state) return gs_copy_string("");
    json_t *json =
        json_pack("{s:s, s:s*, s:s*}", "state", gs_job_state_name(job->state), "model",
                  job->model[0] ? job->model : NULL, "error", job->error[0] ? job->error : NULL);
    char *data = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    char *message = data ? gs_format("event: state\ndata: %s\n\n", data) : NULL;
    free(data);
    stream->told_state = (int)job->state;
    return message;
}

/* Messages of the events between two texts; NULL when out of memory. */
static char *join_messages(const char *before, const gs_job_event_list *events, const char *after) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return NULL;
    fputs(before, out);
    for (size_t i = 0; i < events->count; i++) {
        const gs_job_event *event = &events->items[i];
        fprintf(out, "id: %lld\nevent: %s\ndata: %s\n\n", (long long)event->seq, event->name,
                event->json);
    }
    fputs(after, out);
    char *whole = gs_text_finish(out, &text), *copy = whole ? gs_copy_string(whole) : NULL;
    free(whole);
    return copy;
}

/* What is new: the events behind stream->sequence, and the state. The job was read before its
 * events are, so when it was over then, all of its events are there. */
static gs_status collect(event_stream *stream, const gs_job_record *job, gs_error *err) {
    gs_job_event_list events;
    GS_TRY(gs_store_job_events(stream->context->store, stream->job, stream->sequence,
                               EVENTS_PER_READ, &events, err));
    bool over = gs_job_state_is_terminal(job->state);
    bool all = events.count < EVENTS_PER_READ;
    char *state = !over || all ? state_message(stream, job) : gs_copy_string("");
    char *text = state ? join_messages(over ? "" : state, &events, over ? state : "") : NULL;
    gs_free(state);
    if (events.count > 0) stream->sequence = events.items[events.count - 1].seq;
    gs_job_event_list_deinit(&events);
    if (!text) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the events");
    set_text(stream, text, strlen(text));
    stream->ended = over && all;
    return GS_OK;
}

/* False: there is nothing new. */
static bool take_events(event_stream *stream) {
    gs_job_record job;
    gs_error err;
    gs_status status = gs_store_job_get(stream->context->store, stream->job, &job, &err);
    if (status == GS_OK) {
        status = collect(stream, &job, &err);
        gs_job_record_deinit(&job);
    }
    if (status != GS_OK) stream->ended = true; /* the client connects again and goes on */
    return stream->size > stream->sent;
}

/* Waits until there is something to send or the stream has ended. */
static void fill(event_stream *stream) {
    while (!take_events(stream) && !stream->ended) {
        gs_wait news = stream->context->services->wait_for_event(
            stream->context->server, stream->job, stream->sequence, POLL_MS);
        if (news == GS_WAIT_STOPPING) {
            stream->ended = true;
            return;
        }
        if (news != GS_WAIT_TIMEOUT || seconds_now() - stream->last_sent < HEARTBEAT_SECONDS)
            continue;
        set_text(stream, gs_copy_string(": still here\n\n"), strlen(": still here\n\n"));
        stream->ended = !stream->text;
        return;
    }
}

static ssize_t stream_read(void *state, char *buffer, size_t size) {
    event_stream *stream = state;
    if (stream->sent == stream->size) {
        if (stream->ended) return -1;
        fill(stream);
        if (stream->sent == stream->size) return -1;
    }
    size_t left = stream->size - stream->sent;
    size_t part = left < size ? left : size;
    memcpy(buffer, stream->text + stream->sent, part);
    stream->sent += part;
    stream->last_sent = seconds_now();
    return (ssize_t)part;
}

static void stream_free(void *state) {
    event_stream *stream = state;
    gs_free(stream->text);
    gs_free(stream);
}

/* Where to go on: the Last-Event-ID header, or ?last_event_id= for clients that cannot set one. */
static gs_status read_start(const gs_request *request, gs_response *response, int64_t *out,
                            gs_error *err) {
    gs_fields fields;
    gs_fields_of_query(request, response, &fields);
    int64_t start = gs_fields_integer(&fields, "last_event_id", GS_OPTIONAL, 0, INT64_MAX, 0);
    GS_TRY(gs_fields_finish(&fields, err));
    const char *header = gs_request_get_header(request, "Last-Event-ID");
    if (header && *header) {
        char *end;
        long long value = strtoll(header, &end, 10);
        if (*end != '\0' || value < 0)
            return gs_response_add_error(response, err, "Last-Event-ID",
                                         "must be the id of an event");
        start = value;
    }
    *out = start;
    return GS_OK;
}

/* Whether a client that has seen everything up to `start` would wait for nothing. */
static gs_status nothing_follows(const gs_api_context *context, const gs_request *request,
                                 int64_t start, bool *out, gs_error *err) {
    gs_job_record job;
    GS_TRY(gs_store_job_get(context->store, request->params[0], &job, err));
    bool over = gs_job_state_is_terminal(job.state);
    gs_job_record_deinit(&job);
    gs_job_event_list events;
    GS_TRY(gs_store_job_events(context->store, request->params[0], start, 1, &events, err));
    *out = over && events.count == 0 && gs_request_get_header(request, "Last-Event-ID");
    gs_job_event_list_deinit(&events);
    return GS_OK;
}

gs_status gs_api_job_events(const gs_api_context *context, const gs_request *request,
                            gs_response *response, gs_error *err) {
    int64_t start;
    bool over;
    GS_TRY(read_start(request, response, &start, err));
    GS_TRY(nothing_follows(context, request, start, &over, err));
    GS_TRY(gs_response_set_header(response, err, "Cache-Control", "no-store"));
    response->status = over ? 204 : 200;
    if (over) return GS_OK;
    event_stream *stream = gs_alloc(1, sizeof *stream);
    if (!stream) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the events");
    *stream = (event_stream){
        .context = context, .sequence = start, .told_state = -1, .last_sent = seconds_now()};
    snprintf(stream->job, sizeof stream->job, "%s", request->params[0]);
    /* An interval before a client connects again, and bytes at once, so that it knows it is heard.
     */
    char *first = gs_format("retry: %d\n\n", CLIENT_RETRY_MS);
    set_text(stream, first, first ? strlen(first) : 0);
    response->content_type = "text/event-stream";
    response->stream = (gs_stream){.read = stream_read, .free = stream_free, .state = stream};
    return GS_OK;
}

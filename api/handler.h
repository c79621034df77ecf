/* What a resource handler sees: a request in, a response out, and the services behind them.
 *
 * Knows no sockets and no threads: whatever waits or computes is a call into gs_api_services, which
 * server/ fills in. A handler runs on some HTTP thread and may block; many run at once.
 *
 * A handler returns GS_OK after it filled the response (default: 200, no body), or a status with
 * *err filled in; the router turns that into application/problem+json (see gs_status_to_http).
 * Field errors collected with gs_response_add_error become the problem's `errors[]`. */
#ifndef GS_API_HANDLER_H
#define GS_API_HANDLER_H

#include "api/caller.h"
#include "base/status.h"
#include "engine/backend/choice.h"
#include "engine/image/image.h"
#include "engine/model/unique_code.h"
#include "store/annotation.h"
#include "store/job.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    GS_MAX_PATH_PARAMS = 2,
    GS_MAX_QUERY = 32,        /* parameters of one request */
    GS_MAX_HEADERS = 64,      /* header fields of one request */
    GS_MAX_PARTS = 16,        /* parts of a multipart body */
    GS_MAX_JSON_DEPTH = 16,   /* nested arrays and objects of a JSON body */
    GS_MAX_FIELD_ERRORS = 32, /* errors[] of one problem; more are counted but not listed */
    GS_MAX_ANSWER_HEADERS = 12,
};

/* ==== Request ==== */

typedef enum gs_method {
    GS_METHOD_GET, /* HEAD arrives as GET; the server drops the body */
    GS_METHOD_POST,
    GS_METHOD_PUT,
    GS_METHOD_DELETE,
    GS_METHOD_OTHER, /* answered by the router with 405 */
} gs_method;

typedef struct gs_pair {
    const char *name;
    const char *value;
} gs_pair;

/* Everything is borrowed by the handler and valid until it returns. All strings are UTF-8 without
 * control characters; names and values of the query and path are percent-decoded. */
typedef struct gs_request {
    gs_method method;
    const char *path;                       /* as sent, without the query; for messages */
    const char *params[GS_MAX_PATH_PARAMS]; /* what {…} of the route's pattern matched, in order */
    gs_pair query[GS_MAX_QUERY];
    size_t query_count;
    gs_pair headers[GS_MAX_HEADERS];
    size_t header_count;
    const char *body; /* NULL when empty */
    size_t body_size; /* bytes, at most gs_api_limits.body_bytes */
    const char *id;   /* X-Request-Id */
    gs_caller caller;
} gs_request;

/* The first header of that name (case does not matter) or query parameter; NULL when absent. */
const char *gs_request_get_header(const gs_request *request, const char *name);
const char *gs_request_get_query(const gs_request *request, const char *name);

/* Whether the Content-Type is `type` ("image/png"), whatever its parameters. False when absent. */
bool gs_request_has_type(const gs_request *request, const char *type);

/* Content negotiation (RFC 9110): the index of the best of `types` for the Accept header, the
 * earliest on a tie or without a header; -1 when none is acceptable. */
int gs_request_accepts(const gs_request *request, const char *const types[], size_t count);

/* Whether Accept-Encoding names this coding, with a quality above 0. */
bool gs_request_takes_coding(const gs_request *request, const char *coding);

/* One part of a multipart/form-data body; bytes are borrowed from the request. */
typedef struct gs_part {
    char name[64];
    char content_type[64]; /* "" when the part has none */
    const char *bytes;
    size_t size;
} gs_part;

/* Splits a multipart/form-data body. MALFORMED for a missing boundary, a part without an end or
 * without a name; TOO_LARGE for more than GS_MAX_PARTS. */
GS_MUST_CHECK gs_status gs_request_multipart(const gs_request *request, gs_part parts[GS_MAX_PARTS],
                                             size_t *count_out, gs_error *err);

/* The Idempotency-Key of a creating request, with storage for what it points to. */
typedef struct gs_request_key {
    gs_idempotency value;
    char scope[128];
    char sha256[GS_SHA256_SIZE];
} gs_request_key;

/* *key_out: for the store's creating calls, or NULL when the request has no Idempotency-Key; it
 * points into *storage. INVALID_ARGUMENT for a key that is empty, too long or not printable ASCII.
 */
GS_MUST_CHECK gs_status gs_request_idempotency(const gs_request *request, gs_request_key *storage,
                                               const gs_idempotency **key_out, gs_error *err);

/* ==== Response ==== */

/* A body that is produced while it is sent (server-sent events). */
typedef struct gs_stream {
    /* Writes 1…size bytes and returns how many; may block for a few seconds. -1 = the end. */
    ssize_t (*read)(void *state, char *buffer, size_t size);
    void (*free)(void *state); /* called once, also when the client hung up */
    void *state;
} gs_stream;

typedef struct gs_response {
    int status;               /* HTTP; 0 = 200 */
    const char *content_type; /* static storage; NULL = no body */
    char *body;               /* owned (gs_free) */
    size_t body_size;
    gs_stream stream; /* used instead of body when .read is set */
    struct {
        bool is_set;    /* used instead of body */
        int descriptor; /* of a regular file; owned */
        uint64_t size;  /* bytes, from its start */
    } file;
    struct {
        const char *name; /* static storage */
        char *value;      /* owned */
    } headers[GS_MAX_ANSWER_HEADERS];
    size_t header_count;
    json_t *errors;     /* owned; entries {"field", "detail"}; NULL = none */
    int problem_status; /* HTTP status of the problem when gs_status does not say it; 0 = as mapped
                         */
    const char *problem_name; /* of its type, static storage; NULL = by its status */
    json_t *problem_members;  /* owned; an object whose members the problem has too; NULL = none */
} gs_response;

void gs_response_deinit(gs_response *response);

/* Header value by printf. `name` must have static storage. Replaces an earlier one of that name.
 * OUT_OF_MEMORY, or INTERNAL beyond GS_MAX_ANSWER_HEADERS. */
GS_MUST_CHECK gs_status gs_response_set_header(gs_response *response, gs_error *err,
                                               const char *name, const char *format, ...)
    GS_PRINTF(4, 5);

/* Body of `content_type` (static storage). Takes ownership of bytes (gs_free), also on failure;
 * NULL bytes with a size is OUT_OF_MEMORY, so that an allocating call can be passed directly. */
GS_MUST_CHECK gs_status gs_response_set_body(gs_response *response, int http_status,
                                             const char *content_type, char *bytes, size_t size,
                                             gs_error *err);

/* The file at `path` as the body, sent without reading it whole. NOT_FOUND or IO. */
GS_MUST_CHECK gs_status gs_response_set_file(gs_response *response, const char *content_type,
                                             const char *path, gs_error *err);

/* JSON body. Takes the reference to `json`, also on failure; NULL is OUT_OF_MEMORY (that is what
 * json_pack gives). */
GS_MUST_CHECK gs_status gs_response_set_json(gs_response *response, int http_status, json_t *json,
                                             gs_error *err);

/* {"items": items, "next_cursor": …}; next_cursor NULL = the last page. Takes `items`. */
GS_MUST_CHECK gs_status gs_response_set_list(gs_response *response, json_t *items,
                                             const char *next_cursor, gs_error *err);

/* Adds `field` with the formatted sentence to errors[] of the problem to be. `field` is a JSON
 * field ("learning_rate"), a query parameter ("?limit" as "limit") or a header. Returns
 * INVALID_ARGUMENT and fills *err with the sentence. */
gs_status gs_response_add_error(gs_response *response, gs_error *err, const char *field,
                                const char *format, ...) GS_PRINTF(4, 5);

/* A problem with an HTTP status that no gs_status stands for (401, 406, 412, …): fills *err and
 * returns a status to be returned by the handler. */
gs_status gs_response_problem(gs_response *response, int http_status, gs_error *err,
                              const char *format, ...) GS_PRINTF(4, 5);

/* Sets ETag (`tag` without quotes). True when If-None-Match has it: the response is then a complete
 * 304 and the handler returns GS_OK at once. */
GS_MUST_CHECK gs_status gs_response_set_etag(const gs_request *request, gs_response *response,
                                             const char *tag, bool *not_modified_out,
                                             gs_error *err);

/* Turns the response into application/problem+json for `status`, `err` and the collected errors. */
void gs_response_set_problem(gs_response *response, gs_status status, const gs_error *err,
                             const char *request_id);

/* The HTTP status of a gs_status. */
int gs_status_to_http(gs_status status);

/* ==== Fields: typed, checked access to a JSON object or to the query ==== */

/* Reads fields one by one, notes what is wrong with each in response->errors, and remembers which
 * were asked for. gs_fields_finish then fails when anything was wrong or a field was never asked
 * for ("unknown field"), so that a misspelt name is never silently ignored.
 *
 *     gs_fields fields;
 *     GS_TRY(gs_fields_of_json(request, response, &fields, err));      — or gs_fields_of_query
 *     const char *label = gs_fields_string(&fields, "label", GS_REQUIRED, 32);
 *     status = gs_fields_finish(&fields, err);                          — frees; strings of a JSON
 *     …                                                                   body live until deinit */
enum { GS_MAX_FIELDS = 32 };

typedef enum gs_need { GS_REQUIRED, GS_OPTIONAL } gs_need;

typedef struct gs_fields {
    const gs_request *request; /* set: fields are query parameters */
    json_t *object;            /* set: fields of this object; owned */
    const char *within;        /* the field that is this object: errors name both; NULL: the body */
    gs_response *response;
    const char *asked[GS_MAX_FIELDS];
    size_t asked_count;
    size_t error_count;
} gs_fields;

/* The body as one JSON object. 415 for another Content-Type than application/json, MALFORMED (400)
 * for broken JSON, duplicate names, NUL in strings or nesting beyond GS_MAX_JSON_DEPTH. An empty
 * body is an empty object. Deinit in every case where this returned GS_OK. */
GS_MUST_CHECK gs_status gs_fields_of_json(const gs_request *request, gs_response *response,
                                          gs_fields *out, gs_error *err);
void gs_fields_of_query(const gs_request *request, gs_response *response, gs_fields *out);
void gs_fields_deinit(gs_fields *fields);

/* Each returns the fallback (or NULL) when the field is absent or wrong; GS_REQUIRED notes an error
 * when it is absent. JSON null counts as absent. Strings are borrowed: from the request (query) or
 * until gs_fields_deinit (JSON). */
bool gs_fields_has(gs_fields *fields, const char *name);
/* At most max_bytes, no control characters; an empty string is an error. */
const char *gs_fields_string(gs_fields *fields, const char *name, gs_need need, size_t max_bytes);
/* One of `choices` (NULL-terminated); its index, or -1. The error lists the choices. */
int gs_fields_choice(gs_fields *fields, const char *name, gs_need need, const char *const *choices);
int64_t gs_fields_integer(gs_fields *fields, const char *name, gs_need need, int64_t min,
                          int64_t max, int64_t fallback);
/* Finite, in [min, max]. */
double gs_fields_number(gs_fields *fields, const char *name, gs_need need, double min, double max,
                        double fallback);
bool gs_fields_boolean(gs_fields *fields, const char *name, gs_need need, bool fallback);
/* A nested object (borrowed) or NULL. The caller checks its members. */
json_t *gs_fields_object(gs_fields *fields, const char *name, gs_need need);
/* Any value (borrowed) or NULL; JSON only. */
json_t *gs_fields_value(gs_fields *fields, const char *name, gs_need need);
/* `limit` and `cursor` of a list. */
void gs_fields_page(gs_fields *fields, gs_page *out);

/* GS_OK when every field was fine and known. Does not free. */
GS_MUST_CHECK gs_status gs_fields_finish(gs_fields *fields, gs_error *err);

/* `text` as JSON with the same limits as a body (depth, duplicates). Caller json_decrefs. */
GS_MUST_CHECK gs_status gs_json_parse(const char *text, size_t size, json_t **out, gs_error *err);

/* ==== Services behind the handlers ==== */

typedef struct gs_api_limits {
    size_t body_bytes;     /* of one request */
    gs_image_limits image; /* of every image that is decoded */
    size_t volume_voxels;  /* of all channels of a volume together */
} gs_api_limits;

typedef enum gs_operation { GS_SEGMENT, GS_REMOVE, GS_INSERT } gs_operation;

/* Whether pixels still need the model's normalisation, or are as it takes them. */
typedef enum gs_pixels { GS_PIXELS_RAW, GS_PIXELS_NORMALIZED } gs_pixels;

/* Work in the background waits as long as it must, and runs when nothing else does. */
typedef enum gs_priority { GS_PRIORITY_REQUEST, GS_PRIORITY_BACKGROUND } gs_priority;

/* Sums in a segmentation differ in their last bits by how many images are computed at once. Alone,
 * an image's answer is the same bytes whatever is asked for beside it; insertion always is so. */
typedef enum gs_grouping { GS_TOGETHER, GS_EACH_ALONE } gs_grouping;

/* One inference: `count` images of one model. Shapes as in engine/session.h. */
typedef struct gs_inference {
    const char *model_id; /* NULL = the active one */
    gs_operation operation;
    size_t count;
    const gs_image *images;      /* [count], all of one size */
    const gs_pixels *pixels;     /* [count]; NULL = all raw */
    const gs_unique_code *codes; /* [count] for GS_INSERT */
    gs_priority priority;
    gs_grouping grouping;
} gs_inference;

/* What came back. Owned by the caller: gs_inference_result_deinit. */
typedef struct gs_inference_result {
    char model_id[GS_ID_SIZE];
    int channels, height, width;
    /* GS_SEGMENT: maps[0] = probabilities [count,H,W].
     * GS_REMOVE: healthy, residual, reconstruction; GS_INSERT: autoencoded, residual, translated;
     * [count,C,H,W] each. */
    float *maps[3];
} gs_inference_result;

void gs_inference_result_deinit(gs_inference_result *result);

/* A file of the viewer, in memory. */
typedef struct gs_web_file {
    char *path;               /* as requested: "/js/main.js"; "/" for index.html */
    const char *content_type; /* static storage */
    char etag[GS_SHA256_SIZE];
    char *bytes, *gzip; /* gzip NULL: it would not be smaller */
    size_t size, gzip_size;
} gs_web_file;

typedef enum gs_wait { GS_WAIT_NEWS, GS_WAIT_TIMEOUT, GS_WAIT_STOPPING } gs_wait;

/* server/ implements these; `server` is its own pointer. All may be called from any thread. */
typedef struct gs_api_services {
    /* Queues, waits, returns the result. BUSY: queue full, model loading or timed out; CONFLICT: no
     * active model; NOT_FOUND: unknown model; SHAPE_MISMATCH: an image of another size. */
    gs_status (*infer)(void *server, const gs_inference *inference, gs_inference_result *out,
                       gs_error *err);
    /* Loads and warms the model beside the old one, makes it the active one in the store, swaps. */
    gs_status (*activate)(void *server, const char *model_id, gs_error *err);
    /* The model was deleted: drops it from the cache. */
    void (*forget_model)(void *server, const char *model_id);
    /* A job was created or resumed in the store: the supervisor looks again. */
    void (*jobs_changed)(void *server);
    /* Cancels: a queued job at once; the trainer of a running one is asked to stop at a checkpoint,
     * and the job becomes cancelled when it has. CONFLICT when it is over. */
    gs_status (*stop_job)(void *server, const char *job_id, gs_error *err);
    /* Blocks until the job has an event after `sequence`, at most timeout_ms. */
    gs_wait (*wait_for_event)(void *server, const char *job_id, int64_t sequence, int timeout_ms);
    /* Prometheus text; NULL when out of memory. Caller gs_frees. */
    char *(*metrics_text)(void *server);
    /* GS_OK when requests can be answered; else BUSY with the reason. */
    gs_status (*ready)(void *server, gs_error *err);
    /* Somebody at this address showed a token that is not good. 0, or after how many seconds the
     * next try will be looked at. */
    unsigned (*note_failure)(void *server, const char *address);
    /* What inference computes on and in. Borrowed from the server. */
    const gs_engine_choice *(*engine)(void *server);
    /* A file of the viewer by its path ("/", "/main.js"); NULL: no such file. Borrowed. */
    const gs_web_file *(*web_file)(void *server, const char *path);
} gs_api_services;

/* What a route asks for that needs no token; else it asks for one gs_scope. */
enum { GS_ROUTE_OPEN = 1 << 8 };

typedef struct gs_api_access {
    bool required;      /* every route but the open ones needs a token */
    bool secure_cookie; /* browsers reach this server by TLS */
    bool behind_proxy;  /* who connects is a proxy; whom it asks for, X-Forwarded-For says */
} gs_api_access;

typedef struct gs_api_context {
    gs_store *store;
    const char *data_folder;
    gs_api_limits limits;
    gs_api_access access;
    const gs_api_services *services;
    void *server;                          /* first argument of every service */
    struct gs_thumbnail_cache *thumbnails; /* api/thumbnail_cache.h */
} gs_api_context;

typedef gs_status (*gs_handler)(const gs_api_context *context, const gs_request *request,
                                gs_response *response, gs_error *err);

/* ==== Images in bodies (image_body.c) ==== */

/* The image in the request's body: image/png, application/x-npy, application/x-nifti, or
 * multipart/form-data with one `image` part per channel (stacked in order). 415 for another type;
 * limits of the context apply. Caller gs_image_deinits. */
GS_MUST_CHECK gs_status gs_request_image(const gs_api_context *context, const gs_request *request,
                                         gs_image *out, gs_error *err);

/* As gs_request_image for bytes of `content_type` that are already here. */
GS_MUST_CHECK gs_status gs_decode_image_bytes(const gs_api_context *context,
                                              const char *content_type, const char *bytes,
                                              size_t size, gs_image *out, gs_error *err);

#endif

/* Requests of callers with tokens and cookies, answered without memory: complete answers, whatever
 * fails, and nobody let in, or turned away, for want of it. */
#include "../store/failing.h"

#include "api/access.h"
#include "api/router.h"
#include "store/audit.h"
#include "store/session.h"

#include <jansson.h>

/* One request, and what may become of it. */
typedef struct asking {
    fixture *f;
    gs_api_context context;
    const char *method, *target, *authorization, *cookie, *csrf_token, *body;
    int wanted; /* HTTP status with memory */
    int status;
    size_t audited; /* entries before */
} asking;

static unsigned note_failure(void *server, const char *address) {
    (void)server;
    (void)address;
    return 0;
}

static const gs_api_services services = {.note_failure = note_failure};

static asking asking_of(fixture *f, const char *method, const char *target, int wanted) {
    return (asking){.f = f,
                    .context = {.store = f->store,
                                .data_folder = f->folder,
                                .access = {.required = true},
                                .limits = {.body_bytes = 1 << 20},
                                .services = &services},
                    .method = method,
                    .target = target,
                    .wanted = wanted};
}

static void add_header(gs_request *request, const char *name, const char *value) {
    if (value) request->headers[request->header_count++] = (gs_pair){name, value};
}

static size_t count_entries(asking *a) {
    gs_audit_list list;
    gs_page page = {.limit = GS_PAGE_MAX};
    assert_ok(gs_store_audit_list(a->f->store, &(gs_audit_filter){0}, &page, &list, &error));
    gs_free(list.items);
    return list.count;
}

static void look_at_log(void *context) {
    asking *a = context;
    size_t count;
    assert_ok(gs_store_audit_prune(a->f->store, "2999-01-01T00:00:00.000Z", &count, &error));
    a->audited = count_entries(a);
}

/* As a connection's thread does: who asks is found out first. */
static gs_status ask(void *context) {
    asking *a = context;
    gs_response response = {0};
    char target[128];
    gs_request request = {
        .id = "r", .path = "/v1/ways", .body = a->body, .body_size = a->body ? strlen(a->body) : 0};
    snprintf(target, sizeof target, "%s", a->target);
    snprintf(request.caller.address, sizeof request.caller.address, "192.0.2.1");
    add_header(&request, "Authorization", a->authorization);
    add_header(&request, "Cookie", a->cookie);
    add_header(&request, "X-CSRF-Token", a->csrf_token);
    add_header(&request, "Content-Type", "application/json");
    gs_access_identify(&a->context, &request);
    gs_router_answer(&a->context, &request, target, a->method, &response);
    a->status = response.status;
    gs_response_deinit(&response);
    return a->status >= 500 ? GS_OUT_OF_MEMORY : GS_OK;
}

/* 5xx, or what is answered with memory. jansson calls a text for which it finds no memory
 * malformed, or loses a byte of it, and so of a token that is signed in with. */
static void is_as_wanted(void *context, gs_status status) {
    asking *a = context;
    if (status != GS_OK || (a->body && (a->status == 400 || a->status == 401))) return;
    assert_int_equal(a->status, a->wanted);
}

/* The same of a write, which is done only if it is in the log. */
static void is_as_wanted_and_noted(void *context, gs_status status) {
    asking *a = context;
    is_as_wanted(context, status);
    if (status == GS_OK && a->status < 300) assert_int_equal(count_entries(a), a->audited + 1);
}

static void ask_with_every_failure(asking *a) {
    run_with_every_failure(&(operation){NULL, ask, is_as_wanted}, a);
}

typedef struct secrets {
    gs_token_record token;
    char bearer[GS_TOKEN_SIZE + 16], cookie[GS_COOKIE_SIZE + 32], csrf_token[GS_SHA256_SIZE];
    char body[GS_TOKEN_SIZE + 32];
} secrets;

static secrets make_secrets(fixture *f, const char *name, unsigned scope) {
    secrets s;
    char token[GS_TOKEN_SIZE], cookie[GS_COOKIE_SIZE];
    assert_ok(gs_store_token_create(f->store, name, scope, 0, &s.token, token, &error));
    assert_ok(gs_store_session_open(f->store, s.token.id, cookie, &error));
    snprintf(s.bearer, sizeof s.bearer, "Bearer %s", token);
    snprintf(s.cookie, sizeof s.cookie, "genseg_session=%s", cookie);
    snprintf(s.body, sizeof s.body, "{\"token\": \"%s\"}", token);
    gs_session_csrf_token(cookie, s.csrf_token);
    return s;
}

static void readers_are_let_in_or_told_why_not(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    secrets s = make_secrets(f, "ann", GS_SCOPE_READ);
    asking a = asking_of(f, "GET", "/v1/datasets/d", 200);
    a.authorization = s.bearer;
    ask_with_every_failure(&a);
    a.authorization = NULL;
    a.cookie = s.cookie;
    ask_with_every_failure(&a);
    a = asking_of(f, "GET", "/v1/audit", 403);
    a.authorization = s.bearer;
    ask_with_every_failure(&a);
    a.wanted = 401;
    a.authorization = "Bearer gst_aaaaaaaaaaaaaaaa_"
                      "0000000000000000000000000000000000000000000000000000000000000000";
    ask_with_every_failure(&a);
    assert_ok(gs_store_token_revoke(f->store, "ann", &s.token, &error));
    a.authorization = s.bearer;
    ask_with_every_failure(&a);
    a.authorization = NULL;
    a.cookie = s.cookie;
    ask_with_every_failure(&a);
}

static void writers_are_noted_or_do_nothing(void **state) {
    fixture *f = *state;
    secrets s = make_secrets(f, "ann", GS_SCOPE_ANNOTATE), reader = make_secrets(f, "bob", 1);
    const operation write = {look_at_log, ask, is_as_wanted_and_noted};
    make_dataset(f, "d");
    asking a = asking_of(f, "PUT", "/v1/datasets/d", 200);
    a.body = "{}";
    a.authorization = s.bearer;
    run_with_every_failure(&write, &a);
    a.authorization = NULL;
    a.cookie = s.cookie;
    a.csrf_token = s.csrf_token;
    run_with_every_failure(&write, &a);
    a.csrf_token = reader.csrf_token;
    a.wanted = 403;
    run_with_every_failure(&write, &a);
}

static void the_log_is_listed_or_not(void **state) {
    fixture *f = *state;
    secrets s = make_secrets(f, "ann", GS_SCOPE_ADMIN);
    asking write = asking_of(f, "PUT", "/v1/datasets/d", 201);
    write.authorization = s.bearer;
    write.body = "{}";
    assert_int_equal(ask(&write), GS_OK);
    asking a = asking_of(f, "GET", "/v1/audit?name=ann&since=2020-01-01", 200);
    a.authorization = s.bearer;
    ask_with_every_failure(&a);
}

static void signing_in_and_out_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    secrets s = make_secrets(f, "ann", GS_SCOPE_READ);
    asking a = asking_of(f, "POST", "/v1/session", 200);
    a.body = s.body;
    ask_with_every_failure(&a);
    a = asking_of(f, "GET", "/v1/session", 200);
    a.cookie = s.cookie;
    ask_with_every_failure(&a);
    a = asking_of(f, "DELETE", "/v1/session", 204);
    a.cookie = s.cookie;
    a.csrf_token = s.csrf_token;
    ask_with_every_failure(&a);
    a = asking_of(f, "POST", "/v1/session", 401);
    a.body = "{\"token\": \"gst_x\"}";
    ask_with_every_failure(&a);
}

static void *json_alloc(size_t size) {
    return gs_alloc(size, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(readers_are_let_in_or_told_why_not),
        TEST(writers_are_noted_or_do_nothing),
        TEST(the_log_is_listed_or_not),
        TEST(signing_in_and_out_survives_every_failing_allocation),
    };
    share_memory_with_sqlite();
    json_set_alloc_funcs(json_alloc, gs_free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

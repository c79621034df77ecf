/* Tokens, sessions and the audit log without memory: a clear error, nothing half-made, and nobody
 * is let in who should not be. */
#include "beside.h"
#include "failing.h"

#include "store/audit.h"
#include "store/session.h"

/* What the operations work on, and what they gave. */
typedef struct access_case {
    fixture *f;
    int round;
    char name[32], token[GS_TOKEN_SIZE], cookie[GS_COOKIE_SIZE];
    gs_token_record record;
    gs_token_state state, wanted;
    gs_token_list tokens;
    gs_audit_list entries;
    size_t count;
    int64_t entry;
} access_case;

static gs_token_state state_now(access_case *a) {
    gs_token_record record;
    gs_token_state state;
    assert_ok(gs_store_token_check(a->f->store, a->token, &record, &state, &error));
    return state;
}

static gs_token_state session_now(access_case *a) {
    gs_token_record record;
    gs_token_state state;
    assert_ok(gs_store_session_check(a->f->store, a->cookie, &record, &state, &error));
    return state;
}

static void name_anew(void *context) {
    access_case *a = context;
    snprintf(a->name, sizeof a->name, "ann-%d", a->round++);
}

static void make_token(void *context) {
    access_case *a = context;
    name_anew(a);
    assert_ok(gs_store_token_create(a->f->store, a->name, GS_SCOPE_TRAIN, 3, &a->record, a->token,
                                    &error));
}

static void make_session(void *context) {
    access_case *a = context;
    assert_ok(gs_store_session_open(a->f->store, a->record.id, a->cookie, &error));
}

static void make_both(void *context) {
    make_token(context);
    make_session(context);
}

/* ==== Tokens ==== */

static gs_status create(void *context) {
    access_case *a = context;
    return gs_store_token_create(a->f->store, a->name, GS_SCOPE_TRAIN, 3, &a->record, a->token,
                                 &error);
}

static void is_there_or_not(void *context, gs_status status) {
    access_case *a = context;
    gs_token_list list;
    bool found = false;
    assert_ok(gs_store_token_list(a->f->store, &list, &error));
    for (size_t i = 0; i < list.count; i++) found = found || !strcmp(list.items[i].name, a->name);
    gs_free(list.items);
    assert_int_equal(found, status == GS_OK);
    if (status == GS_OK) assert_int_equal(state_now(a), GS_TOKEN_VALID);
}

static gs_status check_token(void *context) {
    access_case *a = context;
    return gs_store_token_check(a->f->store, a->token, &a->record, &a->state, &error);
}

static gs_status check_session(void *context) {
    access_case *a = context;
    return gs_store_session_check(a->f->store, a->cookie, &a->record, &a->state, &error);
}

/* A failure is an error, never another verdict: who was revoked is not valid, and who is valid not
 * unknown. */
static void is_as_wanted(void *context, gs_status status) {
    access_case *a = context;
    if (status != GS_OK) return;
    assert_int_equal(a->state, a->wanted);
    if (a->wanted == GS_TOKEN_VALID) assert_int_equal(a->record.scopes, GS_SCOPE_TRAIN);
}

static gs_status list_tokens(void *context) {
    access_case *a = context;
    return gs_store_token_list(a->f->store, &a->tokens, &error);
}

static void lists_all(void *context, gs_status status) {
    access_case *a = context;
    if (status != GS_OK) return;
    assert_int_equal(a->tokens.count, a->count);
    for (size_t i = 0; i < a->count; i++) {
        const gs_token_record *token = &a->tokens.items[i];
        assert_int_equal(token->scopes, GS_SCOPE_TRAIN);
        assert_true(token->id[0] && token->name[0] && token->created_at[0] && token->expires_at[0]);
        assert_int_equal(token->revoked_at[0] != '\0', i == 0);
    }
    gs_free(a->tokens.items);
}

static gs_status revoke_token(void *context) {
    access_case *a = context;
    return gs_store_token_revoke(a->f->store, a->name, &a->record, &error);
}

static void is_revoked_or_not(void *context, gs_status status) {
    access_case *a = context;
    assert_int_equal(state_now(a), status == GS_OK ? GS_TOKEN_REVOKED : GS_TOKEN_VALID);
    assert_int_equal(session_now(a), status == GS_OK ? GS_TOKEN_UNKNOWN : GS_TOKEN_VALID);
}

static void tokens_survive_every_failing_allocation(void **state) {
    access_case a = {.f = *state};
    run_with_every_failure(&(operation){name_anew, create, is_there_or_not}, &a);
    run_with_every_failure(&(operation){make_both, revoke_token, is_revoked_or_not}, &a);
}

static void lists_of_tokens_survive_every_failing_allocation(void **state) {
    access_case a = {.f = *state, .count = 20};
    for (size_t i = 0; i < a.count; i++) make_token(&a);
    assert_ok(gs_store_token_revoke(a.f->store, "ann-0", &a.record, &error));
    run_with_every_failure(&(operation){NULL, list_tokens, lists_all}, &a);
}

/* The last hexadecimal digit, into another. */
static void change_last(char *secret) {
    char *last = secret + strlen(secret) - 1;
    *last = *last == '0' ? '1' : '0';
}

static void checks_fail_before_they_say_something_wrong(void **state) {
    access_case a = {.f = *state, .wanted = GS_TOKEN_VALID};
    const operation token = {NULL, check_token, is_as_wanted},
                    session = {NULL, check_session, is_as_wanted};
    make_both(&a);
    run_with_every_failure(&token, &a);
    run_with_every_failure(&session, &a);
    a.wanted = GS_TOKEN_EXPIRED;
    run_sql(a.f, "UPDATE tokens SET expires_at = '2020-01-01T00:00:00.000Z'");
    run_with_every_failure(&token, &a);
    run_with_every_failure(&session, &a);
    a.wanted = GS_TOKEN_REVOKED;
    run_sql(a.f, "UPDATE tokens SET expires_at = '', revoked_at = '2020-01-01T00:00:00.000Z'");
    run_with_every_failure(&token, &a);
    run_with_every_failure(&session, &a);
    a.wanted = GS_TOKEN_UNKNOWN;
    change_last(a.token);
    change_last(a.cookie);
    run_with_every_failure(&token, &a);
    run_with_every_failure(&session, &a);
}

/* ==== Sessions ==== */

static gs_status open_session(void *context) {
    access_case *a = context;
    return gs_store_session_open(a->f->store, a->record.id, a->cookie, &error);
}

static void forget_cookie(void *context) {
    access_case *a = context;
    memset(a->cookie, 0, sizeof a->cookie);
}

static void is_open_or_not(void *context, gs_status status) {
    access_case *a = context;
    if (status == GS_OK)
        assert_int_equal(session_now(a), GS_TOKEN_VALID);
    else
        assert_string_equal(a->cookie, "");
}

static gs_status close_session(void *context) {
    access_case *a = context;
    return gs_store_session_close(a->f->store, a->cookie, &error);
}

static void is_closed_or_not(void *context, gs_status status) {
    access_case *a = context;
    assert_int_equal(session_now(a), status == GS_OK ? GS_TOKEN_UNKNOWN : GS_TOKEN_VALID);
}

static void sessions_survive_every_failing_allocation(void **state) {
    access_case a = {.f = *state};
    make_token(&a);
    run_with_every_failure(&(operation){forget_cookie, open_session, is_open_or_not}, &a);
    run_with_every_failure(&(operation){make_session, close_session, is_closed_or_not}, &a);
}

/* ==== The audit log ==== */

static size_t count_entries(access_case *a, int *status_out) {
    gs_audit_list list;
    gs_page page = {.limit = GS_PAGE_MAX};
    assert_ok(gs_store_audit_list(a->f->store, &(gs_audit_filter){0}, &page, &list, &error));
    size_t count = list.count;
    if (status_out && count) *status_out = list.items[0].status;
    gs_free(list.items);
    return count;
}

static void count_before(void *context) {
    access_case *a = context;
    run_sql(a->f, "DELETE FROM audit WHERE seq < (SELECT max(seq) FROM audit) - 50");
    a->count = count_entries(a, NULL);
}

static gs_status begin(void *context) {
    access_case *a = context;
    const gs_audit_record record = {
        .request = "r", .token = "tok_a", .name = "ann", .method = "PUT", .path = "/v1/x"};
    return gs_store_audit_begin(a->f->store, &record, &a->entry, &error);
}

static void is_noted_or_not(void *context, gs_status status) {
    access_case *a = context;
    assert_int_equal(count_entries(a, NULL), a->count + (status == GS_OK));
}

static void begin_one(void *context) {
    count_before(context);
    assert_ok(begin(context));
}

static gs_status finish(void *context) {
    access_case *a = context;
    return gs_store_audit_finish(a->f->store, a->entry, 204, &error);
}

static void has_its_status_or_not(void *context, gs_status status) {
    int http_status = -1;
    count_entries(context, &http_status);
    assert_int_equal(http_status, status == GS_OK ? 204 : 0);
}

static gs_status list_entries(void *context) {
    access_case *a = context;
    const gs_audit_filter filter = {.name = "ann", .since = "2020-01-01T00:00:00.000Z"};
    return gs_store_audit_list(a->f->store, &filter, &(gs_page){0}, &a->entries, &error);
}

static void lists_what_there_is(void *context, gs_status status) {
    access_case *a = context;
    if (status != GS_OK) return;
    assert_true(a->entries.count > 0);
    for (size_t i = 0; i < a->entries.count; i++)
        assert_string_equal(a->entries.items[i].path, "/v1/x");
    gs_free(a->entries.items);
}

static void begin_some(void *context) {
    access_case *a = context;
    for (int i = 0; i < 3; i++) assert_ok(begin(a));
    a->count = count_entries(a, NULL);
}

static gs_status prune(void *context) {
    access_case *a = context;
    size_t count;
    return gs_store_audit_prune(a->f->store, "2999-01-01T00:00:00.000Z", &count, &error);
}

static void are_forgotten_or_not(void *context, gs_status status) {
    access_case *a = context;
    assert_int_equal(count_entries(a, NULL), status == GS_OK ? 0 : a->count);
}

static void the_audit_log_survives_every_failing_allocation(void **state) {
    access_case a = {.f = *state};
    run_with_every_failure(&(operation){count_before, begin, is_noted_or_not}, &a);
    run_with_every_failure(&(operation){begin_one, finish, has_its_status_or_not}, &a);
    run_with_every_failure(&(operation){NULL, list_entries, lists_what_there_is}, &a);
    run_with_every_failure(&(operation){begin_some, prune, are_forgotten_or_not}, &a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(tokens_survive_every_failing_allocation),
        TEST(lists_of_tokens_survive_every_failing_allocation),
        TEST(checks_fail_before_they_say_something_wrong),
        TEST(sessions_survive_every_failing_allocation),
        TEST(the_audit_log_survives_every_failing_allocation),
    };
    share_memory_with_sqlite();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

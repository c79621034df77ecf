#include "fixture.h"

#include "store/session.h"

#include <sqlite3.h>

static gs_token_record make_token(fixture *f, const char *name, char token[GS_TOKEN_SIZE]) {
    gs_token_record record;
    assert_ok(gs_store_token_create(f->store, name, GS_SCOPE_ANNOTATE, 1, &record, token, &error));
    return record;
}

static gs_token_state state_of(fixture *f, const char *token) {
    gs_token_record record;
    gs_token_state state;
    assert_ok(gs_store_token_check(f->store, token, &record, &state, &error));
    return state;
}

static gs_token_state session_state(fixture *f, const char *cookie) {
    gs_token_record record;
    gs_token_state state;
    assert_ok(gs_store_session_check(f->store, cookie, &record, &state, &error));
    return state;
}

static void a_token_is_known_until_it_is_revoked(void **state) {
    fixture *f = *state;
    char token[GS_TOKEN_SIZE];
    gs_token_record made = make_token(f, "ann", token), found;
    gs_token_state valid;
    assert_int_equal(strlen(token), GS_TOKEN_SIZE - 1);
    assert_ok(gs_store_token_check(f->store, token, &found, &valid, &error));
    assert_int_equal(valid, GS_TOKEN_VALID);
    assert_string_equal(found.id, made.id);
    assert_string_equal(found.name, "ann");
    assert_string_equal(found.expires_at, made.expires_at);
    assert_int_equal(found.scopes, GS_SCOPE_ANNOTATE);
    reopen(f);
    assert_int_equal(state_of(f, token), GS_TOKEN_VALID);
    assert_ok(gs_store_token_revoke(f->store, "ann", &found, &error));
    assert_int_equal(state_of(f, token), GS_TOKEN_REVOKED);
    assert_int_equal(gs_store_token_revoke(f->store, "ann", &found, &error), GS_NOT_FOUND);
    assert_int_equal(gs_store_token_revoke(f->store, made.id, &found, &error), GS_CONFLICT);
}

static void other_texts_are_no_tokens(void **state) {
    fixture *f = *state;
    char token[GS_TOKEN_SIZE], other[GS_TOKEN_SIZE + 8];
    make_token(f, "ann", token);
    for (size_t i = 0; i < strlen(token); i++) {
        strcpy(other, token);
        other[i] = other[i] == 'a' ? 'b' : 'a';
        assert_int_equal(state_of(f, other), GS_TOKEN_UNKNOWN);
    }
    for (size_t i = 0; i < strlen(token); i++) {
        snprintf(other, sizeof other, "%.*s", (int)i, token);
        assert_int_equal(state_of(f, other), GS_TOKEN_UNKNOWN);
    }
    snprintf(other, sizeof other, "%s0", token);
    assert_int_equal(state_of(f, other), GS_TOKEN_UNKNOWN);
}

static void a_token_expires(void **state) {
    (void)state;
    gs_token_record record = {.expires_at = "2020-01-01T00:00:00.000Z"};
    assert_int_equal(gs_token_get_state(&record), GS_TOKEN_EXPIRED);
    strcpy(record.expires_at, "9999-01-01T00:00:00.000Z");
    assert_int_equal(gs_token_get_state(&record), GS_TOKEN_VALID);
    strcpy(record.revoked_at, "2020-01-01T00:00:00.000Z");
    assert_int_equal(gs_token_get_state(&record), GS_TOKEN_REVOKED);
}

static void scopes_have_names_and_include_each_other(void **state) {
    (void)state;
    static const char *const wrong[] = {"",    ",",     "read,", ",read",
                                        "rea", "readx", "READ",  "read train"};
    unsigned scopes;
    char text[GS_SCOPES_SIZE];
    assert_ok(gs_scopes_parse("train,read", &scopes, &error));
    assert_int_equal(scopes, GS_SCOPE_READ | GS_SCOPE_TRAIN);
    gs_scopes_format(GS_SCOPES_ALL, text);
    assert_string_equal(text, "read,annotate,train,admin");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(gs_scopes_parse(wrong[i], &scopes, &error), GS_INVALID_ARGUMENT);
    assert_int_equal(gs_scopes_granted(0), 0);
    assert_int_equal(gs_scopes_granted(GS_SCOPE_TRAIN), GS_SCOPE_READ | GS_SCOPE_TRAIN);
    assert_int_equal(gs_scopes_granted(GS_SCOPE_ADMIN), GS_SCOPES_ALL);
    assert_string_equal(gs_scope_name(GS_SCOPE_ANNOTATE), "annotate");
}

static void what_is_no_scope_in_the_database_gives_nothing(void **state) {
    fixture *f = *state;
    char token[GS_TOKEN_SIZE], path[96];
    sqlite3 *db;
    make_token(f, "ann", token);
    snprintf(path, sizeof path, "%s/genseg.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE tokens SET scopes = 'root'", NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    reopen(f);
    gs_token_record record;
    gs_token_state valid;
    assert_ok(gs_store_token_check(f->store, token, &record, &valid, &error));
    assert_int_equal(record.scopes, 0);
}

static void a_session_ends_with_its_token(void **state) {
    fixture *f = *state;
    char token[GS_TOKEN_SIZE], cookie[GS_COOKIE_SIZE], csrf[GS_SHA256_SIZE], other[GS_SHA256_SIZE];
    gs_token_record record = make_token(f, "ann", token);
    assert_ok(gs_store_session_open(f->store, record.id, cookie, &error));
    assert_int_equal(session_state(f, cookie), GS_TOKEN_VALID);
    assert_int_equal(state_of(f, cookie), GS_TOKEN_UNKNOWN);
    assert_int_equal(session_state(f, token), GS_TOKEN_UNKNOWN);
    gs_session_csrf_token(cookie, csrf);
    gs_session_csrf_token("another", other);
    assert_string_not_equal(csrf, other);
    cookie[GS_COOKIE_SIZE - 2] = cookie[GS_COOKIE_SIZE - 2] == '0' ? '1' : '0';
    assert_int_equal(session_state(f, cookie), GS_TOKEN_UNKNOWN);
    assert_ok(gs_store_session_close(f->store, cookie, &error)); /* not ours: nothing ends */
    cookie[GS_COOKIE_SIZE - 2] ^= 1;
    assert_ok(gs_store_token_revoke(f->store, record.id, &record, &error));
    assert_int_equal(session_state(f, cookie), GS_TOKEN_UNKNOWN);
    assert_int_equal(gs_store_session_open(f->store, record.id, cookie, &error), GS_NOT_FOUND);
}

static void the_oldest_sessions_of_a_token_end(void **state) {
    fixture *f = *state;
    char token[GS_TOKEN_SIZE], cookies[GS_SESSIONS_PER_TOKEN + 1][GS_COOKIE_SIZE],
        other[GS_COOKIE_SIZE];
    gs_token_record bob = make_token(f, "bob", token), ann = make_token(f, "ann", token);
    assert_ok(gs_store_session_open(f->store, bob.id, other, &error));
    for (int i = 0; i <= GS_SESSIONS_PER_TOKEN; i++)
        assert_ok(gs_store_session_open(f->store, ann.id, cookies[i], &error));
    assert_int_equal(session_state(f, cookies[0]), GS_TOKEN_UNKNOWN);
    for (int i = 1; i <= GS_SESSIONS_PER_TOKEN; i++)
        assert_int_equal(session_state(f, cookies[i]), GS_TOKEN_VALID);
    assert_int_equal(session_state(f, other), GS_TOKEN_VALID);
    assert_ok(gs_store_session_close(f->store, other, &error));
    assert_int_equal(session_state(f, other), GS_TOKEN_UNKNOWN);
    assert_ok(gs_store_session_close(f->store, other, &error));
}

static void a_second_process_may_make_tokens(void **state) {
    fixture *f = *state;
    gs_store *beside;
    char token[GS_TOKEN_SIZE];
    gs_token_record record;
    gs_token_list list;
    assert_int_equal(gs_store_open(f->folder, &beside, &error), GS_BUSY);
    assert_ok(gs_store_open_beside(f->folder, &beside, &error));
    assert_ok(gs_store_token_create(beside, "ann", GS_SCOPE_READ, 0, &record, token, &error));
    assert_string_equal(record.expires_at, "");
    gs_store_close(beside);
    assert_int_equal(state_of(f, token), GS_TOKEN_VALID);
    assert_int_equal(
        gs_store_token_create(f->store, "ann", GS_SCOPE_READ, 0, &record, token, &error),
        GS_CONFLICT);
    assert_ok(gs_store_token_list(f->store, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].name, "ann");
    gs_free(list.items);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_token_is_known_until_it_is_revoked, setup, teardown),
        cmocka_unit_test_setup_teardown(other_texts_are_no_tokens, setup, teardown),
        cmocka_unit_test(a_token_expires),
        cmocka_unit_test(scopes_have_names_and_include_each_other),
        cmocka_unit_test_setup_teardown(what_is_no_scope_in_the_database_gives_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_session_ends_with_its_token, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_sessions_of_a_token_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_process_may_make_tokens, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

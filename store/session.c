/* Sessions. Rows of those that are over go when another one is opened. */
#include "store/session.h"
#include "store/secret.h"
#include "store/token_internal.h"

#include <stdio.h>
#include <string.h>

static const gs__secret_form cookie_form = {.prefix = "", .kind = "ses", .mark = '.'};

/* Those that are over, and the oldest of the token if it has as many as it may. */
static gs_status drop_old(sqlite3 *db, int64_t token, gs_error *err) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(
        db,
        "DELETE FROM sessions WHERE expires_at <= ?1 OR seq IN"
        " (SELECT seq FROM sessions WHERE token = ?2 ORDER BY seq DESC LIMIT -1 OFFSET ?3)",
        err);
    gs__sql_bind_text(&query, 1, now);
    gs__sql_bind_int(&query, 2, token);
    gs__sql_bind_int(&query, 3, GS_SESSIONS_PER_TOKEN - 1);
    return gs__sql_finish(&query);
}

static gs_status find_token(sqlite3 *db, const char *id, int64_t *seq_out, gs_error *err) {
    gs__sql query =
        gs__sql_prepare(db, "SELECT seq FROM tokens WHERE id = ?1 AND revoked_at = ''", err);
    gs__sql_bind_text(&query, 1, id);
    bool found = gs__sql_row(&query);
    if (found) *seq_out = gs__sql_int(&query, 0);
    GS_TRY(gs__sql_end(&query));
    return found ? GS_OK : gs_fail(err, GS_NOT_FOUND, "there is no token %.40s", id);
}

static gs_status insert_session(sqlite3 *db, const char *token_id, const char *id,
                                const char *sha256, gs_error *err) {
    int64_t token = 0;
    char now[GS_TIME_SIZE], end[GS_TIME_SIZE];
    GS_TRY(find_token(db, token_id, &token, err));
    GS_TRY(drop_old(db, token, err));
    gs_time_now(now);
    gs_time_before(-GS_SESSION_HOURS, end);
    gs__sql query =
        gs__sql_prepare(db,
                        "INSERT INTO sessions (id, token, sha256, created_at, expires_at)"
                        " VALUES (?1, ?2, ?3, ?4, ?5)",
                        err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_int(&query, 2, token);
    gs__sql_bind_text(&query, 3, sha256);
    gs__sql_bind_text(&query, 4, now);
    gs__sql_bind_text(&query, 5, end);
    return gs__sql_finish(&query);
}

gs_status gs_store_session_open(gs_store *store, const char *token_id,
                                char cookie_out[GS_COOKIE_SIZE], gs_error *err) {
    sqlite3 *db;
    char id[GS_ID_SIZE], secret[GS__SECRET_SIZE], sha256[GS_SHA256_SIZE];
    GS_TRY(gs__secret_make(&cookie_form, id, secret, sha256, err));
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, insert_session(db, token_id, id, sha256, err), err));
    gs__text_copy(cookie_out, secret, GS_COOKIE_SIZE);
    return GS_OK;
}

static gs_status check_session(sqlite3 *db, const char *id, const char *cookie,
                               gs_token_record *out, gs_token_state *state, gs_error *err) {
    char sha256[GS_SHA256_SIZE] = "", end[GS_TIME_SIZE] = "", now[GS_TIME_SIZE];
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT s.sha256, s.expires_at, " GS__TOKEN_COLUMNS
                                    " FROM sessions s JOIN tokens t ON t.seq = s.token"
                                    " WHERE s.id = ?1",
                                    err);
    gs__sql_bind_text(&query, 1, id);
    if (gs__sql_row(&query)) {
        gs__sql_text(&query, 0, sha256, sizeof sha256);
        gs__sql_text(&query, 1, end, sizeof end);
        gs__token_read(&query, 2, out);
    }
    GS_TRY(gs__sql_end(&query));
    gs_time_now(now);
    if (!gs__secret_fits(cookie, sha256))
        *state = GS_TOKEN_UNKNOWN;
    else
        *state = strcmp(end, now) <= 0 ? GS_TOKEN_EXPIRED : gs_token_get_state(out);
    return GS_OK;
}

gs_status gs_store_session_check(gs_store *store, const char *cookie, gs_token_record *out,
                                 gs_token_state *state_out, gs_error *err) {
    sqlite3 *db;
    char id[GS_ID_SIZE];
    *state_out = GS_TOKEN_UNKNOWN;
    if (!gs__secret_read(&cookie_form, cookie, id)) return GS_OK;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = check_session(db, id, cookie, out, state_out, err);
    gs__read_end(store, db);
    return status;
}

static gs_status delete_session(sqlite3 *db, const char *id, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "DELETE FROM sessions WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    return gs__sql_finish(&query);
}

gs_status gs_store_session_close(gs_store *store, const char *cookie, gs_error *err) {
    sqlite3 *db;
    char id[GS_ID_SIZE];
    gs_token_record token;
    gs_token_state state;
    GS_TRY(gs_store_session_check(store, cookie, &token, &state, err));
    if (state == GS_TOKEN_UNKNOWN || !gs__secret_read(&cookie_form, cookie, id)) return GS_OK;
    GS_TRY(gs__write_begin(store, &db, err));
    return gs__write_end(store, delete_session(db, id, err), err);
}

void gs_session_csrf_token(const char *cookie, char out[GS_SHA256_SIZE]) {
    char text[GS_COOKIE_SIZE + 8];
    snprintf(text, sizeof text, "csrf:%s", cookie);
    gs_sha256_hex(text, strlen(text), out);
}

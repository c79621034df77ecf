/* Tokens. The text of a token is never kept and never logged. */
#include "store/token.h"
#include "store/secret.h"
#include "store/token_internal.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { DAYS_MAX = 36500, TOKENS_MAX = 10000 };

static const gs__secret_form token_form = {.prefix = "gst_", .kind = "tok", .mark = '_'};

/* ==== Scopes ==== */

static const char *const scope_names[] = {"read", "annotate", "train", "admin"};
enum { SCOPES = sizeof scope_names / sizeof *scope_names };

const char *gs_scope_name(gs_scope scope) {
    size_t i = 0;
    while (i + 1 < SCOPES && !((unsigned)scope >> i & 1)) i++;
    return scope_names[i];
}

static unsigned scope_of(const char *name, size_t length) {
    for (size_t i = 0; i < SCOPES; i++)
        if (strlen(scope_names[i]) == length && strncmp(scope_names[i], name, length) == 0)
            return 1u << i;
    return 0;
}

gs_status gs_scopes_parse(const char *text, unsigned *out, gs_error *err) {
    unsigned scopes = 0;
    for (const char *at = text;;) {
        size_t length = strcspn(at, ",");
        unsigned scope = scope_of(at, length);
        if (!scope)
            return gs_fail(err, GS_INVALID_ARGUMENT,
                           "'%.*s' is not a scope, expected some of read,annotate,train,admin",
                           length < 40 ? (int)length : 40, at);
        scopes |= scope;
        if (!at[length]) break;
        at += length + 1;
    }
    *out = scopes;
    return GS_OK;
}

void gs_scopes_format(unsigned scopes, char out[GS_SCOPES_SIZE]) {
    out[0] = '\0';
    for (size_t i = 0; i < SCOPES; i++) {
        if (!(scopes >> i & 1)) continue;
        if (out[0]) strcat(out, ",");
        strcat(out, scope_names[i]); /* all of them fit */
    }
}

unsigned gs_scopes_granted(unsigned scopes) {
    if (scopes & GS_SCOPE_ADMIN) return GS_SCOPES_ALL;
    return scopes ? scopes | GS_SCOPE_READ : 0;
}

/* ==== Rows ==== */

gs_token_state gs_token_get_state(const gs_token_record *token) {
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    if (token->revoked_at[0]) return GS_TOKEN_REVOKED;
    if (token->expires_at[0] && strcmp(token->expires_at, now) <= 0) return GS_TOKEN_EXPIRED;
    return GS_TOKEN_VALID;
}

void gs__token_read(gs__sql *query, int column, gs_token_record *out) {
    char scopes[GS_SCOPES_SIZE];
    gs_error ignored;
    *out = (gs_token_record){0};
    gs__sql_text(query, column, out->id, sizeof out->id);
    gs__sql_text(query, column + 1, out->name, sizeof out->name);
    gs__sql_text(query, column + 2, scopes, sizeof scopes);
    gs__sql_text(query, column + 3, out->created_at, sizeof out->created_at);
    gs__sql_text(query, column + 4, out->expires_at, sizeof out->expires_at);
    gs__sql_text(query, column + 5, out->revoked_at, sizeof out->revoked_at);
    /* Whatever else stands there gives nothing. */
    if (gs_scopes_parse(scopes, &out->scopes, &ignored) != GS_OK) out->scopes = 0;
}

/* The token of this id or name; *found_out says whether there is one. */
static gs_status find_token(sqlite3 *db, const char *id, const char *name, gs_token_record *out,
                            bool *found_out, gs_error *err) {
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT " GS__TOKEN_COLUMNS " FROM tokens t WHERE t.id = ?1"
                                    " OR (t.name = ?2 AND t.revoked_at = '')",
                                    err);
    gs__sql_bind_text(&query, 1, id);
    gs__sql_bind_text(&query, 2, name);
    *found_out = gs__sql_row(&query);
    if (*found_out) gs__token_read(&query, 0, out);
    return gs__sql_end(&query);
}

/* ==== Making ==== */

static gs_status insert_token(sqlite3 *db, const gs_token_record *token, const char *sha256,
                              gs_error *err) {
    bool found = false;
    gs_token_record other;
    char scopes[GS_SCOPES_SIZE];
    GS_TRY(find_token(db, "", token->name, &other, &found, err));
    if (found)
        return gs_fail(err, GS_CONFLICT, "there is a token '%s' already (%s): revoke it first",
                       token->name, other.id);
    gs_scopes_format(token->scopes, scopes);
    gs__sql query = gs__sql_prepare(
        db,
        "INSERT INTO tokens (id, name, scopes, sha256, created_at, expires_at, revoked_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, '')",
        err);
    gs__sql_bind_text(&query, 1, token->id);
    gs__sql_bind_text(&query, 2, token->name);
    gs__sql_bind_text(&query, 3, scopes);
    gs__sql_bind_text(&query, 4, sha256);
    gs__sql_bind_text(&query, 5, token->created_at);
    gs__sql_bind_text(&query, 6, token->expires_at);
    return gs__sql_finish(&query);
}

gs_status gs_store_token_create(gs_store *store, const char *name, unsigned scopes, int days,
                                gs_token_record *out, char token_out[GS_TOKEN_SIZE],
                                gs_error *err) {
    sqlite3 *db;
    gs_token_record record = {.scopes = scopes};
    char secret[GS__SECRET_SIZE], sha256[GS_SHA256_SIZE];
    if (!name[0]) return gs_fail(err, GS_INVALID_ARGUMENT, "a token needs a name");
    GS_TRY(gs__text_check("name", name, GS_TOKEN_NAME_SIZE, err));
    if (scopes == 0 || scopes > GS_SCOPES_ALL)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a token needs a scope");
    if (days < 0 || days > DAYS_MAX)
        return gs_fail(err, GS_INVALID_ARGUMENT, "a token is valid for 1 to %d days, not %d",
                       DAYS_MAX, days);
    gs__text_copy(record.name, name, sizeof record.name);
    gs_time_now(record.created_at);
    if (days > 0) gs_time_before(-24 * days, record.expires_at);
    GS_TRY(gs__secret_make(&token_form, record.id, secret, sha256, err));
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, insert_token(db, &record, sha256, err), err));
    *out = record;
    gs__text_copy(token_out, secret, GS_TOKEN_SIZE);
    return GS_OK;
}

/* ==== Revoking ==== */

static gs_status revoke(sqlite3 *db, const char *id_or_name, gs_token_record *out, gs_error *err) {
    bool found = false;
    GS_TRY(find_token(db, id_or_name, id_or_name, out, &found, err));
    if (!found)
        return gs_fail(err, GS_NOT_FOUND, "there is no token '%.64s' to revoke", id_or_name);
    if (out->revoked_at[0])
        return gs_fail(err, GS_CONFLICT, "the token %s was revoked at %s", out->id,
                       out->revoked_at);
    gs_time_now(out->revoked_at);
    gs__sql query = gs__sql_prepare(db, "UPDATE tokens SET revoked_at = ?2 WHERE id = ?1", err);
    gs__sql_bind_text(&query, 1, out->id);
    gs__sql_bind_text(&query, 2, out->revoked_at);
    GS_TRY(gs__sql_finish(&query));
    gs__sql sessions = gs__sql_prepare(
        db, "DELETE FROM sessions WHERE token = (SELECT seq FROM tokens WHERE id = ?1)", err);
    gs__sql_bind_text(&sessions, 1, out->id);
    return gs__sql_finish(&sessions);
}

gs_status gs_store_token_revoke(gs_store *store, const char *id_or_name, gs_token_record *out,
                                gs_error *err) {
    sqlite3 *db;
    gs_token_record record;
    GS_TRY(gs__text_check("token", id_or_name, GS_TOKEN_NAME_SIZE, err));
    GS_TRY(gs__write_begin(store, &db, err));
    GS_TRY(gs__write_end(store, revoke(db, id_or_name, &record, err), err));
    *out = record;
    return GS_OK;
}

/* ==== Reading ==== */

static gs_status read_tokens(sqlite3 *db, gs_token_list *list, gs_error *err) {
    size_t room = 0;
    gs__sql query = gs__sql_prepare(
        db, "SELECT " GS__TOKEN_COLUMNS " FROM tokens t ORDER BY t.seq LIMIT ?1", err);
    gs__sql_bind_int(&query, 1, TOKENS_MAX);
    while (gs__sql_row(&query)) {
        if (list->count == room) {
            room = room ? 2 * room : 16;
            gs_token_record *more = gs_resize(list->items, room, sizeof *more);
            if (!more) {
                gs__sql_stop(&query, gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the tokens"));
                break;
            }
            list->items = more;
        }
        gs__token_read(&query, 0, &list->items[list->count++]);
    }
    return gs__sql_end(&query);
}

gs_status gs_store_token_list(gs_store *store, gs_token_list *out, gs_error *err) {
    sqlite3 *db;
    gs_token_list list = {0};
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = read_tokens(db, &list, err);
    gs__read_end(store, db);
    if (status)
        gs_free(list.items);
    else
        *out = list;
    return status;
}

static gs_status check_token(sqlite3 *db, const char *id, const char *token, gs_token_record *out,
                             gs_token_state *state, gs_error *err) {
    char sha256[GS_SHA256_SIZE] = "";
    gs__sql query = gs__sql_prepare(
        db, "SELECT t.sha256, " GS__TOKEN_COLUMNS " FROM tokens t WHERE t.id = ?1", err);
    gs__sql_bind_text(&query, 1, id);
    if (gs__sql_row(&query)) {
        gs__sql_text(&query, 0, sha256, sizeof sha256);
        gs__token_read(&query, 1, out);
    }
    GS_TRY(gs__sql_end(&query));
    /* An id that there is not takes as long as one that there is. */
    *state = gs__secret_fits(token, sha256) ? gs_token_get_state(out) : GS_TOKEN_UNKNOWN;
    return GS_OK;
}

gs_status gs_store_token_check(gs_store *store, const char *token, gs_token_record *out,
                               gs_token_state *state_out, gs_error *err) {
    sqlite3 *db;
    char id[GS_ID_SIZE];
    *state_out = GS_TOKEN_UNKNOWN;
    if (!gs__secret_read(&token_form, token, id)) return GS_OK;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = check_token(db, id, token, out, state_out, err);
    gs__read_end(store, db);
    return status;
}

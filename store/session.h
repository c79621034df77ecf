/* Sessions: a browser that showed a token once and has a cookie since. They are kept in the
 * database, so a restart of the server does not end them; revoking the token does. */
#ifndef GS_STORE_SESSION_H
#define GS_STORE_SESSION_H

#include "store/token.h"

enum {
    GS_COOKIE_SIZE = 82,        /* the cookie's value: 16 letters, '.' and 256 random bits */
    GS_SESSION_HOURS = 12,      /* from signing in, whatever is done */
    GS_SESSIONS_PER_TOKEN = 16, /* the oldest ends when one more is opened */
};

/* Opens a session of a valid token. */
GS_MUST_CHECK gs_status gs_store_session_open(gs_store *store, const char *token_id,
                                              char cookie_out[GS_COOKIE_SIZE], gs_error *err);

/* As gs_store_token_check, of the token that the session was opened with. A session that is over
 * is EXPIRED. */
GS_MUST_CHECK gs_status gs_store_session_check(gs_store *store, const char *cookie,
                                               gs_token_record *out, gs_token_state *state_out,
                                               gs_error *err);

/* Ends it; one that is over already is no error. */
GS_MUST_CHECK gs_status gs_store_session_close(gs_store *store, const char *cookie, gs_error *err);

/* What writes with this cookie have to carry, too: made of the cookie, which no other page can
 * read. Does not have to be kept. */
void gs_session_csrf_token(const char *cookie, char out[GS_SHA256_SIZE]);

#endif

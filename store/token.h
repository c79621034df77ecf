/* Tokens: who may do what. A token is "gst_", 16 letters that name it, '_' and 256 random bits;
 * only its SHA-256 is kept, so it can be shown once and never again. A reader of the database, or
 * of a backup, cannot sign in with what it finds. */
#ifndef GS_STORE_TOKEN_H
#define GS_STORE_TOKEN_H

#include "store/store.h"

enum {
    GS_TOKEN_SIZE = 86,      /* the token as text */
    GS_TOKEN_NAME_SIZE = 65, /* of a person or a program; becomes the author of what it makes */
    GS_SCOPES_SIZE = 40,     /* all scopes as text */
};

/* What a route asks for and a token has; bits. */
typedef enum gs_scope {
    GS_SCOPE_READ = 1,     /* look, and compute without keeping anything */
    GS_SCOPE_ANNOTATE = 2, /* add images, label, draw; read */
    GS_SCOPE_TRAIN = 4,    /* jobs, models; read */
    GS_SCOPE_ADMIN = 8,    /* delete what cannot be had back, see the audit log; everything else */
} gs_scope;

enum { GS_SCOPES_ALL = 15 };

/* "read", …. Static storage. */
const char *gs_scope_name(gs_scope scope);
/* "annotate,train" as bits. INVALID_ARGUMENT for an unknown or no scope. */
GS_MUST_CHECK gs_status gs_scopes_parse(const char *text, unsigned *out, gs_error *err);
void gs_scopes_format(unsigned scopes, char out[GS_SCOPES_SIZE]);
/* The scopes together with those that they include. */
unsigned gs_scopes_granted(unsigned scopes);

typedef struct gs_token_record {
    char id[GS_ID_SIZE]; /* "tok_…" */
    char name[GS_TOKEN_NAME_SIZE];
    unsigned scopes; /* as given, see gs_scopes_granted */
    char created_at[GS_TIME_SIZE];
    char expires_at[GS_TIME_SIZE]; /* "" = never */
    char revoked_at[GS_TIME_SIZE]; /* "" = not */
} gs_token_record;

typedef enum gs_token_state {
    GS_TOKEN_VALID,
    GS_TOKEN_UNKNOWN, /* nobody was given this */
    GS_TOKEN_EXPIRED,
    GS_TOKEN_REVOKED,
} gs_token_state;

/* Whether the time has come that the record names, or it was revoked. */
gs_token_state gs_token_get_state(const gs_token_record *token);

/* Makes a token that is valid for `days` (0 = for ever, at most 36500). token_out gets its text.
 * CONFLICT: a token of this name is not revoked. INVALID_ARGUMENT: name, scopes or days. */
GS_MUST_CHECK gs_status gs_store_token_create(gs_store *store, const char *name, unsigned scopes,
                                              int days, gs_token_record *out,
                                              char token_out[GS_TOKEN_SIZE], gs_error *err);

/* Revokes the token of this id or, among those not revoked, of this name; its sessions end.
 * NOT_FOUND: there is none. CONFLICT: it is revoked already. */
GS_MUST_CHECK gs_status gs_store_token_revoke(gs_store *store, const char *id_or_name,
                                              gs_token_record *out, gs_error *err);

typedef struct gs_token_list {
    gs_token_record *items; /* caller frees with gs_free */
    size_t count;
} gs_token_list;

/* All, in the order they were made, revoked ones too. */
GS_MUST_CHECK gs_status gs_store_token_list(gs_store *store, gs_token_list *out, gs_error *err);

/* Whose token this text is. Compares digests in constant time. *out is the record unless UNKNOWN.
 */
GS_MUST_CHECK gs_status gs_store_token_check(gs_store *store, const char *token,
                                             gs_token_record *out, gs_token_state *state_out,
                                             gs_error *err);

#endif

/* Shared by token.c and session.c. */
#ifndef GS_STORE_TOKEN_INTERNAL_H
#define GS_STORE_TOKEN_INTERNAL_H

#include "store/store_internal.h"
#include "store/token.h"

/* Of `tokens t`, as gs__token_read takes them from `column` on. */
#define GS__TOKEN_COLUMNS "t.id, t.name, t.scopes, t.created_at, t.expires_at, t.revoked_at"
void gs__token_read(gs__sql *query, int column, gs_token_record *out);

#endif

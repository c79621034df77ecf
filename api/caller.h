/* Who asks. Filled in before a handler runs; a value that nobody filled in may do nothing. */
#ifndef GS_API_CALLER_H
#define GS_API_CALLER_H

#include "store/token.h"

enum { GS_ADDRESS_SIZE = 64 };

typedef enum gs_caller_state {
    GS_CALLER_NOBODY,    /* showed nothing */
    GS_CALLER_KNOWN,     /* a token's holder; or anybody, where there are no tokens */
    GS_CALLER_REFUSED,   /* what was shown is not, or no longer, good */
    GS_CALLER_UNCHECKED, /* the store could not be asked */
} gs_caller_state;

typedef enum gs_credential {
    GS_CREDENTIAL_NONE,
    GS_CREDENTIAL_BEARER,
    GS_CREDENTIAL_COOKIE, /* a browser sends it by itself, also for other pages */
} gs_credential;

typedef struct gs_caller {
    gs_caller_state state;
    gs_credential credential;
    unsigned scopes;                 /* granted; bits of gs_scope */
    char token[GS_ID_SIZE];          /* "" = none */
    char name[GS_TOKEN_NAME_SIZE];   /* the token's; "" = none */
    char address[GS_ADDRESS_SIZE];   /* numeric; "" = unknown */
    char csrf_token[GS_SHA256_SIZE]; /* of the session; "" without a cookie */
    unsigned wait_seconds;           /* its token asked too often: so long */
    char why[96];                    /* REFUSED or UNCHECKED: a sentence */
} gs_caller;

#endif

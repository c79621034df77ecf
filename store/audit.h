/* The audit log: every write of somebody with a token, refused ones too. Rows are added,
 * and those of long ago forgotten. */
#ifndef GS_STORE_AUDIT_H
#define GS_STORE_AUDIT_H

#include "store/token.h"

enum { GS_AUDIT_TEXT_SIZE = 256 };

typedef struct gs_audit_record {
    char at[GS_TIME_SIZE];            /* when the request came; filled in by the store */
    char request[GS_AUDIT_TEXT_SIZE]; /* X-Request-Id */
    char token[GS_ID_SIZE];           /* who: the token's id and its name */
    char name[GS_TOKEN_NAME_SIZE];
    char address[GS_AUDIT_TEXT_SIZE]; /* from where */
    char method[16];
    /* As sent, without the query; what is no visible ASCII as %XX; cut off if longer. */
    char path[GS_AUDIT_TEXT_SIZE];
    int status; /* of the answer; 0 = not known: the server ended, or its disk was full, meanwhile
                 */
} gs_audit_record;

/* Before anything is done, so that nothing is done that is not in the log; `entry_out` is for
 * gs_store_audit_finish. */
GS_MUST_CHECK gs_status gs_store_audit_begin(gs_store *store, const gs_audit_record *record,
                                             int64_t *entry_out, gs_error *err);
GS_MUST_CHECK gs_status gs_store_audit_finish(gs_store *store, int64_t entry, int http_status,
                                              gs_error *err);

typedef struct gs_audit_list {
    gs_audit_record *items; /* caller frees with gs_free */
    size_t count;
    char next_cursor[GS_CURSOR_SIZE]; /* "" at the end */
} gs_audit_list;

typedef struct gs_audit_filter {
    const char *name;  /* of one token's holder; NULL = of all */
    const char *since; /* as gs_time_now writes it; NULL = from the first on */
} gs_audit_filter;

/* Newest first. */
GS_MUST_CHECK gs_status gs_store_audit_list(gs_store *store, const gs_audit_filter *filter,
                                            const gs_page *page, gs_audit_list *out, gs_error *err);

enum { GS_AUDIT_PRUNE_MAX = 500, GS_AUDIT_PRUNE_PAUSE_MS = 50 };

/* Forgets the oldest entries from before a time (as gs_time_now writes it), at most
 * GS_AUDIT_PRUNE_MAX in a short transaction: fewer in *count_out means that none is left. Whoever
 * calls again pauses first, so that other writers get their turn. */
GS_MUST_CHECK gs_status gs_store_audit_prune(gs_store *store, const char *before, size_t *count_out,
                                             gs_error *err);

#endif

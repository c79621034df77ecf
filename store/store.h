/* The store: everything a server keeps, in one folder.
 *
 *   genseg.db             SQLite (WAL): data sets, slices with their bytes, annotations, models,
 * jobs models/<id>.safetensors  weights, written whole and fsynced before their row genseg.lock
 * held (flock) by the one process that has the folder open
 *
 * This header has what all records share; the records are in dataset.h slice.h annotation.h model.h
 * job.h of this folder.
 *
 * Durability: a function that returns GS_OK after writing has its data on the disk
 * (synchronous=FULL): it survives SIGKILL and loss of power. A function that fails has changed
 * nothing. DISK_FULL when the disk is full, IO when the database is damaged or cannot be read.
 *
 * Threads: a gs_store may be used by many threads at once. One connection writes, guarded by a
 * mutex; readers take one of a few further connections and wait for none of the writers.
 *
 * Words: label, split and normalization are text, one of the fixed words named beside the field.
 * Every other text is UTF-8 without control characters, at most the field's size minus one bytes; a
 * longer or malformed one is INVALID_ARGUMENT naming the field. A record is a plain value without
 * pointers unless its header says so. */
#ifndef GS_STORE_STORE_H
#define GS_STORE_STORE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gs_store gs_store;

enum {
    GS_ID_SIZE = 24,     /* ids: a prefix naming the kind, '_' and 16 letters or digits */
    GS_TIME_SIZE = 25,   /* "2026-01-31T23:59:59.123Z" */
    GS_SHA256_SIZE = 65, /* 64 lower-case hexadecimal digits */
    GS_CURSOR_SIZE = 48,
    GS_PAGE_DEFAULT = 50,
    GS_PAGE_MAX = 500, /* items per page */
    GS_IDEMPOTENCY_KEY_SIZE = 256,
    GS_IDEMPOTENCY_HOURS = 24 /* keys older than this are forgotten */
};

/* Opens the folder, making it and the database when absent, and brings an older schema up to date.
 * BUSY: another process has it open. UNUSABLE: written by a newer genseg. IO: not a database, or
 * damaged. Caller closes. */
GS_MUST_CHECK gs_status gs_store_open(const char *folder, gs_store **out, gs_error *err);
/* As gs_store_open, but another process may have the folder open and go on: for short work beside a
 * running server. UNUSABLE: that one has another schema. */
GS_MUST_CHECK gs_status gs_store_open_beside(const char *folder, gs_store **out, gs_error *err);
/* The same folder for reading, also while another process has it open: what would change it is
 * CONFLICT. NOT_FOUND without a database; UNUSABLE when it is not of this program's schema. */
GS_MUST_CHECK gs_status gs_store_open_to_read(const char *folder, gs_store **out, gs_error *err);
/* No other call may be in progress. NULL is allowed. */
void gs_store_close(gs_store *store);
/* The folder as given to open. Borrowed from the store. */
const char *gs_store_get_folder(const gs_store *store);
/* A cheap read, for readiness checks. */
GS_MUST_CHECK gs_status gs_store_check(gs_store *store, gs_error *err);

/* Which part of a list: at most `limit` items (0 = GS_PAGE_DEFAULT; 1…GS_PAGE_MAX) after `cursor`,
 * the next_cursor of an earlier page of the same list (NULL or "" = from the start).
 * INVALID_ARGUMENT for any other limit or cursor. */
typedef struct gs_page {
    size_t limit;
    const char *cursor;
} gs_page;

/* Makes a creating call safe to repeat: within GS_IDEMPOTENCY_HOURS the same key and scope give the
 * record the first call made, and nothing new. UNUSABLE when the key came with another request
 * before; CONFLICT when what it made has been deleted since. The key is kept in the same
 * transaction as the record. */
typedef struct gs_idempotency {
    const char *key;    /* 1…GS_IDEMPOTENCY_KEY_SIZE-1 printable ASCII characters */
    const char *scope;  /* method and path: "POST /v1/jobs" */
    const char *sha256; /* of the request: query and body, 64 hexadecimal digits */
} gs_idempotency;

/* Lower-case hexadecimal SHA-256. */
void gs_sha256_hex(const void *bytes, size_t size, char out[GS_SHA256_SIZE]);

/* Now, RFC 3339 in UTC with milliseconds. */
void gs_time_now(char out[GS_TIME_SIZE]);
/* The time `hours` ago, likewise. */
void gs_time_before(int hours, char out[GS_TIME_SIZE]);
/* A day ("2026-01-31", its beginning) or a time in UTC ("2026-01-31T23:59:59Z", with milliseconds
 * or without), written likewise; INVALID_ARGUMENT naming `field` for anything else. */
GS_MUST_CHECK gs_status gs_time_parse(const char *field, const char *text, char out[GS_TIME_SIZE],
                                      gs_error *err);

#endif

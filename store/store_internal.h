/* What the files of store/ share: connections, transactions, statements and texts. */
#ifndef GS_STORE_STORE_INTERNAL_H
#define GS_STORE_STORE_INTERNAL_H

#include "store/store.h"

#include <pthread.h>
#include <sqlite3.h>

enum { GS__READERS = 6 };

struct gs_store {
    char *folder;
    int lock_fd; /* genseg.lock */
    bool beside; /* another process has the folder: its schema is taken as it is */
    pthread_mutex_t write_mutex;
    pthread_cond_t turn_passed;
    uint64_t turn, turns_taken; /* guarded by write_mutex: whose it is, how many came */
    sqlite3 *writer;            /* his whose turn it is; NULL: opened to read */
    /* Prepared, for want of memory is a reason to need it; NULL during the migrations. */
    sqlite3_stmt *rollback;
    pthread_mutex_t pool_mutex;
    pthread_cond_t reader_returned;
    sqlite3 *readers[GS__READERS]; /* guarded by pool_mutex: the first idle_readers are idle */
    size_t idle_readers;           /* guarded by pool_mutex */
};

/* The SQL of migration i + 1; generated from migration_NNNN.sql. */
extern const char *const gs__migrations[];
extern const int gs__migration_count;

/* ==== connection.c ==== */

/* Opens the writer and the readers of genseg.db and migrates; on failure what is open stays in
 * `store` for gs__connections_close. */
GS_MUST_CHECK gs_status gs__connections_open(gs_store *store, gs_error *err);
/* The readers alone, of a database that is there and of this program's schema; else the same. */
GS_MUST_CHECK gs_status gs__readers_open(gs_store *store, gs_error *err);
void gs__connections_close(gs_store *store);

/* A transaction on the writer: everything between begin and end is kept together or not at all.
 * CONFLICT without a writer.
 * Locks the write mutex, also until end when begin succeeded. */
GS_MUST_CHECK gs_status gs__write_begin(gs_store *store, sqlite3 **db_out, gs_error *err);
/* Commits when `status` is GS_OK, else rolls back; returns the outcome of all of it. */
GS_MUST_CHECK gs_status gs__write_end(gs_store *store, gs_status status, gs_error *err);

/* An idle reader, inside a transaction that sees one moment; waits for one. */
GS_MUST_CHECK gs_status gs__read_begin(gs_store *store, sqlite3 **db_out, gs_error *err);
void gs__read_end(gs_store *store, sqlite3 *db);

/* ==== sql.c ==== */

/* SQLite's result code as a status with a sentence. */
gs_status gs__sql_fail(sqlite3 *db, int rc, gs_error *err);
GS_MUST_CHECK gs_status gs__sql_run(sqlite3 *db, const char *sql, gs_error *err);

/* A statement whose first failure sticks: bind, walk the rows, and only gs__sql_end tells.
 * Parameters count from 1, columns from 0. Bound bytes are borrowed until the end. */
typedef struct gs__sql {
    sqlite3 *db;
    sqlite3_stmt *statement;
    gs_status status;
    gs_error *err;
} gs__sql;

gs__sql gs__sql_prepare(sqlite3 *db, const char *sql, gs_error *err);
void gs__sql_bind_text(gs__sql *query, int parameter, const char *text); /* NULL binds "" */
void gs__sql_bind_int(gs__sql *query, int parameter, int64_t value);
void gs__sql_bind_real(gs__sql *query, int parameter, double value); /* NaN binds NULL */
void gs__sql_bind_bytes(gs__sql *query, int parameter, const void *bytes, size_t size);
/* The next row; false at the end and after a failure. */
bool gs__sql_row(gs__sql *query);
/* Makes `status` (with the error already told) the statement's outcome. */
void gs__sql_stop(gs__sql *query, gs_status status);
GS_MUST_CHECK gs_status gs__sql_end(gs__sql *query);
/* Steps to the end and ends: for statements without rows. */
GS_MUST_CHECK gs_status gs__sql_finish(gs__sql *query);

int64_t gs__sql_int(gs__sql *query, int column);
double gs__sql_real(gs__sql *query, int column); /* NULL gives NaN */
void gs__sql_text(gs__sql *query, int column, char *out, size_t size);
/* A copy; when out of memory NULL, and the query fails. Caller frees. */
char *gs__sql_text_copy(gs__sql *query, int column);
void *gs__sql_bytes_copy(gs__sql *query, int column, size_t *size_out);
/* Borrowed until the next row. NULL for NULL. */
const void *gs__sql_bytes(gs__sql *query, int column, size_t *size_out);

/* ==== text.c ==== */

/* `prefix`_ and 16 random letters and digits. */
GS_MUST_CHECK gs_status gs__id_make(const char *prefix, char out[GS_ID_SIZE], gs_error *err);
/* INVALID_ARGUMENT naming `field` unless `text` is UTF-8 without control characters, shorter than
 * `size` bytes. NULL is fine. */
GS_MUST_CHECK gs_status gs__text_check(const char *field, const char *text, size_t size,
                                       gs_error *err);
/* INVALID_ARGUMENT unless `text` is one of the NULL-terminated words. */
GS_MUST_CHECK gs_status gs__word_check(const char *field, const char *text,
                                       const char *const *words, gs_error *err);
/* Copies a text that was checked. */
void gs__text_copy(char *out, const char *text, size_t size);

/* Where a page begins: *after_out is the seq of the last item before it, `start` without a cursor.
 */
GS_MUST_CHECK gs_status gs__page_parse(const gs_page *page, char kind, int64_t start,
                                       size_t *limit_out, int64_t *after_out, gs_error *err);
/* The cursor of a list of `kind` after `seq`. */
void gs__cursor_make(char kind, int64_t seq, char out[GS_CURSOR_SIZE]);

/* ==== idempotency.c ==== */

/* Inside a write transaction: the id that the key gave before, or "" when it is new. */
GS_MUST_CHECK gs_status gs__idempotency_find(sqlite3 *db, const gs_idempotency *key,
                                             char id_out[GS_ID_SIZE], gs_error *err);
/* Keeps what a new key gave and forgets old keys. key may be NULL. */
GS_MUST_CHECK gs_status gs__idempotency_keep(sqlite3 *db, const gs_idempotency *key, const char *id,
                                             gs_error *err);
/* The error for a key whose record was deleted. */
gs_status gs__idempotency_gone(const gs_idempotency *key, gs_error *err);

/* ==== weights.c ==== */

/* Copies the file `source` to models/<id>.safetensors, whole and fsynced. */
GS_MUST_CHECK gs_status gs__weights_copy(const gs_store *store, const char *source, const char *id,
                                         char sha256_out[GS_SHA256_SIZE], int64_t *size_out,
                                         gs_error *err);
void gs__weights_remove(const gs_store *store, const char *id);
/* Makes models/ and removes from it what has no row: left behind by a crash. */
GS_MUST_CHECK gs_status gs__weights_sweep(gs_store *store, gs_error *err);

/* ==== dataset.c ==== */

/* NOT_FOUND when no data set is called that. */
GS_MUST_CHECK gs_status gs__dataset_seq(sqlite3 *db, const char *name, int64_t *seq_out,
                                        gs_error *err);

/* ==== volume.c ==== */

/* Makes volumes/ and removes from it what has no row: left behind by a crash. */
GS_MUST_CHECK gs_status gs__volumes_sweep(gs_store *store, gs_error *err);

#endif

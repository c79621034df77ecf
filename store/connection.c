/* The connections to genseg.db: one writer, a few readers, and the migrations.
 *
 * WAL lets readers go on while the writer writes. synchronous=FULL syncs the log at every commit,
 * so what was committed survives a loss of power. Lock order: write_mutex and pool_mutex are never
 * held together. */
#include "store/store_internal.h"
#include "base/memory.h"

#include <unistd.h>

enum {
    APPLICATION_ID = 0x47534547, /* "GSEG": what PRAGMA application_id says of our files */
    BUSY_TIMEOUT_MS = 10000
};

/* `flags`: SQLITE_OPEN_CREATE or 0. */
static gs_status open_connection(const char *path, int flags, const char *pragmas, sqlite3 **db_out,
                                 gs_error *err) {
    flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, db_out, flags, NULL);
    if (rc != SQLITE_OK) return gs__sql_fail(*db_out, rc, err);
    sqlite3_extended_result_codes(*db_out, 1);
    sqlite3_busy_timeout(*db_out, BUSY_TIMEOUT_MS);
    /* A database may come from anywhere: its schema must not run code of its own. */
    sqlite3_db_config(*db_out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db_out, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return gs__sql_run(*db_out, pragmas, err);
}

static gs_status query_int(sqlite3 *db, const char *sql, int64_t *out, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, sql, err);
    int64_t value = gs__sql_row(&query) ? gs__sql_int(&query, 0) : 0;
    GS_TRY(gs__sql_end(&query));
    *out = value;
    return GS_OK;
}

/* The number of the last migration applied; 0 for an empty database. */
static gs_status read_version(sqlite3 *db, int64_t *version_out, gs_error *err) {
    int64_t tables = 0, id = 0;
    GS_TRY(query_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err));
    GS_TRY(query_int(db, "PRAGMA application_id", &id, err));
    if (tables > 0 && id != APPLICATION_ID)
        return gs_fail(err, GS_UNUSABLE, "genseg.db is another program's database");
    *version_out = 0;
    if (tables == 0) return GS_OK;
    return query_int(db, "SELECT coalesce(max(version), 0) FROM schema_version", version_out, err);
}

static gs_status apply_migration(sqlite3 *db, int version, gs_error *err) {
    GS_TRY(gs__sql_run(db,
                       "CREATE TABLE IF NOT EXISTS schema_version "
                       "(version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL) STRICT;"
                       "PRAGMA application_id = 0x47534547",
                       err));
    GS_TRY(gs__sql_run(db, gs__migrations[version - 1], err));
    char now[GS_TIME_SIZE];
    gs_time_now(now);
    gs__sql query = gs__sql_prepare(db, "INSERT INTO schema_version VALUES (?1, ?2)", err);
    gs__sql_bind_int(&query, 1, version);
    gs__sql_bind_text(&query, 2, now);
    return gs__sql_finish(&query);
}

static gs_status migrate(gs_store *store, gs_error *err) {
    int64_t version = 0;
    GS_TRY(read_version(store->writer, &version, err));
    if (version > gs__migration_count)
        return gs_fail(
            err, GS_UNUSABLE,
            "genseg.db has schema version %lld, this program knows %d: it was written by "
            "a newer genseg",
            (long long)version, gs__migration_count);
    if (store->beside && version < gs__migration_count)
        return gs_fail(err, GS_UNUSABLE,
                       "genseg.db has schema version %lld, this program knows %d: the program that "
                       "has it open is an older one",
                       (long long)version, gs__migration_count);
    for (int next = (int)version + 1; next <= gs__migration_count; next++) {
        sqlite3 *db = NULL;
        GS_TRY(gs__write_begin(store, &db, err));
        GS_TRY(gs__write_end(store, apply_migration(db, next, err), err));
    }
    return GS_OK;
}

static gs_status open_readers(gs_store *store, const char *path, gs_error *err) {
    for (size_t i = 0; i < GS__READERS; i++) {
        store->idle_readers = i + 1; /* also one that fails is closed */
        GS_TRY(open_connection(path, 0, "PRAGMA query_only = ON", &store->readers[i], err));
    }
    return GS_OK;
}

static gs_status prepare_rollback(gs_store *store, gs_error *err) {
    int rc = sqlite3_prepare_v3(store->writer, "ROLLBACK", -1, SQLITE_PREPARE_PERSISTENT,
                                &store->rollback, NULL);
    return rc == SQLITE_OK ? GS_OK : gs__sql_fail(store->writer, rc, err);
}

gs_status gs__connections_open(gs_store *store, gs_error *err) {
    char *path = gs_format("%s/genseg.db", store->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to open %s", store->folder);
    gs_status status = open_connection(path, SQLITE_OPEN_CREATE,
                                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                       "PRAGMA foreign_keys = ON;"
                                       "PRAGMA journal_size_limit = 67108864",
                                       &store->writer, err);
    if (!status) status = migrate(store, err);
    if (!status) status = prepare_rollback(store, err);
    if (!status) status = open_readers(store, path, err);
    gs_free(path);
    return status;
}

static gs_status check_version(sqlite3 *db, gs_error *err) {
    int64_t version = 0;
    GS_TRY(read_version(db, &version, err));
    if (version == gs__migration_count) return GS_OK;
    return gs_fail(err, GS_UNUSABLE, "genseg.db has schema version %lld, this program reads %d: %s",
                   (long long)version, gs__migration_count,
                   version > gs__migration_count ? "it was written by a newer genseg"
                                                 : "serve it once, which brings it up to date");
}

gs_status gs__readers_open(gs_store *store, gs_error *err) {
    char *path = gs_format("%s/genseg.db", store->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to open %s", store->folder);
    gs_status status = access(path, F_OK) == 0 ? open_readers(store, path, err)
                                               : gs_fail_errno(err, "no database at %s", path);
    if (!status) status = check_version(store->readers[0], err);
    gs_free(path);
    return status;
}

void gs__connections_close(gs_store *store) {
    for (size_t i = 0; i < store->idle_readers; i++) sqlite3_close(store->readers[i]);
    sqlite3_finalize(store->rollback);
    /* The writer last: its close folds the log into the database. */
    sqlite3_close(store->writer);
}

/* Ending a transaction needs memory, too: one that found none is ended here. */
static gs_status begin(sqlite3 *db, const char *sql, gs_error *err) {
    if (!sqlite3_get_autocommit(db)) GS_TRY(gs__sql_run(db, "ROLLBACK", err));
    return gs__sql_run(db, sql, err);
}

/* In the order in which they came: who writes in portions would take the writer again and again
 * before others wake. */
static void wait_for_turn(gs_store *store) {
    pthread_mutex_lock(&store->write_mutex);
    const uint64_t turn = store->turns_taken++;
    while (store->turn != turn) pthread_cond_wait(&store->turn_passed, &store->write_mutex);
    pthread_mutex_unlock(&store->write_mutex);
}

static void pass_turn(gs_store *store) {
    pthread_mutex_lock(&store->write_mutex);
    store->turn++;
    pthread_cond_broadcast(&store->turn_passed);
    pthread_mutex_unlock(&store->write_mutex);
}

gs_status gs__write_begin(gs_store *store, sqlite3 **db_out, gs_error *err) {
    if (!store->writer)
        return gs_fail(err, GS_CONFLICT, "%s was opened for reading only", store->folder);
    wait_for_turn(store);
    gs_status status = begin(store->writer, "BEGIN IMMEDIATE", err);
    if (status) {
        pass_turn(store);
        return status;
    }
    *db_out = store->writer;
    return GS_OK;
}

gs_status gs__write_end(gs_store *store, gs_status status, gs_error *err) {
    if (!status) status = gs__sql_run(store->writer, "COMMIT", err);
    /* A full disk may have rolled it back already. */
    if (status && !sqlite3_get_autocommit(store->writer)) {
        sqlite3_step(store->rollback);
        sqlite3_reset(store->rollback);
    }
    pass_turn(store);
    return status;
}

gs_status gs__read_begin(gs_store *store, sqlite3 **db_out, gs_error *err) {
    pthread_mutex_lock(&store->pool_mutex);
    while (store->idle_readers == 0) pthread_cond_wait(&store->reader_returned, &store->pool_mutex);
    sqlite3 *db = store->readers[--store->idle_readers];
    pthread_mutex_unlock(&store->pool_mutex);
    gs_status status = begin(db, "BEGIN", err);
    if (status) {
        gs__read_end(store, db);
        return status;
    }
    *db_out = db;
    return GS_OK;
}

void gs__read_end(gs_store *store, sqlite3 *db) {
    if (!sqlite3_get_autocommit(db)) sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    pthread_mutex_lock(&store->pool_mutex);
    store->readers[store->idle_readers++] = db;
    pthread_cond_signal(&store->reader_returned);
    pthread_mutex_unlock(&store->pool_mutex);
}

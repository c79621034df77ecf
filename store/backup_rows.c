/* Which files the rows of a database ask for. */
#include "store/backup_internal.h"

#include <string.h>

gs_status gs__backup_open_database(const char *path, sqlite3 **db_out, gs_error *err) {
    int rc = sqlite3_open_v2(path, db_out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) return gs__sql_fail(*db_out, rc, err);
    sqlite3_extended_result_codes(*db_out, 1);
    sqlite3_busy_timeout(*db_out, 10000);
    sqlite3_db_config(*db_out, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db_out, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    gs__sql query = gs__sql_prepare(*db_out, "PRAGMA application_id", err);
    bool is_ours = gs__sql_row(&query) && gs__sql_int(&query, 0) == 0x47534547;
    GS_TRY(gs__sql_end(&query));
    return is_ours ? GS_OK : gs_fail(err, GS_UNUSABLE, "%s is another program's database", path);
}

static gs_status walk(sqlite3 *db, const char *sql, gs__backup_kind kind, gs__backup_visit *visit,
                      void *state, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, sql, err);
    while (gs__sql_row(&query)) {
        char name[GS__ENTRY_NAME_MAX + 1];
        gs__sql_text(&query, 0, name, sizeof name);
        gs_status status = query.status ? query.status : visit(state, name, kind, err);
        if (status) gs__sql_stop(&query, status);
    }
    return gs__sql_end(&query);
}

gs_status gs__backup_walk(sqlite3 *db, gs__backup_visit *visit, void *state, gs_error *err) {
    GS_TRY(walk(db, "SELECT 'models/' || id || '.safetensors' FROM models ORDER BY seq",
                GS__BACKUP_FILE, visit, state, err));
    GS_TRY(walk(db, "SELECT 'volumes/' || id FROM volumes ORDER BY seq", GS__BACKUP_FOLDER, visit,
                state, err));
    /* What jobs that are over made; others may still be writing. */
    GS_TRY(walk(db,
                "SELECT 'volumes/' || volumes.id || '/' || jobs.id FROM jobs"
                " JOIN volumes ON volumes.id = jobs.volume"
                " WHERE jobs.state = 'succeeded' AND jobs.outputs <> '[]' ORDER BY jobs.seq",
                GS__BACKUP_FOLDER, visit, state, err));
    return walk(db,
                "SELECT 'panels/' || id FROM jobs WHERE kind = 'train' AND state = 'succeeded'"
                " ORDER BY seq",
                GS__BACKUP_FOLDER_IF_THERE, visit, state, err);
}

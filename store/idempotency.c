/* Keys that make creating calls safe to repeat. A key is kept in the transaction that makes its
 * record, so a crash can not separate them. */
#include "store/store_internal.h"

#include <string.h>

static gs_status check_key(const gs_idempotency *key, gs_error *err) {
    size_t length = strnlen(key->key, GS_IDEMPOTENCY_KEY_SIZE);
    bool printable = length > 0 && length < GS_IDEMPOTENCY_KEY_SIZE;
    for (size_t i = 0; i < length; i++)
        if (key->key[i] < 0x20 || key->key[i] > 0x7e) printable = false;
    if (printable) return GS_OK;
    return gs_fail(err, GS_INVALID_ARGUMENT,
                   "Idempotency-Key must be 1 to %d printable ASCII characters",
                   GS_IDEMPOTENCY_KEY_SIZE - 1);
}

gs_status gs__idempotency_find(sqlite3 *db, const gs_idempotency *key, char id_out[GS_ID_SIZE],
                               gs_error *err) {
    char oldest[GS_TIME_SIZE], id[GS_ID_SIZE] = "", sha256[GS_SHA256_SIZE] = "";
    id_out[0] = 0;
    if (!key) return GS_OK;
    GS_TRY(check_key(key, err));
    gs_time_before(GS_IDEMPOTENCY_HOURS, oldest);
    gs__sql query = gs__sql_prepare(db,
                                    "SELECT record, sha256 FROM idempotency_keys"
                                    " WHERE scope = ?1 AND key = ?2 AND created_at >= ?3",
                                    err);
    gs__sql_bind_text(&query, 1, key->scope);
    gs__sql_bind_text(&query, 2, key->key);
    gs__sql_bind_text(&query, 3, oldest);
    if (gs__sql_row(&query)) {
        gs__sql_text(&query, 0, id, sizeof id);
        gs__sql_text(&query, 1, sha256, sizeof sha256);
    }
    GS_TRY(gs__sql_end(&query));
    if (id[0] && strcmp(sha256, key->sha256) != 0)
        return gs_fail(err, GS_UNUSABLE, "Idempotency-Key '%.40s' came with another request before",
                       key->key);
    gs__text_copy(id_out, id, GS_ID_SIZE);
    return GS_OK;
}

gs_status gs__idempotency_keep(sqlite3 *db, const gs_idempotency *key, const char *id,
                               gs_error *err) {
    char now[GS_TIME_SIZE], oldest[GS_TIME_SIZE];
    if (!key) return GS_OK;
    gs_time_now(now);
    gs_time_before(GS_IDEMPOTENCY_HOURS, oldest);
    gs__sql prune = gs__sql_prepare(db, "DELETE FROM idempotency_keys WHERE created_at < ?1", err);
    gs__sql_bind_text(&prune, 1, oldest);
    GS_TRY(gs__sql_finish(&prune));
    gs__sql query =
        gs__sql_prepare(db, "INSERT INTO idempotency_keys VALUES (?1, ?2, ?3, ?4, ?5)", err);
    gs__sql_bind_text(&query, 1, key->scope);
    gs__sql_bind_text(&query, 2, key->key);
    gs__sql_bind_text(&query, 3, key->sha256);
    gs__sql_bind_text(&query, 4, id);
    gs__sql_bind_text(&query, 5, now);
    return gs__sql_finish(&query);
}

gs_status gs__idempotency_gone(const gs_idempotency *key, gs_error *err) {
    return gs_fail(err, GS_CONFLICT, "what Idempotency-Key '%.40s' made has been deleted since",
                   key->key);
}

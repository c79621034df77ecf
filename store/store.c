/* Opening and closing the folder. Owns the lock file; one process at a time has the folder. */
#include "store/store_internal.h"
#include "store/volume_contents.h"
#include "base/file.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* The kernel drops the lock with the process, so a killed server leaves none behind. */
static gs_status lock_folder(gs_store *store, gs_error *err) {
    char *path = gs_format("%s/genseg.lock", store->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to open %s", store->folder);
    gs_status status = GS_OK;
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (store->lock_fd < 0)
        status = gs_fail_errno(err, "cannot open %s", path);
    else if (flock(store->lock_fd, LOCK_EX | LOCK_NB) != 0)
        status =
            errno == EWOULDBLOCK
                ? gs_fail(err, GS_BUSY, "another genseg has the data folder %s open", store->folder)
                : gs_fail_errno(err, "cannot lock %s", path);
    gs_free(path);
    return status;
}

/* What only the process that has the folder to itself may do. */
static gs_status sweep(gs_store *store, gs_error *err) {
    GS_TRY(gs__weights_sweep(store, err));
    GS_TRY(gs__volumes_sweep(store, err));
    return gs__volume_contents_sweep(store, err);
}

/* Whether another process may have the folder, too. */
typedef enum gs__sharing { GS__ALONE, GS__BESIDE } gs__sharing;

static gs_status claim_folder(gs_store *store, gs__sharing sharing, gs_error *err) {
    gs_status status = lock_folder(store, err);
    if (status != GS_BUSY || sharing == GS__ALONE) return status;
    store->beside = true;
    return GS_OK;
}

static gs_status make_store(const char *folder, gs_store **out, gs_error *err) {
    gs_store *store = gs_alloc(1, sizeof *store);
    if (!store) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a store");
    store->lock_fd = -1;
    pthread_mutex_init(&store->write_mutex, NULL);
    pthread_cond_init(&store->turn_passed, NULL);
    pthread_mutex_init(&store->pool_mutex, NULL);
    pthread_cond_init(&store->reader_returned, NULL);
    store->folder = gs_copy_string(folder);
    if (!store->folder) {
        gs_store_close(store);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    }
    *out = store;
    return GS_OK;
}

static gs_status open_store(const char *folder, gs__sharing sharing, gs_store **out,
                            gs_error *err) {
    gs_store *store = NULL;
    GS_TRY(gs_folder_make(folder, err));
    GS_TRY(make_store(folder, &store, err));
    gs_status status = claim_folder(store, sharing, err);
    if (!status) status = gs__connections_open(store, err);
    if (!status && !store->beside) status = sweep(store, err);
    if (status) {
        gs_store_close(store);
        return status;
    }
    *out = store;
    return GS_OK;
}

gs_status gs_store_open(const char *folder, gs_store **out, gs_error *err) {
    return open_store(folder, GS__ALONE, out, err);
}

gs_status gs_store_open_beside(const char *folder, gs_store **out, gs_error *err) {
    return open_store(folder, GS__BESIDE, out, err);
}

gs_status gs_store_open_to_read(const char *folder, gs_store **out, gs_error *err) {
    gs_store *store = NULL;
    GS_TRY(make_store(folder, &store, err));
    gs_status status = gs__readers_open(store, err);
    if (status) {
        gs_store_close(store);
        return status;
    }
    *out = store;
    return GS_OK;
}

void gs_store_close(gs_store *store) {
    if (!store) return;
    gs__connections_close(store);
    if (store->lock_fd >= 0) close(store->lock_fd);
    pthread_cond_destroy(&store->reader_returned);
    pthread_mutex_destroy(&store->pool_mutex);
    pthread_cond_destroy(&store->turn_passed);
    pthread_mutex_destroy(&store->write_mutex);
    gs_free(store->folder);
    gs_free(store);
}

const char *gs_store_get_folder(const gs_store *store) {
    return store->folder;
}

gs_status gs_store_check(gs_store *store, gs_error *err) {
    sqlite3 *db;
    GS_TRY(gs__read_begin(store, &db, err));
    gs_status status = gs__sql_run(db, "SELECT max(version) FROM schema_version", err);
    gs__read_end(store, db);
    return status;
}

/* Writing a backup. The database first, as of one moment; then the files that its rows name. Files
 * never change once a row names them, but they may be deleted meanwhile: then the database is
 * older than the folder, and everything is taken anew. */
#include "store/backup_internal.h"
#include "base/file.h"
#include "base/memory.h"

#include <archive.h>
#include <archive_entry.h>
#include <nettle/sha2.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 5 };

typedef struct writer {
    struct archive *archive;
    const char *folder, *path;
    char *sums; /* the text of SHA256SUMS so far, through `sums_out` */
    size_t sums_size;
    FILE *sums_out;
    char *chunk;    /* [GS__COPY_BYTES] */
    bool outdated;  /* a file that the database names is gone */
    int fd;         /* of the archive */
    gs_status lost; /* why nothing more is written to it; explained by `why` */
    gs_error why;
    gs_backup_summary summary;
} writer;

/* What libarchive writes with. It never learns that a write failed: after that it would not free
 * all that it has. */
static la_ssize_t put_block(struct archive *archive, void *state, const void *bytes, size_t size) {
    (void)archive;
    writer *w = state;
    if (!w->lost) w->lost = gs_file_write(w->fd, w->path, bytes, size, &w->why);
    return (la_ssize_t)size;
}

static gs_status check_written(const writer *w, gs_error *err) {
    return w->lost ? gs_fail(err, w->lost, "%s", w->why.text) : GS_OK;
}

static gs_status archive_fail(const writer *w, const char *name, gs_error *err) {
    errno = archive_errno(w->archive);
    return gs_fail_errno(err, "cannot write %s to %s", name, w->path);
}

static gs_status put_head(writer *w, const char *name, int64_t size, time_t time, gs_error *err) {
    struct archive_entry *entry = archive_entry_new();
    if (!entry) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", name);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_mtime(entry, time, 0);
    int rc = archive_write_header(w->archive, entry);
    archive_entry_free(entry);
    return rc == ARCHIVE_OK ? check_written(w, err) : archive_fail(w, name, err);
}

static gs_status put_bytes(writer *w, const char *name, const void *bytes, size_t size,
                           gs_error *err) {
    la_ssize_t put = archive_write_data(w->archive, bytes, size);
    return put == (la_ssize_t)size ? check_written(w, err) : archive_fail(w, name, err);
}

static void hex(const uint8_t *digest, char out[GS_SHA256_SIZE]) {
    for (size_t i = 0; i < SHA256_DIGEST_SIZE; i++) snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

static gs_status put_content(writer *w, int fd, const char *name, int64_t size, gs_error *err) {
    struct sha256_ctx digest;
    sha256_init(&digest);
    for (int64_t done = 0; done < size;) {
        size_t want = size - done < GS__COPY_BYTES ? (size_t)(size - done) : GS__COPY_BYTES;
        ssize_t got = read(fd, w->chunk, want);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return gs_fail_errno(err, "cannot read %s", name);
        if (got == 0) return gs_fail(err, GS_IO, "%s shrank while it was read", name);
        sha256_update(&digest, (size_t)got, (const uint8_t *)w->chunk);
        GS_TRY(put_bytes(w, name, w->chunk, (size_t)got, err));
        done += got;
    }
    uint8_t bytes[SHA256_DIGEST_SIZE];
    char text[GS_SHA256_SIZE];
    sha256_digest(&digest, sizeof bytes, bytes);
    hex(bytes, text);
    fprintf(w->sums_out, "%s  %s\n", text, name);
    w->summary.files++;
    w->summary.bytes += size;
    return GS_OK;
}

/* The failure (errno) to open what the database names. */
static gs_status gone(writer *w, const char *disk_path, gs_error *err) {
    w->outdated = errno == ENOENT;
    return gs_fail_errno(err, "cannot read %s", disk_path);
}

/* The file at `disk_path` as `name`. */
static gs_status put_file(writer *w, const char *disk_path, const char *name, gs_error *err) {
    struct stat info;
    int fd = open(disk_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return gone(w, disk_path, err);
    gs_status status = fstat(fd, &info) == 0 ? GS_OK : gs_fail_errno(err, "cannot stat %s", name);
    if (!status) status = put_head(w, name, info.st_size, info.st_mtime, err);
    if (!status) status = put_content(w, fd, name, info.st_size, err);
    close(fd);
    return status;
}

/* What is right in a folder, if it is a file. */
static gs_status put_entry(writer *w, const char *disk_folder, const char *folder,
                           const char *entry, gs_error *err) {
    struct stat info;
    char *disk_path = gs_format("%s/%s", disk_folder, entry);
    char *name = gs_format("%s/%s", folder, entry);
    gs_status status = GS_OK;
    if (!disk_path || !name)
        status = gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a name");
    else if (lstat(disk_path, &info) != 0)
        status = gone(w, disk_path, err);
    else if (S_ISREG(info.st_mode))
        status = put_file(w, disk_path, name, err);
    gs_free(name);
    gs_free(disk_path);
    return status;
}

static gs_status put_folder(writer *w, const char *disk_path, const char *name,
                            gs__backup_kind kind, gs_error *err) {
    struct dirent **entries;
    int count = scandir(disk_path, &entries, NULL, alphasort);
    if (count < 0 && errno == ENOENT && kind == GS__BACKUP_FOLDER_IF_THERE) return GS_OK;
    if (count < 0) return gone(w, disk_path, err);
    gs_status status = GS_OK;
    for (int i = 0; i < count; i++) {
        if (!status) status = put_entry(w, disk_path, name, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static gs_status put_named(void *state, const char *name, gs__backup_kind kind, gs_error *err) {
    writer *w = state;
    char *disk_path = gs_format("%s/%s", w->folder, name);
    if (!disk_path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for %s", name);
    gs_status status = kind == GS__BACKUP_FILE ? put_file(w, disk_path, name, err)
                                               : put_folder(w, disk_path, name, kind, err);
    gs_free(disk_path);
    return status;
}

/* The whole database as it is now, without holding up who writes to it. */
static gs_status copy_database(const char *folder, const char *copy, gs_error *err) {
    char *path = gs_format("%s/genseg.db", folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    sqlite3 *from = NULL, *to = NULL;
    gs_status status = access(path, F_OK) == 0 ? gs__backup_open_database(path, &from, err)
                                               : gs_fail_errno(err, "no database at %s", path);
    if (!status) {
        int rc = sqlite3_open_v2(copy, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
        sqlite3_backup *backup = rc ? NULL : sqlite3_backup_init(to, "main", from, "main");
        if (backup) {
            sqlite3_backup_step(backup, -1);
            rc = sqlite3_backup_finish(backup);
        } else if (!rc) {
            rc = sqlite3_errcode(to);
        }
        if (rc) status = gs__sql_fail(to, rc, err);
    }
    sqlite3_close(to);
    sqlite3_close(from);
    gs_free(path);
    return status;
}

static gs_status put_sums(writer *w, gs_error *err) {
    fflush(w->sums_out);
    if (ferror(w->sums_out)) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the sums");
    GS_TRY(put_head(w, GS__SUMS_NAME, (int64_t)w->sums_size, time(NULL), err));
    return put_bytes(w, GS__SUMS_NAME, w->sums, w->sums_size, err);
}

static gs_status put_everything(writer *w, const char *database, gs_error *err) {
    GS_TRY(put_file(w, database, "genseg.db", err));
    sqlite3 *db = NULL;
    gs_status status = gs__backup_open_database(database, &db, err);
    if (!status) status = gs__backup_walk(db, put_named, w, err);
    sqlite3_close(db);
    return status ? status : put_sums(w, err);
}

static gs_status open_archive(writer *w, gs_error *err) {
    bool failed = archive_write_set_format_pax_restricted(w->archive) != ARCHIVE_OK ||
                  archive_write_set_bytes_in_last_block(w->archive, 1) != ARCHIVE_OK ||
                  archive_write_open(w->archive, w, NULL, put_block, NULL) != ARCHIVE_OK;
    return failed ? archive_fail(w, "the head", err) : GS_OK;
}

/* All of the archive into w->fd. */
static gs_status write_archive(writer *w, const char *database, gs_error *err) {
    w->archive = archive_write_new();
    w->chunk = gs_alloc(GS__COPY_BYTES, 1);
    w->sums_out = open_memstream(&w->sums, &w->sums_size);
    gs_status status = w->archive && w->chunk && w->sums_out
                           ? GS_OK
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a backup");
    if (!status) status = open_archive(w, err);
    if (!status) status = put_everything(w, database, err);
    if (!status && archive_write_close(w->archive) != ARCHIVE_OK)
        status = archive_fail(w, "the end", err);
    if (!status) status = check_written(w, err);
    if (status && !w->lost) w->lost = status; /* nothing more is written */
    archive_write_free(w->archive);
    if (w->sums_out) fclose(w->sums_out);
    free(w->sums);
    gs_free(w->chunk);
    return status;
}

/* One try at `partial`, with a copy of the database beside it. */
static gs_status try_once(const char *folder, const char *partial, const char *database,
                          gs_backup_summary *out, bool *outdated_out, gs_error *err) {
    writer w = {.folder = folder, .path = partial};
    GS_TRY(copy_database(folder, database, err));
    w.fd = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w.fd < 0) return gs_fail_errno(err, "cannot make %s", partial);
    gs_status status = write_archive(&w, database, err);
    if (!status && fsync(w.fd) != 0) status = gs_fail_errno(err, "cannot sync %s", partial);
    if (close(w.fd) != 0 && !status) status = gs_fail_errno(err, "cannot close %s", partial);
    *outdated_out = status && w.outdated;
    if (!status) *out = w.summary;
    return status;
}

static gs_status write_beside(const char *folder, const char *path, const char *partial,
                              const char *database, gs_backup_summary *out, gs_error *err) {
    gs_status status;
    bool outdated = false;
    int tries = 0;
    do {
        status = try_once(folder, partial, database, out, &outdated, err);
        unlink(database);
    } while (status && outdated && ++tries < TRIES);
    if (!status && rename(partial, path) != 0)
        status = gs_fail_errno(err, "cannot rename to %s", path);
    if (status) unlink(partial);
    return status;
}

gs_status gs_backup_write(const char *folder, const char *path, gs_backup_summary *out,
                          gs_error *err) {
    struct stat info;
    if (lstat(path, &info) == 0) return gs_fail(err, GS_CONFLICT, "%s exists already", path);
    char *partial = gs_format("%s.partial", path), *database = gs_format("%s.database", path);
    gs_status status = partial && database ? write_beside(folder, path, partial, database, out, err)
                                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_free(partial);
    gs_free(database);
    return status;
}

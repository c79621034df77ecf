/* Reading a backup. Nothing in it is trusted: names are taken only in the forms that a backup has,
 * every file is made anew in a folder of our own, and that folder gets its name last. */
#include "store/backup_internal.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/staging.h"

#include <archive.h>
#include <archive_entry.h>
#include <nettle/sha2.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct reader {
    struct archive *archive;
    const char *path, *folder; /* the archive; where its files go */
    char *sums;                /* what SHA256SUMS has to be, through `sums_out` */
    size_t sums_size;
    FILE *sums_out;
    char *chunk;   /* [GS__COPY_BYTES] */
    bool complete; /* SHA256SUMS came */
    gs_backup_summary summary;
} reader;

/* ==== Names ==== */

/* How many characters a name of a file or folder has at `text`: letters, digits, '_', '-', and '.'
 * but not first; 0 for none. */
static size_t part_length(const char *text) {
    size_t length = 0;
    if (*text == '.') return 0;
    while (isalnum((unsigned char)text[length]) || (text[length] && strchr("_-.", text[length])))
        length++;
    return length;
}

/* genseg.db, models/NAME, volumes/NAME/NAME, volumes/NAME/NAME/NAME or panels/NAME/NAME. */
static bool is_name_of_a_backup(const char *name) {
    static const struct {
        const char *folder;
        size_t least, most; /* names below it */
    } forms[] = {{"models/", 1, 1}, {"volumes/", 2, 3}, {"panels/", 2, 2}};
    if (strcmp(name, "genseg.db") == 0) return true;
    size_t form = 0, count = sizeof forms / sizeof *forms;
    while (form < count && strncmp(name, forms[form].folder, strlen(forms[form].folder)) != 0)
        form++;
    if (form == count || strlen(name) > GS__ENTRY_NAME_MAX) return false;
    size_t parts = 0;
    for (const char *at = strchr(name, '/'); *at == '/'; parts++) {
        size_t length = part_length(at + 1);
        if (length == 0) return false;
        at += 1 + length;
        if (*at != '\0' && *at != '/') return false;
    }
    return parts >= forms[form].least && parts <= forms[form].most;
}

/* ==== Files ==== */

static gs_status archive_fail(const reader *r, gs_error *err) {
    const char *why = archive_error_string(r->archive);
    return gs_fail(err, GS_MALFORMED, "%s is damaged or no backup: %s", r->path,
                   why ? why : "it does not read");
}

/* Makes the folders in which `path` lies below r->folder. */
static gs_status make_parent(const reader *r, const char *name, gs_error *err) {
    char *path = gs_format("%s/%s", r->folder, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status = gs_folder_make(dirname(path), err);
    gs_free(path);
    return status;
}

static gs_status copy_content(reader *r, int fd, const char *name, gs_error *err) {
    struct sha256_ctx digest;
    uint8_t bytes[SHA256_DIGEST_SIZE];
    sha256_init(&digest);
    la_ssize_t got;
    while ((got = archive_read_data(r->archive, r->chunk, GS__COPY_BYTES)) > 0) {
        sha256_update(&digest, (size_t)got, (const uint8_t *)r->chunk);
        GS_TRY(gs_file_write(fd, name, r->chunk, (size_t)got, err));
        r->summary.bytes += got;
    }
    if (got < 0) return archive_fail(r, err);
    if (fsync(fd) != 0) return gs_fail_errno(err, "cannot sync %s", name);
    sha256_digest(&digest, sizeof bytes, bytes);
    for (size_t i = 0; i < sizeof bytes; i++) fprintf(r->sums_out, "%02x", bytes[i]);
    fprintf(r->sums_out, "  %s\n", name);
    r->summary.files++;
    return GS_OK;
}

static gs_status take_file(reader *r, const char *name, gs_error *err) {
    GS_TRY(make_parent(r, name, err));
    char *path = gs_format("%s/%s", r->folder, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    gs_status status;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST)
        status = gs_fail(err, GS_MALFORMED, "%s has %s twice", r->path, name);
    else if (fd < 0)
        status = gs_fail_errno(err, "cannot make %s", path);
    else
        status = copy_content(r, fd, name, err);
    if (fd >= 0 && close(fd) != 0 && !status) status = gs_fail_errno(err, "cannot close %s", path);
    gs_free(path);
    return status;
}

/* The sums of the archive are, letter for letter, those of what was written. */
static gs_status compare_sums(reader *r, gs_error *err) {
    fflush(r->sums_out);
    if (ferror(r->sums_out)) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the sums");
    size_t done = 0;
    la_ssize_t got;
    while ((got = archive_read_data(r->archive, r->chunk, GS__COPY_BYTES)) > 0) {
        if ((size_t)got > r->sums_size - done || memcmp(r->sums + done, r->chunk, (size_t)got) != 0)
            return gs_fail(err, GS_MALFORMED, "the files in %s are not those its sums are of",
                           r->path);
        done += (size_t)got;
    }
    if (got < 0) return archive_fail(r, err);
    if (done < r->sums_size)
        return gs_fail(err, GS_MALFORMED, "%s has no sums of some of its files", r->path);
    r->complete = true;
    return GS_OK;
}

static gs_status take_entry(reader *r, struct archive_entry *entry, gs_error *err) {
    const char *name = archive_entry_pathname(entry);
    if (r->complete) return gs_fail(err, GS_MALFORMED, "%s goes on after its sums", r->path);
    if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
        return gs_fail(err, GS_MALFORMED, "%s has something that is not a file", r->path);
    if (strcmp(name, GS__SUMS_NAME) == 0) return compare_sums(r, err);
    if (!is_name_of_a_backup(name))
        return gs_fail(err, GS_MALFORMED, "%s has a file that no backup has: %.100s", r->path,
                       name);
    return take_file(r, name, err);
}

static gs_status read_entries(reader *r, gs_error *err) {
    for (;;) {
        struct archive_entry *entry;
        int rc = archive_read_next_header(r->archive, &entry);
        if (rc == ARCHIVE_EOF) break;
        if (rc != ARCHIVE_OK) return archive_fail(r, err);
        GS_TRY(take_entry(r, entry, err));
    }
    return r->complete ? GS_OK
                       : gs_fail(err, GS_MALFORMED, "%s is cut off: it has no sums", r->path);
}

static gs_status read_archive(reader *r, int fd, gs_error *err) {
    r->archive = archive_read_new();
    r->chunk = gs_alloc(GS__COPY_BYTES, 1);
    r->sums_out = open_memstream(&r->sums, &r->sums_size);
    gs_status status = r->archive && r->chunk && r->sums_out
                           ? GS_OK
                           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory to read %s", r->path);
    if (!status && (archive_read_support_format_tar(r->archive) != ARCHIVE_OK ||
                    archive_read_open_fd(r->archive, fd, GS__COPY_BYTES) != ARCHIVE_OK))
        status = archive_fail(r, err);
    if (!status) status = read_entries(r, err);
    archive_read_free(r->archive);
    if (r->sums_out) fclose(r->sums_out);
    free(r->sums);
    gs_free(r->chunk);
    return status;
}

/* ==== The folder ==== */

static gs_status check_named(void *state, const char *name, gs__backup_kind kind, gs_error *err) {
    const reader *r = state;
    struct stat info;
    if (kind == GS__BACKUP_FOLDER_IF_THERE) return GS_OK;
    char *path = gs_format("%s/%s", r->folder, name);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    bool fits = stat(path, &info) == 0 &&
                (kind == GS__BACKUP_FILE ? S_ISREG(info.st_mode) : S_ISDIR(info.st_mode));
    gs_free(path);
    return fits ? GS_OK : gs_fail(err, GS_MALFORMED, "%s lacks %s", r->path, name);
}

static gs_status check_integrity(sqlite3 *db, const reader *r, gs_error *err) {
    gs__sql query = gs__sql_prepare(db, "PRAGMA quick_check(1)", err);
    char verdict[200] = "";
    if (gs__sql_row(&query)) gs__sql_text(&query, 0, verdict, sizeof verdict);
    GS_TRY(gs__sql_end(&query));
    return strcmp(verdict, "ok") == 0
               ? GS_OK
               : gs_fail(err, GS_MALFORMED, "the database in %s is damaged: %s", r->path, verdict);
}

/* That a store opens there, and has what its rows name. */
static gs_status check_store(reader *r, gs_error *err) {
    char *path = gs_format("%s/genseg.db", r->folder);
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a path");
    sqlite3 *db = NULL;
    gs_status status = access(path, F_OK) == 0
                           ? gs__backup_open_database(path, &db, err)
                           : gs_fail(err, GS_MALFORMED, "%s has no database", r->path);
    if (!status) status = check_integrity(db, r, err);
    if (!status) status = gs__backup_walk(db, check_named, r, err);
    sqlite3_close(db);
    gs_free(path);
    if (status) return status;
    gs_store *store;
    GS_TRY(gs_store_open(r->folder, &store, err));
    gs_store_close(store);
    return GS_OK;
}

/* What gs_folder_build makes a folder of. */
typedef struct restoring {
    const char *path;
    int fd;
    gs_backup_summary summary;
} restoring;

static gs_status fill(void *context, const char *staging, gs_error *err) {
    restoring *what = context;
    reader r = {.path = what->path, .folder = staging};
    GS_TRY(read_archive(&r, what->fd, err));
    GS_TRY(check_store(&r, err));
    what->summary = r.summary;
    return GS_OK;
}

gs_status gs_backup_restore(const char *path, const char *folder, gs_backup_summary *out,
                            gs_error *err) {
    restoring what = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (what.fd < 0) return gs_fail_errno(err, "cannot open %s", path);
    gs_status status = gs_folder_build(folder, "restoring", fill, &what, err);
    close(what.fd);
    if (!status) *out = what.summary;
    return status;
}

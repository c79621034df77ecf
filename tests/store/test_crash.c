/* What was answered survives; what failed left nothing. Writers run in child processes that are
 * killed or whose files may not grow. */
#include "beside.h"

#include "store/volume.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { CONTENT_BYTES = 60000 };

static void fill(char *content, int number) {
    memset(content, 'a' + number % 26, CONTENT_BYTES);
    memcpy(content, &number, sizeof number);
}

/* Adds slices without end and writes each id to the pipe once the store has answered. */
static void write_forever(const char *folder, int pipe_end) {
    gs_store *store;
    gs_dataset_record dataset;
    gs_slice_record record;
    char *content = gs_alloc(CONTENT_BYTES, 1);
    if (!content || gs_store_open(folder, &store, &error)) _exit(1);
    if (gs_store_dataset_put(store, "a", &(gs_dataset_settings){0}, &dataset, NULL, &error))
        _exit(1);
    for (int i = 0;; i++) {
        fill(content, i);
        gs_new_slice slice = slice_of("");
        slice.content = content;
        slice.content_size = CONTENT_BYTES;
        slice.mask = "mask";
        slice.mask_size = 4;
        if (gs_store_slice_add(store, "a", &slice, 1, NULL, &record, NULL, &error)) _exit(1);
        if (write(pipe_end, record.id, GS_ID_SIZE) != GS_ID_SIZE) _exit(1);
    }
}

static void check_integrity(const fixture *f) {
    sqlite3 *db;
    sqlite3_stmt *statement;
    char path[96];
    snprintf(path, sizeof path, "%s/genseg.db", f->folder);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    const char *checks[] = {"PRAGMA integrity_check", "PRAGMA foreign_key_check"};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sqlite3_prepare_v2(db, checks[i], -1, &statement, NULL), SQLITE_OK);
        int rc = sqlite3_step(statement);
        if (i == 0) assert_string_equal((const char *)sqlite3_column_text(statement, 0), "ok");
        if (i == 1) assert_int_equal(rc, SQLITE_DONE);
        sqlite3_finalize(statement);
    }
    sqlite3_close(db);
}

static void check_slice(fixture *f, const char *id, int number) {
    void *bytes;
    size_t size;
    gs_slice_record record;
    char *content = gs_alloc(CONTENT_BYTES, 1);
    fill(content, number);
    assert_ok(gs_store_slice_content(f->store, id, &record, &bytes, &size, &error));
    assert_int_equal(size, CONTENT_BYTES);
    assert_memory_equal(bytes, content, CONTENT_BYTES);
    assert_true(record.annotated);
    gs_free(bytes);
    gs_free(content);
}

static void what_was_answered_survives_sigkill(void **state) {
    fixture *f = *state;
    for (int round = 0; round < 4; round++) {
        int ends[2], count = 0;
        char id[GS_ID_SIZE], ids[400][GS_ID_SIZE];
        gs_store_close(f->store);
        f->store = NULL;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            close(ends[0]);
            write_forever(f->folder, ends[1]);
        }
        close(ends[1]);
        while (count < 20 + 7 * round && read(ends[0], id, sizeof id) == GS_ID_SIZE)
            memcpy(ids[count++], id, sizeof id);
        usleep((useconds_t)(1000 * round)); /* kill at another point of a write each time */
        kill(child, SIGKILL);
        while (count < 400 && read(ends[0], id, sizeof id) == GS_ID_SIZE)
            memcpy(ids[count++], id, sizeof id);
        close(ends[0]);
        waitpid(child, NULL, 0);
        assert_true(count >= 20 + 7 * round);
        assert_ok(gs_store_open(f->folder, &f->store, &error));
        for (int i = 0; i < count; i++) check_slice(f, ids[i], i);
        check_integrity(f);
    }
}

/* Adds slices until one fails; exit status 0 when it failed with DISK_FULL and the rest is
 * readable. */
static void write_until_full(const char *folder, const char *large) {
    gs_store *store;
    gs_slice_record record = {0};
    gs_slice_list list;
    struct rlimit limit = {.rlim_cur = 1500000, .rlim_max = 1500000};
    char *content = gs_alloc(CONTENT_BYTES, 1);
    signal(SIGXFSZ, SIG_IGN);
    if (!content || gs_store_open(folder, &store, &error)) _exit(2);
    setrlimit(RLIMIT_FSIZE, &limit);
    gs_status status = GS_OK;
    size_t stored = 0;
    for (int i = 0; i < 1000 && !status; i++, stored += !status) {
        fill(content, i);
        gs_new_slice slice = slice_of("");
        slice.content = content;
        slice.content_size = CONTENT_BYTES;
        status = gs_store_slice_add(store, "a", &slice, 1, NULL, &record, NULL, &error);
    }
    if (status != GS_DISK_FULL) {
        fprintf(stderr, "after %zu slices: %s\n", stored, error.text);
        _exit(3);
    }
    gs_page page = {.limit = GS_PAGE_MAX};
    if (gs_store_slice_list(store, &(gs_slice_filter){0}, (gs_slice_sort){0}, &page, &list, &error))
        _exit(4);
    if (list.count != stored || stored == 0) _exit(5);
    gs_new_model model = {.weights_path = large};
    gs_model_record copy;
    if (gs_store_model_add(store, &model, NULL, &copy, NULL, &error) != GS_DISK_FULL) _exit(6);
    _exit(0);
}

static void a_full_disk_is_told_and_leaves_nothing_half(void **state) {
    fixture *f = *state;
    char large[96];
    snprintf(large, sizeof large, "%s/large", f->folder);
    FILE *file = fopen(large, "w");
    assert_int_equal(ftruncate(fileno(file), 3000000), 0);
    fclose(file);
    make_dataset(f, "a");
    gs_store_close(f->store);
    f->store = NULL;
    pid_t child = fork();
    if (child == 0) write_until_full(f->folder, large);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_ok(gs_store_open(f->folder, &f->store, &error));
    check_integrity(f);
    add_slice(f, "a", slice_of("there is room again"));
}

/* Gives slices; after the two hundredth it says so through the pipe, and waits for the end. */
typedef struct stuck_giver {
    int pipe_end, given;
    char content[CONTENT_BYTES];
} stuck_giver;

static gs_status give_until_stuck(void *context, gs_new_slice *slice, bool *more, gs_error *err) {
    (void)err;
    stuck_giver *g = context;
    if (g->given == 200) {
        if (write(g->pipe_end, "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    fill(g->content, g->given);
    *slice = slice_of("");
    slice->content = g->content;
    slice->content_size = CONTENT_BYTES;
    slice->index = g->given++;
    *more = true;
    return GS_OK;
}

static void add_half_a_volume(const char *folder, int pipe_end) {
    static stuck_giver g;
    gs_store *store;
    gs_volume_record record;
    g.pipe_end = pipe_end;
    gs_new_volume volume = {.preset = "plain",
                            .geometry_json = "{}",
                            .sha256 = "a",
                            .channels = 1,
                            .folder = folder,
                            .next = give_until_stuck,
                            .context = &g};
    if (gs_store_open(folder, &store, &error) == GS_OK)
        (void)!gs_store_volume_add(store, "a", &volume, NULL, &record, NULL, &error);
    _exit(1);
}

static void a_volume_that_was_half_stored_is_gone(void **state) {
    fixture *f = *state;
    int ends[2];
    char sign;
    make_dataset(f, "a");
    gs_store_close(f->store);
    f->store = NULL;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) add_half_a_volume(f->folder, ends[1]);
    close(ends[1]);
    assert_int_equal(read(ends[0], &sign, 1), 1);
    close(ends[0]);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(count_contents(f) > 100); /* of several portions */
    assert_ok(gs_store_open(f->folder, &f->store, &error));
    assert_int_equal(count_contents(f), 0);
    gs_volume_list list;
    gs_dataset_counts counts;
    assert_ok(gs_store_volume_list(f->store, NULL, NULL, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 0);
    gs_volume_list_deinit(&list);
    assert_ok(gs_store_dataset_count(f->store, "a", &counts, &error));
    assert_int_equal(counts.slices, 0);
    check_integrity(f);
}

enum { THREADS = 6, PER_THREAD = 20 };

typedef struct worker {
    fixture *f;
    int number;
    gs_status status;
} worker;

static void *work(void *context) {
    worker *w = context;
    gs_error err;
    for (int i = 0; i < PER_THREAD && !w->status; i++) {
        gs_slice_record record;
        gs_slice_list list;
        char content[32];
        /* Half of the contents are shared by all threads. */
        snprintf(content, sizeof content, "%d of %d", i, i % 2 ? w->number : 0);
        gs_new_slice slice = slice_of(content);
        w->status = gs_store_slice_add(w->f->store, "a", &slice, 1, NULL, &record, NULL, &err);
        if (!w->status)
            w->status = gs_store_slice_list(w->f->store, &(gs_slice_filter){0}, (gs_slice_sort){0},
                                            &(gs_page){0}, &list, &err);
        if (!w->status) gs_free(list.items);
    }
    return NULL;
}

static void many_threads_write_and_read_at_once(void **state) {
    fixture *f = *state;
    pthread_t threads[THREADS];
    worker workers[THREADS];
    make_dataset(f, "a");
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.f = f, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].status, GS_OK);
    }
    gs_dataset_counts counts;
    assert_ok(gs_store_dataset_count(f->store, "a", &counts, &error));
    assert_int_equal(counts.slices, PER_THREAD / 2 + THREADS * PER_THREAD / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(what_was_answered_survives_sigkill),
        TEST(a_full_disk_is_told_and_leaves_nothing_half),
        TEST(a_volume_that_was_half_stored_is_gone),
        TEST(many_threads_write_and_read_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

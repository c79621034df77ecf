/* Volumes with their slices and files, the jobs on them, and a store of before there were any. */
#include "beside.h"

#include "base/file.h"
#include "store/annotation.h"
#include "store/job.h"
#include "store/volume.h"

#include <sqlite3.h>
#include <unistd.h>

/* Gives `count` slices, then the end, or fails at slice `fails_at`. */
typedef struct giver {
    int given, count, fails_at;
    char content[32];
    const char *prefix;
} giver;

static gs_status give(void *context, gs_new_slice *slice, bool *more, gs_error *err) {
    giver *g = context;
    if (g->fails_at && g->given == g->fails_at)
        return gs_fail(err, GS_NUMERIC, "no number at slice %d", g->given);
    *more = g->given < g->count;
    if (!*more) return GS_OK;
    snprintf(g->content, sizeof g->content, "%s%d", g->prefix, g->given);
    *slice = slice_of(g->content);
    slice->index = g->given;
    slice->part = g->given % 2 ? "right" : "left";
    slice->label = g->given ? "absence" : "presence";
    if (g->given == 0) {
        slice->mask = "mask";
        slice->mask_size = 4;
    }
    g->given++;
    return GS_OK;
}

static char *make_upload(const fixture *f) {
    char *folder = gs_format("%s/upload", f->folder), *path = gs_format("%s/image-0.nii", folder);
    gs_file_piece piece = {.bytes = "voxels", .size = 6};
    assert_ok(gs_folder_make(folder, &error));
    assert_ok(gs_file_replace(path, &piece, 1, &error));
    gs_free(path);
    return folder;
}

static gs_status add(fixture *f, giver *g, const char *sha256, gs_volume_record *out,
                     bool *created) {
    char *folder = make_upload(f);
    gs_new_volume volume = {.preset = "brain",
                            .geometry_json = "{}",
                            .sha256 = sha256,
                            .channels = 1,
                            .has_labels = true,
                            .folder = folder,
                            .next = give,
                            .context = g};
    gs_status status = gs_store_volume_add(f->store, "d", &volume, NULL, out, created, &error);
    gs_folder_remove(folder);
    gs_free(folder);
    return status;
}

static gs_volume_record add_one(fixture *f, const char *prefix) {
    giver g = {.count = 3, .prefix = prefix};
    gs_volume_record record;
    bool created;
    assert_ok(add(f, &g, prefix, &record, &created));
    assert_true(created && record.slices == 3);
    return record;
}

static bool has_file(const fixture *f, const char *id) {
    char *path = gs_format("%s/volumes/%s/image-0.nii", f->folder, id);
    bool found = access(path, R_OK) == 0;
    gs_free(path);
    return found;
}

static int64_t count_slices(fixture *f) {
    gs_dataset_counts counts;
    assert_ok(gs_store_dataset_count(f->store, "d", &counts, &error));
    return counts.slices;
}

static void slices_know_their_volume_and_go_with_it(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    gs_volume_record first = add_one(f, "a"), second = add_one(f, "b");
    assert_string_equal(first.case_name, first.id);
    assert_true(first.has_labels && !first.has_organ && has_file(f, first.id));
    gs_slice_list slices;
    gs_slice_filter filter = {.volume = first.id};
    assert_ok(
        gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &(gs_page){0}, &slices, &error));
    assert_int_equal(slices.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_string_equal(slices.items[i].volume, first.id);
        assert_string_equal(slices.items[i].part, i % 2 ? "right" : "left");
        assert_int_equal(slices.items[i].index, i);
        assert_int_equal(slices.items[i].annotated, i == 0);
    }
    gs_free(slices.items);
    assert_ok(gs_store_volume_delete(f->store, first.id, &error));
    assert_int_equal(count_slices(f), 3);
    assert_false(has_file(f, first.id));
    assert_true(has_file(f, second.id));
    assert_int_equal(gs_store_volume_delete(f->store, first.id, &error), GS_NOT_FOUND);
    reopen(f);
    gs_volume_record again;
    assert_ok(gs_store_volume_get(f->store, second.id, &again, &error));
    assert_string_equal(again.sha256, "b");
    gs_volume_record_deinit(&again);
    gs_volume_record_deinit(&first);
    gs_volume_record_deinit(&second);
}

/* Remembers what it is shown; fails at the second when it is told to. */
typedef struct viewer {
    char seen[64];
    int count, fails_at;
} viewer;

static gs_status view(void *context, const gs_volume_mask *mask, gs_error *err) {
    viewer *v = context;
    size_t length = strlen(v->seen);
    if (++v->count == v->fails_at) return gs_fail(err, GS_NUMERIC, "no number");
    snprintf(v->seen + length, sizeof v->seen - length, "%d%s=%.*s ", (int)mask->index, mask->part,
             (int)mask->mask_size, (const char *)mask->mask);
    return GS_OK;
}

static void masks_of_a_volume_are_visited_from_the_bottom_up(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    gs_volume_record first = add_one(f, "a"), second = add_one(f, "b");
    gs_slice_list slices;
    gs_slice_filter filter = {.volume = first.id};
    assert_ok(
        gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &(gs_page){0}, &slices, &error));
    const gs_annotation_edit edit = {0};
    gs_annotation_record record;
    for (size_t i = 3; i-- > 1;)
        assert_ok(gs_store_annotation_put(f->store, slices.items[i].id, i == 1 ? "one" : "two", 3,
                                          &edit, &record, &error));
    viewer all = {0}, none = {0}, failing = {.fails_at = 2};
    assert_ok(gs_store_annotation_each(f->store, first.id, view, &all, &error));
    assert_string_equal(all.seen, "0left=mask 1right=one 2left=two ");
    assert_ok(gs_store_annotation_delete(f->store, slices.items[0].id, &edit, &error));
    assert_int_equal(gs_store_annotation_each(f->store, first.id, view, &failing, &error),
                     GS_NUMERIC);
    assert_string_equal(failing.seen, "1right=one ");
    assert_ok(gs_store_annotation_each(f->store, "vol_none", view, &none, &error));
    assert_int_equal(none.count, 0);
    gs_free(slices.items);
    gs_volume_record_deinit(&first);
    gs_volume_record_deinit(&second);
}

static void a_volume_is_stored_whole_or_not_at_all(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    gs_volume_record record;
    giver fails = {.count = 5, .fails_at = 3, .prefix = "x"}, nothing = {.prefix = "x"};
    assert_int_equal(add(f, &fails, "1", &record, NULL), GS_NUMERIC);
    assert_int_equal(add(f, &nothing, "2", &record, NULL), GS_UNUSABLE);
    assert_int_equal(count_slices(f), 0);
    gs_volume_list list;
    assert_ok(gs_store_volume_list(f->store, NULL, NULL, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 0);
    gs_volume_list_deinit(&list);
    /* A folder whose row never came. */
    char *stray = gs_format("%s/volumes/vol_stray/job_1", f->folder);
    assert_ok(gs_folder_make(stray, &error));
    reopen(f);
    assert_int_not_equal(access(stray, F_OK), 0);
    gs_free(stray);
}

enum { LARGE_BYTES = 3 * 1024 * 1024, LARGE_SLICES = 5 };

/* Gives large slices; while it is asked for one, it writes to the store itself, and looks at what
 * there is. */
typedef struct large_giver {
    fixture *f;
    const char *labelled; /* the id of a slice of another data set */
    char *content;        /* [LARGE_BYTES] */
    int given, fails_at;
    int64_t contents; /* seen in the database when the last one was asked for */
} large_giver;

static gs_status give_large(void *context, gs_new_slice *slice, bool *more, gs_error *err) {
    large_giver *g = context;
    gs_slice_record record;
    gs_volume_list list;
    GS_TRY(gs_store_slice_set_label(g->f->store, g->labelled, g->given % 2 ? "absence" : "presence",
                                    &record, err));
    assert_ok(gs_store_volume_list(g->f->store, NULL, NULL, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 0);
    gs_volume_list_deinit(&list);
    assert_int_equal(count_slices(g->f), 0);
    g->contents = count_contents(g->f);
    if (g->fails_at && g->given == g->fails_at) return gs_fail(err, GS_NUMERIC, "no number");
    *more = g->given < LARGE_SLICES;
    if (!*more) return GS_OK;
    memset(g->content, 'a' + g->given, LARGE_BYTES);
    *slice = slice_of("");
    slice->content = g->content;
    slice->content_size = LARGE_BYTES;
    slice->index = g->given++;
    return GS_OK;
}

static gs_status add_large(large_giver *g, gs_volume_record *out) {
    char *folder = make_upload(g->f);
    gs_new_volume volume = {.preset = "plain",
                            .geometry_json = "{}",
                            .sha256 = "large",
                            .channels = 1,
                            .folder = folder,
                            .next = give_large,
                            .context = g};
    gs_status status = gs_store_volume_add(g->f->store, "d", &volume, NULL, out, NULL, &error);
    gs_folder_remove(folder);
    gs_free(folder);
    return status;
}

static void others_write_while_a_volume_is_cut_and_nothing_of_it_shows(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    make_dataset(f, "other");
    gs_slice_record other = add_slice(f, "other", slice_of("x")), slice;
    large_giver fails = {.f = f, .labelled = other.id, .fails_at = 4}, g = fails;
    g.fails_at = 0;
    g.content = fails.content = gs_alloc(LARGE_BYTES, 1);
    gs_volume_record record;
    assert_int_equal(add_large(&fails, &record), GS_NUMERIC);
    assert_int_equal(fails.contents, 4); /* two portions of two slices */
    assert_int_equal(count_contents(f), 0);
    assert_ok(add_large(&g, &record));
    assert_int_equal(record.slices, LARGE_SLICES);
    assert_int_equal(count_contents(f), LARGE_SLICES);
    reopen(f);
    gs_slice_list slices;
    gs_slice_filter filter = {.volume = record.id};
    assert_ok(
        gs_store_slice_list(f->store, &filter, (gs_slice_sort){0}, &(gs_page){0}, &slices, &error));
    for (int i = 0; i < LARGE_SLICES; i++) {
        void *bytes;
        size_t size;
        assert_ok(
            gs_store_slice_content(f->store, slices.items[i].id, &slice, &bytes, &size, &error));
        assert_int_equal(size, LARGE_BYTES);
        assert_int_equal(((char *)bytes)[LARGE_BYTES - 1], 'a' + i);
        gs_free(bytes);
    }
    assert_ok(gs_store_slice_delete(f->store, slices.items[1].id, &error));
    assert_int_equal(count_contents(f), LARGE_SLICES - 1);
    assert_ok(gs_store_volume_delete(f->store, record.id, &error));
    assert_int_equal(count_contents(f), 0);
    gs_free(slices.items);
    gs_free(g.content);
    gs_volume_record_deinit(&record);
}

static void words_are_looked_at_before_anything_is_cut(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    giver g = {.count = 3, .prefix = "a"};
    gs_volume_record record;
    const gs_new_volume good = {.preset = "plain",
                                .geometry_json = "{}",
                                .sha256 = "a",
                                .channels = 1,
                                .folder = f->folder,
                                .next = give,
                                .context = &g};
    gs_new_volume bad[] = {good, good, good};
    bad[0].split = "nonsense";
    bad[1].case_name = "a\nb";
    bad[2].preset = "much longer than any word is";
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gs_store_volume_add(f->store, "d", &bad[i], NULL, &record, NULL, &error),
                         GS_INVALID_ARGUMENT);
    assert_int_equal(gs_store_volume_add(f->store, "none", &good, NULL, &record, NULL, &error),
                     GS_NOT_FOUND);
    assert_int_equal(g.given, 0);
}

static void the_same_bytes_give_the_volume_that_is_there(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    gs_volume_record first = add_one(f, "a"), again;
    giver g = {.count = 3, .prefix = "a"};
    bool created;
    assert_ok(add(f, &g, "a", &again, &created));
    assert_false(created);
    assert_string_equal(first.id, again.id);
    assert_int_equal(g.given, 0);
    gs_volume_record_deinit(&again);
    assert_int_equal(add(f, &g, "other", &again, &created), GS_CONFLICT); /* the slices are there */
    assert_int_equal(count_contents(f), 3);
    assert_ok(gs_store_volume_find(f->store, "d", "a", &again, &error));
    gs_volume_record_deinit(&again);
    assert_int_equal(gs_store_volume_find(f->store, "d", "b", &again, &error), GS_NOT_FOUND);
    gs_volume_record_deinit(&first);
}

static void jobs_on_volumes_have_a_queue_of_their_own(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    gs_volume_record volume = add_one(f, "a");
    gs_job_record training, job, claimed;
    assert_ok(gs_store_job_add(f->store, "train", "d", "{}", NULL, NULL, &training, NULL, &error));
    assert_ok(gs_store_job_add_for_volume(f->store, "segment", volume.id, "{}", NULL, NULL, &job,
                                          NULL, &error));
    assert_string_equal(job.dataset, "d");
    assert_int_equal(gs_store_job_add_for_volume(f->store, "segment", "vol_none", "{}", NULL, NULL,
                                                 &claimed, NULL, &error),
                     GS_NOT_FOUND);
    assert_ok(gs_store_job_claim(f->store, GS_QUEUE_VOLUMES, &claimed, &error));
    assert_string_equal(claimed.id, job.id);
    gs_job_record_deinit(&claimed);
    assert_int_equal(gs_store_job_claim(f->store, GS_QUEUE_VOLUMES, &claimed, &error),
                     GS_NOT_FOUND);
    assert_int_equal(gs_store_volume_delete(f->store, volume.id, &error), GS_CONFLICT);
    size_t count;
    assert_ok(gs_store_job_requeue_all(f->store, GS_QUEUE_TRAINING, &count, &error));
    assert_int_equal(count, 0);
    assert_ok(gs_store_job_set_outputs(f->store, job.id, "[{}]", &error));
    assert_ok(gs_store_job_finish(f->store, job.id, GS_JOB_SUCCEEDED, NULL, NULL, &error));
    assert_ok(gs_store_volume_delete(f->store, volume.id, &error));
    assert_ok(gs_store_job_get(f->store, job.id, &claimed, &error));
    assert_string_equal(claimed.volume, volume.id); /* it stays true */
    assert_string_equal(claimed.outputs_json, "[{}]");
    gs_job_record_deinit(&claimed);
    gs_job_record_deinit(&job);
    gs_job_record_deinit(&training);
    gs_volume_record_deinit(&volume);
}

static void adding_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    make_dataset(f, "d");
    for (uint64_t n = 1; n < 200; n++) {
        char *folder = make_upload(f);
        giver g = {.count = 2, .prefix = "a"};
        gs_new_volume volume = {.preset = "plain",
                                .geometry_json = "{}",
                                .sha256 = "a",
                                .channels = 1,
                                .folder = folder,
                                .next = give,
                                .context = &g};
        gs_volume_record record;
        gs_memory_fail_at(n, true);
        gs_status status = gs_store_volume_add(f->store, "d", &volume, NULL, &record, NULL, &error);
        gs_memory_fail_at(0, false);
        gs_free(folder);
        if (status == GS_OK) {
            assert_int_equal(count_slices(f), 2);
            gs_volume_record_deinit(&record);
            return;
        }
        assert_int_equal(status, GS_OUT_OF_MEMORY);
        assert_int_equal(count_slices(f), 0);
        assert_int_equal(count_contents(f), 0);
    }
    fail_msg("never succeeded");
}

static void run(sqlite3 *db, const char *sql) {
    char *why = NULL;
    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK) fail_msg("%s: %s", sql, why);
}

/* What the first released schema held is kept, and its NIfTI slices keep their axes. */
static void a_store_of_the_first_schema_is_brought_up_to_date(void **state) {
    fixture *f = *state;
    char *old = gs_format("%s/old", f->folder), *path = gs_format("%s/genseg.db", old), *sql;
    size_t size;
    assert_ok(gs_folder_make(old, &error));
    assert_ok(
        gs_file_read(TESTS_FOLDER "/../store/migration_0001.sql", 1 << 20, &sql, &size, &error));
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    run(db, "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_at TEXT NOT "
            "NULL) STRICT; PRAGMA application_id = 0x47534547");
    run(db, sql);
    run(db, "INSERT INTO schema_version VALUES (1, 'then');"
            "INSERT INTO datasets VALUES (1, 'd', 'none', 1, 2, 3, 'then');"
            "INSERT INTO slices VALUES (1, 'slc_a', 1, '', -1, '', 1, 2, 3,"
            " 'application/x-nifti', 1, 'aa', 'presence', '', NULL, 'then');"
            "INSERT INTO slices VALUES (2, 'slc_b', 1, '', -1, '', 1, 2, 3, 'image/png', 1,"
            " 'bb', 'presence', '', NULL, 'then');"
            "INSERT INTO slice_contents VALUES (1, x'00'), (2, x'00');"
            "INSERT INTO jobs VALUES (1, 'job_a', 'train', 'queued', 'd', '{}', 'null', 0, 0,"
            " 'null', NULL, '', '', 0, 0, 'then', '', '')");
    sqlite3_close(db);
    gs_store *store;
    gs_slice_record slice;
    gs_job_record job;
    assert_ok(gs_store_open(old, &store, &error));
    assert_ok(gs_store_slice_get(store, "slc_a", &slice, &error));
    assert_string_equal(slice.content_type, "application/x-nifti; axes=stored");
    assert_string_equal(slice.volume, "");
    assert_ok(gs_store_slice_get(store, "slc_b", &slice, &error));
    assert_string_equal(slice.content_type, "image/png");
    assert_ok(gs_store_job_claim(store, GS_QUEUE_TRAINING, &job, &error));
    assert_string_equal(job.id, "job_a");
    assert_string_equal(job.outputs_json, "[]");
    gs_job_record_deinit(&job);
    gs_store_close(store);
    gs_free(sql);
    gs_free(path);
    gs_free(old);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(slices_know_their_volume_and_go_with_it),
        TEST(masks_of_a_volume_are_visited_from_the_bottom_up),
        TEST(a_volume_is_stored_whole_or_not_at_all),
        TEST(others_write_while_a_volume_is_cut_and_nothing_of_it_shows),
        TEST(words_are_looked_at_before_anything_is_cut),
        TEST(the_same_bytes_give_the_volume_that_is_there),
        TEST(jobs_on_volumes_have_a_queue_of_their_own),
        TEST(adding_survives_every_failing_allocation),
        TEST(a_store_of_the_first_schema_is_brought_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

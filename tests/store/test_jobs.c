#include "fixture.h"

#include <math.h>
#include <sqlite3.h>

static void add(fixture *f, char id[GS_ID_SIZE]) {
    gs_job_record record;
    assert_ok(gs_store_job_add(f->store, "train", "demo", "{}", NULL, NULL, &record, NULL, &error));
    assert_int_equal(record.state, GS_JOB_QUEUED);
    memcpy(id, record.id, GS_ID_SIZE);
    gs_job_record_deinit(&record);
}

static gs_job_state state_of(fixture *f, const char *id) {
    gs_job_record record;
    assert_ok(gs_store_job_get(f->store, id, &record, &error));
    gs_job_state state = record.state;
    gs_job_record_deinit(&record);
    return state;
}

static void claim(fixture *f, const char *expected) {
    gs_job_record record;
    assert_ok(gs_store_job_claim(f->store, GS_QUEUE_TRAINING, &record, &error));
    assert_string_equal(record.id, expected);
    assert_int_equal(record.state, GS_JOB_RUNNING);
    gs_job_record_deinit(&record);
}

static void jobs_are_claimed_in_order(void **state) {
    fixture *f = *state;
    char a[GS_ID_SIZE], b[GS_ID_SIZE];
    add(f, a);
    add(f, b);
    claim(f, a);
    claim(f, b);
    gs_job_record record;
    assert_int_equal(gs_store_job_claim(f->store, GS_QUEUE_TRAINING, &record, &error),
                     GS_NOT_FOUND);
    assert_ok(gs_store_job_requeue(f->store, b, &error));
    assert_ok(gs_store_job_requeue(f->store, a, &error));
    claim(f, a); /* its old place */
}

static void only_the_edges_of_the_diagram_exist(void **state) {
    fixture *f = *state;
    char id[GS_ID_SIZE];
    add(f, id);
    assert_int_equal(gs_store_job_requeue(f->store, id, &error), GS_CONFLICT);
    assert_int_equal(gs_store_job_finish(f->store, id, GS_JOB_SUCCEEDED, NULL, NULL, &error),
                     GS_CONFLICT);
    assert_ok(gs_store_job_finish(f->store, id, GS_JOB_CANCELLED, NULL, NULL, &error));
    assert_int_equal(gs_store_job_finish(f->store, id, GS_JOB_CANCELLED, NULL, NULL, &error),
                     GS_CONFLICT);
    assert_ok(gs_store_job_requeue(f->store, id, &error));
    claim(f, id);
    assert_ok(gs_store_job_finish(f->store, id, GS_JOB_FAILED, NULL, "it broke", &error));
    gs_job_record record;
    assert_ok(gs_store_job_get(f->store, id, &record, &error));
    assert_string_equal(record.error, "it broke");
    assert_string_not_equal(record.finished_at, "");
    gs_job_record_deinit(&record);
    assert_ok(gs_store_job_requeue(f->store, id, &error));
    claim(f, id);
    assert_ok(gs_store_job_finish(f->store, id, GS_JOB_SUCCEEDED, "mdl_1", NULL, &error));
    assert_ok(gs_store_job_get(f->store, id, &record, &error));
    assert_string_equal(record.model, "mdl_1");
    assert_string_equal(record.error, "");
    assert_true(record.progress >= 1);
    assert_int_equal(record.runs, 2);
    gs_job_record_deinit(&record);
    assert_int_equal(gs_store_job_requeue(f->store, id, &error), GS_CONFLICT);
    assert_int_equal(gs_store_job_requeue(f->store, "job_x", &error), GS_NOT_FOUND);
}

static void running_jobs_are_queued_again_after_a_crash(void **state) {
    fixture *f = *state;
    char id[GS_ID_SIZE];
    size_t count;
    add(f, id);
    claim(f, id);
    reopen(f);
    assert_int_equal(state_of(f, id), GS_JOB_RUNNING);
    assert_ok(gs_store_job_requeue_all(f->store, GS_QUEUE_TRAINING, &count, &error));
    assert_int_equal(count, 1);
    assert_int_equal(state_of(f, id), GS_JOB_QUEUED);
}

static void events_are_numbered_and_resumable(void **state) {
    fixture *f = *state;
    char id[GS_ID_SIZE];
    add(f, id);
    double progress = 0.5, dice = 0.75;
    int64_t step = 20, seq;
    gs_job_update update = {
        .progress = &progress, .step = &step, .losses_json = "{\"adv\":1}", .dice = &dice};
    assert_ok(gs_store_job_append(f->store, id, "start", "{\"a\":1}", NULL, &seq, &error));
    assert_int_equal(seq, 1);
    assert_ok(gs_store_job_append(f->store, id, "progress", "{\"b\":2}", &update, &seq, &error));
    assert_int_equal(seq, 2);
    gs_job_event_list list;
    assert_ok(gs_store_job_events(f->store, id, 1, 10, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].name, "progress");
    assert_string_equal(list.items[0].json, "{\"b\":2}");
    gs_job_event_list_deinit(&list);
    gs_job_record record;
    assert_ok(gs_store_job_get(f->store, id, &record, &error));
    assert_true(fabs(record.progress - 0.5) < 1e-12 && fabs(record.dice - 0.75) < 1e-12);
    assert_int_equal(record.step, 20);
    assert_string_equal(record.losses_json, "{\"adv\":1}");
    gs_job_record_deinit(&record);
    assert_int_equal(gs_store_job_events(f->store, "job_x", 0, 1, &list, &error), GS_NOT_FOUND);
}

static void events_beyond_a_limit_are_refused(void **state) {
    fixture *f = *state;
    char id[GS_ID_SIZE], name[GS_EVENT_NAME_SIZE];
    add(f, id);
    char *large = gs_alloc(GS_EVENT_BYTES_MAX + 2, 1);
    memset(large, ' ', GS_EVENT_BYTES_MAX + 1);
    assert_int_equal(gs_store_job_append(f->store, id, "x", large, NULL, NULL, &error),
                     GS_TOO_LARGE);
    gs_free(large);
    for (int i = 0; i < GS_JOB_EVENT_NAMES_MAX; i++) {
        snprintf(name, sizeof name, "event %d", i);
        assert_ok(gs_store_job_append(f->store, id, name, "{}", NULL, NULL, &error));
    }
    assert_int_equal(gs_store_job_append(f->store, id, "more", "{}", NULL, NULL, &error),
                     GS_UNUSABLE);
    assert_ok(gs_store_job_append(f->store, id, "event 3", "{}", NULL, NULL, &error));
}

static size_t count_events(fixture *f, const char *id, int64_t *last) {
    size_t count = 0;
    gs_job_event_list list;
    *last = 0;
    do {
        assert_ok(gs_store_job_events(f->store, id, *last, GS_PAGE_MAX, &list, &error));
        count += list.count;
        for (size_t i = 0; i < list.count; i++) {
            assert_true(list.items[i].seq > *last);
            *last = list.items[i].seq;
        }
        gs_job_event_list_deinit(&list);
    } while (*last > 0 && count % GS_PAGE_MAX == 0 && count < 100000);
    return count;
}

/* Events 2, 3, … of the only job, in one transaction: thousands of synced ones would take long. */
static void append_progress(fixture *f, int count) {
    sqlite3 *db;
    char path[96], sql[512];
    snprintf(path, sizeof path, "%s/genseg.db", f->folder);
    snprintf(
        sql, sizeof sql,
        "BEGIN; INSERT INTO job_events WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL"
        " SELECT i + 1 FROM n WHERE i <= %d) SELECT j.seq, i, 'progress', '', '{}' FROM n, jobs j;"
        "UPDATE jobs SET last_event = %d; COMMIT",
        count, count + 1);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void a_long_curve_gets_coarser_and_stays_whole(void **state) {
    fixture *f = *state;
    char id[GS_ID_SIZE];
    int64_t last;
    add(f, id);
    assert_ok(gs_store_job_append(f->store, id, "start", "{}", NULL, NULL, &error));
    append_progress(f, GS_JOB_EVENTS_MAX);
    assert_int_equal(count_events(f, id, &last), 1 + GS_JOB_EVENTS_MAX);
    assert_ok(gs_store_job_append(f->store, id, "progress", "{}", NULL, NULL, &error));
    assert_int_equal(count_events(f, id, &last), 1 + GS_JOB_EVENTS_MAX / 2 + 1);
    assert_int_equal(last, GS_JOB_EVENTS_MAX + 2);
    gs_job_event_list list;
    assert_ok(gs_store_job_events(f->store, id, 0, 3, &list, &error));
    assert_string_equal(list.items[0].name, "start");
    assert_int_equal(list.items[1].seq, 2);
    assert_int_equal(list.items[2].seq, 4);
    gs_job_event_list_deinit(&list);
}

static void lists_filter_and_count_by_state(void **state) {
    fixture *f = *state;
    char a[GS_ID_SIZE], b[GS_ID_SIZE];
    add(f, a);
    add(f, b);
    claim(f, a);
    gs_job_state running = GS_JOB_RUNNING;
    gs_job_list list;
    gs_job_filter filter = {.state = &running, .dataset = "demo"};
    assert_ok(gs_store_job_list(f->store, &filter, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 1);
    assert_string_equal(list.items[0].id, a);
    assert_true(isnan(list.items[0].dice));
    gs_job_list_deinit(&list);
    assert_ok(gs_store_job_list(f->store, &(gs_job_filter){0}, &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].id, b); /* newest first */
    gs_job_list_deinit(&list);
    int64_t counts[GS_JOB_STATES];
    assert_ok(gs_store_job_count(f->store, counts, &error));
    assert_int_equal(counts[GS_JOB_QUEUED], 1);
    assert_int_equal(counts[GS_JOB_RUNNING], 1);
    assert_int_equal(counts[GS_JOB_FAILED], 0);
}

static void a_key_gives_the_first_job(void **state) {
    fixture *f = *state;
    gs_idempotency key = {.key = "k", .scope = "POST /v1/jobs", .sha256 = "1"};
    gs_job_record first, second;
    bool created;
    assert_ok(
        gs_store_job_add(f->store, "train", "demo", "{}", NULL, &key, &first, &created, &error));
    assert_true(created);
    assert_ok(
        gs_store_job_add(f->store, "train", "demo", "{}", NULL, &key, &second, &created, &error));
    assert_false(created);
    assert_string_equal(first.id, second.id);
    gs_job_record_deinit(&first);
    gs_job_record_deinit(&second);
}

static void a_long_error_is_cut_between_characters(void **state) {
    fixture *f = *state;
    char id[GS_ID_SIZE], text[2101];
    for (int i = 0; i < 2100; i += 3) memcpy(text + i, "\xe2\x82\xac", 3); /* euro signs */
    text[2100] = 0;
    add(f, id);
    claim(f, id);
    assert_ok(gs_store_job_finish(f->store, id, GS_JOB_FAILED, NULL, text, &error));
    assert_ok(gs_store_job_set_dataset(f->store, id, "{\"slices\":3}", &error));
    gs_job_record record;
    assert_ok(gs_store_job_get(f->store, id, &record, &error));
    assert_int_equal(strlen(record.error), 1998);
    assert_string_equal(record.dataset_json, "{\"slices\":3}");
    gs_job_record_deinit(&record);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(jobs_are_claimed_in_order),
        TEST(only_the_edges_of_the_diagram_exist),
        TEST(running_jobs_are_queued_again_after_a_crash),
        TEST(events_are_numbered_and_resumable),
        TEST(events_beyond_a_limit_are_refused),
        TEST(a_long_curve_gets_coarser_and_stays_whole),
        TEST(lists_filter_and_count_by_state),
        TEST(a_key_gives_the_first_job),
        TEST(a_long_error_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The executor and the model cache around the toy engine. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/memory.h"
#include "server/clock.h"
#include "server/executor.h"

enum { HEIGHT = 3, COLUMNS = 2, VALUES = HEIGHT * COLUMNS };

typedef struct fixture {
    char folder[32], path[64];
    gs_metrics *metrics;
    gs_model_cache *cache;
    gs_model_slot *slot;
    gs_executor *executor;
} fixture;

static void write_model(fixture *f, int compute_ms, int load_ms) {
    gs_error err;
    strcpy(f->folder, "/tmp/genseg_test_XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/m.safetensors", f->folder);
    char *text = gs_format("{\"toy\": 1, \"preset\": \"tiny\", \"width\": 0.25, \"channels\": 1, "
                           "\"height\": %d, \"columns\": %d, \"compute_ms\": %d, \"load_ms\": %d}",
                           HEIGHT, COLUMNS, compute_ms, load_ms);
    gs_file_piece piece = {.bytes = text, .size = strlen(text)};
    assert_int_equal(gs_file_replace(f->path, &piece, 1, &err), GS_OK);
    gs_free(text);
}

static void setup(fixture *f, int compute_ms, const gs_executor_options *options) {
    gs_error err;
    gs_session_options session = {0};
    *f = (fixture){0};
    write_model(f, compute_ms, 0);
    assert_int_equal(gs_metrics_new(&f->metrics, &err), GS_OK);
    assert_int_equal(gs_model_cache_open(&session, &f->cache, &err), GS_OK);
    assert_int_equal(gs_model_cache_acquire(f->cache, "mdl_a", f->path, 5000, &f->slot, &err),
                     GS_OK);
    assert_int_equal(gs_executor_open(options, f->metrics, &f->executor, &err), GS_OK);
}

static void teardown(fixture *f) {
    gs_executor_close(f->executor);
    gs_model_slot_release(f->slot);
    gs_model_cache_close(f->cache);
    gs_metrics_free(f->metrics);
    gs_folder_remove(f->folder);
}

/* One segmentation of `count` images of one value; checks what comes out. */
static gs_status ask_as(fixture *f, float value, size_t count, gs_priority priority,
                        gs_error *err) {
    float *images = gs_alloc(count * VALUES, sizeof *images);
    if (!images) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the test's images");
    for (size_t i = 0; i < count * VALUES; i++) images[i] = value;
    gs_work work = {.slot = f->slot,
                    .operation = GS_SEGMENT,
                    .count = count,
                    .images = images,
                    .priority = priority};
    float *maps[3] = {NULL};
    gs_status status = gs_executor_run(f->executor, &work, maps, err);
    if (status != GS_OK) return status;
    for (size_t i = 0; i < count * VALUES; i++) assert_true(maps[0][i] == value);
    gs_free(maps[0]);
    assert_null(maps[1]);
    return GS_OK;
}

static gs_status ask(fixture *f, float value, size_t count, gs_error *err) {
    return ask_as(f, value, count, GS_PRIORITY_REQUEST, err);
}

typedef struct asker {
    fixture *f;
    float value;
    gs_status status;
    gs_priority priority;
    double ended; /* gs_clock_seconds */
} asker;

static void *run_asker(void *argument) {
    asker *a = argument;
    gs_error err;
    a->status = ask_as(a->f, a->value, 1, a->priority, &err);
    a->ended = gs_clock_seconds();
    return NULL;
}

static void requests_in_a_batch_keep_their_own_answers(void **state) {
    (void)state;
    enum { ASKERS = 12 };
    gs_executor_options options = {
        .max_batch = 4, .queue_images = 64, .wait_us = 1000, .timeout_ms = 10000};
    fixture f;
    setup(&f, 20, &options);
    pthread_t threads[ASKERS];
    asker askers[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        askers[i] = (asker){.f = &f, .value = (float)i / ASKERS, .status = GS_INTERNAL};
        assert_int_equal(pthread_create(&threads[i], NULL, run_asker, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].status, GS_OK);
    }
    assert_int_equal(gs_executor_queued(f.executor), 0);
    teardown(&f);
}

static void a_request_that_is_too_late_leaves_the_queue(void **state) {
    (void)state;
    gs_executor_options options = {.max_batch = 1, .queue_images = 64, .timeout_ms = 60};
    fixture f;
    setup(&f, 150, &options);
    pthread_t threads[3];
    asker askers[3];
    for (int i = 0; i < 3; i++) {
        askers[i] = (asker){.f = &f, .value = 0.5f, .status = GS_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, run_asker, &askers[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].status, GS_BUSY);
    }
    assert_int_equal(gs_executor_queued(f.executor), 0);
    teardown(&f); /* the one that was running ends here; its caller is long gone */
}

/* Four tasks in the background wait when two requests come: those are answered first, although the
 * time limit of requests is over for the others by then, and the queue is full with two. */
static void requests_go_before_the_background(void **state) {
    (void)state;
    enum { BACKGROUND = 4, ASKERS = 6 };
    gs_executor_options options = {.max_batch = 1, .queue_images = 2, .timeout_ms = 250};
    fixture f;
    setup(&f, 60, &options);
    pthread_t threads[ASKERS];
    asker askers[ASKERS];
    for (int i = 0; i < ASKERS; i++) {
        askers[i] =
            (asker){.f = &f,
                    .value = (float)i / ASKERS,
                    .priority = i < BACKGROUND ? GS_PRIORITY_BACKGROUND : GS_PRIORITY_REQUEST};
        if (i == BACKGROUND) usleep(20000);
        assert_int_equal(pthread_create(&threads[i], NULL, run_asker, &askers[i]), 0);
    }
    for (int i = 0; i < ASKERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(askers[i].status, GS_OK);
    }
    for (int request = BACKGROUND; request < ASKERS; request++) {
        int before = 0;
        for (int i = 0; i < BACKGROUND; i++) before += askers[i].ended < askers[request].ended;
        assert_true(before <= 1); /* the one that ran already */
    }
    teardown(&f);
}

static void a_request_larger_than_the_queue_still_runs_alone(void **state) {
    (void)state;
    gs_executor_options options = {.max_batch = 2, .queue_images = 4, .timeout_ms = 10000};
    fixture f;
    gs_error err;
    setup(&f, 0, &options);
    assert_int_equal(ask(&f, 0.25f, 16, &err), GS_OK);
    teardown(&f);
}

static void a_stopped_executor_cancels(void **state) {
    (void)state;
    gs_executor_options options = {.max_batch = 1, .queue_images = 64, .timeout_ms = 10000};
    fixture f;
    gs_error err;
    setup(&f, 0, &options);
    gs_executor_stop(f.executor);
    assert_int_equal(ask(&f, 0.25f, 1, &err), GS_CANCELLED);
    teardown(&f);
}

static void every_failing_allocation_is_an_error_and_leaks_nothing(void **state) {
    (void)state;
    gs_executor_options options = {.max_batch = 4, .queue_images = 64, .timeout_ms = 10000};
    fixture f;
    gs_error err;
    setup(&f, 0, &options);
    gs_status status = GS_OUT_OF_MEMORY;
    for (uint64_t n = 1; status != GS_OK; n++) {
        assert_true(n < 100);
        gs_memory_fail_at(n, false);
        status = ask(&f, 0.5f, 2, &err);
        gs_memory_fail_at(0, false);
        if (status != GS_OK) assert_int_equal(status, GS_OUT_OF_MEMORY);
    }
    teardown(&f);
}

/* ==== Model cache ==== */

static void a_slow_model_is_busy_until_it_is_there(void **state) {
    (void)state;
    fixture f = {0};
    gs_error err;
    gs_session_options session = {0};
    gs_model_slot *slot;
    write_model(&f, 0, 150);
    assert_int_equal(gs_model_cache_open(&session, &f.cache, &err), GS_OK);
    assert_int_equal(gs_model_cache_acquire(f.cache, "mdl_a", f.path, 0, &slot, &err), GS_BUSY);
    assert_int_equal(gs_model_cache_acquire(f.cache, "mdl_a", f.path, 5000, &slot, &err), GS_OK);
    gs_model_slot_release(slot);
    assert_int_equal(gs_model_cache_acquire(f.cache, "mdl_a", f.path, 0, &slot, &err), GS_OK);
    gs_model_slot_release(slot);
    gs_model_cache_close(f.cache);
    gs_folder_remove(f.folder);
}

static void a_model_that_fails_to_load_is_tried_again(void **state) {
    (void)state;
    fixture f = {0};
    gs_error err;
    gs_session_options session = {0};
    gs_model_slot *slot;
    write_model(&f, 0, 0);
    assert_int_equal(gs_model_cache_open(&session, &f.cache, &err), GS_OK);
    assert_int_equal(gs_model_cache_acquire(f.cache, "mdl_a", "/nowhere", 5000, &slot, &err),
                     GS_NOT_FOUND);
    assert_int_equal(gs_model_cache_acquire(f.cache, "mdl_a", f.path, 5000, &slot, &err), GS_OK);
    gs_model_slot_release(slot);
    gs_model_cache_close(f.cache);
    gs_folder_remove(f.folder);
}

static void models_in_use_and_the_active_one_outlive_eviction(void **state) {
    (void)state;
    gs_executor_options options = {.max_batch = 1, .queue_images = 8, .timeout_ms = 5000};
    fixture f;
    gs_error err;
    setup(&f, 0, &options);
    gs_model_cache_set_active(f.cache, f.slot);
    gs_model_slot *used = NULL, *slot;
    for (int i = 0; i < 3 * GS_CACHE_MODELS; i++) {
        char id[GS_ID_SIZE];
        snprintf(id, sizeof id, "mdl_%d", i);
        assert_int_equal(gs_model_cache_acquire(f.cache, id, f.path, 5000, &slot, &err), GS_OK);
        if (i == 0) {
            used = slot;
        } else {
            gs_model_slot_release(slot);
        }
    }
    assert_string_equal(gs_model_slot_id(used), "mdl_0");
    assert_int_equal(gs_model_slot_config(used)->height, HEIGHT);
    assert_int_equal(gs_model_cache_acquire_active(f.cache, &slot, &err), GS_OK);
    assert_ptr_equal(slot, f.slot);
    gs_model_slot_release(slot);
    gs_model_slot_release(used);
    gs_model_cache_forget(f.cache, "mdl_a");
    assert_int_equal(ask(&f, 0.5f, 1, &err), GS_OK);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_in_a_batch_keep_their_own_answers),
        cmocka_unit_test(a_request_that_is_too_late_leaves_the_queue),
        cmocka_unit_test(requests_go_before_the_background),
        cmocka_unit_test(a_request_larger_than_the_queue_still_runs_alone),
        cmocka_unit_test(a_stopped_executor_cancels),
        cmocka_unit_test(every_failing_allocation_is_an_error_and_leaks_nothing),
        cmocka_unit_test(a_slow_model_is_busy_until_it_is_there),
        cmocka_unit_test(a_model_that_fails_to_load_is_tried_again),
        cmocka_unit_test(models_in_use_and_the_active_one_outlive_eviction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

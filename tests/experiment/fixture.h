/* A small task with all three splits, experiments on it, and what they tell. */
#ifndef GS_TESTS_EXPERIMENT_FIXTURE_H
#define GS_TESTS_EXPERIMENT_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/experiment/experiment.h"
#include "tests/train/small_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/genseg-experiment-XXXXXX";

static inline int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    gs_folder_remove(folder);
    return 0;
}

/* "FOLDER/name"; caller frees. */
static inline char *path(const char *name) {
    char *text = gs_format("%s/%s", folder, name);
    assert_non_null(text);
    return text;
}

static inline void put_file(const char *name, const char *text) {
    char *file = path(name);
    const gs_file_piece piece = {text, strlen(text)};
    assert_int_equal(gs_file_replace(file, &piece, 1, NULL), GS_OK);
    gs_free(file);
}

/* Zero-terminated; caller frees. */
static inline char *get_file(const char *name) {
    char *file = path(name), *text = NULL;
    size_t size;
    if (gs_file_read(file, 1 << 28, &text, &size, NULL) != GS_OK) fail_msg("no file %s", file);
    gs_free(file);
    return text;
}

/* A result without its times, as text; caller frees. */
static inline char *result_of(const char *out, const char *run) {
    char *name = gs_format("%s/runs/%s/result.json", out, run), *text = get_file(name);
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(json_object_del(json, "seconds"), 0);
    char *without = json_dumps(json, JSON_INDENT(2));
    assert_non_null(without);
    json_decref(json);
    gs_free(name), gs_free(text);
    return without;
}

enum { PRESENCE = 16, ABSENCE = 8 };

typedef enum task_lack { LACKS_NOTHING, LACKS_ABSENCE, LACKS_VALIDATION_MASKS } task_lack;

/* Every case is one slice; of each four, two train, one tests, one validates. The first case's name
 * wants quotes in CSV. All presence slices have masks, but for what is to be lacking. */
static inline void make_task_without(const char *name, task_lack lack) {
    static const gs_split splits[] = {GS_SPLIT_TRAIN, GS_SPLIT_TRAIN, GS_SPLIT_TEST,
                                      GS_SPLIT_VALIDATION};
    const gs_dataset_info info = {.name = "task & test",
                                  .made_by = "a test",
                                  .channels = 1,
                                  .height = SMALL_HEIGHT,
                                  .width = SMALL_WIDTH};
    gs_dataset_writer *writer = NULL;
    char *where = path(name);
    assert_int_equal(gs_dataset_writer_open(where, &info, &writer, NULL), GS_OK);
    for (int i = 0; i < PRESENCE + (lack == LACKS_ABSENCE ? 0 : ABSENCE); i++) {
        float image[SMALL_PIXELS];
        uint8_t mask[SMALL_PIXELS];
        char text[32];
        snprintf(text, sizeof text, i == 2 ? "case \"%d\", test" : "case %d", i);
        small_slice(i, i < PRESENCE, image, mask);
        const gs_dataset_slice slice = {.case_name = text,
                                        .name = text,
                                        .label =
                                            i < PRESENCE ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE,
                                        .split = splits[i % 4]};
        bool has_mask =
            i < PRESENCE && !(lack == LACKS_VALIDATION_MASKS && slice.split == GS_SPLIT_VALIDATION);
        assert_int_equal(gs_dataset_writer_add(writer, &slice, image, has_mask ? mask : NULL, NULL),
                         GS_OK);
    }
    assert_int_equal(gs_dataset_writer_finish(writer, NULL), GS_OK);
    gs_dataset_writer_close(writer);
    gs_free(where);
}

static inline void make_task(const char *name) {
    make_task_without(name, LACKS_NOTHING);
}

/* What an experiment tells, and when to stop it. */
typedef struct listener {
    atomic_bool stop;
    const char *stop_at; /* a note that begins with this; NULL = never */
    int trainings;       /* runs that were begun */
    bool stopped;
} listener;

static inline void listen(void *context, const char *text) {
    listener *l = context;
    if (strncmp(text, "run ", strlen("run ")) == 0) l->trainings++;
    if (!l->stop_at || strncmp(text, l->stop_at, strlen(l->stop_at)) != 0) return;
    l->stopped = true;
    atomic_store(&l->stop, true);
}

/* The file `name` in the folder `out`. */
static inline gs_status run_file(const char *name, const char *out, listener *l, gs_error *err) {
    char *file = path(name), *where = path(out);
    gs_experiment experiment;
    size_t failed = 99;
    const gs_experiment_options options = {
        .out = where, .command = "genseg experiment <test>", .threads = 2};
    const gs_experiment_observer observer = {listen, l, &l->stop};
    gs_status status = gs_experiment_load(file, &experiment, err);
    if (status == GS_OK) {
        status = gs_experiment_run(&experiment, &options, &observer, &failed, err);
        gs_experiment_deinit(&experiment);
    }
    if (status == GS_OK) assert_int_equal(failed, 0);
    gs_free(file), gs_free(where);
    return status;
}

#endif

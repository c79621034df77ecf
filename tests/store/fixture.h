/* A store in a temporary folder, for the tests of store/. */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/memory.h"
#include "store/annotation.h"
#include "store/dataset.h"
#include "store/job.h"
#include "store/model.h"
#include "store/slice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fixture {
    char folder[64];
    gs_store *store;
} fixture;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != GS_OK) fail_msg("%s: %s", #call, error.text);                                \
    } while (0)

static gs_error error;

static inline int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    snprintf(f->folder, sizeof f->folder, "/tmp/genseg-store-XXXXXX");
    if (!mkdtemp(f->folder)) return -1;
    *state = f;
    return gs_store_open(f->folder, &f->store, &error) == GS_OK ? 0 : -1;
}

static inline int teardown(void **state) {
    fixture *f = *state;
    char command[96];
    gs_store_close(f->store);
    snprintf(command, sizeof command, "rm -rf %s", f->folder);
    int rc = system(command);
    free(f);
    return rc;
}

static inline void reopen(fixture *f) {
    gs_store_close(f->store);
    f->store = NULL;
    assert_ok(gs_store_open(f->folder, &f->store, &error));
}

static inline void make_dataset(fixture *f, const char *name) {
    gs_dataset_record record;
    assert_ok(
        gs_store_dataset_put(f->store, name, &(gs_dataset_settings){0}, &record, NULL, &error));
}

/* A slice 1x2x3 whose content is `content`. */
static inline gs_new_slice slice_of(const char *content) {
    return (gs_new_slice){.content = content,
                          .content_size = strlen(content),
                          .content_type = "image/png",
                          .channels = 1,
                          .height = 2,
                          .width = 3,
                          .index = -1};
}

static inline gs_slice_record add_slice(fixture *f, const char *dataset, gs_new_slice slice) {
    gs_slice_record record;
    assert_ok(gs_store_slice_add(f->store, dataset, &slice, 1, NULL, &record, NULL, &error));
    return record;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif

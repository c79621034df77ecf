/* A temporary folder and files in it, for the tests of engine/data. */
#ifndef TESTS_DATA_FIXTURE_H
#define TESTS_DATA_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/data/dataset.h"
#include "engine/image/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gs_error error;

#define assert_ok(call)                                                                            \
    do {                                                                                           \
        if ((call) != GS_OK) fail_msg("%s: %s", #call, error.text);                                \
    } while (0)

#define assert_fails(call, expected)                                                               \
    do {                                                                                           \
        gs_status got_ = (call);                                                                   \
        if (got_ != (expected))                                                                    \
            fail_msg("%s: got %s, expected %s", #call, gs_status_name(got_),                       \
                     gs_status_name(expected));                                                    \
        assert_int_equal(error.status, expected);                                                  \
        assert_true(error.text[0] != '\0');                                                        \
    } while (0)

static inline int make_folder(void **state) {
    char *folder = strdup("/tmp/genseg-data-XXXXXX");
    *state = folder;
    return folder && mkdtemp(folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", (char *)*state);
    free(*state);
    return system(command);
}

static inline void put_path(char *path, size_t size, const char *folder, const char *name) {
    int length = snprintf(path, size, "%s/%s", folder, name);
    assert_true(length >= 0 && (size_t)length < size);
}

/* Static storage; eight paths may be in use at once. */
static inline const char *path_in(const char *folder, const char *name) {
    static char paths[8][256];
    static int next;
    char *path = paths[next++ % 8];
    put_path(path, sizeof paths[0], folder, name);
    return path;
}

static inline void put_file(const char *folder, const char *name, const void *bytes, size_t size) {
    gs_file_piece piece = {bytes, size};
    assert_ok(gs_file_replace(path_in(folder, name), &piece, 1, &error));
}

/* Caller frees with gs_free. */
static inline char *get_file(const char *folder, const char *name, size_t *size) {
    char *bytes = NULL;
    assert_ok(gs_file_read(path_in(folder, name), 1 << 28, &bytes, size, &error));
    return bytes;
}

/* ---- a small dataset: 2 channels of 3 x 5 pixels ---- */

enum { CHANNELS = 2, HEIGHT = 3, WIDTH = 5, AREA = 15, VALUES = 30, SLICES = 4 };

static const gs_dataset_info small_info = {.name = "small",
                                           .made_by = "a test",
                                           .normalization = GS_NORMALIZE_FOREGROUND,
                                           .channels = CHANNELS,
                                           .height = HEIGHT,
                                           .width = WIDTH};
static const gs_dataset_slice small_slices[SLICES] = {
    {"b", "b \"one\"", 7, GS_LABEL_PRESENCE, GS_SPLIT_TRAIN, 0, {-2, 9}},
    {"a", "a é", -3, GS_LABEL_ABSENCE, GS_SPLIT_NONE, 1, {0, 0}},
    {"b", "b two", 8, GS_LABEL_PRESENCE, GS_SPLIT_TRAIN, 0, {-2, 9}},
    {"c", "c", 0, GS_LABEL_UNKNOWN, GS_SPLIT_TEST, 2, {0, 0}}};
static const bool small_masked[SLICES] = {true, false, true, false};

static inline void fill_small(int slice, float image[VALUES], uint8_t mask[AREA]) {
    for (int i = 0; i < VALUES; i++) image[i] = (float)(100 * slice + i) / 8;
    for (int i = 0; i < AREA; i++)
        mask[i] = (i + slice) % 3 == 0 ? GS_MASK_TARGET
                  : i % 2              ? GS_MASK_UNKNOWN
                                       : GS_MASK_BACKGROUND;
}

static inline gs_status add_small(gs_dataset_writer *writer, int slice) {
    float image[VALUES];
    uint8_t mask[AREA];
    fill_small(slice, image, mask);
    return gs_dataset_writer_add(writer, &small_slices[slice], image,
                                 small_masked[slice] ? mask : NULL, &error);
}

static inline void write_small(const char *folder) {
    gs_dataset_writer *writer = NULL;
    assert_ok(gs_dataset_writer_open(folder, &small_info, &writer, &error));
    for (int i = 0; i < SLICES; i++) assert_ok(add_small(writer, i));
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
}

#endif

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Known answers of Philox4x32-10 from the Random123 distribution's kat_vectors. */
static void philox_gives_the_published_numbers(void **state) {
    (void)state;
    uint32_t b[4];
    gs_philox(0, 0, 0, b);
    assert_int_equal(b[0], 0x6627e8d5u);
    assert_int_equal(b[1], 0xe169c58du);
    assert_int_equal(b[2], 0xbc57ac4cu);
    assert_int_equal(b[3], 0x9b00dbd8u);
    gs_philox(UINT64_MAX, UINT64_MAX, UINT64_MAX, b);
    assert_int_equal(b[0], 0x408f276du);
    assert_int_equal(b[1], 0x41c83b0eu);
    assert_int_equal(b[2], 0xa20bc7c6u);
    assert_int_equal(b[3], 0x6d5451fdu);
}

static void normals_have_mean_0_and_variance_1(void **state) {
    (void)state;
    enum { COUNT = 200001 };
    float *values = gs_alloc(COUNT, sizeof *values);
    gs_random_normal(7, 3, values, COUNT);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < COUNT; i++)
        sum += (double)values[i], squares += (double)values[i] * (double)values[i];
    assert_true(fabs(sum / COUNT) < 0.01);
    assert_true(fabs(squares / COUNT - 1) < 0.02);
    float prefix[5];
    gs_random_normal(7, 3, prefix, 5);
    assert_memory_equal(prefix, values, sizeof prefix);
    gs_free(values);
}

static void below_covers_its_range_and_no_more(void **state) {
    (void)state;
    gs_rng rng = {.seed = 1};
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) {
        uint32_t value = gs_rng_below(&rng, 7);
        assert_in_range(value, 0, 6);
        seen[value]++;
    }
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 850, 1150);
}

static void replaced_file_is_whole_and_limited_when_read(void **state) {
    (void)state;
    char folder[] = "/tmp/genseg-base-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char *path = gs_format("%s/a/b/file", folder), *parent = gs_format("%s/a/b", folder);
    gs_error err;
    assert_int_equal(gs_folder_make(parent, &err), GS_OK);
    gs_file_piece pieces[] = {{"one ", 4}, {"", 0}, {"two", 3}};
    assert_int_equal(gs_file_replace(path, pieces, 3, &err), GS_OK);
    char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(gs_file_read(path, 7, &bytes, &size, &err), GS_OK);
    assert_int_equal(size, 7);
    assert_string_equal(bytes, "one two");
    gs_free(bytes);
    assert_int_equal(gs_file_read(path, 6, &bytes, &size, &err), GS_TOO_LARGE);
    assert_int_equal(gs_file_read(folder, 6, &bytes, &size, &err), GS_INVALID_ARGUMENT);
    unlink(path);
    assert_int_equal(gs_file_read(path, 6, &bytes, &size, &err), GS_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    rmdir(parent);
    gs_free(path), gs_free(parent);
}

static void chosen_allocation_fails(void **state) {
    (void)state;
    gs_memory_fail_at(2, false);
    void *first = gs_alloc(1, 8), *second = gs_alloc(1, 8), *third = gs_alloc(1, 8);
    gs_memory_fail_at(0, false);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    assert_null(gs_alloc(SIZE_MAX, 2));
    gs_free(first), gs_free(third);
}

static ssize_t write_once_there_is_room(void *has_room, const char *bytes, size_t size) {
    (void)bytes;
    bool *room = has_room;
    ssize_t written = *room ? (ssize_t)size : 0;
    *room = true;
    return written;
}

/* A stream that fails once and goes on stands for memory that ran out for a moment. */
static void a_text_with_a_hole_is_none(void **state) {
    (void)state;
    for (int has_room = 0; has_room < 2; has_room++) {
        bool room = has_room;
        char *text = gs_copy_string("all");
        FILE *stream =
            fopencookie(&room, "w", (cookie_io_functions_t){.write = write_once_there_is_room});
        assert_non_null(stream);
        fputs("one", stream);
        fflush(stream);
        fputs("two", stream);
        char *whole = gs_text_finish(stream, &text);
        if (has_room)
            assert_string_equal(whole, "all");
        else
            assert_null(whole);
        free(whole);
    }
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    fputs("three", stream);
    assert_string_equal(gs_text_finish(stream, &text), "three");
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_numbers),
        cmocka_unit_test(normals_have_mean_0_and_variance_1),
        cmocka_unit_test(below_covers_its_range_and_no_more),
        cmocka_unit_test(replaced_file_is_whole_and_limited_when_read),
        cmocka_unit_test(chosen_allocation_fails),
        cmocka_unit_test(a_text_with_a_hole_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "samples.h"

#include "base/memory.h"
#include "engine/image/npy.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static gs_error err;
static const float six[6] = {1.5f, -2, 3e-40f, 4, 5, 3e38f};

static gs_status decode(const char *dictionary, const void *data, size_t size, gs_image *out) {
    bytes file = npy_sample(dictionary, data, size);
    gs_status status = gs_npy_decode(file.data, file.size, NULL, out, &err);
    bytes_free(&file);
    return status;
}

/* A file with this dictionary and 24 bytes of data must fail so. */
static void expect_failure(const char *dictionary, gs_status wanted, const char *part) {
    gs_image image;
    assert_fails(decode(dictionary, six, sizeof six, &image), wanted, part);
}

static void two_dimensions_are_one_channel(void **state) {
    (void)state;
    gs_image image;
    assert_ok(
        decode("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", six, 24, &image));
    assert_true(image.channels == 1 && image.height == 2 && image.width == 3);
    assert_memory_equal(image.pixels, six, sizeof six);
    gs_image_deinit(&image);
}

static void three_dimensions_begin_with_the_channels(void **state) {
    (void)state;
    gs_image image;
    assert_ok(decode("{\"shape\":(3,1,2),\"descr\":\"<f4\",\"fortran_order\":False}   \n", six, 24,
                     &image));
    assert_true(image.channels == 3 && image.height == 1 && image.width == 2);
    assert_true(gs_image_channel(&image, 2)[1] == six[5]);
    gs_image_deinit(&image);
}

static void versions_1_to_3_are_read(void **state) {
    (void)state;
    const char *dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}";
    for (char version = 1; version <= 4; version++) {
        bytes file = {0};
        gs_image image;
        const uint32_t length = (uint32_t)strlen(dictionary);
        bytes_add(&file, "\x93NUMPY", 6);
        bytes_add(&file, (char[]){version, 0}, 2);
        bytes_add(&file, &length, version == 1 ? 2 : 4);
        bytes_add(&file, dictionary, length);
        bytes_add(&file, six, sizeof six);
        if (version <= 3) {
            assert_ok(gs_npy_decode(file.data, file.size, NULL, &image, &err));
            assert_memory_equal(image.pixels, six, sizeof six);
            gs_image_deinit(&image);
        } else {
            assert_fails(gs_npy_decode(file.data, file.size, NULL, &image, &err), GS_UNSUPPORTED,
                         "version 4.0");
        }
        bytes_free(&file);
    }
}

static void other_types_are_unsupported(void **state) {
    (void)state;
    const char *types[] = {"<f8", ">f4", "|u1", "<i4", "<f2", "|b1", "<c8", "<U3", "f4", ""};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char dictionary[100];
        snprintf(dictionary, sizeof dictionary,
                 "{'descr': '%s', 'fortran_order': False, 'shape': (2, 3), }", types[i]);
        expect_failure(dictionary, GS_UNSUPPORTED, types[i]);
    }
    expect_failure("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }",
                   GS_UNSUPPORTED, "records");
}

static void fortran_order_is_unsupported(void **state) {
    (void)state;
    expect_failure("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", GS_UNSUPPORTED,
                   "Fortran");
}

static void other_ranks_are_unsupported(void **state) {
    (void)state;
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", GS_UNSUPPORTED,
                   "0 dimensions");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", GS_UNSUPPORTED,
                   "1 dimensions");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2, 3), }",
                   GS_UNSUPPORTED, "4 dimensions");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 2, 3), }",
                   GS_UNSUPPORTED, "more than 4");
}

static void shape_that_lies_about_the_data_is_malformed(void **state) {
    (void)state;
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", GS_MALFORMED,
                   "needs 32 bytes of data, the file has 24");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }", GS_MALFORMED,
                   "needs 12 bytes of data, the file has 24");
    gs_image image;
    assert_fails(
        decode("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six, 23, &image),
        GS_MALFORMED, "the file has 23");
}

static void shape_beyond_the_limits_is_refused(void **state) {
    (void)state;
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", GS_UNUSABLE,
                   "no pixels");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (17, 1, 1), }", GS_TOO_LARGE,
                   "17 channels");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (5000, 1), }", GS_TOO_LARGE,
                   "5000 rows");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 1), }",
                   GS_TOO_LARGE, "4294967296");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
                   GS_TOO_LARGE, "too many");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 4611686018427387904), }",
                   GS_TOO_LARGE, "too many");
    expect_failure("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 0), }",
                   GS_TOO_LARGE, "too large");
}

static void broken_dictionaries_are_malformed(void **state) {
    (void)state;
    const char *broken[] = {
        "",
        "{",
        "{}",
        "{'descr",
        "{'descr'",
        "{'descr': ",
        "{'descr': '<f4",
        "{'descr': '<f4'",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), ",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } x",
        "{'descr': '<f4', 'fortran_order': False}",
        "{'descr': '<f4', 'shape': (2, 3)}",
        "{'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'more': 1}",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4' 'fortran_order': False, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': 0, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': Falsey, 'shape': (2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': [2, 3]}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (2.0, 3)}",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6)}",
        "{'descr': '\\x3cf4', 'fortran_order': False, 'shape': (2, 3)}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        expect_failure(broken[i], GS_MALFORMED, "header");
}

static void every_truncation_is_malformed(void **state) {
    (void)state;
    bytes file = npy_sample("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", six, 24);
    gs_image image;
    for (size_t size = 0; size < file.size; size++) {
        char *exact = gs_copy_bytes(file.data, size);
        assert_fails(gs_npy_decode(exact, size, NULL, &image, &err), GS_MALFORMED, "npy");
        gs_free(exact);
    }
    file.data[8] = '\xff', file.data[9] = '\xff'; /* a header of 65535 bytes */
    assert_fails(gs_npy_decode(file.data, file.size, NULL, &image, &err), GS_TOO_LARGE, "65535");
    bytes_free(&file);
}

static void pixel_that_is_not_finite_is_named(void **state) {
    (void)state;
    const float bad[] = {0, 0, 0, NAN};
    gs_image image;
    assert_fails(decode("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1, 2), }", bad,
                        sizeof bad, &image),
                 GS_NUMERIC, "channel 1, row 0, column 1");
}

static void arrays_of_any_rank_survive_and_are_aligned(void **state) {
    (void)state;
    const size_t shapes[][4] = {{0}, {6}, {2, 3}, {1, 2, 3}, {3, 1, 1, 2}};
    for (size_t rank = 0; rank <= 4; rank++)
        for (int type = GS_NPY_F32; type <= GS_NPY_U8; type++) {
            const size_t count = rank == 0 ? 1 : 6, width = type == GS_NPY_F32 ? 4 : 1;
            char *file = NULL;
            size_t size = 0;
            gs_npy_header header;
            assert_ok(
                gs_npy_encode((gs_npy_type)type, six, shapes[rank], rank, &file, &size, &err));
            assert_ok(gs_npy_parse_header(file, size, &header, &err));
            assert_int_equal(header.type, type);
            assert_int_equal(header.rank, rank);
            assert_memory_equal(header.shape, shapes[rank], rank * sizeof(size_t));
            assert_int_equal(header.values, count);
            assert_int_equal(header.data_offset % 64, 0);
            assert_int_equal(size, header.data_offset + count * width);
            assert_memory_equal(file + header.data_offset, six, count * width);
            gs_free(file);
        }
}

static void headers_have_one_size_whatever_the_shape(void **state) {
    (void)state;
    char text[GS_NPY_MAX_WRITTEN];
    gs_npy_header header = {.rank = 4, .shape = {SIZE_MAX, SIZE_MAX, SIZE_MAX, SIZE_MAX}};
    assert_ok(gs_npy_write_header(&header, text, &err));
    assert_int_equal(text[sizeof text - 1], '\n');
    assert_fails(gs_npy_parse_header(text, sizeof text, &header, &err), GS_TOO_LARGE, "too many");
    header.rank = 5;
    assert_fails(gs_npy_write_header(&header, text, &err), GS_INVALID_ARGUMENT, "5 dimensions");
    char *file = NULL;
    size_t size = 0;
    assert_fails(gs_npy_encode(GS_NPY_U8, six, header.shape, 5, &file, &size, &err),
                 GS_INVALID_ARGUMENT, "5 dimensions");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_dimensions_are_one_channel),
        cmocka_unit_test(three_dimensions_begin_with_the_channels),
        cmocka_unit_test(versions_1_to_3_are_read),
        cmocka_unit_test(other_types_are_unsupported),
        cmocka_unit_test(fortran_order_is_unsupported),
        cmocka_unit_test(other_ranks_are_unsupported),
        cmocka_unit_test(shape_that_lies_about_the_data_is_malformed),
        cmocka_unit_test(shape_beyond_the_limits_is_refused),
        cmocka_unit_test(broken_dictionaries_are_malformed),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(pixel_that_is_not_finite_is_named),
        cmocka_unit_test(arrays_of_any_rank_survive_and_are_aligned),
        cmocka_unit_test(headers_have_one_size_whatever_the_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Directories that are not what they say: each ends in a clear error. */
#include "tests/data/fixture.h"

#include "base/random.h"
#include "engine/data/npy_file.h"

#include <math.h>

static gs_status open_and_close(const char *folder) {
    gs_dataset *dataset = NULL;
    gs_status status = gs_dataset_open(folder, &dataset, &error);
    if (status == GS_OK) status = gs_dataset_check_pixels(dataset, &error);
    gs_dataset_close(dataset);
    return status;
}

/* The small dataset with the first occurrence of `from` in one file replaced. */
static gs_status open_changed(const char *folder, const char *file, const char *from,
                              const char *to) {
    write_small(folder);
    size_t size;
    char *bytes = get_file(folder, file, &size);
    char *at = memmem(bytes, size, from, strlen(from));
    if (!at) fail_msg("%s does not hold %s", file, from);
    gs_file_piece pieces[] = {{bytes, (size_t)(at - bytes)},
                              {to, strlen(to)},
                              {at + strlen(from), size - (size_t)(at - bytes) - strlen(from)}};
    assert_ok(gs_file_replace(path_in(folder, file), pieces, 3, &error));
    gs_free(bytes);
    return open_and_close(folder);
}

static void a_manifest_that_lies_is_refused(void **state) {
    static const struct {
        const char *from, *to;
        gs_status status;
    } lies[] = {
        {"{", "[", GS_MALFORMED},
        {"genseg-dataset-1", "genseg-dataset-9", GS_UNSUPPORTED},
        {"\"format\"", "\"formal\"", GS_MALFORMED},
        {"\"name\"", "\"format\"", GS_MALFORMED}, /* a key twice */
        {"\"foreground\"", "\"sharp\"", GS_UNSUPPORTED},
        {"\"channels\": 2", "\"channels\": 3", GS_SHAPE_MISMATCH},
        {"\"channels\": 2", "\"channels\": 0", GS_MALFORMED},
        {"\"channels\": 2", "\"channels\": 17", GS_MALFORMED},
        {"\"height\": 3", "\"height\": 1e300", GS_MALFORMED},
        {"\"height\": 3", "\"height\": 99999999999999999999", GS_MALFORMED},
        {"\"width\": 5", "\"width\": -5", GS_MALFORMED},
        {"\"width\": 5", "\"width\": \"5\"", GS_MALFORMED},
        {"\"width\": 5", "\"width\": 6", GS_SHAPE_MISMATCH},
        {"\"slices\": [", "\"slices\": [{}, ", GS_MALFORMED},
        {"\"slices\": [", "\"slices\": [5, ", GS_MALFORMED},
        {"\"slices\": [", "\"slices\": {}, \"rest\": [", GS_MALFORMED},
        {"\"case\": \"b\"", "\"case\": \"\"", GS_MALFORMED},
        {"\"case\": \"b\"", "\"case\": null", GS_MALFORMED},
        {"\"case\": \"b\"", "\"case\": \"b\\u0000\"", GS_MALFORMED},
        {"\"case\": \"a\"", "\"case\": \"b\"", GS_UNUSABLE}, /* b: train, a: none */
        {"\"split\": \"train\"", "\"split\": \"test\"", GS_UNUSABLE},
        {"\"split\": \"train\"", "\"split\": \"exam\"", GS_MALFORMED},
        {"\"split\": \"train\"", "\"split\": 3", GS_MALFORMED},
        {"\"label\": \"presence\"", "\"label\": \"maybe\"", GS_MALFORMED},
        {"\"index\": 7", "\"index\": 7.5", GS_MALFORMED},
        {"[-2, 9]", "[-2, 6]", GS_MALFORMED}, /* the index is 7 */
        {"[-2, 9]", "[8, 9]", GS_MALFORMED},
        {"[-2, 9]", "[-2, 9.0]", GS_MALFORMED},
        {"[-2, 9]", "[-2, 8, 9]", GS_MALFORMED},
        {"[-2, 9]", "9", GS_MALFORMED},
        {"\"mask\": 0", "\"mask\": -1", GS_MALFORMED},
        {"\"mask\": 0", "\"mask\": 1", GS_SHAPE_MISMATCH}, /* another slice's */
        {"\"mask\": 1", "\"mask\": 2", GS_SHAPE_MISMATCH},
        {"\"mask\": 1", "\"mask\": 9223372036854775807", GS_SHAPE_MISMATCH},
        {", \"mask\": 1", "", GS_SHAPE_MISMATCH}, /* a mask that is nobody's */
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        gs_status status = open_changed(*state, "dataset.json", lies[i].from, lies[i].to);
        if (status != lies[i].status)
            fail_msg("%s: got %s (%s)", lies[i].to, gs_status_name(status), error.text);
    }
}

static void arrays_that_lie_are_refused(void **state) {
    static const struct {
        const char *file, *from, *to;
        gs_status status;
    } lies[] = {
        {"images.npy", "NUMPY", "NUMPI", GS_MALFORMED},
        {"images.npy", "<f4", "<f8", GS_UNSUPPORTED},
        {"images.npy", "<f4", ">f4", GS_UNSUPPORTED},
        {"images.npy", "<f4", "|u1", GS_UNSUPPORTED},
        {"images.npy", "False", "True ", GS_UNSUPPORTED},
        {"images.npy", "(4, 2, 3, 5)", "(5, 2, 3, 5)", GS_SHAPE_MISMATCH},
        {"images.npy", "(4, 2, 3, 5)", "(4, 2, 5, 3)", GS_SHAPE_MISMATCH},
        {"images.npy", "(4, 2, 3, 5)", "(8, 3, 5)   ", GS_SHAPE_MISMATCH},
        {"images.npy", "(4, 2, 3, 5)", "()          ", GS_SHAPE_MISMATCH},
        {"images.npy", "(4, 2, 3, 5)", "(4, 2, 3, -5", GS_MALFORMED},
        {"images.npy", "shape", "shame", GS_MALFORMED},
        {"images.npy", "}", "]", GS_MALFORMED},
        {"masks.npy", "|u1", "<f4", GS_UNSUPPORTED},
        {"masks.npy", "(2, 3, 5)", "(1, 3, 5)", GS_SHAPE_MISMATCH},
        {"masks.npy", "(2, 3, 5)", "(3, 3, 5)", GS_SHAPE_MISMATCH},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        gs_status status = open_changed(*state, lies[i].file, lies[i].from, lies[i].to);
        if (status != lies[i].status)
            fail_msg("%s: got %s (%s)", lies[i].to, gs_status_name(status), error.text);
    }
}

static void a_file_cut_anywhere_is_refused(void **state) {
    const char *files[] = {"dataset.json", "images.npy", "masks.npy"};
    write_small(*state);
    for (int file = 0; file < 3; file++) {
        size_t size;
        char *bytes = get_file(*state, files[file], &size);
        for (size_t kept = 0; kept + 2 < size; kept += 1 + kept / 40) {
            put_file(*state, files[file], bytes, kept);
            if (open_and_close(*state) != GS_MALFORMED)
                fail_msg("%s of %zu bytes: %s", files[file], kept, error.text);
        }
        gs_file_piece longer[] = {{bytes, size}, {"]", 1}};
        assert_ok(gs_file_replace(path_in(*state, files[file]), longer, 2, &error));
        assert_fails(open_and_close(*state), GS_MALFORMED);
        put_file(*state, files[file], bytes, size);
        gs_free(bytes);
    }
    assert_ok(open_and_close(*state));
}

static void a_missing_file_is_not_found(void **state) {
    const char *files[] = {"dataset.json", "images.npy", "masks.npy"};
    for (int file = 0; file < 3; file++) {
        write_small(*state);
        unlink(path_in(*state, files[file]));
        assert_fails(open_and_close(*state), GS_NOT_FOUND);
        assert_non_null(strstr(error.text, files[file]));
    }
}

static void bad_pixels_are_named(void **state) {
    const float bad[] = {NAN, INFINITY, -INFINITY};
    write_small(*state);
    size_t size;
    char *bytes = get_file(*state, "images.npy", &size);
    for (int i = 0; i < 3; i++) {
        memcpy(bytes + GS_NPY_WRITTEN_HEADER + 4 * (VALUES + 11), &bad[i], 4);
        put_file(*state, "images.npy", bytes, size);
        assert_fails(open_and_close(*state), GS_NUMERIC);
        assert_non_null(strstr(error.text, "slice 1 (a é): pixel 11 "));
    }
    gs_free(bytes);
    write_small(*state);
    bytes = get_file(*state, "masks.npy", &size);
    bytes[GS_NPY_WRITTEN_HEADER + AREA + 4] = 5; /* of the second mask, the third slice's */
    put_file(*state, "masks.npy", bytes, size);
    assert_fails(open_and_close(*state), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "slice 2 (b two): mask pixel 4 is 5"));
    gs_free(bytes);
}

/* A header of version 1, or 2 with its longer length field. */
static gs_status parse_header(int version, const char *text, gs_npy_header *out) {
    char bytes[160] = "\x93NUMPY";
    size_t start = version == 1 ? 10 : 12;
    bytes[6] = (char)version;
    bytes[8] = (char)strlen(text);
    memcpy(bytes + start, text, strlen(text));
    return gs_npy_header_parse(bytes, start + strlen(text), out, &error);
}

static void npy_headers_of_other_writers_are_read(void **state) {
    (void)state;
    gs_npy_header header;
    const char *text = "{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }     \n";
    assert_ok(parse_header(1, text, &header));
    assert_int_equal(header.dimensions, 1);
    assert_int_equal(header.shape[0], 7);
    assert_int_equal(header.data_offset, 10 + strlen(text));
    text = "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"|u1\"}\n";
    assert_ok(parse_header(2, text, &header));
    assert_int_equal(header.dimensions, 2);
    assert_int_equal(header.shape[1], 3);
    assert_string_equal(header.type, "|u1");
    assert_fails(parse_header(4, text, &header), GS_UNSUPPORTED);
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }";
    assert_fails(parse_header(1, text, &header), GS_MALFORMED);
    text = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }";
    assert_fails(parse_header(1, text, &header), GS_MALFORMED);
    text = "{'descr': '<f4', 'descr': '<f4', 'shape': (1,), 'fortran_order': False}";
    assert_fails(parse_header(1, text, &header), GS_MALFORMED);
}

/* Random damage: anything but a crash, and never a success with pixels outside the file. */
static void damaged_directories_never_crash(void **state) {
    const char *files[] = {"dataset.json", "images.npy", "masks.npy"};
    write_small(*state);
    gs_rng rng = {.seed = 20};
    for (int file = 0; file < 3; file++) {
        size_t size;
        char *bytes = get_file(*state, files[file], &size);
        char *damaged = gs_copy_bytes(bytes, size);
        for (int round = 0; round < 400; round++) {
            memcpy(damaged, bytes, size);
            for (uint32_t n = 1 + gs_rng_below(&rng, 3); n > 0; n--) {
                uint32_t most = size < GS_NPY_WRITTEN_HEADER || file == 0 ? (uint32_t)size : 100;
                damaged[gs_rng_below(&rng, most)] = (char)gs_rng_u32(&rng);
            }
            FILE *stream = fopen(path_in(*state, files[file]), "w");
            assert_int_equal(fwrite(damaged, 1, size, stream), size);
            fclose(stream);
            error.text[0] = '\0';
            if (open_and_close(*state) != GS_OK) assert_true(error.text[0] != '\0');
        }
        put_file(*state, files[file], bytes, size);
        gs_free(damaged);
        gs_free(bytes);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_manifest_that_lies_is_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(arrays_that_lie_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_cut_anywhere_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_file_is_not_found, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(bad_pixels_are_named, make_folder, remove_folder),
        cmocka_unit_test(npy_headers_of_other_writers_are_read),
        cmocka_unit_test_setup_teardown(damaged_directories_never_crash, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

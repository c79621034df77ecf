#include "samples.h"

#include "base/file.h"
#include "base/memory.h"
#include "engine/model/safetensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gs_error err;
static const float six[6] = {1.5f, -2, 3, NAN, 5, 6};

/* The parser gets an exact copy, so that a sanitizer sees every overrun. */
static gs_status parse(const bytes *file, gs_safetensors **out) {
    return gs_safetensors_parse("a.safetensors", gs_copy_bytes(file->data, file->size), file->size,
                                out, &err);
}

static gs_status parse_header(const char *header, size_t data_size, gs_safetensors **out) {
    bytes file = safetensors_sample(header, six, data_size);
    gs_status status = parse(&file, out);
    bytes_free(&file);
    return status;
}

/* A file with this header and 24 bytes of data must fail so. */
static void expect_failure(const char *header, gs_status wanted, const char *part) {
    gs_safetensors *file = NULL;
    assert_fails(parse_header(header, sizeof six, &file), wanted, part);
    assert_null(file);
}

#define TENSOR(name, shape, begin, end)                                                            \
    "\"" name "\": {\"dtype\": \"F32\", \"shape\": " shape ", \"data_offsets\": [" #begin          \
    ", " #end "]}"

static void tensors_are_found_by_name_and_in_file_order(void **state) {
    (void)state;
    gs_safetensors *file;
    assert_ok(parse_header(
        "{" TENSOR("z.weight", "[2, 1]", 4, 12) ", " TENSOR("a", "[]", 0, 4) ", " TENSOR(
            "empty", "[3, 0]", 12,
            12) ", " TENSOR("b", "[3]", 12, 24) ", \"__metadata__\": {\"preset\": \"tiny\"}}",
        24, &file));
    const char *names[] = {"a", "z.weight", "empty", "b"};
    assert_int_equal(gs_safetensors_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(gs_safetensors_get(file, i)->name, names[i]);
        assert_ptr_equal(gs_safetensors_find(file, names[i]), gs_safetensors_get(file, i));
    }
    const gs_tensor_entry *weight = gs_safetensors_find(file, "z.weight");
    assert_true(weight->rank == 2 && weight->shape[0] == 2 && weight->shape[1] == 1);
    assert_int_equal(weight->count, 2);
    assert_memory_equal(weight->data, six + 1, 8);
    assert_int_equal(gs_safetensors_find(file, "a")->count, 1);
    assert_int_equal(gs_safetensors_find(file, "empty")->count, 0);
    assert_null(gs_safetensors_find(file, "z"));
    assert_null(gs_safetensors_find(file, "__metadata__"));
    assert_string_equal(gs_safetensors_metadata(file, "preset"), "tiny");
    assert_null(gs_safetensors_metadata(file, "width"));
    gs_safetensors_close(file);
}

static void file_without_tensors_or_metadata_is_read(void **state) {
    (void)state;
    gs_safetensors *file;
    assert_ok(parse_header("{}", 0, &file));
    assert_int_equal(gs_safetensors_count(file), 0);
    assert_null(gs_safetensors_find(file, "a"));
    assert_null(gs_safetensors_metadata(file, "a"));
    gs_safetensors_close(file);
    gs_safetensors_close(NULL);
}

static void floats_behind_an_unpadded_header_are_aligned(void **state) {
    (void)state;
    char header[] = "{" TENSOR("a", "[6]", 0, 24) "}    ";
    for (size_t spaces = 0; spaces < 4; spaces++) {
        gs_safetensors *file;
        assert_ok(parse_header(header, 24, &file));
        const gs_tensor_entry *a = gs_safetensors_find(file, "a");
        assert_int_equal((uintptr_t)a->data % sizeof(float), 0);
        assert_memory_equal(a->data, six, sizeof six);
        gs_safetensors_close(file);
        header[strlen(header) - 1] = '\0';
    }
}

static void lying_offsets_are_malformed(void **state) {
    (void)state;
    expect_failure("{" TENSOR("a", "[6]", 0, 20) "}", GS_MALFORMED, "a has 20 bytes");
    expect_failure("{" TENSOR("a", "[5]", 0, 24) "}", GS_MALFORMED, "needs 5 floats");
    expect_failure("{" TENSOR("a", "[7]", 0, 28) "}", GS_MALFORMED, "end at byte 28");
    expect_failure("{" TENSOR("a", "[5]", 0, 20) "}", GS_MALFORMED, "4 bytes follow");
    expect_failure("{" TENSOR("a", "[5]", 4, 24) "}", GS_MALFORMED, "a hole");
    expect_failure("{" TENSOR("a", "[4]", 0, 16) "," TENSOR("b", "[3]", 12, 24) "}", GS_MALFORMED,
                   "an overlap");
    expect_failure("{" TENSOR("a", "[6]", 0, 24) "," TENSOR("b", "[6]", 0, 24) "}", GS_MALFORMED,
                   "an overlap");
    expect_failure("{" TENSOR("a", "[2]", 0, 8) "," TENSOR("b", "[3]", 12, 24) "}", GS_MALFORMED,
                   "a hole");
    expect_failure("{" TENSOR("a", "[6]", 24, 0) "}", GS_MALFORMED, "[begin, end]");
    expect_failure("{" TENSOR("a", "[6]", -24, 0) "}", GS_MALFORMED, "[begin, end]");
    expect_failure("{" TENSOR("a", "[6]", 0.0, 24) "}", GS_MALFORMED, "[begin, end]");
    expect_failure("{" TENSOR("a", "[6]", 9223372036854775784, 9223372036854775807) "}",
                   GS_MALFORMED, "23 bytes");
    expect_failure("{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 24, 0]}}",
                   GS_MALFORMED, "[begin, end]");
    expect_failure("{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": 24}}",
                   GS_MALFORMED, "[begin, end]");
}

static void shapes_that_cannot_be_are_refused(void **state) {
    (void)state;
    expect_failure("{" TENSOR("a", "[4294967296, 4294967296]", 0, 24) "}", GS_MALFORMED,
                   "overflows");
    expect_failure("{" TENSOR("a", "[4611686018427387910]", 0, 24) "}", GS_MALFORMED, "24 bytes");
    expect_failure("{" TENSOR("a", "[-6, -1]", 0, 24) "}", GS_MALFORMED, "dimension 0 of a");
    expect_failure("{" TENSOR("a", "[6, 1.0]", 0, 24) "}", GS_MALFORMED, "dimension 1 of a");
    expect_failure("{" TENSOR("a", "6", 0, 24) "}", GS_MALFORMED, "no shape");
    expect_failure("{" TENSOR("a", "[1,1,1,1,1,1,1,1,6]", 0, 24) "}", GS_UNSUPPORTED,
                   "9 dimensions");
}

static void other_dtypes_are_unsupported_by_name(void **state) {
    (void)state;
    expect_failure(
        "{\"conv.w\": {\"dtype\": \"BF16\", \"shape\": [12], \"data_offsets\": [0, 24]}}",
        GS_UNSUPPORTED, "conv.w has dtype BF16");
    expect_failure("{\"a\": {\"dtype\": \"I64\", \"shape\": [3], \"data_offsets\": [0, 24]}}",
                   GS_UNSUPPORTED, "I64");
}

static void headers_of_another_form_are_malformed(void **state) {
    (void)state;
    const char *broken[] = {
        "",
        " {}",
        "[]",
        "{",
        "{\"a\": 1}",
        "{\"a\": {}}",
        "{} x",
        "{\"a\": {\"dtype\": 5, \"shape\": [6], \"data_offsets\": [0, 24]}}",
        "{\"a\": {\"dtype\": \"F32\", \"data_offsets\": [0, 24], \"more\": []}}",
        "{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"data_offsets\": [0, 24], \"more\": 1}}",
        "{" TENSOR("", "[6]", 0, 24) "}",
        "{" TENSOR("a\\u0000b", "[6]", 0, 24) "}",
        "{" TENSOR("a\xff", "[6]", 0, 24) "}",
        "{" TENSOR("a", "[6]", 0, 24) ", \"__metadata__\": []}",
        "{" TENSOR("a", "[6]", 0, 24) ", \"__metadata__\": {\"k\": 1}}",
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        expect_failure(broken[i], GS_MALFORMED, "a.safetensors");
}

static void name_that_comes_twice_is_malformed(void **state) {
    (void)state;
    expect_failure("{" TENSOR("a", "[3]", 0, 12) "," TENSOR("a", "[3]", 12, 24) "}", GS_MALFORMED,
                   "duplicate");
    expect_failure("{\"a\": {\"dtype\": \"F32\", \"shape\": [6], \"shape\": [6], "
                   "\"data_offsets\": [0, 24]}}",
                   GS_MALFORMED, "duplicate");
}

static void deep_nesting_is_refused_before_it_is_parsed(void **state) {
    (void)state;
    enum { DEEP = 100000 };
    char *header = gs_alloc(DEEP + 8, 1);
    strcpy(header, "{\"a\":");
    memset(header + 5, '[', DEEP);
    expect_failure(header, GS_MALFORMED, "nests deeper");
    gs_free(header);
    gs_safetensors *file; /* brackets in strings are not nesting */
    assert_ok(parse_header("{\"__metadata__\": {\"k\": \"[[[[\\\"{{{{\"}}", 0, &file));
    assert_string_equal(gs_safetensors_metadata(file, "k"), "[[[[\"{{{{");
    gs_safetensors_close(file);
}

static void header_size_is_checked_before_it_is_used(void **state) {
    (void)state;
    gs_safetensors *parsed = NULL;
    const uint64_t sizes[] = {17, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (int i = 0; i < 4; i++) {
        bytes file = {0};
        bytes_add(&file, &sizes[i], 8);
        bytes_add(&file, "{}              ", 16);
        assert_fails(parse(&file, &parsed), GS_MALFORMED, "header claims");
        bytes_free(&file);
    }
    bytes file = {0};
    for (size_t size = 0; size < 8; size++) {
        assert_fails(parse(&file, &parsed), GS_MALFORMED, "no safetensors");
        bytes_add(&file, "\1", 1);
    }
    bytes_free(&file);
    const uint64_t large = GS_SAFETENSORS_MAX_HEADER + 8;
    char *spaces = gs_alloc(large, 1);
    bytes_add(&file, &large, 8);
    bytes_add(&file, spaces, large);
    assert_fails(parse(&file, &parsed), GS_TOO_LARGE, "limit is 8388608");
    bytes_free(&file);
    gs_free(spaces);
}

static void every_truncation_is_malformed(void **state) {
    (void)state;
    bytes file = safetensors_sample("{" TENSOR("a", "[6]", 0, 24) "}", six, 24);
    gs_safetensors *parsed = NULL;
    const size_t whole = file.size;
    for (file.size = 0; file.size < whole; file.size++)
        assert_fails(parse(&file, &parsed), GS_MALFORMED, "a.safetensors");
    bytes_free(&file);
}

/* ---- writing ---- */

static char folder[] = "/tmp/genseg-safetensors-XXXXXX";
static char *path;

static int make_folder(void **state) {
    (void)state;
    path = mkdtemp(folder) ? gs_format("%s/model.safetensors", folder) : NULL;
    return path ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    gs_free(path);
    return rmdir(folder);
}

static void saved_files_are_read_back_and_repeatable(void **state) {
    (void)state;
    const gs_tensor_entry tensors[] = {
        {.name = "z\xc3\xa9 \"quoted\"", .rank = 2, .shape = {2, 2}, .data = six},
        {.name = "scalar", .rank = 0, .data = six + 4},
        {.name = "empty", .rank = 3, .shape = {2, 0, 5}},
        {.name = "a", .rank = 1, .shape = {1}, .data = six + 5}};
    const gs_metadata_entry metadata[] = {{"preset", "tiny"}, {"losses", "{\"seg\": [1, 2]}\n"}};
    const gs_safetensors_content content = {tensors, 4, metadata, 2};
    char *first = NULL, *second = NULL;
    size_t first_size = 0, second_size = 0;
    gs_safetensors *file;
    assert_ok(gs_safetensors_save(path, &content, &err));
    assert_ok(gs_file_read(path, SIZE_MAX, &first, &first_size, &err));
    assert_ok(gs_safetensors_save(path, &content, &err));
    assert_ok(gs_file_read(path, SIZE_MAX, &second, &second_size, &err));
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    uint64_t header_size;
    memcpy(&header_size, first, 8);
    assert_int_equal(header_size % 8, 0);
    assert_int_equal(first_size, 8 + header_size + 24);
    gs_free(first), gs_free(second);

    assert_ok(gs_safetensors_open(path, 0, &file, &err));
    assert_int_equal(gs_safetensors_count(file), 4);
    for (size_t i = 0; i < 4; i++) {
        const gs_tensor_entry *read = gs_safetensors_find(file, tensors[i].name);
        assert_non_null(read);
        assert_int_equal(read->rank, tensors[i].rank);
        assert_memory_equal(read->shape, tensors[i].shape, read->rank * sizeof(size_t));
        if (read->count) assert_memory_equal(read->data, tensors[i].data, 4 * read->count);
    }
    assert_string_equal(gs_safetensors_metadata(file, "losses"), metadata[1].value);
    gs_safetensors_close(file);
    assert_fails(gs_safetensors_open(path, 100, &file, &err), GS_TOO_LARGE, "limit is 100");
    unlink(path);
    assert_fails(gs_safetensors_open(path, 0, &file, &err), GS_NOT_FOUND, path);
}

static void content_that_cannot_be_written_is_refused(void **state) {
    (void)state;
    char name[GS_SAFETENSORS_MAX_NAME + 2];
    memset(name, 'n', sizeof name - 1), name[sizeof name - 1] = '\0';
    const struct {
        gs_tensor_entry tensor;
        const char *part;
    } bad[] = {{{.name = ""}, "0 bytes"},
               {{.name = name}, "more bytes"},
               {{.name = "a\xff"}, "not UTF-8"},
               {{.name = "__metadata__"}, "__metadata__"},
               {{.name = "first"}, "two tensor names"},
               {{.name = "a", .rank = 9}, "9 dimensions"},
               {{.name = "a", .rank = 2, .shape = {(size_t)1 << 40, (size_t)1 << 40}}, "larger"},
               {{.name = "a", .rank = 1, .shape = {(size_t)1 << 31}}, "does not fit"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const gs_tensor_entry tensors[] = {{.name = "first", .rank = 1, .shape = {6}, .data = six},
                                           bad[i].tensor};
        const gs_safetensors_content content = {.tensors = tensors, .tensor_count = 2};
        assert_fails(gs_safetensors_save(path, &content, &err), GS_INVALID_ARGUMENT, bad[i].part);
    }
    const gs_metadata_entry metadata[][2] = {
        {{"k", "v"}, {"k", "w"}}, {{"k", "v"}, {"", "w"}}, {{"k", "v"}, {"l", "\xff"}}};
    const char *parts[] = {"two metadata keys", "metadata key", "metadata value"};
    for (size_t i = 0; i < 3; i++) {
        const gs_safetensors_content content = {.metadata = metadata[i], .metadata_count = 2};
        assert_fails(gs_safetensors_save(path, &content, &err), GS_INVALID_ARGUMENT, parts[i]);
    }
    assert_int_not_equal(access(path, F_OK), 0);
}

static void failed_save_leaves_the_old_file(void **state) {
    (void)state;
    const gs_tensor_entry tensor = {.name = "a", .rank = 1, .shape = {6}, .data = six};
    const gs_safetensors_content content = {.tensors = &tensor, .tensor_count = 1};
    char *missing = gs_format("%s/nowhere/model.safetensors", folder);
    assert_fails(gs_safetensors_save(missing, &content, &err), GS_NOT_FOUND, "nowhere");
    gs_free(missing);
    assert_ok(gs_safetensors_save(path, &content, &err));
    const gs_tensor_entry other = {.name = "b\xff", .rank = 0, .data = six};
    const gs_safetensors_content bad = {.tensors = &other, .tensor_count = 1};
    assert_fails(gs_safetensors_save(path, &bad, &err), GS_INVALID_ARGUMENT, "UTF-8");
    gs_safetensors *file;
    assert_ok(gs_safetensors_open(path, 0, &file, &err));
    assert_memory_equal(gs_safetensors_find(file, "a")->data, six, sizeof six);
    gs_safetensors_close(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tensors_are_found_by_name_and_in_file_order),
        cmocka_unit_test(file_without_tensors_or_metadata_is_read),
        cmocka_unit_test(floats_behind_an_unpadded_header_are_aligned),
        cmocka_unit_test(lying_offsets_are_malformed),
        cmocka_unit_test(shapes_that_cannot_be_are_refused),
        cmocka_unit_test(other_dtypes_are_unsupported_by_name),
        cmocka_unit_test(headers_of_another_form_are_malformed),
        cmocka_unit_test(name_that_comes_twice_is_malformed),
        cmocka_unit_test(deep_nesting_is_refused_before_it_is_parsed),
        cmocka_unit_test(header_size_is_checked_before_it_is_used),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(saved_files_are_read_back_and_repeatable),
        cmocka_unit_test(content_that_cannot_be_written_is_refused),
        cmocka_unit_test(failed_save_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

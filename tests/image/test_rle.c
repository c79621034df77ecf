#include "samples.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/image/rle.h"

#include <stdlib.h>
#include <string.h>

static gs_error err;

/* Strings worked out by hand from rleToString of cocoapi's maskApi.c; the first two masks are the
 * examples in maskApi.h, the fourth is the one of its Python tests. */
static const struct {
    int height, width;
    const char *runs; /* JSON */
    const char *string;
} known[] = {
    {1, 7, "[2, 3, 1, 1]", "231N"},
    {7, 1, "[0, 6, 1]", "061"},
    {1, 16, "[16]", "`0"},
    {9, 10, "[6, 1, 40, 4, 5, 4, 5, 4, 21]", "61X13mN000`0"},
    {1, 1, "[1]", "1"},
    {1, 1, "[0, 1]", "01"},
    {4096, 4096, "[16777216]", "PPPP`0"},
};
enum { KNOWN = sizeof known / sizeof known[0] };

static gs_status from_text(const char *text, gs_mask *out) {
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(json);
    gs_status status = gs_rle_from_json(json, NULL, out, &err);
    json_decref(json);
    return status;
}

static gs_status from_parts(int height, int width, const char *counts, gs_mask *out) {
    char *text = gs_format("{\"size\": [%d, %d], \"counts\": %s}", height, width, counts);
    gs_status status = from_text(text, out);
    gs_free(text);
    return status;
}

static void known_strings_and_runs_agree(void **state) {
    (void)state;
    for (size_t i = 0; i < KNOWN; i++) {
        gs_mask from_runs, from_string;
        char *string = NULL;
        assert_ok(from_parts(known[i].height, known[i].width, known[i].runs, &from_runs));
        assert_ok(gs_rle_decode(known[i].string, known[i].height, known[i].width, NULL,
                                &from_string, &err));
        assert_memory_equal(from_runs.values, from_string.values,
                            (size_t)known[i].height * (size_t)known[i].width);
        assert_ok(gs_rle_encode(&from_runs, &string, &err));
        assert_string_equal(string, known[i].string);
        gs_free(string);
        gs_mask_deinit(&from_runs);
        gs_mask_deinit(&from_string);
    }
}

static void runs_go_down_the_columns(void **state) {
    (void)state;
    gs_mask mask;
    assert_ok(from_parts(2, 3, "[1, 2, 3]", &mask));
    assert_memory_equal(mask.values, "\0\xff\0\xff\0\0", 6);
    gs_mask_deinit(&mask);
}

static void random_masks_survive_json(void **state) {
    (void)state;
    gs_rng rng = {.seed = 5};
    for (int trial = 0; trial < 50; trial++) {
        gs_mask mask, back;
        json_t *json = NULL;
        const int height = 1 + (int)gs_rng_below(&rng, 70), width = 1 + (int)gs_rng_below(&rng, 70);
        const uint32_t period = 1 + gs_rng_below(&rng, 300);
        assert_ok(gs_mask_init(height, width, NULL, &mask, &err));
        const size_t count = (size_t)height * (size_t)width;
        uint8_t value = 0;
        for (size_t i = 0; i < count; i++) {
            if (gs_rng_below(&rng, period) == 0) value ^= 255;
            mask.values[i] = value;
        }
        assert_ok(gs_rle_to_json(&mask, &json, &err));
        assert_ok(gs_rle_from_json(json, NULL, &back, &err));
        assert_true(back.height == height && back.width == width);
        assert_memory_equal(back.values, mask.values, count);
        json_decref(json);
        gs_mask_deinit(&mask);
        gs_mask_deinit(&back);
    }
}

static void pixels_not_annotated_are_not_target(void **state) {
    (void)state;
    uint8_t values[] = {127, 255, 127};
    const gs_mask mask = {1, 3, values};
    char *string = NULL;
    assert_ok(gs_rle_encode(&mask, &string, &err));
    assert_string_equal(string, "111");
    gs_free(string);
}

static void runs_that_do_not_fit_the_size_are_refused(void **state) {
    (void)state;
    gs_mask mask;
    assert_fails(from_parts(2, 3, "[1, 2, 2]", &mask), GS_SHAPE_MISMATCH, "sum to 5");
    assert_fails(from_parts(2, 3, "[]", &mask), GS_SHAPE_MISMATCH, "sum to 0");
    assert_fails(from_parts(2, 3, "[1, 2, 4]", &mask), GS_SHAPE_MISMATCH, "run 2");
    assert_fails(from_parts(2, 3, "[7]", &mask), GS_SHAPE_MISMATCH, "7 pixels long");
    assert_fails(from_parts(2, 3, "[-1, 7]", &mask), GS_SHAPE_MISMATCH, "-1 pixels long");
    assert_fails(from_parts(2, 3, "[9223372036854775807, 1]", &mask), GS_SHAPE_MISMATCH, "run 0");
    assert_fails(from_parts(2, 3, "[6, 0, 1]", &mask), GS_SHAPE_MISMATCH, "0 of 2 x 3 are left");
    assert_fails(from_parts(2, 3, "\"\"", &mask), GS_SHAPE_MISMATCH, "sum to 0");
    assert_fails(from_parts(2, 3, "\"N\"", &mask), GS_SHAPE_MISMATCH, "-2 pixels long");
}

static void characters_outside_the_code_are_malformed(void **state) {
    (void)state;
    gs_mask mask;
    assert_fails(from_parts(2, 3, "\"1 \"", &mask), GS_MALFORMED, "0x20");
    assert_fails(from_parts(2, 3, "\"1p\"", &mask), GS_MALFORMED, "0x70");
    assert_fails(from_parts(2, 3, "\"\\u00e9\"", &mask), GS_MALFORMED, "0xc3");
    assert_fails(from_parts(2, 3, "\"1P\"", &mask), GS_MALFORMED, "middle of a number");
    assert_fails(from_parts(2, 3, "\"PPPPPP0\"", &mask), GS_MALFORMED, "more than 6");
    assert_fails(from_parts(2, 3, "\"oooooooooooooooo\"", &mask), GS_MALFORMED, "more than 6");
}

static void json_of_another_form_is_malformed(void **state) {
    (void)state;
    const char *broken[] = {
        "[]",
        "null",
        "{}",
        "{\"size\": [2, 3]}",
        "{\"counts\": [6]}",
        "{\"size\": [2, 3], \"counts\": 6}",
        "{\"size\": [2, 3], \"counts\": null}",
        "{\"size\": [2, 3], \"counts\": [6], \"more\": 1}",
        "{\"size\": [2], \"counts\": [6]}",
        "{\"size\": [2, 3, 1], \"counts\": [6]}",
        "{\"size\": [2, \"3\"], \"counts\": [6]}",
        "{\"size\": [2, 3.0], \"counts\": [6]}",
        "{\"size\": {\"h\": 2, \"w\": 3}, \"counts\": [6]}",
        "{\"size\": [2, 3], \"counts\": [6.0]}",
        "{\"size\": [2, 3], \"counts\": [\"6\"]}",
        "{\"size\": [2, 3], \"counts\": [[6]]}",
    };
    gs_mask mask;
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
        assert_fails(from_text(broken[i], &mask), GS_MALFORMED, "mask");
    json_t *json = json_pack("{s: [i, i], s: s#}", "size", 2, 3, "counts", "6\0x", 3);
    assert_fails(gs_rle_from_json(json, NULL, &mask, &err), GS_MALFORMED, "zero byte");
    json_decref(json);
}

static void sizes_beyond_the_limits_are_refused(void **state) {
    (void)state;
    gs_mask mask;
    assert_fails(from_parts(0, 3, "[0]", &mask), GS_UNUSABLE, "0 rows");
    assert_fails(from_parts(-1, 3, "[0]", &mask), GS_UNUSABLE, "-1 rows");
    assert_fails(from_parts(4097, 1, "[4097]", &mask), GS_TOO_LARGE, "4097 rows");
    assert_fails(from_text("{\"size\": [9223372036854775807, 2], \"counts\": [0]}", &mask),
                 GS_TOO_LARGE, "limit");
    assert_fails(gs_rle_decode("9", 3, 3, &(gs_image_limits){.side = 2}, &mask, &err), GS_TOO_LARGE,
                 "limit of a side is 2");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_strings_and_runs_agree),
        cmocka_unit_test(runs_go_down_the_columns),
        cmocka_unit_test(random_masks_survive_json),
        cmocka_unit_test(pixels_not_annotated_are_not_target),
        cmocka_unit_test(runs_that_do_not_fit_the_size_are_refused),
        cmocka_unit_test(characters_outside_the_code_are_malformed),
        cmocka_unit_test(json_of_another_form_is_malformed),
        cmocka_unit_test(sizes_beyond_the_limits_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

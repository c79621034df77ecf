/* What reads a request: URLs, multipart bodies, Accept, JSON fields; by example and by mutation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "api/handler.h"
#include "api/uri.h"
#include "base/memory.h"
#include "base/random.h"

static gs_status parse(const char *text, char *storage, gs_request *request, gs_path *path) {
    gs_error err;
    *request = (gs_request){0};
    strcpy(storage, text);
    return gs_uri_parse(storage, request, path, &err);
}

static void a_target_is_cut_into_decoded_pieces(void **state) {
    (void)state;
    char storage[256];
    gs_request request;
    gs_path path;
    assert_int_equal(
        parse("/v1/sl%69ces/a%2Fb?x=1+2&y=%C3%A9&flag&&z=a=b", storage, &request, &path), GS_OK);
    assert_int_equal(path.count, 3);
    assert_string_equal(path.segments[1], "slices");
    assert_string_equal(path.segments[2], "a/b");
    assert_int_equal(request.query_count, 4);
    assert_string_equal(gs_request_get_query(&request, "x"), "1 2");
    assert_string_equal(gs_request_get_query(&request, "y"), "\xc3\xa9");
    assert_string_equal(gs_request_get_query(&request, "flag"), "");
    assert_string_equal(gs_request_get_query(&request, "z"), "a=b");
    assert_null(gs_request_get_query(&request, "w"));
    assert_int_equal(parse("/", storage, &request, &path), GS_OK);
    assert_int_equal(path.count, 1);
    assert_string_equal(path.segments[0], "");
}

static void broken_targets_are_malformed(void **state) {
    (void)state;
    static const char *const targets[] = {
        "",         "x",    "/%",      "/%4",        "/%4g",          "/%00",
        "/a?b=%0a", "/%ff", "/%c0%80", "/%ed%a0%80", "/%f5%80%80%80", "/%7f"};
    char storage[64];
    gs_request request;
    gs_path path;
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_int_equal(parse(targets[i], storage, &request, &path), GS_MALFORMED);
}

static void any_target_is_parsed_or_refused(void **state) {
    (void)state;
    static const char seed_text[] = "/v1/slices/slc_0/image?channel=3&name=a%20b&limit=10";
    gs_rng rng = {.seed = 11};
    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed_text], *storage = gs_copy_string(seed_text);
        memcpy(text, seed_text, sizeof text);
        for (uint32_t n = gs_rng_below(&rng, 4); n > 0; n--)
            text[gs_rng_below(&rng, sizeof text - 1)] = (char)(1 + gs_rng_below(&rng, 255));
        gs_request request;
        gs_path path;
        (void)parse(text, storage, &request, &path);
        gs_free(storage);
    }
}

/* ==== Accept and Content-Type ==== */

static int accepts(const char *accept) {
    static const char *const types[] = {"application/json", "image/png", "application/x-npy"};
    gs_request request = {.headers = {{"accept", accept}}, .header_count = accept ? 1 : 0};
    return gs_request_accepts(&request, types, 3);
}

static void the_best_type_is_chosen(void **state) {
    (void)state;
    assert_int_equal(accepts(NULL), 0);
    assert_int_equal(accepts("*/*"), 0);
    assert_int_equal(accepts("image/png"), 1);
    assert_int_equal(accepts("image/*"), 1);
    assert_int_equal(accepts("application/*;q=0.5, image/png;q=0.4"), 0);
    assert_int_equal(accepts("*/*;q=0.1, application/x-npy"), 2);
    assert_int_equal(accepts("application/json;q=0, */*"), 1);
    assert_int_equal(accepts("text/html"), -1);
    assert_int_equal(accepts("text/html, IMAGE/PNG ; q=0.001"), 1);
    assert_int_equal(accepts("image/png;q=nan"), -1);
    assert_int_equal(accepts(",,;;q=,"), -1);
}

/* ==== Multipart ==== */

static const char form[] =
    "preamble\r\n--b1\r\nContent-Disposition: form-data; name=\"image\"; "
    "filename=\"x.png\"\r\nContent-Type: image/png; x=y\r\n\r\nAB\r\nC\r\n"
    "--b1\r\ncontent-disposition: form-data; name=image\r\n\r\n\r\n--b1--\r\n";

static gs_status split(const char *type, const char *body, size_t size, gs_part *parts,
                       size_t *count) {
    gs_request request = {
        .headers = {{"Content-Type", type}}, .header_count = 1, .body = body, .body_size = size};
    gs_error err;
    return gs_request_multipart(&request, parts, count, &err);
}

static void a_form_is_cut_into_parts(void **state) {
    (void)state;
    gs_part parts[GS_MAX_PARTS];
    size_t count = 0;
    assert_int_equal(
        split("multipart/form-data; boundary=\"b1\"", form, sizeof form - 1, parts, &count), GS_OK);
    assert_int_equal(count, 2);
    assert_string_equal(parts[0].name, "image");
    assert_string_equal(parts[0].content_type, "image/png");
    assert_int_equal(parts[0].size, 5);
    assert_memory_equal(parts[0].bytes, "AB\r\nC", 5);
    assert_string_equal(parts[1].content_type, "");
    assert_int_equal(parts[1].size, 0);
}

static void every_truncated_form_is_malformed(void **state) {
    (void)state;
    gs_part parts[GS_MAX_PARTS];
    size_t count, whole = strlen(form) - 2; /* up to the "--" of the last boundary */
    for (size_t size = 0; size < whole; size++) {
        char *body = gs_copy_bytes(form, size); /* its own allocation: reading beyond it is seen */
        assert_int_equal(split("multipart/form-data; boundary=b1", body, size, parts, &count),
                         GS_MALFORMED);
        gs_free(body);
    }
}

static void any_form_is_parsed_or_refused(void **state) {
    (void)state;
    gs_rng rng = {.seed = 12};
    for (int round = 0; round < 20000; round++) {
        size_t size = gs_rng_below(&rng, sizeof form);
        char *body = gs_copy_bytes(form, size);
        for (uint32_t n = gs_rng_below(&rng, 6); n > 0 && size > 0; n--)
            body[gs_rng_below(&rng, (uint32_t)size)] = (char)gs_rng_below(&rng, 256);
        gs_part parts[GS_MAX_PARTS];
        size_t count = 0;
        if (split("multipart/form-data; boundary=b1", body, size, parts, &count) == GS_OK) {
            for (size_t i = 0; i < count; i++) {
                assert_true(parts[i].bytes >= body);
                assert_true(parts[i].bytes + parts[i].size <= body + size);
            }
        }
        gs_free(body);
    }
}

/* ==== JSON fields ==== */

typedef struct reading {
    gs_request request;
    gs_response response;
    gs_fields fields;
    gs_error err;
} reading;

static gs_status open_json(reading *r, const char *text, size_t size) {
    *r = (reading){.request = {.headers = {{"Content-Type", "application/json; charset=utf-8"}},
                               .header_count = 1,
                               .body = text,
                               .body_size = size}};
    return gs_fields_of_json(&r->request, &r->response, &r->fields, &r->err);
}

static gs_status close_json(reading *r) {
    gs_status status = gs_fields_finish(&r->fields, &r->err);
    gs_fields_deinit(&r->fields);
    return status;
}

static void fields_are_typed_and_unknown_ones_named(void **state) {
    (void)state;
    static const char text[] =
        "{\"s\": \"abc\", \"i\": 7, \"n\": 0.5, \"b\": true, \"none\": null}";
    static const char *const choices[] = {"xyz", "abc", NULL};
    reading r;
    assert_int_equal(open_json(&r, text, strlen(text)), GS_OK);
    assert_string_equal(gs_fields_string(&r.fields, "s", GS_REQUIRED, 3), "abc");
    assert_int_equal(gs_fields_choice(&r.fields, "s", GS_REQUIRED, choices), 1);
    assert_int_equal(gs_fields_integer(&r.fields, "i", GS_REQUIRED, 7, 7, 0), 7);
    assert_true(gs_fields_number(&r.fields, "n", GS_REQUIRED, 0, 1, 0) > 0.4);
    assert_true(gs_fields_boolean(&r.fields, "b", GS_REQUIRED, false));
    assert_int_equal(gs_fields_integer(&r.fields, "none", GS_OPTIONAL, 0, 9, 5), 5);
    assert_int_equal(close_json(&r), GS_OK);
    gs_response_deinit(&r.response);

    assert_int_equal(open_json(&r, text, strlen(text)), GS_OK);
    assert_null(gs_fields_string(&r.fields, "s", GS_REQUIRED, 2));
    assert_int_equal(gs_fields_integer(&r.fields, "n", GS_REQUIRED, 0, 9, 0), 0);
    assert_null(gs_fields_object(&r.fields, "i", GS_REQUIRED));
    assert_null(gs_fields_string(&r.fields, "missing", GS_REQUIRED, 9));
    assert_int_equal(close_json(&r), GS_INVALID_ARGUMENT);
    /* the four above, and b and none, which nobody asked for */
    assert_int_equal(json_array_size(r.response.errors), 6);
    gs_response_deinit(&r.response);
}

static void any_json_is_read_or_refused(void **state) {
    (void)state;
    static const char text[] =
        "{\"dataset\": \"d\\u00e9\", \"seed\": 12, \"w\": {\"a\": [1.5e3, -0]}}";
    gs_rng rng = {.seed = 13};
    for (int round = 0; round < 20000; round++) {
        char *body = gs_copy_bytes(text, sizeof text - 1);
        for (uint32_t n = gs_rng_below(&rng, 4); n > 0; n--)
            body[gs_rng_below(&rng, sizeof text - 1)] = (char)gs_rng_below(&rng, 256);
        reading r;
        if (open_json(&r, body, sizeof text - 1) == GS_OK) {
            (void)gs_fields_string(&r.fields, "dataset", GS_REQUIRED, 16);
            (void)gs_fields_integer(&r.fields, "seed", GS_REQUIRED, 0, 99, 0);
            (void)gs_fields_object(&r.fields, "w", GS_REQUIRED);
            (void)!close_json(&r);
        }
        gs_response_deinit(&r.response);
        gs_free(body);
    }
}

static void a_problem_is_whole_json_whatever_the_text(void **state) {
    (void)state;
    gs_response response = {0};
    gs_error err;
    gs_response_add_error(&response, &err, "field", "%s", "quote \" and \\ backslash");
    gs_response_set_problem(&response, GS_INVALID_ARGUMENT, &err, "id");
    json_t *json = json_loadb(response.body, response.body_size, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "status")), 422);
    assert_int_equal(json_array_size(json_object_get(json, "errors")), 1);
    json_decref(json);
    gs_response_deinit(&response);
    gs_fail(&err, GS_IO, "a name that is not UTF-8: \xff");
    gs_response_set_problem(&response, GS_IO, &err, "id");
    assert_int_equal(response.status, 500);
    assert_non_null(strstr(response.body, "urn:genseg:problem:io"));
    gs_response_deinit(&response);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_cut_into_decoded_pieces),
        cmocka_unit_test(broken_targets_are_malformed),
        cmocka_unit_test(any_target_is_parsed_or_refused),
        cmocka_unit_test(the_best_type_is_chosen),
        cmocka_unit_test(a_form_is_cut_into_parts),
        cmocka_unit_test(every_truncated_form_is_malformed),
        cmocka_unit_test(any_form_is_parsed_or_refused),
        cmocka_unit_test(fields_are_typed_and_unknown_ones_named),
        cmocka_unit_test(any_json_is_read_or_refused),
        cmocka_unit_test(a_problem_is_whole_json_whatever_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

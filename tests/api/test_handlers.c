/* Handlers of the data resources, called without a server. What they answer is tested over HTTP
 * (tests/http); here they run out of memory at every allocation of ours. */
#include "../store/fixture.h"

#include "api/resources.h"
#include "engine/image/mask.h"
#include "engine/image/png.h"

enum { HEIGHT = 4, WIDTH = 6 };

typedef struct handler_call {
    gs_handler handler;
    gs_request request;
    int http_status; /* that it gives in the end */
} handler_call;

/* Answers once; the HTTP status of a success or of a problem that the handler chose itself, on any
 * other failure 0 after checking that memory was the reason. */
static int answer(fixture *f, const handler_call *call) {
    gs_api_context context = {.store = f->store, .data_folder = f->folder};
    gs_response response = {0};
    gs_status status = call->handler(&context, &call->request, &response, &error);
    int http_status = response.status ? response.status : 200;
    if (response.problem_status) http_status = response.problem_status;
    gs_response_deinit(&response);
    if (status == GS_OK || http_status >= 400) return http_status;
    assert_int_equal(status, GS_OUT_OF_MEMORY);
    return 0;
}

static void answer_with_failing_allocations(fixture *f, const handler_call *call) {
    for (uint64_t n = 1; n < 500; n++) {
        gs_memory_fail_at(n, true);
        int http_status = answer(f, call);
        gs_memory_fail_at(0, false);
        if (!http_status) continue;
        /* 200 where a failed answer had stored already: repeating it gives the first result. */
        assert_true(http_status == call->http_status || http_status == 200);
        return;
    }
    fail_msg("never succeeded");
}

static char *png_of(size_t *size) {
    uint8_t pixels[HEIGHT * WIDTH];
    char *png;
    gs_png_options options = {.height = HEIGHT, .width = WIDTH};
    for (size_t i = 0; i < sizeof pixels; i++) pixels[i] = (uint8_t)(10 * i);
    assert_ok(gs_png_encode_u8(pixels, &options, &png, size, &error));
    return png;
}

static char *mask_png_of(size_t *size) {
    gs_mask mask;
    char *png;
    assert_ok(gs_mask_init(HEIGHT, WIDTH, NULL, &mask, &error));
    mask.values[3] = GS_MASK_TARGET;
    mask.values[4] = GS_MASK_UNKNOWN;
    assert_ok(gs_mask_encode_png(&mask, &png, size, &error));
    gs_mask_deinit(&mask);
    return png;
}

static gs_request request_of(const char *type, const char *body, size_t size) {
    return (gs_request){.path = "/test",
                        .id = "test",
                        .headers = {{"Content-Type", type}, {"Idempotency-Key", "key"}},
                        .header_count = 2,
                        .body = body,
                        .body_size = size};
}

static void storing_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    size_t size;
    char *png = png_of(&size);
    make_dataset(f, "a");
    handler_call call = {gs_api_slice_create, request_of("image/png", png, size), 201};
    call.request.query[0] = (gs_pair){"dataset", "a"};
    call.request.query_count = 1;
    answer_with_failing_allocations(f, &call);
    gs_free(png);
}

static void a_slice_of_parts_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    size_t size, used = 0;
    char *png = png_of(&size), body[2048];
    for (int part = 0; part < 2; part++) {
        used +=
            (size_t)sprintf(body + used, "--b\r\nContent-Disposition: form-data; name=\"image\"; "
                                         "filename=\"x\"\r\nContent-Type: image/png\r\n\r\n");
        memcpy(body + used, png, size);
        used += size;
        used += (size_t)sprintf(body + used, "\r\n");
    }
    used += (size_t)sprintf(body + used, "--b--\r\n");
    make_dataset(f, "a");
    handler_call call = {gs_api_slice_create,
                         request_of("multipart/form-data; boundary=b", body, used), 201};
    call.request.query[0] = (gs_pair){"dataset", "a"};
    call.request.query_count = 1;
    answer_with_failing_allocations(f, &call);
    gs_slice_list list;
    assert_ok(gs_store_slice_list(f->store, &(gs_slice_filter){0}, (gs_slice_sort){0},
                                  &(gs_page){0}, &list, &error));
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].channels, 2);
    assert_string_equal(list.items[0].content_type, "application/x-npy");
    gs_free(list.items);
    gs_free(png);
}

static void annotating_survives_every_failing_allocation(void **state) {
    fixture *f = *state;
    size_t size, mask_size;
    char *png = png_of(&size), *mask = mask_png_of(&mask_size);
    make_dataset(f, "a");
    gs_new_slice slice = slice_of("");
    slice.content = png;
    slice.content_size = size;
    slice.height = HEIGHT;
    slice.width = WIDTH;
    gs_slice_record record = add_slice(f, "a", slice);
    handler_call calls[] = {
        {gs_api_annotation_put, request_of("image/png", mask, mask_size), 201},
        {gs_api_annotation_get, {.path = "/test"}, 200},
        {gs_api_annotation_history, {.path = "/test"}, 200},
        {gs_api_slice_image, {.path = "/test"}, 200},
        {gs_api_slice_content, {.path = "/test"}, 200},
        {gs_api_slice_list, {.path = "/test"}, 200},
        {gs_api_dataset_list, {.path = "/test"}, 200},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        calls[i].request.params[0] = record.id;
        answer_with_failing_allocations(f, &calls[i]);
    }
    handler_call rle = calls[1];
    rle.request.headers[0] = (gs_pair){"Accept", "application/json"};
    rle.request.header_count = 1;
    answer_with_failing_allocations(f, &rle);
    gs_annotation_list history;
    assert_ok(gs_store_annotation_list(f->store, record.id, &(gs_page){0}, &history, &error));
    handler_call past[] = {
        {gs_api_annotation_version, {.path = "/test"}, 200},
        {gs_api_annotation_restore, {.path = "/test"}, 200},
        {gs_api_annotation_delete, {.path = "/test"}, 412},
    };
    for (size_t i = 0; i < sizeof past / sizeof *past; i++) {
        past[i].request.params[0] = record.id;
        past[i].request.params[1] = history.items[0].id;
        past[i].request.headers[0] = (gs_pair){"If-Match", i == 2 ? "\"other\"" : "*"};
        past[i].request.header_count = 1;
        answer_with_failing_allocations(f, &past[i]);
    }
    gs_free(history.items);
    gs_free(mask);
    gs_free(png);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(storing_survives_every_failing_allocation),
        TEST(a_slice_of_parts_survives_every_failing_allocation),
        TEST(annotating_survives_every_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

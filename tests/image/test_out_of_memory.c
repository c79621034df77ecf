/* Every allocation of every operation fails once, alone and with all that follow it: the operation
 * says OUT_OF_MEMORY, leaves its output untouched and leaks nothing (under the address sanitizer).
 */
#include "samples.h"

#include "base/memory.h"
#include "engine/image/decode.h"
#include "engine/image/png.h"
#include "engine/image/rle.h"
#include "engine/image/npy.h"
#include "engine/model/safetensors.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gs_error err;
static bytes png, npy, nifti, packed_nifti, mask_png, weights;
static gs_mask some_mask;
static char folder[] = "/tmp/genseg-memory-XXXXXX", *path;

/* jansson reports some failed allocations as faults of the text it reads. */
typedef struct operation {
    gs_status (*run)(void);
    bool parses_json;
} operation;

static void *json_alloc(size_t size) {
    return gs_alloc(size, 1);
}

static gs_status decode_image(const char *type, const bytes *file) {
    gs_image image = {0};
    gs_status status = gs_image_decode(type, file->data, file->size, NULL, &image, &err);
    assert_int_equal(image.pixels != NULL, status == GS_OK);
    gs_image_deinit(&image);
    return status;
}

static gs_status decode_png(void) {
    return decode_image("image/png", &png);
}

static gs_status decode_npy(void) {
    return decode_image("application/x-npy", &npy);
}

static gs_status decode_nifti(void) {
    return decode_image("application/x-nifti", &nifti);
}

static gs_status decode_packed_nifti(void) {
    return decode_image("application/x-nifti", &packed_nifti);
}

static gs_status decode_mask(void) {
    gs_mask mask = {0};
    gs_status status = gs_mask_decode_png(mask_png.data, mask_png.size, NULL, &mask, &err);
    assert_int_equal(mask.values != NULL, status == GS_OK);
    gs_mask_deinit(&mask);
    return status;
}

static gs_status encode_png(void) {
    static const uint16_t pixels[64 * 64];
    const gs_png_text text = {"Comment", "generated"};
    const gs_png_options options = {.height = 64, .width = 64, .texts = &text, .text_count = 1};
    char *file = NULL;
    size_t size = 0;
    gs_status status = gs_png_encode_u16(pixels, &options, &file, &size, &err);
    assert_int_equal(file != NULL, status == GS_OK);
    gs_free(file);
    return status;
}

static gs_status encode_npy(void) {
    char *file = NULL;
    size_t size = 0;
    gs_status status =
        gs_npy_encode(GS_NPY_U8, some_mask.values, (size_t[]){2, 3}, 2, &file, &size, &err);
    assert_int_equal(file != NULL, status == GS_OK);
    gs_free(file);
    return status;
}

static gs_status stack_images(void) {
    float pixel = 1;
    const gs_image images[2] = {{1, 1, 1, &pixel}, {1, 1, 1, &pixel}};
    gs_image out = {0};
    gs_status status = gs_image_stack(images, 2, NULL, &out, &err);
    gs_image_deinit(&out);
    return status;
}

static gs_status mask_to_json_and_back(void) {
    json_t *json = NULL;
    GS_TRY(gs_rle_to_json(&some_mask, &json, &err));
    gs_mask mask = {0};
    gs_status status = gs_rle_from_json(json, NULL, &mask, &err);
    json_decref(json);
    gs_mask_deinit(&mask);
    return status;
}

static gs_status parse_weights(void) {
    gs_safetensors *file = NULL;
    char *copy = gs_copy_bytes(weights.data, weights.size);
    if (!copy) return gs_fail(&err, GS_OUT_OF_MEMORY, "no memory for the test");
    gs_status status = gs_safetensors_parse("weights", copy, weights.size, &file, &err);
    assert_int_equal(file != NULL, status == GS_OK);
    gs_safetensors_close(file);
    return status;
}

static gs_status save_weights(void) {
    const float values[2] = {1, 2};
    const gs_tensor_entry tensors[] = {{.name = "a", .rank = 1, .shape = {2}, .data = values},
                                       {.name = "b", .rank = 0, .data = values}};
    const gs_metadata_entry metadata = {"key", "value"};
    return gs_safetensors_save(path, &(gs_safetensors_content){tensors, 2, &metadata, 1}, &err);
}

/* Fails the n-th allocation for n = 1, 2, … until the operation makes fewer than n. */
static void fail_every_allocation(const operation *tried, bool persistent) {
    enum { MOST = 1000 };
    uint64_t n = 1;
    for (; n < MOST; n++) {
        const uint64_t before = gs_memory_count();
        err = (gs_error){0};
        gs_memory_fail_at(n, persistent);
        gs_status status = tried->run();
        gs_memory_fail_at(0, false);
        if (gs_memory_count() - before < n) {
            assert_int_equal(status, GS_OK);
            break;
        }
        if (status != GS_OUT_OF_MEMORY && !(tried->parses_json && status == GS_MALFORMED))
            fail_msg("allocation %llu failed: %s \"%s\"", (unsigned long long)n,
                     gs_status_name(status), err.text);
        assert_true(err.text[0] != '\0');
    }
    assert_in_range(n, 2, MOST - 1);
}

static void every_operation_survives_failing_allocations(void **state) {
    (void)state;
    const operation operations[] = {
        {decode_png, false},          {decode_npy, false},   {decode_nifti, false},
        {decode_packed_nifti, false}, {decode_mask, false},  {encode_png, false},
        {encode_npy, false},          {stack_images, false}, {mask_to_json_and_back, false},
        {parse_weights, true},        {save_weights, false},
    };
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        fail_every_allocation(&operations[i], false);
        fail_every_allocation(&operations[i], true);
    }
}

static int make_samples(void **state) {
    (void)state;
    const float four[4] = {1, 2, 3, 4};
    const nifti_1_header header = nifti_header(2, 2, 0, DT_FLOAT32, 32);
    json_set_alloc_funcs(json_alloc, gs_free);
    png = png_sample(5, 4, 16, 6);
    npy = npy_sample("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", four, 16);
    nifti = nifti_sample(&header, four, 16);
    packed_nifti = bytes_gzip(nifti.data, nifti.size);
    weights = safetensors_sample("{\"a\": {\"dtype\": \"F32\", \"shape\": [4], \"data_offsets\": "
                                 "[0, 16]}, \"__metadata__\": {\"k\": \"v\"}}",
                                 four, 16);
    if (gs_mask_init(2, 3, NULL, &some_mask, &err) != GS_OK) return -1;
    some_mask.values[1] = GS_MASK_TARGET;
    if (gs_mask_encode_png(&some_mask, &mask_png.data, &mask_png.size, &err) != GS_OK) return -1;
    path = mkdtemp(folder) ? gs_format("%s/weights", folder) : NULL;
    return path ? 0 : -1;
}

static int free_samples(void **state) {
    (void)state;
    bytes *const files[] = {&png, &npy, &nifti, &packed_nifti, &weights};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) bytes_free(files[i]);
    gs_free(mask_png.data);
    gs_mask_deinit(&some_mask);
    unlink(path);
    gs_free(path);
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_survives_failing_allocations),
    };
    return cmocka_run_group_tests(tests, make_samples, free_samples);
}

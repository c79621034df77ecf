#include "samples.h"

#include "engine/image/decode.h"
#include "engine/image/normalize.h"

#include <math.h>
#include <string.h>

static void sizes_beyond_the_limits_are_refused(void **state) {
    (void)state;
    gs_error err;
    gs_image image;
    const gs_image_limits small = {.channels = 2, .side = 10, .values = 100};
    assert_ok(gs_image_check_size(GS_MAX_CHANNELS, 1, GS_MAX_SIDE, NULL, &err));
    assert_ok(gs_image_check_size(2, 5, 10, &small, &err));
    assert_fails(gs_image_check_size(0, 1, 1, NULL, &err), GS_UNUSABLE, "no pixels");
    assert_fails(gs_image_check_size(1, -1, 1, NULL, &err), GS_UNUSABLE, "-1 rows");
    assert_fails(gs_image_check_size(17, 1, 1, NULL, &err), GS_TOO_LARGE, "17 channels");
    assert_fails(gs_image_check_size(1, 4097, 1, NULL, &err), GS_TOO_LARGE, "4097 rows");
    assert_fails(gs_image_check_size(1, 1, 1LL << 62, NULL, &err), GS_TOO_LARGE, "columns");
    assert_fails(gs_image_check_size(4, 4096, 4096, NULL, &err), GS_TOO_LARGE, "values");
    assert_fails(gs_image_check_size(3, 1, 1, &small, &err), GS_TOO_LARGE, "limit is 2");
    assert_fails(gs_image_check_size(1, 11, 1, &small, &err), GS_TOO_LARGE, "side is 10");
    assert_fails(gs_image_init(2, 10, 6, &small, &image, &err), GS_TOO_LARGE, "limit is 100");
    const gs_image_limits beyond = {.channels = 99, .side = 99999, .values = SIZE_MAX};
    assert_fails(gs_image_check_size(17, 1, 1, &beyond, &err), GS_TOO_LARGE, "limit is 16");
    assert_fails(gs_image_check_size(1, 4097, 1, &beyond, &err), GS_TOO_LARGE, "4096");
}

static void pixel_that_is_not_finite_is_named(void **state) {
    (void)state;
    gs_error err;
    float pixels[2 * 2 * 3] = {0};
    gs_image image = {2, 2, 3, pixels};
    assert_ok(gs_image_check_finite(&image, &err));
    pixels[6 + 3 + 2] = NAN;
    assert_fails(gs_image_check_finite(&image, &err), GS_NUMERIC,
                 "channel 1, row 1, column 2 is not a number");
    pixels[1] = -INFINITY;
    assert_fails(gs_image_check_finite(&image, &err), GS_NUMERIC,
                 "channel 0, row 0, column 1 is infinite");
}

static void single_channels_stack_in_order(void **state) {
    (void)state;
    gs_error err;
    float first[2] = {1, 2}, second[2] = {3, 4}, other[4] = {0};
    gs_image images[] = {{1, 1, 2, first}, {1, 1, 2, second}, {1, 2, 1, other}, {2, 1, 2, other}};
    gs_image out;
    assert_ok(gs_image_stack(images, 2, NULL, &out, &err));
    assert_int_equal(out.channels, 2);
    assert_memory_equal(out.pixels, ((float[]){1, 2, 3, 4}), 4 * sizeof(float));
    gs_image_deinit(&out);
    assert_null(out.pixels);
    assert_fails(gs_image_stack(images, 3, NULL, &out, &err), GS_SHAPE_MISMATCH,
                 "image 2 has 2 rows and 1 columns");
    assert_fails(gs_image_stack(images + 3, 1, NULL, &out, &err), GS_SHAPE_MISMATCH, "2 channels");
    assert_fails(gs_image_stack(images, 0, NULL, &out, &err), GS_INVALID_ARGUMENT, "no images");
    gs_image many[17];
    for (size_t i = 0; i < 17; i++) many[i] = images[0];
    assert_fails(gs_image_stack(many, 17, NULL, &out, &err), GS_TOO_LARGE, "17 channels");
}

static void range_spans_the_values(void **state) {
    (void)state;
    float low, high;
    gs_image_range((float[]){2, -1, 5, 0}, 4, &low, &high);
    assert_true(low == -1.0f && high == 5.0f);
}

static void foreground_gets_mean_0_and_deviation_one_fifth(void **state) {
    (void)state;
    gs_error err;
    float pixels[2 * 5] = {0, 10, 30, 0, 20, 1000, 1001, 0, 0, 1003};
    gs_image image = {2, 1, 5, pixels};
    assert_ok(gs_normalize(&image, GS_NORMALIZE_NONE, &err));
    assert_true(pixels[1] == 10.0f);
    assert_ok(gs_normalize(&image, GS_NORMALIZE_FOREGROUND, &err));
    /* Mean 20, deviation sqrt(200 / 3). */
    assert_true(fabsf(pixels[1] + 0.24494897f) < 1e-6f);
    assert_true(fabsf(pixels[2] - 0.24494897f) < 1e-6f);
    assert_true(pixels[0] == 0.0f && pixels[3] == 0.0f && pixels[7] == 0.0f);
    double sum = 0, squares = 0;
    const int foreground[] = {5, 6, 9};
    for (int i = 0; i < 3; i++) {
        const double value = (double)pixels[foreground[i]];
        sum += value;
        squares += value * value;
    }
    assert_true(fabs(sum) < 1e-6 && fabs(squares / 3 - 0.04) < 1e-6);
}

static void constant_or_empty_foreground_becomes_zero(void **state) {
    (void)state;
    gs_error err;
    float pixels[] = {0, 0, 0, 0.1f, 0, 0.1f, 3e38f, -3e38f, 3e38f};
    gs_image image = {3, 1, 3, pixels};
    assert_ok(gs_normalize(&image, GS_NORMALIZE_FOREGROUND, &err));
    for (int i = 0; i < 6; i++) assert_true(pixels[i] == 0.0f);
    for (int i = 6; i < 9; i++) assert_true(isfinite(pixels[i]) && pixels[i] != 0.0f);
}

static void pixel_that_is_not_finite_is_not_normalized(void **state) {
    (void)state;
    gs_error err;
    float pixels[] = {1, 2, INFINITY};
    gs_image image = {1, 1, 3, pixels};
    assert_fails(gs_normalize(&image, GS_NORMALIZE_FOREGROUND, &err), GS_NUMERIC, "column 2");
    assert_true(pixels[0] == 1.0f);
}

static void normalizations_have_names(void **state) {
    (void)state;
    gs_error err;
    gs_normalization found = GS_NORMALIZE_NONE;
    assert_ok(gs_normalization_parse("foreground", &found, &err));
    assert_int_equal(found, GS_NORMALIZE_FOREGROUND);
    assert_string_equal(gs_normalization_name(found), "foreground");
    assert_string_equal(gs_normalization_name(GS_NORMALIZE_NONE), "none");
    assert_fails(gs_normalization_parse("Foreground", &found, &err), GS_INVALID_ARGUMENT,
                 "\"Foreground\"");
}

static void content_type_chooses_the_decoder(void **state) {
    (void)state;
    gs_error err;
    gs_image image;
    const float value = 0.5f;
    const nifti_1_header header = nifti_header(1, 1, 0, DT_FLOAT32, 32);
    bytes files[] = {
        png_sample(1, 1, 8, 0),
        npy_sample("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }", &value, 4),
        nifti_sample(&header, &value, 4)};
    for (size_t i = 0; i < 3; i++) {
        assert_ok(
            gs_image_decode(gs_image_type(i), files[i].data, files[i].size, NULL, &image, &err));
        assert_int_equal(gs_image_values(&image), 1);
        gs_image_deinit(&image);
        assert_fails(gs_image_decode(gs_image_type((i + 1) % 3), files[i].data, files[i].size, NULL,
                                     &image, &err),
                     GS_MALFORMED, "");
        bytes_free(&files[i]);
    }
    assert_null(gs_image_type(3));
    assert_true(gs_image_type_is_known(" Image/PNG; charset=binary"));
    assert_false(gs_image_type_is_known("image/pn"));
    assert_false(gs_image_type_is_known("image/pngs"));
    assert_false(gs_image_type_is_known(""));
    assert_fails(gs_image_decode("image/jpeg", "", 0, NULL, &image, &err), GS_UNSUPPORTED,
                 "\"image/jpeg\"");
}

static void empty_body_is_malformed_in_every_format(void **state) {
    (void)state;
    gs_error err;
    gs_image image;
    for (size_t i = 0; gs_image_type(i); i++)
        assert_fails(gs_image_decode(gs_image_type(i), NULL, 0, NULL, &image, &err), GS_MALFORMED,
                     "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_beyond_the_limits_are_refused),
        cmocka_unit_test(pixel_that_is_not_finite_is_named),
        cmocka_unit_test(single_channels_stack_in_order),
        cmocka_unit_test(range_spans_the_values),
        cmocka_unit_test(foreground_gets_mean_0_and_deviation_one_fifth),
        cmocka_unit_test(constant_or_empty_foreground_becomes_zero),
        cmocka_unit_test(pixel_that_is_not_finite_is_not_normalized),
        cmocka_unit_test(normalizations_have_names),
        cmocka_unit_test(content_type_chooses_the_decoder),
        cmocka_unit_test(empty_body_is_malformed_in_every_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

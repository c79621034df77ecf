#include "samples.h"

#include "base/memory.h"
#include "engine/image/mask.h"
#include "engine/image/png.h"

#include <math.h>
#include <string.h>

static gs_error err;

static gs_status decode(const bytes *file, gs_image *out) {
    return gs_png_decode(file->data, file->size, NULL, out, &err);
}

/* Decoding `file` must fail so; releases it. */
static void expect_failure(bytes file, gs_status wanted, const char *part) {
    gs_image image;
    assert_fails(decode(&file, &image), wanted, part);
    bytes_free(&file);
}

static void every_kind_of_8_and_16_bit_is_scaled_to_1(void **state) {
    (void)state;
    const int colours[] = {0, 4, 2, 6};
    for (int c = 0; c < 4; c++)
        for (int bits = 8; bits <= 16; bits += 8) {
            const int width = 7, height = 3, channels = c + 1;
            bytes file = png_sample((uint32_t)width, (uint32_t)height, bits, colours[c]);
            gs_image image;
            assert_ok(decode(&file, &image));
            assert_int_equal(image.channels, channels);
            assert_int_equal(image.height, height);
            assert_int_equal(image.width, width);
            for (int k = 0; k < channels; k++)
                for (int x = 0; x < width; x++) {
                    const int i = x * channels + k;
                    const float wanted =
                        bits == 8 ? (float)(i * 3 % 256) / 255.0f
                                  : (float)(6 * i % 256 * 256 + (6 * i + 3) % 256) / 65535.0f;
                    assert_true(gs_image_channel(&image, k)[2 * width + x] == wanted);
                }
            gs_image_deinit(&image);
            bytes_free(&file);
        }
}

static void samples_0_and_65535_become_exactly_0_and_1(void **state) {
    (void)state;
    bytes file = {0};
    gs_image image;
    png_add_signature(&file);
    png_add_header(&file, 2, 1, 16, 0, 0);
    png_add_rows(&file, "\0\0\0\xff\xff", 5);
    assert_ok(decode(&file, &image));
    assert_true(image.pixels[0] == 0.0f && image.pixels[1] == 1.0f);
    gs_image_deinit(&image);
    bytes_free(&file);
}

static void kinds_without_exact_samples_are_unsupported(void **state) {
    (void)state;
    expect_failure(png_sample(4, 4, 8, 3), GS_UNSUPPORTED, "palette");
    expect_failure(png_sample(4, 4, 1, 0), GS_UNSUPPORTED, "1 bits");
    expect_failure(png_sample(4, 4, 4, 0), GS_UNSUPPORTED, "4 bits");
    bytes file = {0};
    png_add_signature(&file);
    png_add_header(&file, 4, 4, 8, 0, 1);
    expect_failure(file, GS_UNSUPPORTED, "interlaced");
}

static void headers_that_cannot_be_are_malformed(void **state) {
    (void)state;
    expect_failure(png_sample(4, 4, 8, 5), GS_MALFORMED, "colour type 5");
    expect_failure(png_sample(4, 4, 4, 2), GS_MALFORMED, "4 bits");
    expect_failure(png_sample(4, 4, 32, 0), GS_MALFORMED, "32 bits");
    expect_failure(png_sample(0, 4, 8, 0), GS_MALFORMED, "0 columns");
    expect_failure(png_sample(4, 0, 8, 0), GS_MALFORMED, "0 rows");
    bytes file = {0};
    png_add_signature(&file);
    png_add_header(&file, 4, 4, 8, 0, 2);
    expect_failure(file, GS_MALFORMED, "interlace method 2");
    file = (bytes){0};
    png_add_signature(&file);
    png_add_chunk(&file, "IHDR", "\0\0\0\1\0\0\0\1\x08\0\1\0\0", 13);
    expect_failure(file, GS_MALFORMED, "compression 1");
    file = (bytes){0};
    png_add_signature(&file);
    png_add_chunk(&file, "IHDR", "\0\0\0\1", 4);
    png_add_rows(&file, "\0\0", 2);
    expect_failure(file, GS_MALFORMED, "IHDR");
    file = (bytes){0};
    png_add_signature(&file);
    png_add_rows(&file, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    expect_failure(file, GS_MALFORMED, "IHDR");
}

static void wrong_magic_is_malformed(void **state) {
    (void)state;
    bytes file = png_sample(2, 2, 8, 0);
    file.data[0] = 'P';
    expect_failure(file, GS_MALFORMED, "signature");
}

static void size_beyond_the_limit_is_refused_before_memory_is_taken(void **state) {
    (void)state;
    const uint32_t sizes[][2] = {{4097, 1}, {1, 4097}, {UINT32_MAX, UINT32_MAX}, {4096, 4096}};
    for (int i = 0; i < 4; i++) {
        bytes file = {0};
        png_add_signature(&file);
        png_add_header(&file, sizes[i][0], sizes[i][1], 16, 6, 0);
        png_add_rows(&file, "", 1);
        const uint64_t before = gs_memory_count();
        expect_failure(file, GS_TOO_LARGE, "limit");
        assert_int_equal(gs_memory_count(), before);
    }
    bytes file = png_sample(9, 2, 8, 0);
    gs_image image;
    assert_fails(gs_png_decode(file.data, file.size, &(gs_image_limits){.side = 8}, &image, &err),
                 GS_TOO_LARGE, "side is 8");
    bytes_free(&file);
}

static void every_truncation_is_malformed(void **state) {
    (void)state;
    bytes file = png_sample(5, 4, 8, 2);
    gs_image image;
    for (size_t size = 0; size < file.size; size++) {
        char *exact = gs_copy_bytes(file.data, size); /* so that a sanitizer sees every overrun */
        assert_fails(gs_png_decode(exact, size, NULL, &image, &err), GS_MALFORMED, "");
        gs_free(exact);
    }
    bytes_free(&file);
}

static void every_flipped_byte_is_malformed(void **state) {
    (void)state;
    bytes file = png_sample(5, 4, 8, 2);
    gs_image image;
    for (size_t i = 0; i < file.size; i++) {
        file.data[i] ^= 0x10;
        gs_status status = decode(&file, &image);
        if (status != GS_MALFORMED && status != GS_TOO_LARGE && status != GS_UNSUPPORTED)
            fail_msg("byte %zu changed: %s", i, gs_status_name(status));
        file.data[i] ^= 0x10;
    }
    bytes_free(&file);
}

static void bytes_after_the_end_are_malformed(void **state) {
    (void)state;
    bytes file = png_sample(2, 2, 8, 0);
    bytes_add(&file, "x", 1);
    expect_failure(file, GS_MALFORMED, "1 bytes follow");
}

static void rows_that_do_not_fit_the_header_are_malformed(void **state) {
    (void)state;
    bytes file = {0};
    png_add_signature(&file);
    png_add_header(&file, 2, 2, 8, 0, 0);
    png_add_rows(&file, "\0\1\2\0\1", 5);
    expect_failure(file, GS_MALFORMED, "PNG");
    file = (bytes){0};
    png_add_signature(&file);
    png_add_header(&file, 2, 2, 8, 0, 0);
    png_add_rows(&file, "\0\1\2\0\1\2\0\1\2", 9);
    expect_failure(file, GS_MALFORMED, "PNG");
    file = (bytes){0};
    png_add_signature(&file);
    png_add_header(&file, 2, 2, 8, 0, 0);
    png_add_chunk(&file, "IEND", NULL, 0);
    expect_failure(file, GS_MALFORMED, "PNG");
    file = (bytes){0};
    png_add_signature(&file);
    png_add_header(&file, 1, 1, 8, 0, 0);
    png_add_rows(&file, "\7\1", 2); /* filter 7 does not exist */
    expect_failure(file, GS_MALFORMED, "PNG");
}

static void large_or_unknown_chunks_cost_no_memory(void **state) {
    (void)state;
    const size_t size = (size_t)1 << 20;
    char *zeros = gs_alloc(size, 1);
    bytes bomb = bytes_gzip(zeros, size); /* not zlib's format, and large when inflated */
    bytes file = {0};
    gs_image image;
    png_add_signature(&file);
    png_add_header(&file, 1, 1, 8, 0, 0);
    png_add_chunk(&file, "iCCP", bomb.data, bomb.size);
    png_add_chunk(&file, "gAMA", "\0\0\0\1", 4);
    png_add_chunk(&file, "zTXt", bomb.data, bomb.size);
    for (int i = 0; i < 12; i++) png_add_chunk(&file, "teSt", zeros, size);
    png_add_rows(&file, "\0\x33", 2);
    assert_ok(decode(&file, &image));
    assert_true(image.pixels[0] == 0.2f);
    gs_image_deinit(&image);
    bytes_free(&file);
    png_add_signature(&file);
    png_add_header(&file, 1, 1, 8, 0, 0);
    png_add_chunk(&file, "TEST", zeros, 8); /* capital: critical */
    png_add_rows(&file, "\0\x33", 2);
    expect_failure(file, GS_MALFORMED, "PNG");
    bytes_free(&bomb);
    gs_free(zeros);
}

static void window_maps_to_8_bits_and_clamps(void **state) {
    (void)state;
    const float pixels[] = {-2, -1, 0, 0.5f, 1, 7};
    const gs_png_options options = {.height = 2, .width = 3, .low = -1, .high = 1};
    const int wanted[] = {0, 0, 128, 191, 255, 255};
    char *file = NULL;
    size_t size = 0;
    gs_image image;
    assert_ok(gs_png_encode_float(pixels, &options, &file, &size, &err));
    assert_ok(gs_png_decode(file, size, NULL, &image, &err));
    for (int i = 0; i < 6; i++) assert_int_equal(lrintf(image.pixels[i] * 255.0f), wanted[i]);
    gs_image_deinit(&image);
    gs_free(file);
}

static void window_of_one_value_separates_what_is_above(void **state) {
    (void)state;
    const float pixels[] = {3, 4};
    const gs_png_options options = {.height = 1, .width = 2, .low = 3, .high = 3};
    char *file = NULL;
    size_t size = 0;
    gs_image image;
    assert_ok(gs_png_encode_float(pixels, &options, &file, &size, &err));
    assert_ok(gs_png_decode(file, size, NULL, &image, &err));
    assert_true(image.pixels[0] == 0.0f && image.pixels[1] == 1.0f);
    gs_image_deinit(&image);
    gs_free(file);
}

static void integers_survive_and_bytes_are_repeatable(void **state) {
    (void)state;
    enum { HEIGHT = 37, WIDTH = 300 };
    static uint8_t low[HEIGHT * WIDTH];
    static uint16_t high[HEIGHT * WIDTH];
    for (int i = 0; i < HEIGHT * WIDTH; i++) {
        low[i] = (uint8_t)(i * 7 % 256);
        high[i] = (uint16_t)(i * 40503 % 65536);
    }
    const gs_png_options options = {.height = HEIGHT, .width = WIDTH};
    char *file = NULL, *again = NULL;
    size_t size = 0, size_again = 0;
    gs_image image;
    assert_ok(gs_png_encode_u8(low, &options, &file, &size, &err));
    assert_ok(gs_png_decode(file, size, NULL, &image, &err));
    for (int i = 0; i < HEIGHT * WIDTH; i++) assert_true(image.pixels[i] == (float)low[i] / 255.0f);
    gs_image_deinit(&image);
    gs_free(file);
    assert_ok(gs_png_encode_u16(high, &options, &file, &size, &err));
    assert_ok(gs_png_encode_u16(high, &options, &again, &size_again, &err));
    assert_int_equal(size, size_again);
    assert_memory_equal(file, again, size);
    assert_ok(gs_png_decode(file, size, NULL, &image, &err));
    for (int i = 0; i < HEIGHT * WIDTH; i++)
        assert_true(image.pixels[i] == (float)high[i] / 65535.0f);
    gs_image_deinit(&image);
    gs_free(file);
    gs_free(again);
}

static void texts_are_written_before_the_pixels(void **state) {
    (void)state;
    const uint8_t pixel = 9;
    const gs_png_text texts[] = {{"Software", "genseg"}, {"Comment", "generated\nimage"}};
    const gs_png_options options = {.height = 1, .width = 1, .texts = texts, .text_count = 2};
    char *file = NULL;
    size_t size = 0;
    gs_image image;
    assert_ok(gs_png_encode_u8(&pixel, &options, &file, &size, &err));
    const char *first = memmem(file, size, "tEXtSoftware\0genseg", 19);
    const char *second = memmem(file, size, "tEXtComment\0generated\nimage", 27);
    assert_non_null(first);
    assert_true(first < second && second < (char *)memmem(file, size, "IDAT", 4));
    assert_ok(gs_png_decode(file, size, NULL, &image, &err));
    gs_image_deinit(&image);
    gs_free(file);
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    char *file = NULL;
    size_t size = 0;
    const float pixels[] = {1, NAN};
    char key[82], value[GS_PNG_MAX_TEXT_BYTES + 2];
    memset(key, 'k', sizeof key - 1), key[sizeof key - 1] = '\0';
    memset(value, 'v', sizeof value - 1), value[sizeof value - 1] = '\0';
    const gs_png_text bad[] = {{"", "v"},      {" k", "v"},    {"k ", "v"},
                               {"k  k", "v"},  {"k\xe9", "v"}, {"k", "\x80v"},
                               {"k", "\x01v"}, {key, "v"},     {"k", value}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const gs_png_options options = {.height = 1, .width = 1, .texts = &bad[i], .text_count = 1};
        assert_fails(gs_png_encode_u8((const uint8_t *)"", &options, &file, &size, &err),
                     GS_INVALID_ARGUMENT, "PNG text");
    }
    gs_png_options options = {.height = 1, .width = 2, .low = 0, .high = 2};
    assert_fails(gs_png_encode_float(pixels, &options, &file, &size, &err), GS_NUMERIC, "column 1");
    options.high = -1;
    assert_fails(gs_png_encode_float(pixels, &options, &file, &size, &err), GS_INVALID_ARGUMENT,
                 "window");
    options.high = INFINITY;
    assert_fails(gs_png_encode_float(pixels, &options, &file, &size, &err), GS_INVALID_ARGUMENT,
                 "window");
    options.width = GS_MAX_SIDE + 1;
    assert_fails(gs_png_encode_float(pixels, &options, &file, &size, &err), GS_INVALID_ARGUMENT,
                 "4097 columns");
    options = (gs_png_options){.height = 1, .width = 1, .text_count = GS_PNG_MAX_TEXTS + 1};
    assert_fails(gs_png_encode_u8((const uint8_t *)"", &options, &file, &size, &err),
                 GS_INVALID_ARGUMENT, "17 PNG texts");
    assert_null(file);
}

/* ---- masks ---- */

static void mask_survives_png(void **state) {
    (void)state;
    uint8_t values[] = {0, 127, 255, 255, 0, 127};
    const gs_mask mask = {2, 3, values};
    gs_mask back;
    char *file = NULL;
    size_t size = 0;
    assert_ok(gs_mask_encode_png(&mask, &file, &size, &err));
    assert_ok(gs_mask_decode_png(file, size, NULL, &back, &err));
    assert_int_equal(back.height, 2);
    assert_int_equal(back.width, 3);
    assert_memory_equal(back.values, values, sizeof values);
    assert_int_equal(gs_mask_count(&back, GS_MASK_TARGET), 2);
    assert_true(gs_mask_is_partial(&back));
    assert_fails(gs_mask_decode_png(file, size, &(gs_image_limits){.side = 2}, &back, &err),
                 GS_TOO_LARGE, "side is 2");
    gs_mask_deinit(&back);
    gs_free(file);
}

static void first_other_value_of_a_mask_is_named(void **state) {
    (void)state;
    const uint8_t values[] = {0, 127, 255, 254, 1, 0};
    char *file = NULL;
    size_t size = 0;
    gs_mask mask;
    const gs_png_options options = {.height = 2, .width = 3};
    assert_ok(gs_png_encode_u8(values, &options, &file, &size, &err));
    assert_fails(gs_mask_decode_png(file, size, NULL, &mask, &err), GS_UNUSABLE,
                 "row 1, column 0 is 254");
    gs_free(file);
}

static void mask_of_another_kind_is_unsupported(void **state) {
    (void)state;
    gs_mask mask;
    const int kinds[][2] = {{16, 0}, {8, 4}, {8, 2}, {8, 6}, {1, 0}, {8, 3}};
    for (int i = 0; i < 6; i++) {
        bytes file = png_sample(3, 3, kinds[i][0], kinds[i][1]);
        assert_fails(gs_mask_decode_png(file.data, file.size, NULL, &mask, &err), GS_UNSUPPORTED,
                     "");
        bytes_free(&file);
    }
    assert_fails(gs_mask_decode_png("{}", 2, NULL, &mask, &err), GS_MALFORMED, "signature");
}

static void mask_is_what_lies_above_the_threshold(void **state) {
    (void)state;
    gs_mask mask;
    assert_ok(gs_mask_init_above((float[]){0.2f, 0.5f, 0.6f}, 1, 3, 0.5f, &mask, &err));
    assert_memory_equal(mask.values, "\0\0\xff", 3);
    assert_false(gs_mask_is_partial(&mask));
    gs_mask_deinit(&mask);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_8_and_16_bit_is_scaled_to_1),
        cmocka_unit_test(samples_0_and_65535_become_exactly_0_and_1),
        cmocka_unit_test(kinds_without_exact_samples_are_unsupported),
        cmocka_unit_test(headers_that_cannot_be_are_malformed),
        cmocka_unit_test(wrong_magic_is_malformed),
        cmocka_unit_test(size_beyond_the_limit_is_refused_before_memory_is_taken),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(every_flipped_byte_is_malformed),
        cmocka_unit_test(bytes_after_the_end_are_malformed),
        cmocka_unit_test(rows_that_do_not_fit_the_header_are_malformed),
        cmocka_unit_test(large_or_unknown_chunks_cost_no_memory),
        cmocka_unit_test(window_maps_to_8_bits_and_clamps),
        cmocka_unit_test(window_of_one_value_separates_what_is_above),
        cmocka_unit_test(integers_survive_and_bytes_are_repeatable),
        cmocka_unit_test(texts_are_written_before_the_pixels),
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(mask_survives_png),
        cmocka_unit_test(first_other_value_of_a_mask_is_named),
        cmocka_unit_test(mask_of_another_kind_is_unsupported),
        cmocka_unit_test(mask_is_what_lies_above_the_threshold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

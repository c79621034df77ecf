#include "samples.h"

#include "base/memory.h"
#include "engine/image/decode.h"
#include "engine/image/nifti_slice.h"
#include "engine/image/nifti_stream.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static gs_error err;
static const int16_t six[6] = {1, -2, 3, 4, 5, 32767};

static gs_status decode(const nifti_1_header *header, const void *data, size_t size,
                        gs_image *out) {
    bytes file = nifti_sample(header, data, size);
    gs_status status = gs_nifti_slice_decode(file.data, file.size, NULL, out, &err);
    bytes packed = bytes_gzip(file.data, file.size);
    gs_image again;
    assert_int_equal(gs_nifti_slice_decode(packed.data, packed.size, NULL, &again, &err), status);
    if (status == GS_OK) {
        assert_memory_equal(again.pixels, out->pixels, gs_image_values(out) * sizeof(float));
        gs_image_deinit(&again);
    }
    bytes_free(&packed);
    bytes_free(&file);
    return status;
}

/* A file with this header and 12 bytes of data, plain and compressed, must fail so. */
static void expect_failure(nifti_1_header header, gs_status wanted, const char *part) {
    gs_image image;
    assert_fails(decode(&header, six, sizeof six, &image), wanted, part);
}

static void first_axis_becomes_columns_and_second_rows(void **state) {
    (void)state;
    const nifti_1_header header = nifti_header(3, 2, 0, DT_INT16, 16);
    gs_image image;
    assert_ok(decode(&header, six, sizeof six, &image));
    assert_true(image.channels == 1 && image.height == 2 && image.width == 3);
    for (int i = 0; i < 6; i++) assert_true(image.pixels[i] == (float)six[i]);
    gs_image_deinit(&image);
}

static void fourth_axis_becomes_channels(void **state) {
    (void)state;
    const nifti_1_header header = nifti_header(1, 2, 3, DT_INT16, 16);
    gs_image image;
    assert_ok(decode(&header, six, sizeof six, &image));
    assert_true(image.channels == 3 && image.height == 2 && image.width == 1);
    assert_true(gs_image_channel(&image, 2)[1] == 32767.0f);
    gs_image_deinit(&image);
}

static void two_dimensions_are_a_slice(void **state) {
    (void)state;
    nifti_1_header header = nifti_header(6, 1, 0, DT_INT16, 16);
    gs_image image;
    header.dim[0] = 2;
    header.dim[3] = 77; /* not set, as dim[0] says */
    assert_ok(decode(&header, six, sizeof six, &image));
    assert_int_equal(image.width, 6);
    gs_image_deinit(&image);
}

static void every_type_is_read(void **state) {
    (void)state;
    const struct {
        short type, bits;
        union {
            int8_t i8;
            uint8_t u8;
            int16_t i16;
            uint16_t u16;
            int32_t i32;
            uint32_t u32;
            int64_t i64;
            uint64_t u64;
            float f32;
            double f64;
        } value;
        float wanted;
    } cases[] = {
        {DT_INT8, 8, {.i8 = -100}, -100},
        {DT_UINT8, 8, {.u8 = 200}, 200},
        {DT_INT16, 16, {.i16 = -30000}, -30000},
        {DT_UINT16, 16, {.u16 = 60000}, 60000},
        {DT_INT32, 32, {.i32 = INT32_MIN}, -2147483648.0f},
        {DT_UINT32, 32, {.u32 = 1u << 31}, 2147483648.0f},
        {DT_INT64, 64, {.i64 = INT64_MIN}, -9223372036854775808.0f},
        {DT_INT64, 64, {.i64 = (1ll << 32) + 1024}, 4294968320.0f}, /* not its lower half */
        {DT_UINT64, 64, {.u64 = 1ull << 63}, 9223372036854775808.0f},
        {DT_UINT64, 64, {.u64 = UINT64_MAX}, 18446744073709551616.0f},
        {DT_FLOAT32, 32, {.f32 = -0.3f}, -0.3f},
        {DT_FLOAT64, 64, {.f64 = 0.1}, 0.1f},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const nifti_1_header header = nifti_header(1, 1, 0, cases[i].type, cases[i].bits);
        gs_image image;
        assert_ok(decode(&header, &cases[i].value, (size_t)cases[i].bits / 8, &image));
        assert_true(image.pixels[0] == cases[i].wanted);
        gs_image_deinit(&image);
    }
}

static void big_endian_files_are_read(void **state) {
    (void)state;
    uint8_t file[352 + 4] = {0};
    const struct {
        size_t at;
        uint16_t value;
    } shorts[] = {{2, 348}, {40, 3}, {42, 2}, {44, 1}, {46, 1}, {70, DT_INT16}, {72, 16}};
    for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++) {
        file[shorts[i].at] = (uint8_t)(shorts[i].value >> 8);
        file[shorts[i].at + 1] = (uint8_t)(shorts[i].value & 0xff);
    }
    memcpy(file + 108, "\x43\xb0\x00\x00", 4); /* vox_offset 352.0f */
    memcpy(file + 344, "n+1", 4);
    memcpy(file + 352, "\x01\x02\xff\xfe", 4);
    gs_image image;
    assert_ok(gs_nifti_slice_decode((const char *)file, sizeof file, NULL, &image, &err));
    assert_true(image.width == 2 && image.height == 1);
    assert_true(image.pixels[0] == 258.0f && image.pixels[1] == -2.0f);
    gs_image_deinit(&image);
}

static void slope_and_intercept_apply_when_they_are_numbers(void **state) {
    (void)state;
    const float scales[][3] = {/* slope, intercept, wanted for the stored 3 */
                               {2, 10, 16},
                               {0, 10, 3},
                               {-0.5f, 0, -1.5f},
                               {NAN, 10, 3},
                               {2, INFINITY, 3}};
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        nifti_1_header header = nifti_header(6, 1, 0, DT_INT16, 16);
        gs_image image;
        header.scl_slope = scales[i][0];
        header.scl_inter = scales[i][1];
        assert_ok(decode(&header, six, sizeof six, &image));
        assert_true(image.pixels[2] == scales[i][2]);
        gs_image_deinit(&image);
    }
}

/* A slice of 3 x 2 whose axes i, j, k run along these directions (columns of the sform). */
static nifti_1_header oriented(const float i[3], const float j[3], const float k[3]) {
    nifti_1_header header = nifti_header(3, 2, 0, DT_INT16, 16);
    float *rows[3] = {header.srow_x, header.srow_y, header.srow_z};
    header.sform_code = 1;
    for (int axis = 0; axis < 3; axis++) {
        rows[axis][0] = i[axis];
        rows[axis][1] = j[axis];
        rows[axis][2] = k[axis];
    }
    return header;
}

static void expect_pixels(const nifti_1_header *header, int height, int width,
                          const int16_t wanted[6]) {
    gs_image image;
    assert_ok(decode(header, six, sizeof six, &image));
    assert_true(image.height == height && image.width == width);
    for (int n = 0; n < 6; n++) assert_true(image.pixels[n] == (float)wanted[n]);
    gs_image_deinit(&image);
}

static const float to_right[3] = {1, 0, 0}, to_left[3] = {-1, 0, 0}, to_front[3] = {0, 1, 0},
                   to_back[3] = {0, -1, 0}, to_top[3] = {0, 0, 1}, down[3] = {0, 0, -1},
                   nowhere[3] = {0, 0, 0};

static void the_header_says_which_way_up_a_slice_is(void **state) {
    (void)state;
    /* As stored: 1 -2 3 / 4 5 32767. */
    const struct {
        const float *i, *j, *k;
        int height, width;
        int16_t wanted[6];
    } cases[] = {
        {to_left, to_back, to_top, 2, 3, {1, -2, 3, 4, 5, 32767}},   /* axial, as it is shown */
        {to_right, to_front, to_top, 2, 3, {32767, 5, 4, 3, -2, 1}}, /* axial, RAS */
        {to_right, to_back, to_top, 2, 3, {3, -2, 1, 32767, 5, 4}},
        {to_back, to_left, to_top, 3, 2, {1, 4, -2, 5, 3, 32767}}, /* rows and columns exchanged */
        {to_right, to_top, to_front, 2, 3, {32767, 5, 4, 3, -2, 1}}, /* coronal */
        {to_back, down, to_left, 2, 3, {1, -2, 3, 4, 5, 32767}},     /* sagittal */
        {to_left, to_back, nowhere, 2, 3, {1, -2, 3, 4, 5, 32767}}, /* the third axis is not told */
    };
    for (size_t n = 0; n < sizeof cases / sizeof cases[0]; n++) {
        const nifti_1_header header = oriented(cases[n].i, cases[n].j, cases[n].k);
        expect_pixels(&header, cases[n].height, cases[n].width, cases[n].wanted);
    }
    nifti_1_header header = nifti_header(3, 2, 0, DT_INT16, 16);
    header.qform_code = 1; /* no rotation: RAS */
    const int16_t turned[] = {32767, 5, 4, 3, -2, 1};
    expect_pixels(&header, 2, 3, turned);
}

static void a_degenerate_orientation_is_malformed(void **state) {
    (void)state;
    expect_failure(oriented(nowhere, nowhere, nowhere), GS_MALFORMED, "orientation");
    const float not_finite[3] = {NAN, 0, 0};
    expect_failure(oriented(not_finite, to_front, to_top), GS_MALFORMED, "orientation");
}

static void slices_stored_before_orientation_are_read_as_they_were(void **state) {
    (void)state;
    const nifti_1_header header = oriented(to_right, to_front, to_top);
    bytes file = nifti_sample(&header, six, sizeof six);
    gs_image image;
    assert_ok(gs_image_decode("application/x-nifti; axes=stored", file.data, file.size, NULL,
                              &image, &err));
    for (int n = 0; n < 6; n++) assert_true(image.pixels[n] == (float)six[n]);
    gs_image_deinit(&image);
    bytes_free(&file);
}

static void extensions_before_the_voxels_are_skipped(void **state) {
    (void)state;
    nifti_1_header header = nifti_header(1, 1, 0, DT_INT16, 16);
    char data[1000 + 2] = {0};
    gs_image image;
    header.vox_offset = 352 + 1000;
    memcpy(data + 1000, &six[4], 2);
    assert_ok(decode(&header, data, sizeof data, &image));
    assert_true(image.pixels[0] == 5.0f);
    gs_image_deinit(&image);
}

static void more_than_one_slice_is_unsupported(void **state) {
    (void)state;
    nifti_1_header header = nifti_header(1, 1, 0, DT_INT16, 16);
    header.dim[3] = 6;
    expect_failure(header, GS_UNSUPPORTED, "dimension 3 of the NIfTI file is 6");
    header = nifti_header(1, 1, 2, DT_INT16, 16);
    header.dim[0] = 5;
    header.dim[5] = 3;
    expect_failure(header, GS_UNSUPPORTED, "dimension 5 of the NIfTI file is 3");
    header.dim[0] = 1;
    expect_failure(header, GS_UNSUPPORTED, "1 dimensions");
    header.dim[0] = 8;
    expect_failure(header, GS_UNSUPPORTED, "8 dimensions");
}

static void other_voxels_are_unsupported(void **state) {
    (void)state;
    expect_failure(nifti_header(1, 1, 0, DT_RGB24, 24), GS_UNSUPPORTED, "type 128");
    expect_failure(nifti_header(1, 1, 0, DT_COMPLEX64, 64), GS_UNSUPPORTED, "type 32");
    expect_failure(nifti_header(1, 1, 0, DT_BINARY, 1), GS_UNSUPPORTED, "type 1");
    expect_failure(nifti_header(1, 1, 0, DT_INT16, 8), GS_MALFORMED, "8 bits");
}

static void other_headers_are_refused(void **state) {
    (void)state;
    nifti_1_header header = nifti_header(6, 1, 0, DT_INT16, 16);
    header.magic[1] = 'i';
    expect_failure(header, GS_UNSUPPORTED, ".hdr");
    memset(header.magic, 0, 4); /* ANALYZE 7.5 */
    expect_failure(header, GS_MALFORMED, "magic");
    header = nifti_header(6, 1, 0, DT_INT16, 16);
    header.sizeof_hdr = 540;
    expect_failure(header, GS_UNSUPPORTED, "NIfTI-2");
    header.sizeof_hdr = 347;
    expect_failure(header, GS_MALFORMED, "348");
    const float offsets[] = {0, 351, 352.5f, -1, NAN, INFINITY, 1e30f, GS_NIFTI_MAX_OFFSET + 1};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        header = nifti_header(6, 1, 0, DT_INT16, 16);
        header.vox_offset = offsets[i];
        expect_failure(header, GS_MALFORMED, "begin at byte");
    }
}

static void sizes_beyond_the_limits_are_refused(void **state) {
    (void)state;
    expect_failure(nifti_header(0, 1, 0, DT_INT16, 16), GS_UNUSABLE, "no pixels");
    expect_failure(nifti_header(1, -5, 0, DT_INT16, 16), GS_UNUSABLE, "-5 rows");
    expect_failure(nifti_header(4097, 1, 0, DT_INT16, 16), GS_TOO_LARGE, "4097 columns");
    expect_failure(nifti_header(1, 1, 17, DT_INT16, 16), GS_TOO_LARGE, "17 channels");
}

static void data_of_another_size_are_malformed(void **state) {
    (void)state;
    expect_failure(nifti_header(7, 1, 0, DT_INT16, 16), GS_MALFORMED, "row of voxels");
    expect_failure(nifti_header(5, 1, 0, DT_INT16, 16), GS_MALFORMED, "bytes follow");
    nifti_1_header header = nifti_header(6, 1, 0, DT_INT16, 16);
    header.vox_offset = 352 + 1000;
    expect_failure(header, GS_MALFORMED, "header extensions");
}

static void voxel_that_is_not_finite_is_named(void **state) {
    (void)state;
    const double voxels[] = {0, 1, 2, 1e39};
    const nifti_1_header header = nifti_header(2, 1, 2, DT_FLOAT64, 64);
    gs_image image;
    assert_fails(decode(&header, voxels, sizeof voxels, &image), GS_NUMERIC,
                 "channel 1, row 0, column 1");
    const float not_a_number = NAN;
    const nifti_1_header single = nifti_header(1, 1, 0, DT_FLOAT32, 32);
    assert_fails(decode(&single, &not_a_number, 4, &image), GS_NUMERIC, "column 0");
}

static void every_truncation_is_malformed(void **state) {
    (void)state;
    const nifti_1_header header = nifti_header(3, 2, 0, DT_INT16, 16);
    bytes plain = nifti_sample(&header, six, sizeof six);
    bytes packed = bytes_gzip(plain.data, plain.size);
    const bytes *files[] = {&plain, &packed};
    gs_image image;
    for (int i = 0; i < 2; i++)
        for (size_t size = 0; size < files[i]->size; size++) {
            char *exact = gs_copy_bytes(files[i]->data, size);
            assert_fails(gs_nifti_slice_decode(exact, size, NULL, &image, &err), GS_MALFORMED,
                         "NIfTI");
            gs_free(exact);
        }
    bytes_free(&plain);
    bytes_free(&packed);
}

static void damaged_or_lengthened_gzip_is_malformed(void **state) {
    (void)state;
    const nifti_1_header header = nifti_header(3, 2, 0, DT_INT16, 16);
    bytes plain = nifti_sample(&header, six, sizeof six);
    bytes packed = bytes_gzip(plain.data, plain.size);
    gs_image image;
    packed.data[packed.size - 6] ^= 1; /* the checksum */
    assert_fails(gs_nifti_slice_decode(packed.data, packed.size, NULL, &image, &err), GS_MALFORMED,
                 "broken");
    packed.data[packed.size - 6] ^= 1;
    bytes_add(&packed, "x", 1);
    assert_fails(gs_nifti_slice_decode(packed.data, packed.size, NULL, &image, &err), GS_MALFORMED,
                 "bytes follow");
    bytes_free(&plain);
    bytes_free(&packed);
}

/* 64 MiB of zeros behind a slice of 6 voxels: found after one byte, without memory for the rest. */
static void gzip_bomb_is_not_inflated(void **state) {
    (void)state;
    const size_t size = (size_t)64 << 20;
    const nifti_1_header header = nifti_header(3, 2, 0, DT_INT16, 16);
    char *zeros = gs_alloc(size, 1);
    assert_non_null(zeros);
    memcpy(zeros, &header, sizeof header);
    bytes packed = bytes_gzip(zeros, size);
    gs_free(zeros);
    gs_image image;
    const uint64_t before = gs_memory_count();
    assert_fails(gs_nifti_slice_decode(packed.data, packed.size, NULL, &image, &err), GS_MALFORMED,
                 "bytes follow");
    assert_true(gs_memory_count() - before < 10);
    bytes_free(&packed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_axis_becomes_columns_and_second_rows),
        cmocka_unit_test(fourth_axis_becomes_channels),
        cmocka_unit_test(two_dimensions_are_a_slice),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(big_endian_files_are_read),
        cmocka_unit_test(slope_and_intercept_apply_when_they_are_numbers),
        cmocka_unit_test(extensions_before_the_voxels_are_skipped),
        cmocka_unit_test(the_header_says_which_way_up_a_slice_is),
        cmocka_unit_test(a_degenerate_orientation_is_malformed),
        cmocka_unit_test(slices_stored_before_orientation_are_read_as_they_were),
        cmocka_unit_test(more_than_one_slice_is_unsupported),
        cmocka_unit_test(other_voxels_are_unsupported),
        cmocka_unit_test(other_headers_are_refused),
        cmocka_unit_test(sizes_beyond_the_limits_are_refused),
        cmocka_unit_test(data_of_another_size_are_malformed),
        cmocka_unit_test(voxel_that_is_not_finite_is_named),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(damaged_or_lengthened_gzip_is_malformed),
        cmocka_unit_test(gzip_bomb_is_not_inflated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

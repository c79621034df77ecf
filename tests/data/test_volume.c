#include "tests/data/fixture.h"

#include "engine/data/anatomy.h"
#include "engine/data/volume.h"

#include <math.h>
#include <nifti/nifti1_io.h>

enum { NX = 4, NY = 3, NZ = 2, COUNT = NX * NY * NZ };

/* A NIfTI-1 header for NX x NY x NZ voxels, axes to the right, front and top. */
static nifti_1_header plain_header(short datatype, short bits) {
    nifti_1_header header = {.sizeof_hdr = 348,
                             .dim = {3, NX, NY, NZ, 1, 1, 1, 1},
                             .datatype = datatype,
                             .bitpix = bits,
                             .pixdim = {1, 1, 2, 3, 1, 1, 1, 1},
                             .vox_offset = 352,
                             .sform_code = NIFTI_XFORM_MNI_152,
                             .srow_x = {1, 0, 0, 0},
                             .srow_y = {0, 2, 0, 0},
                             .srow_z = {0, 0, 3, 0},
                             .magic = "n+1"};
    return header;
}

static const char *put_volume(const char *folder, const nifti_1_header *header, const void *voxels,
                              size_t size) {
    const char extension[4] = {0};
    gs_file_piece pieces[] = {{header, sizeof *header}, {extension, 4}, {voxels, size}};
    const char *path = path_in(folder, "volume.nii");
    assert_ok(gs_file_replace(path, pieces, 3, &error));
    return path;
}

static void count_up(uint8_t voxels[COUNT]) {
    for (int i = 0; i < COUNT; i++) voxels[i] = (uint8_t)i;
}

static void a_volume_in_our_order_is_taken_as_it_is(void **state) {
    uint8_t voxels[COUNT];
    count_up(voxels);
    nifti_1_header header = plain_header(DT_UINT8, 8);
    gs_volume volume;
    assert_ok(gs_volume_load(put_volume(*state, &header, voxels, COUNT), &volume, &error));
    const double spacing_mm[3] = {1, 2, 3};
    const int side[3] = {NX, NY, NZ};
    assert_memory_equal(volume.side, side, sizeof side);
    for (int k = 0; k < 3; k++) assert_true(fabs(volume.spacing_mm[k] - spacing_mm[k]) < 1e-6);
    for (int i = 0; i < COUNT; i++) assert_true(volume.voxels[i] == (float)i);
    gs_volume_deinit(&volume);
}

/* The file's first axis runs down, its second to the left, its third to the front. */
static void axes_follow_the_header(void **state) {
    uint8_t voxels[COUNT];
    count_up(voxels);
    nifti_1_header header = plain_header(DT_UINT8, 8);
    const float rows[3][4] = {{0, -2, 0, 0}, {0, 0, 3, 0}, {-1, 0, 0, 0}};
    memcpy(header.srow_x, rows[0], sizeof rows[0]);
    memcpy(header.srow_y, rows[1], sizeof rows[1]);
    memcpy(header.srow_z, rows[2], sizeof rows[2]);
    gs_volume volume;
    assert_ok(gs_volume_load(put_volume(*state, &header, voxels, COUNT), &volume, &error));
    const int side[3] = {NY, NZ, NX};
    assert_memory_equal(volume.side, side, sizeof side);
    assert_true(fabs(volume.spacing_mm[0] - 2) < 1e-6);
    assert_true(fabs(volume.spacing_mm[1] - 3) < 1e-6);
    assert_true(fabs(volume.spacing_mm[2] - 1) < 1e-6);
    const float *at = volume.voxels;
    for (int up = 0; up < NX; up++)
        for (int front = 0; front < NZ; front++)
            for (int right = 0; right < NY; right++) {
                int i = NX - 1 - up, j = NY - 1 - right, k = front;
                assert_true(*at++ == (float)(i + NX * (j + NY * k)));
            }
    gs_volume_deinit(&volume);
}

static void types_and_intensity_scaling_follow_the_header(void **state) {
    int16_t shorts[COUNT];
    double doubles[COUNT];
    for (int i = 0; i < COUNT; i++) {
        shorts[i] = (int16_t)(-1000 * i);
        doubles[i] = 0.25 * i;
    }
    gs_volume volume;
    nifti_1_header header = plain_header(DT_INT16, 16);
    header.scl_slope = 0.5f;
    header.scl_inter = 10;
    assert_ok(gs_volume_load(put_volume(*state, &header, shorts, sizeof shorts), &volume, &error));
    for (int i = 0; i < COUNT; i++) assert_true(volume.voxels[i] == (float)(10 - 500 * i));
    gs_volume_deinit(&volume);
    header = plain_header(DT_FLOAT64, 64);
    assert_ok(
        gs_volume_load(put_volume(*state, &header, doubles, sizeof doubles), &volume, &error));
    for (int i = 0; i < COUNT; i++) assert_true(volume.voxels[i] == 0.25f * (float)i);
    gs_volume_deinit(&volume);
}

static void the_other_byte_order_is_read(void **state) {
    int16_t voxels[COUNT];
    for (int i = 0; i < COUNT; i++) voxels[i] = (int16_t)__builtin_bswap16((uint16_t)(300 + i));
    nifti_1_header header = plain_header(DT_INT16, 16);
    swap_nifti_header(&header, 1);
    gs_volume volume;
    assert_ok(gs_volume_load(put_volume(*state, &header, voxels, sizeof voxels), &volume, &error));
    for (int i = 0; i < COUNT; i++) assert_true(volume.voxels[i] == (float)(300 + i));
    gs_volume_deinit(&volume);
}

static void files_that_are_no_volume_are_refused(void **state) {
    uint8_t voxels[COUNT];
    float floats[COUNT] = {0};
    count_up(voxels);
    gs_volume volume;
    nifti_1_header header = plain_header(DT_UINT8, 8);
    assert_fails(gs_volume_load(path_in(*state, "none.nii"), &volume, &error), GS_MALFORMED);
    assert_fails(gs_volume_load(put_volume(*state, &header, voxels, COUNT - 1), &volume, &error),
                 GS_MALFORMED);
    header.dim[0] = 4, header.dim[4] = 2;
    assert_fails(gs_volume_load(put_volume(*state, &header, voxels, COUNT), &volume, &error),
                 GS_UNSUPPORTED);
    header = plain_header(DT_UINT8, 8);
    header.dim[3] = 2000;
    assert_fails(gs_volume_load(put_volume(*state, &header, voxels, COUNT), &volume, &error),
                 GS_TOO_LARGE);
    header = plain_header(DT_COMPLEX64, 64);
    assert_fails(gs_volume_load(put_volume(*state, &header, voxels, COUNT), &volume, &error),
                 GS_UNSUPPORTED);
    header = plain_header(DT_FLOAT32, 32);
    floats[5] = NAN;
    assert_fails(
        gs_volume_load(put_volume(*state, &header, floats, sizeof floats), &volume, &error),
        GS_NUMERIC);
    put_file(*state, "volume.nii", "not NIfTI", 9);
    assert_fails(gs_volume_load(path_in(*state, "volume.nii"), &volume, &error), GS_MALFORMED);
}

static void what_is_no_brain_is_refused(void **state) {
    uint8_t voxels[COUNT];
    count_up(voxels);
    nifti_1_header header = plain_header(DT_UINT8, 8);
    gs_anatomy *anatomy = NULL;
    assert_fails(gs_anatomy_open(put_volume(*state, &header, voxels, COUNT), 1, &anatomy, &error),
                 GS_UNUSABLE);
    memset(voxels, 0, sizeof voxels);
    assert_fails(gs_anatomy_open(put_volume(*state, &header, voxels, COUNT), 1, &anatomy, &error),
                 GS_UNUSABLE);
}

static void a_blur_keeps_the_sum_and_spreads_by_millimetres(void **state) {
    (void)state;
    const int side[3] = {41, 21, 15};
    const double spacing_mm[3] = {1, 2, 3};
    gs_volume volume;
    assert_ok(gs_volume_init(side, spacing_mm, &volume, &error));
    volume.voxels[(7 * 21 + 10) * 41 + 20] = 1;
    assert_ok(gs_volume_blur(&volume, 4, &error));
    double sum = 0, square_mm[3] = {0};
    for (int z = 0; z < side[2]; z++)
        for (int y = 0; y < side[1]; y++)
            for (int x = 0; x < side[0]; x++) {
                double value = (double)volume.voxels[(z * 21 + y) * 41 + x];
                sum += value;
                square_mm[0] += value * pow((x - 20) * 1.0, 2);
                square_mm[1] += value * pow((y - 10) * 2.0, 2);
                square_mm[2] += value * pow((z - 7) * 3.0, 2);
            }
    assert_true(fabs(sum - 1) < 1e-3);
    for (int k = 0; k < 3; k++) assert_true(fabs(sqrt(square_mm[k]) - 4) < 0.15);
    gs_volume_deinit(&volume);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_volume_in_our_order_is_taken_as_it_is, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(axes_follow_the_header, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(types_and_intensity_scaling_follow_the_header, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_other_byte_order_is_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(files_that_are_no_volume_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_is_no_brain_is_refused, make_folder, remove_folder),
        cmocka_unit_test(a_blur_keeps_the_sum_and_spreads_by_millimetres),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

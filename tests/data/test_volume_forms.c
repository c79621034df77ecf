/* NIfTI of every type and orientation, in and out, and files that break on the way. */
#include "tests/data/nifti_fixture.h"

#include "engine/data/volume.h"

#include <signal.h>
#include <sys/resource.h>

static const nifti_form plain = {
    .side = {5, 4, 3}, .spacing_mm = {1, 2, 3}, .origin_mm = {-10, 20, 5}, .datatype = DT_INT16};

/* Different at every place, and small enough for eight bits. */
static double number_places(const void *context, int x, int y, int z) {
    (void)context;
    return x + 5 * (y + 4 * z);
}

static void assert_numbered(const char *path) {
    gs_volume volume;
    assert_ok(gs_volume_load(path, &volume, &error));
    assert_memory_equal(volume.side, plain.side, sizeof plain.side);
    for (int k = 0; k < 3; k++) {
        assert_true(fabs(volume.spacing_mm[k] - plain.spacing_mm[k]) < 1e-4);
        assert_true(fabs(volume.origin_mm[k] - plain.origin_mm[k]) < 1e-4);
    }
    for (int i = 0; i < 60; i++) assert_true(volume.voxels[i] == (float)i);
    gs_volume_deinit(&volume);
}

static void every_type_is_read(void **state) {
    for (int i = 0; i < TYPES; i++) {
        nifti_form form = plain;
        form.datatype = all_types[i];
        put_nifti(*state, "v.nii.gz", &form, number_places, NULL);
        assert_numbered(path_in(*state, "v.nii.gz"));
        form.slope = 0.5f;
        form.intercept = -3;
        put_nifti(*state, "v.nii", &form, number_places, NULL);
        assert_numbered(path_in(*state, "v.nii"));
    }
}

/* A label that is not whole in 32 bits must not become another. */
static double number_beyond_32_bits(const void *context, int x, int y, int z) {
    (void)context;
    if (x + y + z == 0) return 4294967298.0; /* 2 in the lower half */
    return x == 1 && y + z == 0 ? 9223372036854775808.0 : 0;
}

static void numbers_of_64_bits_keep_their_size(void **state) {
    gs_volume volume;
    nifti_form form = plain;
    form.datatype = DT_UINT64;
    put_nifti(*state, "v.nii", &form, number_beyond_32_bits, NULL);
    assert_ok(gs_volume_load(path_in(*state, "v.nii"), &volume, &error));
    assert_true(volume.voxels[0] == 4294967298.0f);
    assert_true(volume.voxels[1] == 9223372036854775808.0f && volume.voxels[2] == 0);
    gs_volume_deinit(&volume);
}

static void every_orientation_is_read(void **state) {
    for (int i = 0; i < ORIENTATIONS; i++) {
        nifti_form form = plain;
        form.orientation = i;
        put_nifti(*state, "v.nii", &form, number_places, NULL);
        assert_numbered(path_in(*state, "v.nii"));
        form.form = QFORM;
        put_nifti(*state, "v.nii", &form, number_places, NULL);
        assert_numbered(path_in(*state, "v.nii"));
    }
}

static void what_is_saved_is_loaded(void **state) {
    gs_volume volume, again;
    assert_ok(gs_volume_init(plain.side, plain.spacing_mm, &volume, &error));
    memcpy(volume.origin_mm, plain.origin_mm, sizeof volume.origin_mm);
    for (int i = 0; i < 60; i++) volume.voxels[i] = (float)i + 0.3f;
    for (int type = GS_VOXEL_UINT8; type <= GS_VOXEL_INT16; type++) {
        assert_ok(
            gs_volume_save(&volume, (gs_voxel_type)type, path_in(*state, "s.nii.gz"), &error));
        assert_numbered(path_in(*state, "s.nii.gz"));
    }
    volume.voxels[0] = -1e9f, volume.voxels[1] = 1e9f;
    assert_ok(gs_volume_save(&volume, GS_VOXEL_INT16, path_in(*state, "s.nii.gz"), &error));
    assert_ok(gs_volume_load(path_in(*state, "s.nii.gz"), &again, &error));
    assert_true(again.voxels[0] == INT16_MIN && again.voxels[1] == INT16_MAX);
    gs_volume_deinit(&again);
    assert_fails(gs_volume_save(&volume, GS_VOXEL_INT16, "/nonexistent/s.nii.gz", &error),
                 GS_NOT_FOUND);
    gs_volume_deinit(&volume);
}

static void a_compressed_file_that_is_cut_or_changed_is_refused(void **state) {
    gs_volume volume;
    for (int kept = 10; kept < 100; kept += 15) {
        put_nifti(*state, "v.nii.gz", &plain, number_places, NULL);
        cut_file(path_in(*state, "v.nii.gz"), kept);
        assert_fails(gs_volume_load(path_in(*state, "v.nii.gz"), &volume, &error), GS_MALFORMED);
    }
    put_nifti(*state, "v.nii.gz", &plain, number_places, NULL);
    size_t size;
    char *bytes = get_file(*state, "v.nii.gz", &size);
    bytes[size - 6] ^= 1; /* the checksum */
    put_file(*state, "v.nii.gz", bytes, size);
    assert_fails(gs_volume_load(path_in(*state, "v.nii.gz"), &volume, &error), GS_MALFORMED);
    assert_non_null(strstr(error.text, "v.nii.gz"));
    put_file(*state, "v.nii.gz", bytes, size - 4); /* the length */
    assert_fails(gs_volume_load(path_in(*state, "v.nii.gz"), &volume, &error), GS_MALFORMED);
    gs_free(bytes);
}

static void grids_are_compared(void **state) {
    gs_volume a, b;
    const double spacing_mm[3] = {1, 1, 1};
    const int side[3] = {5, 4, 3}, other[3] = {5, 4, 4};
    (void)state;
    assert_ok(gs_volume_init(side, spacing_mm, &a, &error));
    assert_ok(gs_volume_init(side, spacing_mm, &b, &error));
    assert_ok(gs_volume_check_grid(&a, "a", &b, "b", &error));
    b.origin_mm[1] = 0.4, b.spacing_mm[0] = 1.005;
    assert_ok(gs_volume_check_grid(&a, "a", &b, "b", &error));
    b.origin_mm[1] = 0.6;
    assert_fails(gs_volume_check_grid(&a, "a", &b, "b", &error), GS_SHAPE_MISMATCH);
    b.origin_mm[1] = 0, b.spacing_mm[0] = 1.02;
    assert_fails(gs_volume_check_grid(&a, "a", &b, "b", &error), GS_SHAPE_MISMATCH);
    gs_volume_deinit(&b);
    assert_ok(gs_volume_init(other, spacing_mm, &b, &error));
    assert_fails(gs_volume_check_grid(&a, "a", &b, "b", &error), GS_SHAPE_MISMATCH);
    gs_volume_deinit(&a);
    gs_volume_deinit(&b);
}

/* `plain`, turned about the axis to the top, seen from voxel (0, 0, 0). */
static void load_turned(const char *folder, double degrees, double shrink, gs_volume *out) {
    nifti_1_header header = header_of(&plain);
    double angle = degrees * M_PI / 180;
    for (int k = 0; k < 2; k++) {
        const double step = plain.spacing_mm[k] * shrink;
        header.srow_x[k] = (float)(step * (k ? -sin(angle) : cos(angle)));
        header.srow_y[k] = (float)(step * (k ? cos(angle) : sin(angle)));
    }
    put_nifti_as(folder, "turned.nii", &plain, &header, number_places, NULL);
    assert_ok(gs_volume_load(path_in(folder, "turned.nii"), out, &error));
}

static void a_turned_volume_has_another_grid(void **state) {
    gs_volume straight, turned;
    put_nifti(*state, "v.nii", &plain, number_places, NULL);
    assert_ok(gs_volume_load(path_in(*state, "v.nii"), &straight, &error));
    static const double degrees[] = {0.5, 3, 10, -10, 30};
    for (int i = 0; i < 5; i++) {
        load_turned(*state, degrees[i], 1, &turned);
        for (int k = 0; k < 3; k++) {
            assert_true(fabs(turned.spacing_mm[k] - plain.spacing_mm[k]) < 1e-5);
            assert_true(fabs(turned.origin_mm[k] - plain.origin_mm[k]) < 1e-5);
        }
        gs_status status = gs_volume_check_grid(&straight, "v", &turned, "turned", &error);
        assert_int_equal(status, i == 0 ? GS_OK : GS_SHAPE_MISMATCH); /* 0.05 mm of 1 mm */
        if (i > 0) assert_non_null(strstr(error.text, "turned against it"));
        assert_ok(gs_volume_check_grid(&turned, "turned", &turned, "turned", &error));
        gs_volume_deinit(&turned);
    }
    gs_volume_deinit(&straight);
}

static void the_spacing_is_that_of_the_sform(void **state) {
    gs_volume volume;
    load_turned(*state, 0, 0.5, &volume);
    const double expected[3] = {0.5 * plain.spacing_mm[0], 0.5 * plain.spacing_mm[1],
                                plain.spacing_mm[2]};
    for (int k = 0; k < 3; k++) assert_true(fabs(volume.spacing_mm[k] - expected[k]) < 1e-6);
    gs_volume_deinit(&volume);
}

static void a_full_disk_is_reported_and_leaves_no_file(void **state) {
    const int side[3] = {128, 128, 16};
    const double spacing_mm[3] = {1, 1, 1};
    struct rlimit before, small;
    gs_volume volume;
    assert_ok(gs_volume_init(side, spacing_mm, &volume, &error));
    for (size_t i = 0; i < gs_volume_voxels(&volume); i++)
        volume.voxels[i] = (float)(i * 2654435761u >> 7 & 16383);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 20000;
    setrlimit(RLIMIT_FSIZE, &small);
    gs_status status = gs_volume_save(&volume, GS_VOXEL_INT16, path_in(*state, "v.nii.gz"), &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, GS_DISK_FULL);
    assert_non_null(strstr(error.text, "v.nii.gz"));
    assert_int_equal(access(path_in(*state, "v.nii.gz"), F_OK), -1);
    gs_volume_deinit(&volume);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_type_is_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(numbers_of_64_bits_keep_their_size, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_orientation_is_read, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_saved_is_loaded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_compressed_file_that_is_cut_or_changed_is_refused,
                                        make_folder, remove_folder),
        cmocka_unit_test(grids_are_compared),
        cmocka_unit_test_setup_teardown(a_turned_volume_has_another_grid, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_spacing_is_that_of_the_sform, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_full_disk_is_reported_and_leaves_no_file, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Volumes cut into slices, and slices put back, by every preset and in several orientations. */
#include "tests/data/nifti_fixture.h"

#include "engine/data/volume_cut.h"
#include "engine/image/normalize.h"

/* An ellipse of brain with a square tumour that crosses no midline; voxels of 2 mm. */
enum { NX = 80, NY = 100, NZ = 4, PLANE = NX * NY, MAX_FILES = 5 };

static bool is_brain(int x, int y, int z) {
    double dx = (x - 40) / 34.0, dy = (y - 50) / 44.0;
    return dx * dx + dy * dy < 1 && z > 0;
}

static bool is_tumour(int x, int y, int z) {
    return z == 2 && x >= 52 && x < 62 && y >= 40 && y < 52;
}

static double intensity(const void *context, int x, int y, int z) {
    int channel = *(const int *)context;
    if (!is_brain(x, y, z)) return 0;
    return 100 + 10 * channel + x + 3 * (y % 7) + (is_tumour(x, y, z) ? 60 : 0);
}

static double label(const void *context, int x, int y, int z) {
    int kind = *(const int *)context;
    if (kind == GS_VOLUME_LIVER) return is_tumour(x, y, z) ? 2 : is_brain(x, y, z);
    return is_tumour(x, y, z) ? 4 : 0;
}

typedef struct fixture {
    gs_volume_file *files[MAX_FILES];
    int count;
    gs_volume_files volume;
} fixture;

/* What put_nifti has made of v.nii.gz. */
static gs_volume_file *take_file(fixture *f, const char *folder) {
    char name[32];
    size_t size;
    char *bytes = get_file(folder, "v.nii.gz", &size);
    snprintf(name, sizeof name, "taken-%d.nii", f->count);
    assert_ok(gs_volume_file_take(bytes, size, 1 << 20, path_in(folder, name), &error));
    gs_free(bytes);
    assert_ok(gs_volume_file_open(path_in(folder, name), &f->files[f->count], &error));
    return f->files[f->count++];
}

static gs_volume_file *add_file(fixture *f, const char *folder, const nifti_form *form,
                                voxel_function *value, int context) {
    put_nifti(folder, "v.nii.gz", form, value, &context);
    return take_file(f, folder);
}

static fixture make_files(const char *folder, int preset, int orientation, double spacing_mm) {
    fixture f = {0};
    nifti_form form = {.side = {NX, NY, NZ},
                       .spacing_mm = {spacing_mm, spacing_mm, 3},
                       .datatype = DT_INT16,
                       .orientation = orientation};
    for (int k = 0; k < 2; k++) f.volume.channels[k] = add_file(&f, folder, &form, intensity, k);
    f.volume.channel_count = 2;
    form.orientation = 47 - orientation; /* another order in the file, the same grid */
    f.volume.labels = add_file(&f, folder, &form, label, preset);
    return f;
}

static void close_files(fixture *f) {
    for (int i = 0; i < f->count; i++) gs_volume_file_close(f->files[i]);
}

static float image[2 * 240 * 120], plane[PLANE], truth[PLANE];
static uint8_t mask[240 * 120];

/* Masks and pixels of all slices of a level, put back, are truth and input. */
static void check_round_trip(gs_volume_cutter *cutter, const fixture *f, const gs_volume_form *form,
                             int level, double tolerance) {
    float *maps = gs_alloc(2 * (size_t)form->height * (size_t)form->width, sizeof *maps);
    size_t area = (size_t)form->height * (size_t)form->width;
    for (int channel = -1; channel < 2; channel++) {
        const float *given[2] = {0};
        for (int part = 0; part < gs_volume_cutter_parts(cutter); part++) {
            gs_volume_slice slice;
            assert_ok(gs_volume_cutter_cut(cutter, level, part, image, mask, &slice, &error));
            if (slice.is_empty) continue;
            float *map = maps + (size_t)part * area;
            given[part] = map;
            for (size_t i = 0; i < area; i++)
                map[i] =
                    channel < 0 ? mask[i] == GS_MASK_TARGET : image[(size_t)channel * area + i];
        }
        if (channel < 0) {
            assert_ok(gs_volume_cutter_restore_map(cutter, level, given, plane, &error));
            assert_ok(gs_volume_cutter_truth(cutter, level, truth, &error));
            int wrong = 0;
            for (int i = 0; i < PLANE; i++) wrong += (plane[i] > 0.5f) != (truth[i] > 0.5f);
            assert_true(wrong <= (tolerance > 0.01 ? 30 : 0));
            continue;
        }
        assert_ok(gs_volume_cutter_restore_image(cutter, level, channel, given, plane, &error));
        assert_ok(gs_volume_file_read(f->volume.channels[channel], level, truth, &error));
        double sum = 0;
        for (int i = 0; i < PLANE; i++) sum += fabs((double)(plane[i] - truth[i]));
        assert_true(sum / PLANE <= tolerance);
        assert_ok(gs_volume_cutter_restore_residual(cutter, level, channel, given, plane, &error));
        for (int i = 0; i < PLANE; i++)
            if (truth[i] == 0) assert_true(plane[i] == 0);
    }
    gs_free(maps);
}

static void halves_and_back(void **state) {
    for (int orientation = 0; orientation < ORIENTATIONS; orientation += 9)
        for (int scale = 1; scale <= 2; scale++) {
            /* At scale 2 a pixel is a voxel: copied there and back. */
            fixture f = make_files(*state, GS_VOLUME_BRAIN, orientation, 2);
            gs_volume_form form = {.normalization = GS_NORMALIZE_NONE};
            gs_volume_form_size(GS_VOLUME_BRAIN, &f.volume, scale, &form);
            gs_volume_cutter *cutter;
            assert_ok(gs_volume_cutter_open(GS_VOLUME_BRAIN, &f.volume, &form, &cutter, &error));
            assert_int_equal(gs_volume_cutter_levels(cutter), NZ);
            assert_int_equal(gs_volume_cutter_parts(cutter), 2);
            for (int level = 0; level < NZ; level++)
                check_round_trip(cutter, &f, &form, level, scale == 2 ? 1e-3 : 4);
            gs_volume_slice slice;
            assert_ok(gs_volume_cutter_cut(cutter, 0, 0, image, mask, &slice, &error));
            assert_true(slice.is_empty && !slice.is_kept);
            assert_ok(gs_volume_cutter_cut(cutter, 2, 0, image, mask, &slice, &error));
            assert_true(slice.is_kept && slice.label == GS_LABEL_ABSENCE);
            assert_ok(gs_volume_cutter_cut(cutter, 2, 1, image, mask, &slice, &error));
            assert_true(slice.is_kept && slice.label == GS_LABEL_PRESENCE);
            assert_string_equal(gs_volume_cutter_part_name(cutter, 1), "right");
            gs_volume_cutter_close(cutter);
            close_files(&f);
        }
}

static void squares_and_back(void **state) {
    fixture f = make_files(*state, GS_VOLUME_LIVER, 13, 2);
    gs_volume_form form = {.normalization = GS_NORMALIZE_NONE};
    gs_volume_form_size(GS_VOLUME_LIVER, &f.volume, 4, &form);
    assert_true(form.height == 64 && form.width == 64);
    gs_volume_cutter *cutter;
    assert_ok(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &form, &cutter, &error));
    for (int level = 0; level < NZ; level++) check_round_trip(cutter, &f, &form, level, 5);
    gs_volume_slice slice;
    assert_ok(gs_volume_cutter_cut(cutter, 2, 0, image, mask, &slice, &error));
    assert_true(slice.is_kept && slice.label == GS_LABEL_PRESENCE);
    assert_ok(gs_volume_cutter_cut(cutter, 3, 0, image, mask, &slice, &error));
    assert_true(slice.is_kept && slice.label == GS_LABEL_ABSENCE);
    gs_volume_cutter_close(cutter);

    /* An organ volume instead of labels: the same pixels, and no truth. */
    static float same[2 * 64 * 64];
    assert_ok(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &form, &cutter, &error));
    assert_ok(gs_volume_cutter_cut(cutter, 2, 0, same, mask, &slice, &error));
    gs_volume_cutter_close(cutter);
    f.volume.organ = f.volume.labels;
    f.volume.labels = NULL;
    assert_ok(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &form, &cutter, &error));
    assert_ok(gs_volume_cutter_cut(cutter, 2, 0, image, mask, &slice, &error));
    assert_true(slice.label == GS_LABEL_UNKNOWN && slice.is_kept);
    assert_memory_equal(image, same, sizeof same);
    gs_volume_cutter_close(cutter);
    f.volume.organ = NULL;
    assert_fails(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &form, &cutter, &error),
                 GS_UNUSABLE);
    close_files(&f);
}

/* Lesions of 5, 6 and 7 voxels on the three levels with liver. */
static double widening_label(const void *context, int x, int y, int z) {
    (void)context;
    if (!is_brain(x, y, z)) return 0;
    return y == 50 && x >= 30 && x < 34 + z ? 2 : 1;
}

static void a_lesion_is_six_voxels_wide(void **state) {
    fixture f = make_files(*state, GS_VOLUME_LIVER, 0, 2);
    const nifti_form form = {.side = {NX, NY, NZ}, .spacing_mm = {2, 2, 3}, .datatype = DT_UINT8};
    f.volume.labels = add_file(&f, *state, &form, widening_label, 0);
    gs_volume_form size = {.normalization = GS_NORMALIZE_NONE};
    gs_volume_form_size(GS_VOLUME_LIVER, &f.volume, 4, &size);
    gs_volume_cutter *cutter;
    assert_ok(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &size, &cutter, &error));
    for (int level = 1; level < NZ; level++) {
        gs_volume_slice slice;
        assert_ok(gs_volume_cutter_cut(cutter, level, 0, image, mask, &slice, &error));
        assert_true(slice.is_kept);
        assert_int_equal(slice.label, level == 1 ? GS_LABEL_UNKNOWN : GS_LABEL_PRESENCE);
    }
    gs_volume_cutter_close(cutter);
    close_files(&f);
}

/* Plain slices are shown from the front and the right, and put back. */
static void planes_and_back(void **state) {
    fixture f = make_files(*state, GS_VOLUME_PLAIN, 5, 2);
    static float big[2 * PLANE], back[PLANE];
    static uint8_t big_mask[PLANE];
    for (int normalization = GS_NORMALIZE_NONE; normalization <= GS_NORMALIZE_FOREGROUND;
         normalization++) {
        gs_volume_form form = {.normalization = (gs_normalization)normalization};
        gs_volume_form_size(GS_VOLUME_PLAIN, &f.volume, 1, &form);
        assert_true(form.height == NY && form.width == NX);
        gs_volume_cutter *cutter;
        gs_volume_slice slice;
        assert_ok(gs_volume_cutter_open(GS_VOLUME_PLAIN, &f.volume, &form, &cutter, &error));
        assert_ok(gs_volume_cutter_cut(cutter, 0, 0, big, big_mask, &slice, &error));
        assert_true(slice.is_empty && !slice.is_kept && slice.label == GS_LABEL_ABSENCE);
        assert_ok(gs_volume_cutter_cut(cutter, 2, 0, big, big_mask, &slice, &error));
        assert_true(slice.is_kept && slice.label == GS_LABEL_PRESENCE);
        /* The tumour's corner at the back and the left lies at the bottom and the right. */
        assert_int_equal(big_mask[(NY - 1 - 40) * NX + NX - 1 - 52], GS_MASK_TARGET);
        assert_int_equal(big_mask[(NY - 40) * NX + NX - 1 - 52], GS_MASK_BACKGROUND);
        assert_int_equal(big_mask[(NY - 1 - 40) * NX + NX - 52], GS_MASK_BACKGROUND);
        gs_image as_model = {.channels = 2, .height = NY, .width = NX, .pixels = big};
        assert_ok(gs_normalize(&as_model, form.normalization, &error));
        const float *given[2] = {big + PLANE};
        assert_ok(gs_volume_cutter_restore_image(cutter, 2, 1, given, plane, &error));
        assert_ok(gs_volume_file_read(f.volume.channels[1], 2, truth, &error));
        for (int i = 0; i < PLANE; i++) assert_true(fabsf(plane[i] - truth[i]) < 1e-3f);
        for (int i = 0; i < PLANE; i++) back[i] = big_mask[i] == GS_MASK_TARGET;
        given[0] = back;
        assert_ok(gs_volume_cutter_restore_map(cutter, 2, given, plane, &error));
        assert_ok(gs_volume_cutter_truth(cutter, 2, truth, &error));
        assert_memory_equal(plane, truth, sizeof plane);
        gs_volume_cutter_close(cutter);
    }
    close_files(&f);
}

static void what_does_not_fit_is_refused(void **state) {
    fixture f = make_files(*state, GS_VOLUME_BRAIN, 0, 2);
    gs_volume_cutter *cutter;
    gs_volume_form form = {.normalization = GS_NORMALIZE_NONE, .height = 100, .width = 50};
    assert_fails(gs_volume_cutter_open(GS_VOLUME_BRAIN, &f.volume, &form, &cutter, &error),
                 GS_SHAPE_MISMATCH);
    assert_fails(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &form, &cutter, &error),
                 GS_SHAPE_MISMATCH);
    assert_fails(gs_volume_cutter_open(GS_VOLUME_PLAIN, &f.volume, &form, &cutter, &error),
                 GS_SHAPE_MISMATCH);
    form = (gs_volume_form){.normalization = GS_NORMALIZE_FOREGROUND, .height = 60, .width = 30};
    assert_fails(gs_volume_cutter_open(GS_VOLUME_BRAIN, &f.volume, &form, &cutter, &error),
                 GS_UNUSABLE);
    form = (gs_volume_form){.height = 64, .width = 64};
    assert_fails(gs_volume_cutter_open(GS_VOLUME_LIVER, &f.volume, &form, &cutter, &error),
                 GS_UNUSABLE); /* label 4 */
    nifti_form other = {.side = {NX, NY, NZ}, .spacing_mm = {2, 2.1, 3}, .datatype = DT_INT16};
    f.volume.channels[1] = add_file(&f, *state, &other, intensity, 1);
    form = (gs_volume_form){.height = 60, .width = 30};
    assert_fails(gs_volume_cutter_open(GS_VOLUME_BRAIN, &f.volume, &form, &cutter, &error),
                 GS_SHAPE_MISMATCH);
    assert_non_null(strstr(error.text, "channel 1 has another grid than channel 0"));
    other.spacing_mm[1] = 2;
    nifti_1_header turned = header_of(&other); /* by a degree about its first voxel */
    turned.srow_x[1] = -2 * sinf((float)M_PI / 180);
    turned.srow_y[0] = -turned.srow_x[1];
    put_nifti_as(*state, "v.nii.gz", &other, &turned, intensity, &(int){1});
    f.volume.channels[1] = take_file(&f, *state);
    assert_fails(gs_volume_cutter_open(GS_VOLUME_BRAIN, &f.volume, &form, &cutter, &error),
                 GS_SHAPE_MISMATCH);
    assert_non_null(strstr(error.text, "turned against it"));
    close_files(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(halves_and_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(squares_and_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_lesion_is_six_voxels_wide, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(planes_and_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

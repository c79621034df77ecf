/* The LiTS importer on small generated folders: a liver of 32 x 20 pixels in 64 x 64 x 12 voxels.
 */
#include "tests/data/import_fixture.h"

#include "engine/data/lits_internal.h"

enum { CASE_COUNT = 8, RIGHT = 44, LEFT = 13, BACK = 30, FRONT = 49, LOW = 2, HIGH = 9 };

static const nifti_form liver_form = {
    .side = {64, 64, 12}, .spacing_mm = {2, 2, 5}, .datatype = DT_INT16};

typedef struct voxels {
    bool is_seg, is_healthy, has_wrong_label, has_no_liver;
} voxels;

/* Level 4: a lesion 3 x 4 wide; 5: one 2 x 5; 6: two of 2 x 2 that do not touch; 7: one pixel. */
static bool is_lesion(int x, int y, int z) {
    if (z == 4) return x >= 20 && x <= 22 && y >= 40 && y <= 43;
    if (z == 5) return x >= 30 && x <= 31 && y >= 40 && y <= 44;
    if (z == 6) return (x == 20 || x == 21 || x == 25 || x == 26) && (y == 35 || y == 36);
    return z == 7 && x == 20 && y == 35;
}

/* The slice at the bottom has too little liver. */
static bool is_liver(int x, int y, int z) {
    bool is_in = x >= LEFT && x <= RIGHT && y >= BACK && y <= FRONT && z >= LOW && z <= HIGH;
    return is_in && (z > LOW || x < LEFT + 10);
}

static double value_at(const void *context, int x, int y, int z) {
    const voxels *v = context;
    if (v->is_seg) {
        if (v->has_wrong_label && x == 20 && y == 40 && z == 4) return 3;
        if (v->has_no_liver || !is_liver(x, y, z)) return 0;
        return !v->is_healthy && is_lesion(x, y, z) ? 2 : 1;
    }
    return is_liver(x, y, z) ? 60 + (x - LEFT) / 2 + y % 3 : 20;
}

static void put_file_of_case(const char *root, int number, const nifti_form *form,
                             const voxels *v) {
    char name[64];
    snprintf(name, sizeof name, "%s-%d.nii%s", v->is_seg ? "segmentation" : "volume", number,
             number % 2 ? ".gz" : "");
    put_nifti(root, name, form, value_at, v);
}

static void put_case(const char *root, int number, const nifti_form *form, voxels v) {
    v.is_seg = false;
    put_file_of_case(root, number, form, &v);
    v.is_seg = true;
    put_file_of_case(root, number, form, &v);
}

static const char *make_tree(const char *folder, const char *name) {
    static char root[256];
    put_path(root, sizeof root, folder, name);
    make_folders(folder, name);
    for (int i = 0; i < CASE_COUNT; i++) put_case(root, i, &liver_form, (voxels){0});
    return root;
}

static gs_dataset *open_dataset(const char *folder, const char *name) {
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(path_in(folder, name), &dataset, &error));
    assert_ok(gs_dataset_check_pixels(dataset, &error));
    assert_ok(gs_dataset_check_labels(dataset, &error));
    return dataset;
}

static void slices_are_labelled_by_the_widest_lesion(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 8);
    options.annotated = 1;
    for (int width = 1; width <= 6; width++) {
        options.min_width = width;
        gs_status status = gs_import_lits(path_in(*state, "out"), &options, &error);
        int expected = width <= 1 ? 4 : width <= 2 ? 3 : width <= 4 ? 2 : width <= 5 ? 1 : 0;
        if (expected == 0) { /* then no split has presence slices */
            assert_int_equal(status, GS_UNUSABLE);
            continue;
        }
        assert_ok(status);
        gs_dataset *dataset = open_dataset(*state, "out");
        label_counts counts = count_labels(dataset, "volume-3");
        assert_int_equal(counts.presence, expected);
        assert_int_equal(counts.masks, expected);
        assert_int_equal(counts.absence, 3); /* levels 3, 8, 9 */
        for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
            const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
            assert_true(slice->extent[0] == LOW && slice->extent[1] == HIGH); /* LOW is dropped */
        }
        gs_dataset_close(dataset);
    }
}

/* 40 x 50 pixels a level, of which these are liver (6 % are 120); the lesion is so wide, and 1 high
 * or the other way round. */
static const struct {
    int liver, width;
    bool is_upright;
    gs_label label; /* UNKNOWN: dropped */
} thresholds[] = {{1000, 0, false, GS_LABEL_ABSENCE}, {120, 0, false, GS_LABEL_ABSENCE},
                  {119, 0, false, GS_LABEL_UNKNOWN},  {120, 6, false, GS_LABEL_PRESENCE},
                  {119, 6, false, GS_LABEL_UNKNOWN},  {1000, 6, false, GS_LABEL_PRESENCE},
                  {1000, 5, false, GS_LABEL_UNKNOWN}, {1000, 6, true, GS_LABEL_PRESENCE},
                  {1000, 5, true, GS_LABEL_UNKNOWN},  {1000, 1, false, GS_LABEL_UNKNOWN}};
enum { THRESHOLDS = sizeof thresholds / sizeof *thresholds };

static double threshold_at(const void *context, int x, int y, int z) {
    const voxels *v = context;
    if (!v->is_seg) return 50 + x % 7;
    if (40 * y + x >= thresholds[z].liver) return 0;
    int along = thresholds[z].is_upright ? y : x, across = thresholds[z].is_upright ? x : y;
    return across == 1 && along >= 1 && along <= thresholds[z].width ? 2 : 1;
}

static void a_level_is_six_percent_liver_and_a_lesion_six_pixels_wide(void **state) {
    const nifti_form form = {
        .side = {40, 50, THRESHOLDS}, .spacing_mm = {2, 2, 5}, .datatype = DT_INT16};
    put_nifti(*state, "volume-0.nii", &form, threshold_at, &(voxels){0});
    put_nifti(*state, "segmentation-0.nii", &form, threshold_at, &(voxels){.is_seg = true});
    gs_import_options options = import_options(*state, 8);
    options.annotated = 1, options.validation = options.test = 0;
    options.min_width = 6;
    assert_ok(gs_import_lits(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    gs_label found[THRESHOLDS] = {GS_LABEL_UNKNOWN};
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        found[slice->index] = slice->label;
    }
    for (int z = 0; z < THRESHOLDS; z++)
        if (found[z] != thresholds[z].label)
            fail_msg("%d liver, a lesion of %d: %s", thresholds[z].liver, thresholds[z].width,
                     gs_label_name(found[z]));
    gs_dataset_close(dataset);
}

/* 256/4 = 64 pixels for the 32 of the liver's width: two for one. */
static void the_liver_fills_a_square_seen_from_below(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    options.annotated = 1;
    assert_ok(gs_import_lits(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    assert_int_equal(gs_dataset_get_info(dataset)->channels, 1);
    assert_int_equal(gs_dataset_get_info(dataset)->height, 64);
    assert_int_equal(gs_dataset_get_info(dataset)->width, 64);
    size_t row = find_slice(dataset, "volume-2 z4");
    assert_int_equal(gs_dataset_get_slice(dataset, row)->index, 4);
    const float *image = gs_dataset_image(dataset, row);
    const uint8_t *mask = gs_dataset_mask(dataset, row);
    int target = 0;
    for (int y = 0; y < 64; y++)
        for (int x = 0; x < 64; x++) {
            bool is_in = y >= 12 && y < 52; /* 20 rows of 32, in the middle */
            if (!is_in) assert_true(image[y * 64 + x] == 0);
            if (mask[y * 64 + x] != GS_MASK_TARGET) continue;
            target++;
            int old_x = RIGHT - x / 2, old_y = FRONT - (y - 12) / 2;
            assert_true(is_lesion(old_x, old_y, 4));
        }
    assert_int_equal(target, 12 * 4);
    /* Values rise from left to right, and columns run from right to left. */
    assert_true(image[32 * 64 + 4] > image[32 * 64 + 60] + 0.2f);
    gs_dataset_close(dataset);
}

static void types_and_orientations_do_not_change_the_bytes(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 8);
    assert_ok(gs_import_lits(path_in(*state, "plain"), &options, &error));
    char root[256];
    put_path(root, sizeof root, *state, "mixed");
    make_folders(root, "volumes");
    for (int i = 0; i < CASE_COUNT; i++)
        for (int is_seg = 0; is_seg < 2; is_seg++) {
            const voxels v = {.is_seg = is_seg};
            nifti_form form = liver_form;
            form.datatype = all_types[(i + is_seg) % TYPES];
            form.orientation = (13 * i + 5 * is_seg) % ORIENTATIONS;
            form.form = (i + is_seg) % 2 ? QFORM : SFORM;
            char folder[512];
            put_path(folder, sizeof folder, root, is_seg ? "." : "volumes");
            put_file_of_case(folder, i, &form, &v);
        }
    options.in = root;
    options.threads = 3;
    assert_ok(gs_import_lits(path_in(*state, "mixed-out"), &options, &error));
    assert_same_datasets(*state, "plain", "mixed-out");
}

/* 18 x 20 x 3 voxels, small enough for eight bits and their scaling. */
static double tiny_at(const void *context, int x, int y, int z) {
    bool is_seg = *(const int *)context;
    if (!is_seg) return 1 + (3 * x + 5 * y + 7 * z) % 40;
    if (x < 3 || x > 14 || y < 4 || y > 17) return 0;
    return z == 1 && x > 9 && y > 12 ? 2 : 1;
}

static void every_way_to_store_a_case_gives_the_same_slices(void **state) {
    char name[64];
    const nifti_form plain = {.side = {18, 20, 3}, .spacing_mm = {2, 2, 5}};
    for (int way = 0; way < WAYS; way++)
        for (int is_seg = 0; is_seg < 2; is_seg++) {
            nifti_form form = way_to_store(&plain, way, is_seg);
            snprintf(name, sizeof name, "%s-%d.nii", is_seg ? "segmentation" : "volume", way);
            put_nifti(*state, name, &form, tiny_at, &is_seg);
        }
    gs_import_options options = import_options(*state, 8);
    options.annotated = 1, options.validation = options.test = 0;
    assert_ok(gs_import_lits(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    label_counts counts = count_labels(dataset, "volume-0");
    assert_true(counts.presence == 1 && counts.masks == 1 && counts.absence == 2);
    assert_cases_are_alike(dataset, WAYS);
    gs_dataset_close(dataset);
}

static void pixels_that_are_not_square_keep_the_shape(void **state) {
    char root[256];
    put_path(root, sizeof root, *state, "flat");
    make_folders(*state, "flat");
    nifti_form form = liver_form;
    form.spacing_mm[0] = 1; /* the liver is 32 x 40 mm */
    for (int i = 0; i < CASE_COUNT; i++) put_case(root, i, &form, (voxels){0});
    gs_import_options options = import_options(root, 4);
    assert_ok(gs_import_lits(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    const float *image = gs_dataset_image(dataset, find_slice(dataset, "volume-0 z3"));
    int low = 64, high = -1, top = 64, bottom = -1;
    for (int i = 0; i < 64 * 64; i++) {
        if (image[i] == 0) continue;
        int x = i % 64, y = i / 64;
        low = x < low ? x : low, high = x > high ? x : high;
        top = y < top ? y : top, bottom = y > bottom ? y : bottom;
    }
    assert_int_equal(bottom - top + 1, 64);
    assert_in_range(high - low + 1, 50, 53); /* 64 * 32/40 = 51.2 */
    gs_dataset_close(dataset);
}

static void cases_that_are_not_in_order_are_named_and_left_out(void **state) {
    const char *root = make_tree(*state, "tree");
    const voxels seg = {.is_seg = true};
    nifti_form other = liver_form;
    other.spacing_mm[2] = 4;
    put_case(root, 20, &liver_form, (voxels){.has_wrong_label = true});
    put_case(root, 21, &liver_form, (voxels){.has_no_liver = true});
    put_case(root, 22, &liver_form, (voxels){0});
    put_file_of_case(root, 22, &other, &seg);
    put_case(root, 23, &liver_form, (voxels){0});
    assert_int_equal(unlink(path_in(root, "segmentation-23.nii.gz")), 0);
    put_case(root, 25, &liver_form, (voxels){0});
    cut_file(path_in(root, "volume-25.nii.gz"), 50);
    gs_import_options options = import_options(root, 8);
    assert_ok(gs_import_lits(path_in(*state, "out"), &options, &error));
    static const char *const expected[] = {"volume-20: ",
                                           "label 3",
                                           "volume-21: ",
                                           "has no liver",
                                           "volume-22: ",
                                           "another grid",
                                           "volume-23: segmentation-N.nii[.gz] is missing",
                                           "volume-25: ",
                                           "volume-25.nii",
                                           "8 cases imported, 5 left out"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(notes, expected[i])) fail_msg("\"%s\" is not in:\n%s", expected[i], notes);
}

static void cases_without_lesions_are_divided_too(void **state) {
    const char *root = make_tree(*state, "tree");
    for (int i = 30; i < 40; i++) put_case(root, i, &liver_form, (voxels){.is_healthy = true});
    gs_import_options options = import_options(root, 8);
    assert_ok(gs_import_lits(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    int healthy[4] = {0}, ill[4] = {0};
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        if (slice->index == 3) (strlen(slice->case_name) > 8 ? healthy : ill)[slice->split]++;
    }
    assert_int_equal(healthy[GS_SPLIT_VALIDATION], 2);
    assert_int_equal(healthy[GS_SPLIT_TEST], 2);
    assert_int_equal(ill[GS_SPLIT_VALIDATION], 2);
    assert_int_equal(ill[GS_SPLIT_TEST], 2);
    gs_dataset_close(dataset);
}

static void the_widest_part_is_connected_also_by_corners(void **state) {
    (void)state;
    const float labels[4 * 6] = {2, 0, 0, 0, 2, 2, /**/
                                 0, 2, 0, 0, 0, 0, /**/
                                 0, 0, 2, 0, 2, 0, /**/
                                 1, 1, 1, 0, 2, 0};
    uint8_t seen[24];
    int stack[24];
    assert_int_equal(gs__widest_part(labels, 4, 6, 2, seen, stack), 3);
    assert_int_equal(gs__widest_part(labels, 4, 6, 1, seen, stack), 3);
    assert_int_equal(gs__widest_part(labels, 4, 6, 5, seen, stack), 0);
    float full[24];
    for (int i = 0; i < 24; i++) full[i] = 7;
    assert_int_equal(gs__widest_part(full, 4, 6, 7, seen, stack), 6);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(slices_are_labelled_by_the_widest_lesion),
        TEST(a_level_is_six_percent_liver_and_a_lesion_six_pixels_wide),
        TEST(the_liver_fills_a_square_seen_from_below),
        TEST(types_and_orientations_do_not_change_the_bytes),
        TEST(every_way_to_store_a_case_gives_the_same_slices),
        TEST(pixels_that_are_not_square_keep_the_shape),
        TEST(cases_that_are_not_in_order_are_named_and_left_out),
        TEST(cases_without_lesions_are_divided_too),
        TEST(the_widest_part_is_connected_also_by_corners),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The BraTS importer on small generated folders: a brain of 40 x 50 x 6 voxels of 4 mm. */
#include "tests/data/import_fixture.h"

#include "engine/data/preview.h"

enum { CASE_COUNT = 8, LEFT = 10, RIGHT = 49, BACK = 5, FRONT = 54, LOW = 2, HIGH = 7 };

static const char *const kinds[] = {"flair", "t1", "t1ce", "t2", "seg"};
enum { SEG = 4, KINDS };

static const nifti_form brain_form = {
    .side = {60, 60, 10}, .spacing_mm = {4, 4, 4}, .datatype = DT_INT16};

typedef struct voxels {
    int kind;
    bool is_healthy, has_wrong_label, has_skull, is_flat;
} voxels;

/* On the left, at the front: presence at levels 3 and 4, a trace at 5. */
static double label_at(const voxels *v, int x, int y, int z) {
    if (v->has_wrong_label && x == 12 && y == 12 && z == 3) return 3;
    if (v->is_healthy) return 0;
    if (z == 5) return x == 15 && y == 40 ? 4 : 0;
    if (x < 15 || x > 20 || y < 40 || y > 45 || z < 3 || z > 4) return 0;
    return x == 15 ? 1 : x == 16 ? 4 : 2;
}

static double value_at(const void *context, int x, int y, int z) {
    const voxels *v = context;
    if (v->kind == SEG) return label_at(v, x, y, z);
    bool is_brain = x >= LEFT && x <= RIGHT && y >= BACK && y <= FRONT && z >= LOW && z <= HIGH;
    if (!is_brain) return v->has_skull ? 9 : 0;
    const double values[] = {50 + x, 60 + y, 70 + 3 * ((x + y + z) % 5), 40 + x * y % 7};
    return v->is_flat ? 5 : values[v->kind];
}

static void case_folder(char *folder, size_t size, int number) {
    snprintf(folder, size, "%s/Case_%d", number < 5 ? "HGG" : "LGG", number);
}

static void put_file_of_case(const char *root, int number, const nifti_form *form,
                             const voxels *v) {
    char folder[64], name[160];
    case_folder(folder, sizeof folder, number);
    make_folders(root, folder);
    snprintf(name, sizeof name, "%s/Case_%d_%s.nii%s", folder, number, kinds[v->kind],
             number % 2 ? ".gz" : "");
    put_nifti(root, name, form, value_at, v);
}

static void put_case(const char *root, int number, const nifti_form *form, voxels v) {
    for (v.kind = 0; v.kind < KINDS; v.kind++) put_file_of_case(root, number, form, &v);
}

static const char *make_tree(const char *folder, const char *name) {
    static char root[256];
    put_path(root, sizeof root, folder, name);
    for (int i = 0; i < CASE_COUNT; i++) put_case(root, i, &brain_form, (voxels){0});
    return root;
}

static gs_dataset *open_dataset(const char *folder, const char *name) {
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(path_in(folder, name), &dataset, &error));
    assert_ok(gs_dataset_check_pixels(dataset, &error));
    assert_ok(gs_dataset_check_labels(dataset, &error));
    return dataset;
}

/* ---- what is written ---- */

static void check_half(const gs_dataset *dataset, const char *name, bool is_right, int level) {
    size_t row = find_slice(dataset, name);
    const float *image = gs_dataset_image(dataset, row);
    const uint8_t *mask = gs_dataset_mask(dataset, row);
    /* FLAIR is 50 + x over x = 10 … 49: its mean and deviation are those of 40 numbers in a row. */
    double mean = 79.5, deviation = sqrt((40.0 * 40 - 1) / 12);
    for (int y = 0; y < 60; y++)
        for (int column = 0; column < 30; column++) {
            int x = is_right ? 59 - column : column, front = 59 - y;
            bool is_brain = x >= LEFT && x <= RIGHT && front >= BACK && front <= FRONT;
            double expected = is_brain ? (50 + x - mean) / (5 * deviation) : -1;
            assert_true(fabs((double)image[y * 30 + column] - expected) < 1e-5);
            if (!mask) continue;
            const voxels v = {.kind = SEG};
            bool is_tumour = label_at(&v, x, front, level) != 0;
            assert_int_equal(mask[y * 30 + column], is_tumour ? GS_MASK_TARGET : 0);
        }
}

static void halves_are_labelled_normalised_and_turned_to_the_midline(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    options.annotated = 1;
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    assert_string_equal(info->name, "brats");
    assert_int_equal(info->channels, 4);
    assert_int_equal(info->height, 60);
    assert_int_equal(info->width, 30);
    label_counts counts = count_labels(dataset, "Case_3");
    assert_int_equal(counts.presence, 2);
    assert_int_equal(counts.absence, 9); /* 6 right, 3 left; level 5 has a trace on the left */
    assert_int_equal(counts.masks, 2);
    check_half(dataset, "Case_3 z3 left", false, 3);
    check_half(dataset, "Case_3 z4 left", false, 4);
    check_half(dataset, "Case_3 z5 right", true, 5);
    /* T1 is 60 + y: the third row from the top of the brain in the second channel. */
    const float *t1 = gs_dataset_image(dataset, find_slice(dataset, "Case_3 z3 left")) + 1800;
    double t1_deviation = sqrt((50.0 * 50 - 1) / 12);
    assert_true(fabs((double)t1[(59 - 52) * 30 + 20] - (52 - 29.5) / (5 * t1_deviation)) < 1e-5);
    gs_dataset_close(dataset);
}

/* The left half of each level, which has 1800 pixels: how many are brain, and tumour. */
static const struct {
    int brain, tumour;
    gs_label label; /* UNKNOWN: dropped */
} thresholds[] = {
    {1800, 0, GS_LABEL_ABSENCE}, {450, 0, GS_LABEL_ABSENCE},    {449, 0, GS_LABEL_UNKNOWN},
    {450, 5, GS_LABEL_PRESENCE}, {449, 5, GS_LABEL_UNKNOWN},    {500, 5, GS_LABEL_PRESENCE},
    {501, 5, GS_LABEL_UNKNOWN},  {500, 4, GS_LABEL_UNKNOWN},    {400, 400, GS_LABEL_UNKNOWN},
    {500, 1, GS_LABEL_UNKNOWN},  {1800, 18, GS_LABEL_PRESENCE}, {1800, 17, GS_LABEL_UNKNOWN}};
enum { THRESHOLDS = sizeof thresholds / sizeof *thresholds };

/* The right half is brain on every second level, so that there is something around it. */
static double threshold_at(const void *context, int x, int y, int z) {
    const voxels *v = context;
    bool is_left = x < 30;
    int at = 30 * y + x;
    if (v->kind == SEG) return is_left && at < thresholds[z].tumour ? 4 : 0;
    bool is_brain = is_left ? at < thresholds[z].brain : z % 2 == 0;
    return is_brain ? 50 + at % 7 : 0;
}

static void a_quarter_of_a_half_is_brain_and_a_hundredth_of_that_tumour(void **state) {
    char root[256], name[64];
    put_path(root, sizeof root, *state, "tree");
    make_folders(root, "Case");
    nifti_form form = brain_form;
    form.side[2] = THRESHOLDS;
    for (voxels v = {0}; v.kind < KINDS; v.kind++) {
        snprintf(name, sizeof name, "Case/Case_%s.nii", kinds[v.kind]);
        put_nifti(root, name, &form, threshold_at, &v);
    }
    gs_import_options options = import_options(root, 4);
    options.annotated = 1, options.validation = options.test = 0;
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    gs_label found[THRESHOLDS] = {GS_LABEL_UNKNOWN};
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        if (strstr(slice->name, "left")) found[slice->index] = slice->label;
    }
    for (int z = 0; z < THRESHOLDS; z++)
        if (found[z] != thresholds[z].label)
            fail_msg("%d brain, %d tumour: %s", thresholds[z].brain, thresholds[z].tumour,
                     gs_label_name(found[z]));
    gs_dataset_close(dataset);
}

static void unit_pixels_are_half_of_it(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    assert_ok(gs_import_brats(path_in(*state, "none"), &options, &error));
    options.normalization = GS_NORMALIZE_UNIT;
    assert_ok(gs_import_brats(path_in(*state, "unit"), &options, &error));
    gs_dataset *none = open_dataset(*state, "none"), *unit = open_dataset(*state, "unit");
    for (size_t i = 0; i < gs_dataset_count(none); i++)
        for (int k = 0; k < 4 * 1800; k++) {
            float value = gs_dataset_image(unit, i)[k];
            assert_true(value >= 0 && value <= 1);
            assert_true(fabsf(2 * value - 1 - gs_dataset_image(none, i)[k]) < 1e-6f);
        }
    gs_dataset_close(none);
    gs_dataset_close(unit);
}

static void types_and_orientations_do_not_change_the_bytes(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    assert_ok(gs_import_brats(path_in(*state, "plain"), &options, &error));
    char root[256];
    put_path(root, sizeof root, *state, "mixed");
    for (int i = 0; i < CASE_COUNT; i++)
        for (voxels v = {0}; v.kind < KINDS; v.kind++) {
            nifti_form form = brain_form;
            form.datatype = all_types[(i + v.kind) % TYPES];
            form.orientation = (11 * i + 7 * v.kind) % ORIENTATIONS;
            form.form = (i + v.kind) % 2 ? QFORM : SFORM;
            form.slope = v.kind == 3 ? 0.5f : 0;
            put_file_of_case(root, i, &form, &v);
        }
    options.in = root;
    assert_ok(gs_import_brats(path_in(*state, "mixed-out"), &options, &error));
    assert_same_datasets(*state, "plain", "mixed-out");
}

/* 20 x 22 x 3 voxels of 8 mm, small enough for eight bits and their scaling. */
static double tiny_at(const void *context, int x, int y, int z) {
    int kind = *(const int *)context;
    if (x < 2 || x > 17 || y < 2 || y > 19) return 0;
    if (kind == SEG) return z == 1 && x > 11 && y > 13 ? 1 + (x + y) % 2 : 0;
    return 1 + (3 * x + 5 * y + 7 * z + kind * x) % 40;
}

static void every_way_to_store_a_case_gives_the_same_slices(void **state) {
    char root[256], name[64];
    put_path(root, sizeof root, *state, "tree");
    const nifti_form plain = {.side = {20, 22, 3}, .spacing_mm = {8, 8, 8}};
    for (int way = 0; way < WAYS; way++)
        for (int kind = 0; kind < KINDS; kind++) {
            nifti_form form = way_to_store(&plain, way, kind);
            snprintf(name, sizeof name, "Way_%03d", way);
            make_folders(root, name);
            snprintf(name, sizeof name, "Way_%03d/x_%s.nii", way, kinds[kind]);
            put_nifti(root, name, &form, tiny_at, &kind);
        }
    gs_import_options options = import_options(root, 8);
    options.annotated = 1, options.validation = options.test = 0;
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    label_counts counts = count_labels(dataset, "Way_000");
    assert_true(counts.presence == 1 && counts.masks == 1 && counts.absence == 5);
    assert_cases_are_alike(dataset, WAYS);
    gs_dataset_close(dataset);
}

static void threads_do_not_change_the_bytes_and_seeds_do(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    assert_ok(gs_import_brats(path_in(*state, "one"), &options, &error));
    options.threads = 3;
    assert_ok(gs_import_brats(path_in(*state, "three"), &options, &error));
    assert_same_datasets(*state, "one", "three");
    options.seed = 2;
    assert_ok(gs_import_brats(path_in(*state, "other"), &options, &error));
    char one[256];
    put_path(one, sizeof one, *state, "one");
    assert_false(same_file(one, path_in(*state, "other"), "dataset.json"));
}

/* 2 x 2.5 x 6 mm: 120 x 96 x 7 voxels hold the same brain at twice the pixels of scale 4. */
static double fine_value_at(const void *context, int x, int y, int z) {
    return value_at(context, x / 2, y * 5 / 8, z);
}

static void other_spacings_are_resampled(void **state) {
    char root[256], name[96];
    put_path(root, sizeof root, *state, "fine");
    const nifti_form form = {
        .side = {120, 96, 10}, .spacing_mm = {2, 2.5, 6}, .datatype = DT_FLOAT32};
    for (int i = 0; i < CASE_COUNT; i++)
        for (voxels v = {0}; v.kind < KINDS; v.kind++) {
            snprintf(name, sizeof name, "Case_%d", i);
            make_folders(root, name);
            snprintf(name, sizeof name, "Case_%d/x_%s.nii", i, kinds[v.kind]);
            put_nifti(root, name, &form, fine_value_at, &v);
        }
    gs_import_options options = import_options(root, 4);
    options.annotated = 1;
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    size_t row = find_slice(dataset, "Case_2 z3 left");
    const uint8_t *mask = gs_dataset_mask(dataset, row);
    const float *image = gs_dataset_image(dataset, row);
    int target = 0;
    for (int i = 0; i < 1800; i++) target += mask[i] == GS_MASK_TARGET;
    assert_true(target >= 30 && target <= 42); /* 6 x 6 pixels, give or take a row */
    /* FLAIR rises by one per 4 mm from left to right, as in the coarse volume. */
    double step = (double)(image[30 * 30 + 25] - image[30 * 30 + 15]) / 10;
    assert_true(fabs(step - 1 / (5 * sqrt((40.0 * 40 - 1) / 12))) < 1e-4);
    gs_dataset_close(dataset);
}

static void a_contact_sheet_shows_every_channel(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    assert_ok(gs_dataset_preview(dataset, path_in(*state, "sheet.png"), &error));
    gs_dataset_close(dataset);
    size_t size;
    char *bytes = get_file(*state, "sheet.png", &size);
    assert_memory_equal(bytes, "\x89PNG", 4);
    /* 12 tiles of 30 pixels, twice as large; 4 channels and the outline, then 4 channels. */
    const uint8_t sides[8] = {0, 0, 12 * 60 >> 8, 12 * 60 & 255, 0, 0, 9 * 120 >> 8, 9 * 120 & 255};
    assert_memory_equal(bytes + 16, sides, sizeof sides);
    gs_free(bytes);
}

/* ---- splits and masks ---- */

static void splits_never_divide_a_case_and_share_the_groups(void **state) {
    char root[256];
    put_path(root, sizeof root, *state, "tree");
    for (int i = 0; i < 20; i++)
        put_case(root, i % 2 ? 5 + i : i / 2 % 5, &brain_form, (voxels){0});
    gs_import_options options = import_options(root, 4);
    options.annotated = 0.1;
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out"); /* refuses divided cases */
    int cases[4] = {0}, annotated = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        bool has_mask = gs_dataset_mask(dataset, i) != NULL;
        if (strcmp(strchr(slice->name, ' '), " z3 left") == 0) cases[slice->split]++;
        if (slice->split == GS_SPLIT_TRAIN) annotated += has_mask;
        if (slice->split != GS_SPLIT_TRAIN && slice->label == GS_LABEL_PRESENCE)
            assert_true(has_mask);
    }
    assert_int_equal(cases[GS_SPLIT_TRAIN], 9); /* of 15: 5 of HGG, 10 of LGG */
    assert_int_equal(cases[GS_SPLIT_VALIDATION], 3);
    assert_int_equal(cases[GS_SPLIT_TEST], 3);
    assert_int_equal(annotated, 2); /* one case has two presence slices */
    gs_dataset_close(dataset);
}

/* ---- refusals ---- */

/* Turned by 10 degrees about the axis to the top; its first voxel stays. */
static void put_turned_file(const char *root, const char *name, const voxels *v) {
    nifti_1_header header = header_of(&brain_form);
    double angle = 10 * M_PI / 180;
    header.srow_x[0] = header.srow_y[1] = (float)(4 * cos(angle));
    header.srow_x[1] = (float)(-4 * sin(angle));
    header.srow_y[0] = (float)(4 * sin(angle));
    put_nifti_as(root, name, &brain_form, &header, value_at, v);
}

static void cases_that_are_not_in_order_are_named_and_left_out(void **state) {
    const char *root = make_tree(*state, "tree");
    nifti_form small = brain_form, shifted = brain_form;
    small.side[2] = 9;
    shifted.origin_mm[0] = 8;
    const voxels t1 = {.kind = 1}, t2 = {.kind = 3};
    put_case(root, 10, &brain_form, (voxels){.has_wrong_label = true});
    put_case(root, 11, &brain_form, (voxels){.has_skull = true});
    put_case(root, 12, &brain_form, (voxels){.is_flat = true});
    put_case(root, 13, &brain_form, (voxels){0});
    put_file_of_case(root, 13, &small, &t1);
    put_case(root, 14, &brain_form, (voxels){0});
    put_file_of_case(root, 14, &shifted, &t2);
    put_case(root, 15, &brain_form, (voxels){0});
    cut_file(path_in(root, "LGG/Case_15/Case_15_flair.nii.gz"), 60);
    put_case(root, 16, &brain_form, (voxels){0});
    assert_int_equal(unlink(path_in(root, "LGG/Case_16/Case_16_t1ce.nii")), 0);
    put_case(root, 17, &brain_form, (voxels){0});
    make_folders(root, "HGG/Case_17");
    put_nifti(root, "HGG/Case_17/Case_17_seg.nii", &brain_form, value_at, &t1);
    put_case(root, 18, &brain_form, (voxels){0});
    put_turned_file(root, "LGG/Case_18/Case_18_t2.nii", &t2);
    gs_import_options options = import_options(root, 4);
    options.threads = 2;
    assert_ok(gs_import_brats(path_in(*state, "out"), &options, &error));
    static const char *const expected[] = {"Case_10: ",
                                           "label 3",
                                           "Case_11: ",
                                           "are not 0",
                                           "Case_12: ",
                                           "one value",
                                           "Case_13: ",
                                           "10 voxels",
                                           "Case_14: ",
                                           "another grid",
                                           "Case_15: ",
                                           "Case_15_flair.nii.gz",
                                           "Case_16: *_t1ce",
                                           "is missing",
                                           "Case_17: there are two",
                                           "Case_18: ",
                                           "Case_18_t2.nii has another grid",
                                           "turned against it",
                                           "8 cases imported, 9 left out"};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        if (!strstr(notes, expected[i])) fail_msg("\"%s\" is not in:\n%s", expected[i], notes);
    gs_dataset *dataset = open_dataset(*state, "out");
    assert_int_equal(gs_dataset_cases(dataset), 8);
    gs_dataset_close(dataset);
}

static void assert_nothing_left(const char *folder) {
    assert_false(is_there(folder, "out"));
}

static void folders_that_can_not_be_used_leave_nothing(void **state) {
    char root[256];
    put_path(root, sizeof root, *state, "tree");
    gs_import_options options = import_options(root, 4);
    const char *out = path_in(*state, "out");
    assert_fails(gs_import_brats(out, &options, &error), GS_NOT_FOUND);
    make_folders(*state, "tree");
    assert_fails(gs_import_brats(path_in(*state, "out"), &options, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "*_flair"));
    put_case(root, 0, &brain_form, (voxels){.has_wrong_label = true});
    assert_fails(gs_import_brats(path_in(*state, "out"), &options, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "none of its 1 cases"));
    assert_nothing_left(*state);
    put_case(root, 0, &brain_form, (voxels){0}); /* too few to divide */
    assert_fails(gs_import_brats(path_in(*state, "out"), &options, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "validation split"));
    assert_nothing_left(*state);
    for (int i = 0; i < CASE_COUNT; i++)
        put_case(root, i, &brain_form, (voxels){.is_healthy = true});
    assert_fails(gs_import_brats(path_in(*state, "out"), &options, &error), GS_UNUSABLE);
    assert_non_null(strstr(error.text, "no presence slice"));
    assert_nothing_left(*state);
}

static void a_stopped_import_leaves_nothing(void **state) {
    gs_import_options options = import_options(make_tree(*state, "tree"), 4);
    stop_after = 3;
    options.threads = 2;
    assert_fails(gs_import_brats(path_in(*state, "out"), &options, &error), GS_CANCELLED);
    assert_nothing_left(*state);
}

static void options_out_of_range_are_refused(void **state) {
    gs_import_options good = import_options(make_tree(*state, "tree"), 4), bad[9];
    for (int i = 0; i < 9; i++) bad[i] = good;
    bad[0].scale = 0, bad[1].scale = GS_IMPORT_MAX_SCALE + 1, bad[2].annotated = 1.5;
    bad[3].annotated = NAN, bad[4].validation = -0.1, bad[5].test = 0.9;
    bad[6].normalization = GS_NORMALIZE_FOREGROUND, bad[7].in = NULL, bad[8].min_width = -1;
    for (int i = 0; i < 9; i++)
        assert_fails(gs_import_brats(path_in(*state, "out"), &bad[i], &error), GS_INVALID_ARGUMENT);
    assert_nothing_left(*state);
}

/* An allocation that fails once ends the import, or the case is tried again. */
static void every_failed_allocation_is_reported(void **state) {
    const char *root = make_tree(*state, "tree");
    bool has_failed = true;
    int failures = 0, again = 0;
    for (uint64_t n = 1; has_failed; n += 1 + n / 8) {
        gs_import_options options = import_options(root, 4);
        uint64_t before = gs_memory_count();
        gs_memory_fail_at(n, false);
        gs_status status = gs_import_brats(path_in(*state, "out"), &options, &error);
        gs_memory_fail_at(0, false);
        has_failed = gs_memory_count() - before >= n;
        if (status == GS_OK) {
            assert_non_null(strstr(notes, "8 cases imported, 0 left out"));
            gs_folder_remove(path_in(*state, "out"));
            again += has_failed;
            continue;
        }
        assert_int_equal(status, GS_OUT_OF_MEMORY);
        assert_nothing_left(*state);
        failures++;
    }
    assert_true(failures > 10 && again > 1);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(halves_are_labelled_normalised_and_turned_to_the_midline),
        TEST(a_quarter_of_a_half_is_brain_and_a_hundredth_of_that_tumour),
        TEST(unit_pixels_are_half_of_it),
        TEST(types_and_orientations_do_not_change_the_bytes),
        TEST(every_way_to_store_a_case_gives_the_same_slices),
        TEST(threads_do_not_change_the_bytes_and_seeds_do),
        TEST(other_spacings_are_resampled),
        TEST(a_contact_sheet_shows_every_channel),
        TEST(splits_never_divide_a_case_and_share_the_groups),
        TEST(cases_that_are_not_in_order_are_named_and_left_out),
        TEST(folders_that_can_not_be_used_leave_nothing),
        TEST(a_stopped_import_leaves_nothing),
        TEST(options_out_of_range_are_refused),
        TEST(every_failed_allocation_is_reported),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

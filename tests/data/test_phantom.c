/* The phantoms, small: what their files hold, that they are reproducible, and that the importers
 * take them. */
#include "tests/data/phantom_fixture.h"

#include <sys/file.h>
#include <fcntl.h>

static bool same_trees(const char *folder, const char *left, const char *right) {
    char command[512];
    snprintf(command, sizeof command, "diff -r %s/%s %s/%s >/dev/null", folder, left, folder,
             right);
    return system(command) == 0;
}

/* ---- brain ---- */

/* Means over label's voxels of both images, and over the brain without label. */
typedef struct contrast {
    double ill, healthy, outside_difference;
    int count;
} contrast;

static contrast compare(const char *ill_root, const char *healthy_root, int number,
                        const char *sequence, float label) {
    char healthy_name[32];
    snprintf(healthy_name, sizeof healthy_name, "healthy_%s", sequence);
    gs_volume seg = load(ill_root, number, "seg"), ill = load(ill_root, number, sequence),
              healthy = load(healthy_root, number, healthy_name);
    contrast c = {0};
    double outside = 0, mean = 0;
    for (size_t i = 0; i < gs_volume_voxels(&seg); i++) {
        assert_true((ill.voxels[i] == 0) == (healthy.voxels[i] == 0)); /* one outline */
        if (seg.voxels[i] != 0) assert_true(ill.voxels[i] > 0);
        if (seg.voxels[i] == label) {
            c.ill += (double)ill.voxels[i];
            c.healthy += (double)healthy.voxels[i];
            c.count++;
        } else if (seg.voxels[i] == 0 && ill.voxels[i] > 0) {
            c.outside_difference += fabs((double)ill.voxels[i] - (double)healthy.voxels[i]);
            mean += (double)healthy.voxels[i];
            outside++;
        }
    }
    if (c.count) c.ill /= c.count, c.healthy /= c.count;
    c.outside_difference /= mean / outside * outside;
    gs_volume_deinit(&seg);
    gs_volume_deinit(&ill);
    gs_volume_deinit(&healthy);
    return c;
}

static void tumours_differ_from_the_healthy_brain_and_little_else_does(void **state) {
    need_source();
    gs_phantom_options options = small_options(6);
    char ill[256], healthy[256];
    put_path(ill, sizeof ill, *state, "ill");
    put_path(healthy, sizeof healthy, *state, "healthy");
    options.healthy = healthy;
    assert_ok(gs_phantom_brain(ill, &options, &error));
    int enhancing = 0, solid = 0, oedema = 0;
    for (int number = 1; number <= 6; number++) {
        bool is_high_grade = strstr(case_folder(ill, number), "HGG") != NULL;
        contrast rim = compare(ill, healthy, number, "t1ce", 4);
        contrast core = compare(ill, healthy, number, "t1", 1);
        contrast swelling = compare(ill, healthy, number, "flair", 2);
        assert_true(is_high_grade || rim.count == 0);
        if (rim.count > 10) assert_true(rim.ill > 1.25 * rim.healthy), enhancing++;
        if (core.count > 10) assert_true(core.ill < 0.9 * core.healthy), solid++;
        if (swelling.count > 10) assert_true(swelling.ill > 1.2 * swelling.healthy), oedema++;
        assert_true(rim.outside_difference < 0.12); /* the push, and soft edges */
        assert_true(rim.count + core.count + swelling.count > 0);
    }
    assert_true(enhancing >= 2 && solid >= 2 && oedema >= 2);
}

static void brains_are_reproducible_and_can_be_imported(void **state) {
    need_source();
    gs_phantom_options options = small_options(5);
    char one[256], many[256], out[256];
    put_path(one, sizeof one, *state, "one");
    put_path(many, sizeof many, *state, "below/many");
    put_path(out, sizeof out, *state, "out");
    options.threads = 1;
    assert_ok(gs_phantom_brain(one, &options, &error));
    options.threads = 3;
    assert_ok(gs_phantom_brain(many, &options, &error));
    assert_true(same_trees(*state, "one", "below/many"));
    gs_import_options import = import_options(one, 4);
    assert_ok(gs_import_brats(out, &import, &error));
    assert_non_null(strstr(notes, "5 cases imported, 0 left out"));
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(out, &dataset, &error));
    label_counts counts = count_labels(dataset, NULL);
    assert_true(counts.presence > 30 && counts.absence > 30);
    gs_dataset_close(dataset);
}

/* Mean differences of two datasets' images inside and outside the masks of the first. */
static void image_differences(const gs_dataset *a, const gs_dataset *b, double *inside,
                              double *outside) {
    const gs_dataset_info *info = gs_dataset_get_info(a);
    size_t area = (size_t)info->height * (size_t)info->width;
    double sums[2] = {0}, counts[2] = {0};
    for (size_t i = 0; i < gs_dataset_count(a); i++) {
        const uint8_t *mask = gs_dataset_mask(a, i);
        const float *x = gs_dataset_image(a, i), *t = gs_dataset_image(b, i);
        for (size_t p = 0; mask && p < area * (size_t)info->channels; p++) {
            int is_inside = mask[p % area] == 255;
            sums[is_inside] += fabs((double)x[p] - (double)t[p]), counts[is_inside]++;
        }
    }
    *inside = sums[1] / counts[1], *outside = sums[0] / counts[0];
}

static void healthy_brains_are_the_same_slices_without_their_tumours(void **state) {
    need_source();
    gs_phantom_options options = small_options(5);
    char ill[256], healthy[256], out[256], truth[256];
    put_path(ill, sizeof ill, *state, "ill"), put_path(healthy, sizeof healthy, *state, "healthy");
    put_path(out, sizeof out, *state, "out"), put_path(truth, sizeof truth, *state, "truth");
    options.healthy = healthy;
    assert_ok(gs_phantom_brain(ill, &options, &error));
    gs_import_options import = import_options(ill, 4);
    assert_ok(gs_import_brats(out, &import, &error));
    import.healthy = healthy;
    assert_ok(gs_import_brats(truth, &import, &error));
    assert_true(same_file(out, truth, "masks.npy"));
    gs_dataset *a = NULL, *b = NULL;
    assert_ok(gs_dataset_open(out, &a, &error));
    assert_ok(gs_dataset_open(truth, &b, &error));
    assert_int_equal(gs_dataset_count(a), gs_dataset_count(b));
    for (size_t i = 0; i < gs_dataset_count(a); i++)
        assert_string_equal(gs_dataset_get_slice(a, i)->name, gs_dataset_get_slice(b, i)->name);
    double inside, outside;
    image_differences(a, b, &inside, &outside);
    assert_true(inside > 0.1 && outside < inside / 5);
    gs_dataset_close(a), gs_dataset_close(b);
    import.healthy = out; /* which has no volumes */
    assert_int_equal(gs_import_brats(truth, &import, &error), GS_UNUSABLE);
    assert_non_null(strstr(notes, "_healthy_flair.nii.gz"));
}

/* ---- liver ---- */

static void livers_are_reproducible_and_can_be_imported(void **state) {
    gs_phantom_options options = small_options(5);
    char one[256], many[256], other[256], out[256];
    put_path(one, sizeof one, *state, "one");
    put_path(many, sizeof many, *state, "many");
    put_path(other, sizeof other, *state, "other");
    put_path(out, sizeof out, *state, "out");
    options.threads = 1;
    assert_ok(gs_phantom_liver(one, &options, &error));
    options.threads = 3;
    assert_ok(gs_phantom_liver(many, &options, &error));
    assert_true(same_trees(*state, "one", "many"));
    options.seed = 2;
    options.cases = 1;
    assert_ok(gs_phantom_liver(other, &options, &error));
    assert_false(same_file(one, other, "volume-0.nii.gz"));
    gs_import_options import = import_options(one, 8);
    assert_ok(gs_import_lits(out, &import, &error));
    assert_non_null(strstr(notes, "5 cases imported, 0 left out"));
}

static void livers_have_their_hounsfield_units_and_darker_lesions(void **state) {
    gs_phantom_options options = small_options(5);
    char root[256], path[512];
    put_path(root, sizeof root, *state, "abdomens");
    assert_ok(gs_phantom_liver(root, &options, &error));
    int with_lesions = 0;
    for (int i = 0; i < 5; i++) {
        gs_volume volume, seg;
        snprintf(path, sizeof path, "%s/volume-%d.nii.gz", root, i);
        assert_ok(gs_volume_load(path, &volume, &error));
        snprintf(path, sizeof path, "%s/segmentation-%d.nii.gz", root, i);
        assert_ok(gs_volume_load(path, &seg, &error));
        assert_int_equal(volume.side[0], 128);
        assert_int_equal(volume.side[2], 72);
        assert_true(volume.spacing_mm[0] == 3 && volume.spacing_mm[2] == 3);
        double sum[3] = {0}, count[3] = {0};
        for (size_t k = 0; k < gs_volume_voxels(&seg); k++) {
            int label = (int)seg.voxels[k];
            assert_in_range(label, 0, 2);
            sum[label] += (double)volume.voxels[k], count[label]++;
        }
        double liver_ml = (count[1] + count[2]) * 27 / 1000;
        assert_true(liver_ml > 700 && liver_ml < 3500);
        assert_true(sum[1] / count[1] > 70 && sum[1] / count[1] < 150);
        if (count[2] > 20) {
            assert_true(sum[2] / count[2] < sum[1] / count[1] - 8);
            with_lesions++;
        }
        gs_volume_deinit(&volume);
        gs_volume_deinit(&seg);
    }
    assert_true(with_lesions >= 2);
}

/* ---- folders ---- */

static void folders_appear_whole_or_not_at_all(void **state) {
    gs_phantom_options options = small_options(3);
    char out[256], partial[256];
    put_path(out, sizeof out, *state, "out");
    put_path(partial, sizeof partial, *state, "out.partial");
    stop_after = 2;
    assert_fails(gs_phantom_liver(out, &options, &error), GS_CANCELLED);
    assert_false(is_there(*state, "out") || is_there(*state, "out.partial"));
    stop_after = 0;
    /* What a killed run left is removed; what a running one holds is not. */
    options.cases = 1;
    make_folders(*state, "out.partial");
    put_file(partial, "rubbish", "rubbish", 7);
    int lock = open(partial, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_fails(gs_phantom_liver(out, &options, &error), GS_CONFLICT);
    assert_non_null(strstr(error.text, "another run"));
    assert_true(is_there(partial, "rubbish"));
    close(lock);
    assert_ok(gs_phantom_liver(out, &options, &error));
    assert_false(is_there(*state, "out.partial"));
    assert_true(is_there(out, "volume-0.nii.gz") && !is_there(out, "rubbish"));
    assert_fails(gs_phantom_liver(out, &options, &error), GS_CONFLICT);
    assert_non_null(strstr(error.text, "not an empty folder"));
}

static void options_out_of_range_are_refused(void **state) {
    gs_phantom_options options = small_options(0);
    char out[256], inside[256];
    put_path(out, sizeof out, *state, "out");
    put_path(inside, sizeof inside, *state, "out/healthy");
    assert_fails(gs_phantom_liver(out, &options, &error), GS_INVALID_ARGUMENT);
    options.cases = GS_PHANTOM_MAX_CASES + 1;
    assert_fails(gs_phantom_liver(out, &options, &error), GS_INVALID_ARGUMENT);
    options.cases = 1, options.scale = 5;
    assert_fails(gs_phantom_brain(out, &options, &error), GS_INVALID_ARGUMENT);
    options.scale = 4, options.healthy = inside;
    assert_fails(gs_phantom_brain(out, &options, &error), GS_INVALID_ARGUMENT);
    options.healthy = out;
    assert_fails(gs_phantom_brain(out, &options, &error), GS_INVALID_ARGUMENT);
    options.healthy = NULL, options.source = "/nonexistent.nii";
    assert_fails(gs_phantom_brain(out, &options, &error), GS_MALFORMED);
    assert_false(is_there(*state, "out") || is_there(*state, "out.partial"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(tumours_differ_from_the_healthy_brain_and_little_else_does),
        TEST(brains_are_reproducible_and_can_be_imported),
        TEST(healthy_brains_are_the_same_slices_without_their_tumours),
        TEST(livers_are_reproducible_and_can_be_imported),
        TEST(livers_have_their_hounsfield_units_and_darker_lesions),
        TEST(folders_appear_whole_or_not_at_all),
        TEST(options_out_of_range_are_refused),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

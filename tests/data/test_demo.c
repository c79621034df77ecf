/* The demo population, small. Skipped where Debian's package mricron-data is not installed. */
#include "tests/data/fixture.h"

#include "engine/data/demo.h"
#include "engine/data/preview.h"

#include <math.h>

static gs_demo_options small_options(void) {
    return (gs_demo_options){.cases = 3, .annotated = 0.05, .scale = 4, .seed = 1, .threads = 1};
}

static void need_source(void) {
    if (access(GS_DEMO_SOURCE, R_OK) == 0) return;
    print_message("%s is missing (package mricron-data)\n", GS_DEMO_SOURCE);
    skip();
}

static void write_demo(const char *folder, const char *name, const gs_demo_options *options) {
    assert_ok(gs_demo_write(path_in(folder, name), options, &error));
}

static bool same_bytes(const char *left_folder, const char *right_folder, const char *file) {
    size_t left_size, right_size;
    char *left = get_file(left_folder, file, &left_size);
    char *right = get_file(right_folder, file, &right_size);
    bool same = left_size == right_size && memcmp(left, right, left_size) == 0;
    gs_free(left);
    gs_free(right);
    return same;
}

static void a_seed_gives_the_same_bytes_on_any_number_of_threads(void **state) {
    need_source();
    gs_demo_options options = small_options();
    write_demo(*state, "one", &options);
    options.threads = 2;
    write_demo(*state, "two", &options);
    options.seed = 2;
    write_demo(*state, "other", &options);
    char *one = gs_copy_string(path_in(*state, "one"));
    char *two = gs_copy_string(path_in(*state, "two"));
    char *other = gs_copy_string(path_in(*state, "other"));
    const char *files[] = {"images.npy", "masks.npy", "dataset.json"};
    for (int i = 0; i < 3; i++) assert_true(same_bytes(one, two, files[i]));
    assert_false(same_bytes(one, other, "images.npy"));
    gs_free(one);
    gs_free(two);
    gs_free(other);
}

typedef struct tally {
    size_t presence, absence, masks, train_present_cases, train_annotated_cases, ill_absence;
    size_t splits[4];
} tally;

static tally count_slices(const gs_dataset *dataset) {
    tally t = {0};
    size_t cases = gs_dataset_cases(dataset);
    bool *present = gs_alloc(cases, sizeof *present), *masked = gs_alloc(cases, sizeof *masked);
    bool *train = gs_alloc(cases, sizeof *train);
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        bool has_mask = gs_dataset_mask(dataset, i) != NULL;
        t.presence += slice->label == GS_LABEL_PRESENCE;
        t.absence += slice->label == GS_LABEL_ABSENCE;
        t.masks += has_mask;
        t.splits[slice->split]++;
        present[slice->case_number] |= slice->label == GS_LABEL_PRESENCE;
        masked[slice->case_number] |= has_mask;
        train[slice->case_number] = slice->split == GS_SPLIT_TRAIN;
    }
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        t.ill_absence += slice->label == GS_LABEL_ABSENCE && present[slice->case_number];
        if (slice->label == GS_LABEL_PRESENCE) /* all or none of a case */
            assert_int_equal(gs_dataset_mask(dataset, i) != NULL, masked[slice->case_number]);
        else
            assert_null(gs_dataset_mask(dataset, i));
        if (slice->split != GS_SPLIT_TRAIN && slice->label == GS_LABEL_PRESENCE)
            assert_non_null(gs_dataset_mask(dataset, i));
    }
    for (size_t i = 0; i < cases; i++) {
        t.train_present_cases += present[i] && train[i];
        t.train_annotated_cases += masked[i] && train[i];
    }
    gs_free(present);
    gs_free(masked);
    gs_free(train);
    return t;
}

static void check_image(const gs_dataset *dataset, size_t i, float background) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    int area = info->height * info->width, brain = 0, lesion = 0;
    const float *image = gs_dataset_image(dataset, i);
    const uint8_t *mask = gs_dataset_mask(dataset, i);
    for (int k = 0; k < area; k++) {
        assert_true(image[k] >= -1 && image[k] <= 1);
        brain += image[k] != background;
        if (!mask || mask[k] != GS_MASK_TARGET) continue;
        lesion++;
        assert_true(image[k] != background); /* lesions lie in the brain */
    }
    assert_true(brain >= 0.25 * area - 2); /* a brain pixel may be as dark as the background */
    if (mask) assert_true(lesion > 0 && lesion >= 0.01 * brain - 1);
}

/* How much the pixels below the masks differ from the brain elsewhere in the same slices. */
static double lesion_contrast(const gs_dataset *dataset) {
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    double inside = 0, outside = 0, in_count = 0, out_count = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const uint8_t *mask = gs_dataset_mask(dataset, i);
        const float *image = gs_dataset_image(dataset, i);
        for (int k = 0; mask && k < info->height * info->width; k++) {
            if (image[k] == -1) continue;
            bool target = mask[k] == GS_MASK_TARGET;
            inside += target ? pow((double)image[k], 2) : 0;
            outside += target ? 0 : pow((double)image[k], 2);
            in_count += target;
            out_count += !target;
        }
    }
    return sqrt(inside / in_count) / sqrt(outside / out_count);
}

static void the_population_is_what_it_promises(void **state) {
    need_source();
    gs_demo_options options = small_options();
    options.cases = 16;
    options.threads = 2;
    options.annotated = 0.3;
    write_demo(*state, "demo", &options);
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(path_in(*state, "demo"), &dataset, &error));
    assert_ok(gs_dataset_check_pixels(dataset, &error));
    const gs_dataset_info *info = gs_dataset_get_info(dataset);
    assert_int_equal(info->height, 60);
    assert_int_equal(info->width, 30);
    assert_int_equal(gs_dataset_cases(dataset), 16);
    tally t = count_slices(dataset);
    assert_int_equal(t.presence + t.absence, gs_dataset_count(dataset));
    double share = (double)t.presence / (double)gs_dataset_count(dataset);
    assert_true(share > 0.4 && share < 0.6);
    assert_int_equal(t.train_present_cases, 6);
    assert_int_equal(t.train_annotated_cases, 2);
    assert_true(t.ill_absence > 0);
    for (int split = GS_SPLIT_TRAIN; split <= GS_SPLIT_TEST; split++)
        assert_true(t.splits[split] > 0);
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) check_image(dataset, i, -1);
    assert_true(lesion_contrast(dataset) > 1.2);
    gs_dataset_close(dataset);
}

static void foreground_pixels_are_positive_and_background_zero(void **state) {
    need_source();
    gs_demo_options options = small_options();
    options.normalization = GS_NORMALIZE_FOREGROUND;
    write_demo(*state, "demo", &options);
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(path_in(*state, "demo"), &dataset, &error));
    assert_int_equal(gs_dataset_get_info(dataset)->normalization, GS_NORMALIZE_FOREGROUND);
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) check_image(dataset, i, 0);
    const char *sheet = path_in(*state, "sheet.png");
    assert_ok(gs_dataset_preview(dataset, sheet, &error));
    size_t size;
    char *bytes = get_file(*state, "sheet.png", &size);
    assert_true(size > 1000 && memcmp(bytes, "\x89PNG", 4) == 0);
    gs_free(bytes);
    gs_dataset_close(dataset);
}

static void options_out_of_range_are_refused(void **state) {
    const gs_demo_options bad[] = {{.cases = 1, .scale = 2},
                                   {.cases = GS_DEMO_MAX_CASES + 1, .scale = 2},
                                   {.cases = 3, .scale = 0},
                                   {.cases = 3, .scale = 5},
                                   {.cases = 3, .scale = 2, .annotated = 1.5},
                                   {.cases = 3, .scale = 2, .annotated = NAN}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(gs_demo_write(*state, &bad[i], &error), GS_INVALID_ARGUMENT);
    gs_demo_options options = small_options();
    options.source = "/nonexistent.nii";
    assert_fails(gs_demo_write(*state, &options, &error), GS_MALFORMED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_seed_gives_the_same_bytes_on_any_number_of_threads,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_population_is_what_it_promises, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(foreground_pixels_are_positive_and_background_zero,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(options_out_of_range_are_refused, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

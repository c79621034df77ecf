/* The synthetic task on a small MNIST of our own. */
#include "tests/data/import_fixture.h"
#include "tests/data/mnist_fixture.h"

#include "engine/data/synthetic.h"

static gs_synthetic_options small_options(const char *mnist) {
    notes[0] = '\0';
    stop_after = 0;
    return (gs_synthetic_options){.mnist = mnist,
                                  .variant = GS_SYNTHETIC_SIMPLE,
                                  .train = -1,
                                  .validation = 10,
                                  .test = -1,
                                  .annotated = 0.06,
                                  .annotated_digits = 1u << 9,
                                  .seed = 1,
                                  .threads = 1,
                                  .report = {.progress = count_progress, .note = keep_note}};
}

static gs_dataset *open_dataset(const char *folder, const char *name) {
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(path_in(folder, name), &dataset, &error));
    assert_ok(gs_dataset_check_pixels(dataset, &error));
    return dataset;
}

static void every_digit_is_whole_in_one_image(void **state) {
    gs_synthetic_options options = small_options(put_mnist(*state, ""));
    assert_ok(gs_synthetic_write(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    assert_string_equal(gs_dataset_get_info(dataset)->name, "synthetic-simple");
    assert_int_equal(gs_dataset_get_info(dataset)->normalization, GS_NORMALIZE_NONE);
    int counts[4][3] = {{0}}, digits[10] = {0}, masks = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
        counts[slice->split][slice->label]++;
        bool is_train = slice->split == GS_SPLIT_TRAIN;
        bool is_presence = slice->label == GS_LABEL_PRESENCE;
        const char *digit = strstr(slice->name, "digit ");
        assert_int_equal(digit != NULL, is_presence);
        if (digit && slice->split != GS_SPLIT_TEST) digits[atoi(digit + 6)]++;
        bool has_mask = gs_dataset_mask(dataset, i) != NULL;
        if (!is_train) assert_int_equal(has_mask, is_presence);
        if (is_train && has_mask) assert_string_equal(digit, "digit 9");
        masks += is_train && has_mask;
    }
    for (int label = GS_LABEL_PRESENCE; label <= GS_LABEL_ABSENCE; label++) {
        assert_int_equal(counts[GS_SPLIT_TRAIN][label], TRAIN - 10);
        assert_int_equal(counts[GS_SPLIT_VALIDATION][label], 10);
        assert_int_equal(counts[GS_SPLIT_TEST][label], TEST_DIGITS);
    }
    for (int d = 0; d < 10; d++) assert_int_equal(digits[d], 6); /* each of the 60 once */
    assert_int_equal(masks, 3);                                  /* 6 % of 50 */
    gs_dataset_close(dataset);
}

/* A frame of the digit's size, whole, in the digit's brightness, and the mask just there. */
static void check_digit(const gs_dataset *dataset, size_t i, float bright) {
    const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
    const uint8_t *mask = gs_dataset_mask(dataset, i);
    const float *image = gs_dataset_image(dataset, i);
    int side = gs_dataset_get_info(dataset)->width, digit = atoi(strstr(slice->name, "digit ") + 6);
    int length = 28 - 2 * (2 + digit), target = 0;
    bool is_visible = bright > 0.5f; /* the mask holds pixels over 0.5 */
    for (int k = 0; k < side * side; k++) {
        if (mask[k] != GS_MASK_TARGET) continue;
        target++;
        assert_true(image[k] >= bright - 1e-6f);
    }
    assert_int_equal(target, is_visible ? 4 * (length - 1) : 0);
}

static void masks_are_the_digits_and_clutter_stays_in_its_fold(void **state) {
    gs_synthetic_options options = small_options(put_mnist(*state, ".gz"));
    for (int v = GS_SYNTHETIC_SIMPLE; v <= GS_SYNTHETIC_LARGE; v++) {
        options.variant = (gs_synthetic_variant)v;
        assert_ok(gs_synthetic_write(path_in(*state, "out"), &options, &error));
        gs_dataset *dataset = open_dataset(*state, "out");
        int side = gs_dataset_get_info(dataset)->width;
        assert_int_equal(side, v == GS_SYNTHETIC_LARGE ? 128 : 48);
        for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
            const gs_dataset_slice *slice = gs_dataset_get_slice(dataset, i);
            bool is_test = slice->split == GS_SPLIT_TEST;
            float bright = is_test ? 120 / 255.0f : 200 / 255.0f;
            const float *image = gs_dataset_image(dataset, i);
            int painted = 0;
            for (int k = 0; k < side * side; k++) {
                if (fabsf(image[k]) < 0.08f) continue; /* noise */
                painted++;
                assert_true(fabsf(image[k] - bright) < 0.08f);
            }
            assert_true(painted > 20);
            if (gs_dataset_mask(dataset, i)) check_digit(dataset, i, bright);
        }
        gs_dataset_close(dataset);
    }
}

/* 0.55 and 0.9: two of them always add up to more than 1, so the larger stays, whichever came last.
 */
static void the_larger_stays_where_both_are_bright(void **state) {
    gs_synthetic_options options = small_options(put_mnist(*state, ""));
    const uint8_t brights[2] = {140, 230};
    put_set(*state, "train", TRAIN, brights, "");
    options.variant = GS_SYNTHETIC_HARD;
    options.annotated = 1;
    options.annotated_digits = 1023;
    assert_ok(gs_synthetic_write(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    int mixed = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++) {
        const uint8_t *mask = gs_dataset_mask(dataset, i);
        int dim = 0, bright = 0;
        if (!mask || gs_dataset_get_slice(dataset, i)->split == GS_SPLIT_TEST) continue;
        for (int k = 0; k < 48 * 48; k++) {
            if (mask[k] != GS_MASK_TARGET) continue;
            float value = gs_dataset_image(dataset, i)[k];
            bool is_dim = fabsf(value - 140 / 255.0f) < 1e-5f;
            assert_true(is_dim || fabsf(value - 230 / 255.0f) < 1e-5f);
            dim += is_dim;
            bright += !is_dim;
        }
        mixed += dim > 0 && bright > 0;
    }
    assert_true(mixed > 5);
    gs_dataset_close(dataset);
}

static void the_noise_has_its_deviation(void **state) {
    gs_synthetic_options options = small_options(put_mnist(*state, ""));
    assert_ok(gs_synthetic_write(path_in(*state, "out"), &options, &error));
    gs_dataset *dataset = open_dataset(*state, "out");
    double sum = 0, squares = 0, count = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++)
        for (int k = 0; k < 48 * 48; k++) {
            double value = (double)gs_dataset_image(dataset, i)[k];
            if (fabs(value) > 0.08) continue;
            sum += value, squares += value * value, count++;
        }
    assert_true(fabs(sum / count) < 1e-4);
    assert_true(fabs(sqrt(squares / count) - 0.01) < 2e-4);
    gs_dataset_close(dataset);
}

static void bytes_follow_the_seed_and_not_the_threads(void **state) {
    gs_synthetic_options options = small_options(put_mnist(*state, ""));
    assert_ok(gs_synthetic_write(path_in(*state, "one"), &options, &error));
    options.threads = 3;
    assert_ok(gs_synthetic_write(path_in(*state, "three"), &options, &error));
    assert_same_datasets(*state, "one", "three");
    options.seed = 2;
    assert_ok(gs_synthetic_write(path_in(*state, "other"), &options, &error));
    char one[256], other[256];
    put_path(one, sizeof one, *state, "one");
    put_path(other, sizeof other, *state, "other");
    assert_false(same_file(one, other, "images.npy"));
}

static void annotations_are_as_many_as_the_digits_allow(void **state) {
    gs_synthetic_options options = small_options(put_mnist(*state, ""));
    options.annotated = 0.5;
    assert_ok(gs_synthetic_write(path_in(*state, "out"), &options, &error));
    assert_non_null(strstr(notes, " of 50 training presence images are annotated"));
    options.annotated_digits = 0;
    assert_fails(gs_synthetic_write(path_in(*state, "no"), &options, &error), GS_INVALID_ARGUMENT);
    options.annotated_digits = 1u << 9;
    options.train = 1;
    gs_status status = GS_OK;
    for (options.seed = 1; options.seed < 5 && status == GS_OK; options.seed++)
        status = gs_synthetic_write(path_in(*state, "no"), &options, &error);
    assert_int_equal(status, GS_UNUSABLE); /* some seed's first digit is no 9 */
    options.annotated = 0;
    assert_ok(gs_synthetic_write(path_in(*state, "out"), &options, &error));
}

static void files_that_are_not_mnist_are_refused(void **state) {
    gs_synthetic_options options = small_options(*state);
    const char *out = path_in(*state, "out");
    assert_fails(gs_synthetic_write(out, &options, &error), GS_NOT_FOUND);
    assert_non_null(strstr(error.text, "train-images-idx3-ubyte"));
    put_mnist(*state, ".gz");
    cut_file(path_in(*state, "train-images-idx3-ubyte.gz"), 70);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_MALFORMED);
    put_mnist(*state, "");
    cut_file(path_in(*state, "t10k-labels-idx1-ubyte"), 80);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_MALFORMED);
    put_mnist(*state, "");
    const uint8_t wrong_label[TEST_DIGITS] = {11};
    const int sizes[3] = {TEST_DIGITS, 28, 28}, few[1] = {TEST_DIGITS - 1};
    put_idx(*state, "t10k-labels-idx1-ubyte", 1, sizes, wrong_label, TEST_DIGITS);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_UNUSABLE);
    put_idx(*state, "t10k-labels-idx1-ubyte", 1, few, wrong_label + 1, TEST_DIGITS - 1);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_SHAPE_MISMATCH);
    put_idx(*state, "t10k-labels-idx1-ubyte", 1, few, wrong_label, TEST_DIGITS);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_MALFORMED); /* a byte too many */
    put_idx(*state, "t10k-labels-idx1-ubyte", 3, sizes, wrong_label, TEST_DIGITS);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_UNSUPPORTED);
    put_file(*state, "t10k-labels-idx1-ubyte", "PK zip archive", 14);
    assert_fails(gs_synthetic_write(out, &options, &error), GS_MALFORMED);
    assert_false(is_there(*state, "out"));
}

static void too_many_images_and_other_nonsense_are_refused(void **state) {
    gs_synthetic_options good = small_options(put_mnist(*state, "")), bad = good;
    const char *out = path_in(*state, "out");
    bad.train = TRAIN;
    assert_fails(gs_synthetic_write(out, &bad, &error), GS_UNUSABLE);
    bad = good, bad.validation = TRAIN;
    assert_fails(gs_synthetic_write(out, &bad, &error), GS_UNUSABLE);
    bad = good, bad.test = TEST_DIGITS + 1;
    assert_fails(gs_synthetic_write(out, &bad, &error), GS_UNUSABLE);
    bad = good, bad.train = 0;
    assert_fails(gs_synthetic_write(out, &bad, &error), GS_INVALID_ARGUMENT);
    bad = good, bad.annotated = NAN;
    assert_fails(gs_synthetic_write(out, &bad, &error), GS_INVALID_ARGUMENT);
    bad = good, stop_after = 1;
    assert_fails(gs_synthetic_write(out, &bad, &error), GS_CANCELLED);
    assert_false(is_there(*state, "out"));
    gs_synthetic_variant variant;
    assert_ok(gs_synthetic_parse("large", &variant, &error));
    assert_int_equal(variant, GS_SYNTHETIC_LARGE);
    assert_fails(gs_synthetic_parse("huge", &variant, &error), GS_INVALID_ARGUMENT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(every_digit_is_whole_in_one_image),
        TEST(masks_are_the_digits_and_clutter_stays_in_its_fold),
        TEST(the_larger_stays_where_both_are_bright),
        TEST(the_noise_has_its_deviation),
        TEST(bytes_follow_the_seed_and_not_the_threads),
        TEST(annotations_are_as_many_as_the_digits_allow),
        TEST(files_that_are_not_mnist_are_refused),
        TEST(too_many_images_and_other_nonsense_are_refused),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}

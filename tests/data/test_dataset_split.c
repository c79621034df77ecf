#include "tests/data/fixture.h"

#include <math.h>

typedef struct split_counts {
    int cases[4], annotated[4], present[4];
} split_counts;

enum { CASES = 40 };

/* Cases 0…9 are annotated, 10…19 have presence slices, 20…39 absence slices. */
static gs_dataset *open_unsplit(const char *folder, int cases, gs_split of_first) {
    gs_dataset_writer *writer = NULL;
    gs_dataset *dataset = NULL;
    float image[VALUES] = {0};
    uint8_t mask[AREA] = {0};
    assert_ok(gs_dataset_writer_open(folder, &small_info, &writer, &error));
    for (int i = 0; i < 2 * cases; i++) {
        int number = i / 2;
        char name[16];
        snprintf(name, sizeof name, "case %d", number);
        gs_dataset_slice slice = {.case_name = name, .name = name, .index = i % 2};
        slice.label = number < 20 && i % 2 ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE;
        slice.split = number == 0 ? of_first : GS_SPLIT_NONE;
        bool masked = number < 10 && i % 2;
        assert_ok(gs_dataset_writer_add(writer, &slice, image, masked ? mask : NULL, &error));
    }
    assert_ok(gs_dataset_writer_finish(writer, &error));
    gs_dataset_writer_close(writer);
    assert_ok(gs_dataset_open(folder, &dataset, &error));
    return dataset;
}

static split_counts count_splits(const gs_dataset *dataset) {
    split_counts counts = {0};
    for (size_t i = 0; i < gs_dataset_count(dataset); i += 2) {
        gs_split split = gs_dataset_get_slice(dataset, i)->split;
        assert_int_equal(split, gs_dataset_get_slice(dataset, i + 1)->split); /* one case */
        assert_int_not_equal(split, GS_SPLIT_NONE);
        counts.cases[split]++;
        counts.annotated[split] += gs_dataset_mask(dataset, i + 1) != NULL;
        counts.present[split] += gs_dataset_get_slice(dataset, i + 1)->label == GS_LABEL_PRESENCE;
    }
    return counts;
}

static void each_split_gets_its_share_of_each_kind(void **state) {
    gs_dataset *dataset = open_unsplit(*state, CASES, GS_SPLIT_NONE);
    assert_ok(gs_dataset_assign_splits(dataset, 1, 0.2, 0.1, &error));
    split_counts counts = count_splits(dataset);
    assert_int_equal(counts.cases[GS_SPLIT_VALIDATION], 8);
    assert_int_equal(counts.cases[GS_SPLIT_TEST], 4);
    assert_int_equal(counts.present[GS_SPLIT_VALIDATION], 4);
    assert_int_equal(counts.present[GS_SPLIT_TEST], 2);
    assert_int_equal(counts.annotated[GS_SPLIT_VALIDATION], 2);
    assert_int_equal(counts.annotated[GS_SPLIT_TEST], 1);
    gs_dataset_close(dataset);
}

static void the_seed_decides(void **state) {
    gs_dataset *left = open_unsplit(*state, CASES, GS_SPLIT_NONE), *right = NULL, *other = NULL;
    assert_ok(gs_dataset_open(*state, &right, &error));
    assert_ok(gs_dataset_open(*state, &other, &error));
    assert_ok(gs_dataset_assign_splits(left, 7, 0.2, 0.2, &error));
    assert_ok(gs_dataset_assign_splits(right, 7, 0.2, 0.2, &error));
    assert_ok(gs_dataset_assign_splits(other, 8, 0.2, 0.2, &error));
    int differences = 0;
    for (size_t i = 0; i < gs_dataset_count(left); i++) {
        gs_split split = gs_dataset_get_slice(left, i)->split;
        assert_int_equal(split, gs_dataset_get_slice(right, i)->split);
        differences += split != gs_dataset_get_slice(other, i)->split;
    }
    assert_true(differences > 0);
    gs_dataset_close(left);
    gs_dataset_close(right);
    gs_dataset_close(other);
}

static void a_split_that_is_there_stays(void **state) {
    for (uint64_t seed = 0; seed < 5; seed++) {
        gs_dataset *dataset = open_unsplit(*state, CASES, GS_SPLIT_TEST);
        assert_ok(gs_dataset_assign_splits(dataset, seed, 0.2, 0, &error));
        split_counts counts = count_splits(dataset);
        assert_int_equal(gs_dataset_get_slice(dataset, 0)->split, GS_SPLIT_TEST);
        assert_int_equal(counts.cases[GS_SPLIT_TEST], 1);
        gs_dataset_close(dataset);
    }
}

static void few_cases_still_train_and_validate(void **state) {
    static const struct {
        int cases, train, validation, test;
    } expected[] = {{1, 1, 0, 0}, {2, 1, 1, 0}, {3, 1, 1, 1}, {4, 2, 1, 1}, {6, 4, 1, 1}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        gs_dataset *dataset = open_unsplit(*state, expected[i].cases, GS_SPLIT_NONE);
        assert_ok(gs_dataset_assign_splits(dataset, 1, 0.15, 0.15, &error));
        split_counts counts = count_splits(dataset);
        assert_int_equal(counts.cases[GS_SPLIT_TRAIN], expected[i].train);
        assert_int_equal(counts.cases[GS_SPLIT_VALIDATION], expected[i].validation);
        assert_int_equal(counts.cases[GS_SPLIT_TEST], expected[i].test);
        gs_dataset_close(dataset);
    }
}

static void large_fractions_leave_something_to_train_on(void **state) {
    gs_dataset *dataset = open_unsplit(*state, 3, GS_SPLIT_NONE);
    assert_ok(gs_dataset_assign_splits(dataset, 1, 0.5, 0.49, &error));
    assert_int_equal(count_splits(dataset).cases[GS_SPLIT_TRAIN], 1);
    assert_fails(gs_dataset_assign_splits(dataset, 1, 0.5, 0.5, &error), GS_INVALID_ARGUMENT);
    assert_fails(gs_dataset_assign_splits(dataset, 1, -0.1, 0.5, &error), GS_INVALID_ARGUMENT);
    gs_dataset_close(dataset);
}

/* Which of the cases 0 … 9 have masks, as bits. */
static unsigned annotated_cases(const gs_dataset *dataset) {
    unsigned cases = 0;
    for (size_t i = 0; i < gs_dataset_count(dataset); i++)
        if (gs_dataset_mask(dataset, i))
            cases |= 1u << gs_dataset_get_slice(dataset, i)->case_number;
    return cases;
}

static unsigned keep(const char *folder, uint64_t seed, double fraction) {
    gs_dataset *dataset = NULL;
    assert_ok(gs_dataset_open(folder, &dataset, &error));
    assert_ok(gs_dataset_assign_splits(dataset, 1, 0.2, 0.1, &error)); /* 7 of 10 train */
    assert_ok(gs_dataset_keep_annotations(dataset, seed, fraction, &error));
    unsigned kept = annotated_cases(dataset);
    gs_dataset_close(dataset);
    return kept;
}

static unsigned held_out(const char *folder) {
    gs_dataset *dataset = NULL;
    unsigned cases = 0;
    assert_ok(gs_dataset_open(folder, &dataset, &error));
    assert_ok(gs_dataset_assign_splits(dataset, 1, 0.2, 0.1, &error));
    for (size_t i = 0; i < gs_dataset_count(dataset); i++)
        if (gs_dataset_get_slice(dataset, i)->split != GS_SPLIT_TRAIN &&
            gs_dataset_mask(dataset, i))
            cases |= 1u << gs_dataset_get_slice(dataset, i)->case_number;
    gs_dataset_close(dataset);
    return cases;
}

static void a_fraction_of_the_training_cases_keeps_its_masks(void **state) {
    gs_dataset_close(open_unsplit(*state, CASES, GS_SPLIT_NONE));
    unsigned others = held_out(*state), chosen = 0;
    assert_int_equal(__builtin_popcount(others), 3);
    static const struct {
        double fraction;
        int cases;
    } expected[] = {{1e-6, 1}, {0.2, 1}, {0.3, 2}, {0.5, 4}, {0.99, 7}, {1, 7}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        unsigned kept = keep(*state, 3, expected[i].fraction);
        assert_int_equal(kept & others, others); /* validation and test keep theirs */
        assert_int_equal(__builtin_popcount(kept & ~others), expected[i].cases);
        assert_int_equal(kept & chosen, chosen); /* among the cases of a larger fraction */
        assert_int_equal(kept, keep(*state, 3, expected[i].fraction));
        chosen = kept;
    }
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 40; seed++) seen |= keep(*state, seed, 0.2) & ~others;
    assert_int_equal(__builtin_popcount(seen), 7);
}

static void fractions_of_masks_out_of_range_are_refused(void **state) {
    gs_dataset *dataset = open_unsplit(*state, CASES, GS_SPLIT_NONE);
    const double fractions[] = {0, -0.5, 1.01, (double)NAN};
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++)
        assert_fails(gs_dataset_keep_annotations(dataset, 1, fractions[i], &error),
                     GS_INVALID_ARGUMENT);
    assert_int_equal(annotated_cases(dataset), 1023);
    gs_dataset_close(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_split_gets_its_share_of_each_kind, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(the_seed_decides, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_split_that_is_there_stays, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(few_cases_still_train_and_validate, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(large_fractions_leave_something_to_train_on, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_fraction_of_the_training_cases_keeps_its_masks,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(fractions_of_masks_out_of_range_are_refused, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

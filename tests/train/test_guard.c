/* Trainings that go wrong, that stop improving, and those whose model is an average. */
#include "tests/train/training.h"

#include "engine/train/trainer_internal.h"

/* ---- Judging ----------------------------------------------------------------------------------
 */

typedef struct judged {
    gs_validation validation;
    bool is_wrong;
} judged;

/* Judges one validation after the other of a training whose best Dice and diversity were these. */
static void expect_judgements(double best_dice, double best_diversity, const judged *of,
                              size_t count) {
    gs_trainer t = {.state = {.best_dice = best_dice, .best_diversity = best_diversity},
                    .suspicions = 3};
    for (size_t i = 0; i < count; i++) {
        const char *reason = gs__trainer_judge(&t, &of[i].validation);
        if ((reason != NULL) != of[i].is_wrong)
            fail_msg("validation %zu: %s", i, reason ? reason : "nothing is wrong");
    }
}

#define JUDGEMENTS(dice, diversity, ...)                                                           \
    expect_judgements(dice, diversity, (const judged[]){__VA_ARGS__},                              \
                      sizeof((const judged[]){__VA_ARGS__}) / sizeof(judged))

static void a_collapse_is_some_validations_in_a_row_after_better_ones(void **state) {
    (void)state;
    const gs_validation good = {0.5, 0.1, 0.9, 0.8, false}, empty = {0, 0, 0.9, 0.8, true};
    const gs_validation full = {0.1, 1, 0.9, 0.8, true}, alike = {0.5, 0.1, 0.01, 0.8, false};
    const gs_validation same = {0.5, 0.1, 0.9, 0.001, false};
    const gs_validation unknown = {(double)NAN, (double)NAN, (double)NAN, (double)NAN, false};
    JUDGEMENTS(0.5, 0.9, {empty, false}, {empty, false}, {empty, true});
    JUDGEMENTS(0.5, 0.9, {empty, false}, {full, false}, {alike, true});
    JUDGEMENTS(0.5, 0.9, {empty, false}, {empty, false}, {good, false}, {empty, false});
    JUDGEMENTS(0.5, 0.9, {alike, false}, {alike, false}, {alike, true});
    JUDGEMENTS(0.5, 0.9, {good, false}, {same, false}, {same, false}, {same, true});
    JUDGEMENTS(0.5, 0.9, {same, false}, {same, false}, {same, false}, {same, false});
    /* At the start nothing could be lost yet. */
    JUDGEMENTS(0.2, 0.1, {empty, false}, {empty, false}, {empty, false}, {full, false});
    JUDGEMENTS(-1, 0, {alike, false}, {alike, false}, {alike, false}, {alike, false});
    JUDGEMENTS(0.5, 0.9, {unknown, false}, {unknown, false}, {unknown, false});
}

/* ---- Measures ---------------------------------------------------------------------------------
 */

static void diversity_is_that_of_the_images(void **state) {
    (void)state;
    enum { COUNT = 4, SIZE = 50 };
    float images[COUNT * SIZE], other[COUNT * SIZE];
    gs_random_normal(3, 1, images, COUNT * SIZE);
    assert_true(fabs(gs__diversity(images, images, COUNT, SIZE) - 1) < 1e-12);
    for (int i = 0; i < COUNT * SIZE; i++)
        other[i] = images[i % SIZE]; /* the first one each time */
    assert_true(gs__diversity(images, other, COUNT, SIZE) == 0);
    assert_true(isnan(gs__diversity(other, images, COUNT, SIZE)));
    for (int i = 0; i < COUNT * SIZE; i++) other[i] = images[i] / 2 + 3;
    assert_true(fabs(gs__diversity(images, other, COUNT, SIZE) - 0.25) < 1e-5);
}

/* Two images, two codes each. */
static void diversity_of_samples_is_that_of_codes_not_of_images(void **state) {
    (void)state;
    enum { SIZE = 50, ALL = 4 * SIZE };
    float residuals[ALL] = {0};
    assert_true(gs__sample_diversity(residuals, 4, SIZE) == 0); /* nothing is inserted, … */
    for (int i = 0; i < ALL; i++) residuals[i] = i % 2 ? 0.01f : -0.01f;
    assert_true(gs__sample_diversity(residuals, 4, SIZE) == 0); /* … or as good as nothing, … */
    for (int i = 0; i < ALL; i++) residuals[i] = (float)(1 + i / (2 * SIZE));
    assert_true(gs__sample_diversity(residuals, 4, SIZE) == 0); /* … or always the same */
    for (int i = 0; i < ALL; i++) residuals[i] = (i / SIZE + i) % 2 ? 1.0f : 0.0f;
    assert_true(gs__sample_diversity(residuals, 4, SIZE) == 1); /* without a common pixel */
    for (int i = 0; i < ALL; i++) residuals[i] = i / SIZE % 2 ? 3.0f : 1.0f;
    assert_true(fabs(gs__sample_diversity(residuals, 4, SIZE) - 0.5) < 1e-12);
}

/* 12 slices: case 0 has 6, cases 1 to 6 one each. */
static void slices_are_spread_over_cases(void **state) {
    (void)state;
    gs_dataset_writer *writer = NULL;
    gs_dataset *dataset = NULL;
    const gs_dataset_info info = {
        .name = "cases", .made_by = "a test", .channels = 1, .height = 1, .width = 1};
    char *where = path("cases");
    uint32_t all[12], few[3], some[12], out[12];
    assert_int_equal(gs_dataset_writer_open(where, &info, &writer, NULL), GS_OK);
    for (uint32_t i = 0; i < 12; i++) {
        char name[16], text[16];
        snprintf(name, sizeof name, "case %u", i < 6 ? 0 : i - 5);
        snprintf(text, sizeof text, "slice %u", i);
        const gs_dataset_slice slice = {.case_name = name, .name = text};
        assert_int_equal(gs_dataset_writer_add(writer, &slice, &(float){0}, NULL, NULL), GS_OK);
        all[i] = i;
        if (i < 3) few[i] = i;
    }
    assert_int_equal(gs_dataset_writer_finish(writer, NULL), GS_OK);
    gs_dataset_writer_close(writer);
    assert_int_equal(gs_dataset_open(where, &dataset, NULL), GS_OK);
    assert_int_equal(gs__spread_over_cases(dataset, all, 12, 7, out), 7);
    const uint32_t each[] = {3, 6, 7, 8, 9, 10, 11}; /* of the first case the middle one */
    assert_memory_equal(out, each, sizeof each);
    assert_int_equal(gs__spread_over_cases(dataset, all, 12, 3, out), 3);
    const uint32_t evenly[] = {3, 7, 9};
    assert_memory_equal(out, evenly, sizeof evenly);
    assert_int_equal(gs__spread_over_cases(dataset, few, 3, 8, some), 3); /* one case, all of it */
    assert_memory_equal(some, few, sizeof few);
    assert_int_equal(gs__spread_over_cases(dataset, all, 6, 3, out), 3);
    const uint32_t within[] = {1, 3, 5};
    assert_memory_equal(out, within, sizeof within);
    assert_int_equal(gs__spread_over_cases(dataset, all, 0, 3, out), 0);
    gs_dataset_close(dataset);
    gs_free(where);
}

/* ---- Going back -------------------------------------------------------------------------------
 */

/* A training with masks that works, up to step 60. */
static void train_well(gs_trainer_options *o) {
    gs_error err;
    record r = {0};
    o->objective.method = GS_TRAINING_SEGMENTATION_ONLY;
    o->max_steps = 60;
    o->validate_every = 10;
    o->checkpoint_every = 10;
    assert_int_equal(train(o, &r, &err), GS_OK);
    if (!(r.dice > 0.4)) fail_msg("Dice %.3f", r.dice);
}

/* From there on with masks that teach it to find nothing: it goes back to the last validation
 * before masks became empty, at a quarter of the rate, then at a sixteenth, then gives up. Cut at
 * the first recovery and resumed, it ends the same way. */
static void collapsed_masks_take_training_back_at_a_lower_rate(void **state) {
    (void)state;
    gs_error err;
    char *data = path("guarded"), *empty = path("empty"), *out = path("collapsing");
    char *cut = path("cut");
    make_small_dataset(data, 24, 0, 1);
    make_small_dataset_with(empty, 24, 0, 1, SMALL_MASKS_EMPTY);
    for (int i = 0; i < 2; i++) {
        gs_trainer_options o = options_for(data, i ? cut : out);
        train_well(&o);
        o.dataset = empty;
        o.resume = true;
        o.learning_rate = 0.02;
        o.max_steps = 1500;
        record r = {.stop_at_recovery = i == 1};
        gs_status status = train(&o, &r, &err);
        assert_true(r.recoveries >= 1);
        assert_non_null(strstr(r.reason, "masks of all validation images have become empty"));
        assert_int_equal(r.back_to % 10, 0);
        assert_true(r.back_to >= 60);
        if (i == 1) {
            uint64_t back_to = r.back_to;
            assert_int_equal(status, GS_CANCELLED);
            assert_true(r.learning_rate == 0.02 / 4);
            r = (record){0};
            status = train(&o, &r, &err);
            assert_int_equal(r.resumed_from, back_to);
        }
        assert_int_equal(status, GS_NUMERIC);
        assert_int_equal(r.recoveries, 2);
        assert_true(r.learning_rate == 0.02 / 16);
        assert_non_null(strstr(err.text, "although training went back 2 times"));
    }
    assert_same_tensors(out, cut);
    gs_free(data), gs_free(empty), gs_free(out), gs_free(cut);
}

/* A translator that from then on has only discriminators to please, which hardly learn: one image
 * that pleases them is enough, and it goes back to where there were many. */
static void dropped_modes_take_training_back(void **state) {
    (void)state;
    gs_error err;
    record r = {0};
    char *data = path("translated"), *out = path("dropping");
    make_small_dataset(data, 24, 24, 1);
    gs_trainer_options o = options_for(data, out);
    o.max_steps = 40;
    o.validate_every = 10;
    o.checkpoint_every = 10;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    if (!(r.diversity >= 0.25)) fail_msg("diversity %.3f", r.diversity);
    o.resume = true;
    o.objective.weights = (gs_loss_weights){.adv = 1};
    o.learning_rate = 0.02;
    o.discriminator_rate = 1e-6;
    o.max_steps = 400;
    r = (record){.stop_at_recovery = true};
    assert_int_equal(train(&o, &r, &err), GS_CANCELLED);
    assert_int_equal(r.recoveries, 1);
    if (!strstr(r.reason, "nearly the same")) /* in one of the two directions */
        fail_msg("%s", r.reason);
    assert_true(r.back_to >= 40); /* a validation that was good */
    gs_free(data), gs_free(out);
}

static void unguarded_training_goes_on_whatever_happens(void **state) {
    (void)state;
    gs_error err;
    char *data = path("guarded"), *out = path("unguarded");
    char *empty = path("empty");
    gs_trainer_options o = options_for(data, out);
    train_well(&o);
    o.dataset = empty;
    o.resume = true;
    o.unguarded = true;
    o.learning_rate = 0.02;
    o.max_steps = 200;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    assert_int_equal(r.recoveries, 0);
    o.learning_rate = 1e30;
    o.max_steps = 300;
    assert_int_equal(train(&o, &r, &err), GS_NUMERIC);
    assert_non_null(strstr(err.text, "not finite"));
    gs_free(data), gs_free(empty), gs_free(out);
}

/* Not finite before there was any checkpoint: it starts over, twice. */
static void numbers_that_are_not_finite_take_training_back(void **state) {
    (void)state;
    gs_error err;
    char *data = path("guarded"), *out = path("infinite");
    gs_trainer_options o = options_for(data, out);
    o.objective.method = GS_TRAINING_SEGMENTATION_ONLY;
    o.learning_rate = 1e35;
    o.max_steps = 50;
    o.checkpoint_every = 50;
    o.validate_every = 50;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_NUMERIC);
    assert_int_equal(r.recoveries, 2);
    assert_int_equal(r.back_to, 0);
    assert_non_null(strstr(err.text, "not finite"));
    /* The checkpoint that the last recovery wrote can be gone on from. */
    o.resume = true;
    o.learning_rate = 1e-3;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    gs_free(data), gs_free(out);
}

/* ---- Early stopping ----------------------------------------------------------------------------
 */

static void training_without_progress_stops(void **state) {
    (void)state;
    gs_error err;
    char *data = path("guarded"), *out = path("patient");
    gs_trainer_options o = options_for(data, out);
    o.objective.method = GS_TRAINING_SEGMENTATION_ONLY;
    o.learning_rate = 1e-12;
    o.patience = 2;
    o.validate_every = 5;
    o.max_steps = 100;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    assert_true(r.is_done && r.stopped_early);
    assert_int_equal(r.validations, 3); /* the first is the best so far */
    assert_int_equal(r.step, 15);
    o.resume = true;
    record again = {0};
    assert_int_equal(train(&o, &again, &err), GS_OK);
    assert_true(again.is_done && again.stopped_early && again.step == 15);
    gs_free(data), gs_free(out);
}

static void stopping_early_needs_something_to_validate(void **state) {
    (void)state;
    gs_error err;
    record r = {0};
    char *data = path("unvalidated"), *out = path("refused");
    make_small_dataset(data, 3, 3, 1); /* every fourth slice validates */
    gs_trainer_options o = options_for(data, out);
    o.patience = 2;
    assert_int_equal(train(&o, &r, &err), GS_UNUSABLE);
    gs_free(data), gs_free(out);
}

/* ---- The average ------------------------------------------------------------------------------
 */

/* Every generator's value of the model is the average of the checkpoint, which is 0.75 of the start
 * and 0.25 of what was trained; a model has no student. */
static void the_model_is_the_average_of_what_is_trained(void **state) {
    (void)state;
    gs_error err;
    char *data = path("both"), *before = path("average-before"), *after = path("average-after");
    make_small_dataset(data, 12, 12, 2);
    gs_trainer_options o = options_for(data, before);
    o.objective.average_decay = 0.75;
    o.max_steps = 0;
    o.max_seconds = 1e-9; /* over at once */
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o.out = after;
    o.max_steps = 1, o.max_seconds = 0;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    gs_safetensors *start = open_weights(before, "checkpoint");
    gs_safetensors *end = open_weights(after, "checkpoint"), *model = open_weights(after, "model");
    int compared = 0;
    for (size_t k = 0; k < gs_safetensors_count(model); k++) {
        const char *name = gs_safetensors_get(model, k)->name;
        assert_null(strstr(name, "student"));
        if (strncmp(name, "disc_", 5) == 0 || strcmp(strrchr(name, '.'), ".u") == 0) continue;
        char *student = gs_format("student.%s", name);
        const gs_tensor_entry *m = tensor_of(model, name), *w = tensor_of(start, name);
        const gs_tensor_entry *s = tensor_of(end, student);
        for (size_t i = 0; i < m->count; i++, compared++)
            if (!(fabsf(m->data[i] - (0.75f * w->data[i] + 0.25f * s->data[i])) <= 1e-6f))
                fail_msg("%s[%zu]", name, i);
        gs_free(student);
    }
    assert_true(compared > 5000);
    gs_safetensors_close(start), gs_safetensors_close(end), gs_safetensors_close(model);
    gs_free(data), gs_free(before), gs_free(after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_collapse_is_some_validations_in_a_row_after_better_ones),
        cmocka_unit_test(diversity_is_that_of_the_images),
        cmocka_unit_test(diversity_of_samples_is_that_of_codes_not_of_images),
        cmocka_unit_test(slices_are_spread_over_cases),
        cmocka_unit_test(dropped_modes_take_training_back),
        cmocka_unit_test(collapsed_masks_take_training_back_at_a_lower_rate),
        cmocka_unit_test(unguarded_training_goes_on_whatever_happens),
        cmocka_unit_test(numbers_that_are_not_finite_take_training_back),
        cmocka_unit_test(training_without_progress_stops),
        cmocka_unit_test(stopping_early_needs_something_to_validate),
        cmocka_unit_test(the_model_is_the_average_of_what_is_trained),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

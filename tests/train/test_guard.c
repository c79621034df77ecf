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
    const gs_validation good = {0.5, 0.1, 0.9, false}, empty = {0, 0, 0.9, true};
    const gs_validation full = {0.1, 1, 0.9, true}, alike = {0.5, 0.1, 0.01, false};
    const gs_validation unknown = {(double)NAN, (double)NAN, (double)NAN, false};
    JUDGEMENTS(0.5, 0.9, {empty, false}, {empty, false}, {empty, true});
    JUDGEMENTS(0.5, 0.9, {empty, false}, {full, false}, {alike, true});
    JUDGEMENTS(0.5, 0.9, {empty, false}, {empty, false}, {good, false}, {empty, false});
    JUDGEMENTS(0.5, 0.9, {alike, false}, {alike, false}, {alike, true});
    /* At the start nothing could be lost yet. */
    JUDGEMENTS(0.2, 0.1, {empty, false}, {empty, false}, {empty, false}, {full, false});
    JUDGEMENTS(-1, 0, {alike, false}, {alike, false}, {alike, false}, {alike, false});
    JUDGEMENTS(0.5, 0.9, {unknown, false}, {unknown, false}, {unknown, false});
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
        cmocka_unit_test(collapsed_masks_take_training_back_at_a_lower_rate),
        cmocka_unit_test(unguarded_training_goes_on_whatever_happens),
        cmocka_unit_test(numbers_that_are_not_finite_take_training_back),
        cmocka_unit_test(training_without_progress_stops),
        cmocka_unit_test(stopping_early_needs_something_to_validate),
        cmocka_unit_test(the_model_is_the_average_of_what_is_trained),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

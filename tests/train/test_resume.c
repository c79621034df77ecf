/* A killed training goes on from its checkpoint and ends with the same bytes. */
#include "tests/train/training.h"

#include <sys/wait.h>

static void killed_training_resumes_bit_exactly(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *whole = path("whole"), *cut = path("cut");
    make_small_dataset(data, 12, 12, 2);
    gs_trainer_options a = options_for(data, whole), b = options_for(data, cut);
    /* First of all tests: a child of a process whose OpenMP threads have started cannot use them.
     */
    pid_t child = fork();
    if (child == 0) {
        record killed = {.kill_at =
                             10}; /* the validation at step 10: the last checkpoint is of 8 */
        (void)!train(&b, &killed, &err);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    record first = {0};
    assert_int_equal(train(&a, &first, &err), GS_OK);
    assert_true(first.is_done);
    assert_int_equal(first.step, 12);
    b.resume = true;
    record second = {0};
    assert_int_equal(train(&b, &second, &err), GS_OK);
    assert_int_equal(second.resumed_from, 8);
    assert_same_tensors(whole, cut);
    gs_free(data), gs_free(whole), gs_free(cut);
}

static void stopped_training_leaves_a_checkpoint_and_goes_on(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *out = path("stopped"), *whole = path("whole");
    gs_trainer_options o = options_for(data, out);
    record r = {.stop_at = 5};
    assert_int_equal(train(&o, &r, &err), GS_CANCELLED);
    assert_int_equal(r.step, 5);
    assert_false(r.is_done);
    o.resume = true;
    record again = {0};
    assert_int_equal(train(&o, &again, &err), GS_OK);
    assert_int_equal(again.resumed_from, 5);
    assert_same_tensors(whole, out);
    o.seed = 8;
    assert_int_equal(train(&o, &again, &err), GS_INVALID_ARGUMENT);
    gs_free(data), gs_free(out), gs_free(whole);
}

/* Every method: stopped after 5 of 8 steps and resumed, it ends with the bytes of a run in one
 * piece. */
static void every_method_goes_on_bit_exactly(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data");
    for (int m = 0; m < GS_TRAINING_METHOD_COUNT; m++) {
        char *whole = gs_format("%s/method-%d", folder, m),
             *cut = gs_format("%s/cut-%d", folder, m);
        gs_trainer_options a = options_for(data, whole), b = options_for(data, cut);
        a.objective.method = b.objective.method = (gs_training_method)m;
        a.max_steps = b.max_steps = 8;
        record first = {0}, stopped = {.stop_at = 5}, second = {0};
        assert_int_equal(train(&a, &first, &err), GS_OK);
        assert_int_equal(train(&b, &stopped, &err), GS_CANCELLED);
        b.resume = true;
        assert_int_equal(train(&b, &second, &err), GS_OK);
        assert_int_equal(second.resumed_from, 5);
        assert_same_tensors(whole, cut);
        gs_free(whole), gs_free(cut);
    }
    gs_free(data);
}

/* Training that ruins the model (a huge learning rate after a good start) leaves the good one, or
 * with keep_last the last one; also when a finished training is resumed for just that. */
static void the_model_is_the_best_or_the_last(void **state) {
    (void)state;
    gs_error err;
    char *data = path("masks-of-all"), *out = path("kept");
    make_small_dataset(data, 24, 0, 1);
    gs_trainer_options o = options_for(data, out);
    o.objective.method = GS_TRAINING_SEGMENTATION_ONLY;
    o.max_steps = 60;
    o.validate_every = 20;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o.resume = true;
    o.max_steps = 64;
    o.learning_rate = 0.5;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    const char *name = "encoder.conv0.weight";
    for (int last = 0; last <= 1; last++) {
        o.keep_last = last == 1;
        assert_int_equal(train(&o, &r, &err), GS_OK); /* no step is left */
        gs_safetensors *model = open_weights(out, "model"), *end = open_weights(out, "checkpoint");
        const gs_tensor_entry *m = gs_safetensors_find(model, name);
        const gs_tensor_entry *e = gs_safetensors_find(end, name);
        assert_int_equal(memcmp(m->data, e->data, m->count * sizeof *m->data) == 0, o.keep_last);
        gs_safetensors_close(model), gs_safetensors_close(end);
    }
    gs_free(data), gs_free(out);
}

/* After one step, with w the common start: teacher = 0.99 w + 0.01 student. A run of no step at all
 * (max_seconds over at once) writes the start. */
static void the_teacher_is_the_moving_average_of_its_student(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *before = path("teacher-before"), *after = path("teacher-after");
    gs_trainer_options o = options_for(data, before);
    o.objective.method = GS_TRAINING_MEAN_TEACHER;
    o.max_steps = 0;
    o.max_seconds = 1e-9;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o = options_for(data, after);
    o.objective.method = GS_TRAINING_MEAN_TEACHER;
    o.max_steps = 1;
    assert_int_equal(train(&o, &r, &err), GS_OK);
    gs_safetensors *start, *end, *model;
    char *files[] = {path("teacher-before/checkpoint.safetensors"),
                     path("teacher-after/checkpoint.safetensors"),
                     path("teacher-after/model.safetensors")};
    assert_int_equal(gs_safetensors_open(files[0], 0, &start, &err), GS_OK);
    assert_int_equal(gs_safetensors_open(files[1], 0, &end, &err), GS_OK);
    assert_int_equal(gs_safetensors_open(files[2], 0, &model, &err), GS_OK);
    const char *names[] = {"encoder.conv0.weight", "decoder_residual.blocks.0.conv.weight",
                           "decoder_residual.out.classifier.bias"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        char *student = gs_format("student.%s", names[k]);
        const gs_tensor_entry *w = tensor_of(start, names[k]), *t = tensor_of(end, names[k]);
        const gs_tensor_entry *s = tensor_of(end, student), *m = tensor_of(model, names[k]);
        bool moved = false;
        for (size_t i = 0; i < w->count; i++) {
            assert_true(fabsf(t->data[i] - (0.99f * w->data[i] + 0.01f * s->data[i])) <= 1e-6f);
            assert_true(m->data[i] == t->data[i]);
            moved = moved || s->data[i] != w->data[i];
        }
        assert_true(moved);
        assert_null(gs_safetensors_find(model, student)); /* a model is the teacher alone */
        gs_free(student);
    }
    gs_safetensors_close(start), gs_safetensors_close(end), gs_safetensors_close(model);
    for (int i = 0; i < 3; i++) gs_free(files[i]);
    gs_free(data), gs_free(before), gs_free(after);
}

/* The fraction is a part of what a run is: it goes on with the same cases, or not at all. */
static void a_part_of_the_annotations_is_kept_over_a_resume(void **state) {
    (void)state;
    gs_error err;
    char *data = path("annotations"), *out = path("fraction");
    make_small_dataset(data, 12, 12, 1); /* 9 annotated slices to train with, a case each */
    gs_trainer_options o = options_for(data, out);
    o.annotated_fraction = 0.5;
    for (int m = 0; m < GS_TRAINING_METHOD_COUNT; m++) {
        o.objective.method = (gs_training_method)m;
        o.max_steps = 2;
        record r = {0};
        assert_int_equal(train(&o, &r, &err), GS_OK);
        assert_int_equal(r.annotated, 5);
    }
    o.resume = true;
    o.max_steps = 3;
    record again = {0};
    assert_int_equal(train(&o, &again, &err), GS_OK);
    assert_int_equal(again.resumed_from, 2);
    o.annotated_fraction = 0;
    assert_int_equal(train(&o, &again, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "annotated_fraction"));
    o.annotated_fraction = 1.5;
    assert_int_equal(train(&o, &again, &err), GS_INVALID_ARGUMENT);
    gs_free(data), gs_free(out);
}

/* … and then does; both over a resume, which may not change when that is. */
static void pretraining_uses_no_masks(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *out = path("pretrained");
    gs_trainer_options o = options_for(data, out);
    o.min_annotated = 1;
    o.pretraining_steps = 4;
    o.max_steps = 4;
    o.validate_every = 2;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    assert_true(isnan(r.dice) && r.losses[GS_TERM_SEG] == 0 && r.losses[GS_TERM_REC] > 0);
    o.resume = true;
    o.max_steps = 8;
    record again = {0};
    assert_int_equal(train(&o, &again, &err), GS_OK);
    assert_true(again.dice >= 0 && again.losses[GS_TERM_SEG] < 0);
    o.pretraining_steps = 3;
    assert_int_equal(train(&o, &again, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "pretraining_steps"));
    gs_free(data), gs_free(out);
}

static void training_from_a_model_starts_with_its_weights(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *out = path("from"), *whole = path("whole/model.safetensors");
    gs_trainer_options o = options_for(data, out);
    o.init = whole;
    o.max_steps = 1;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o.init = "/nonexistent/model.safetensors";
    assert_int_equal(train(&o, &r, &err), GS_NOT_FOUND);
    gs_free(data), gs_free(out), gs_free(whole);
}

static void baselines_learn_from_masks(void **state) {
    (void)state;
    gs_error err;
    char *data = path("masks");
    make_small_dataset(data, 24, 8, 2);
    for (int m = GS_TRAINING_SEGMENTATION_ONLY; m < GS_TRAINING_METHOD_COUNT; m++) {
        char *out = gs_format("%s/learns-%d", folder, m);
        gs_trainer_options o = options_for(data, out);
        o.objective.method = (gs_training_method)m;
        o.objective.weights.seg = 1;
        o.objective.weights.rec = 1;
        o.max_steps = 400;
        o.validate_every = 50;
        record r = {0};
        assert_int_equal(train(&o, &r, &err), GS_OK);
        if (!(r.dice > 0.8))
            fail_msg("%s: Dice %.3f", gs_method_get(o.objective.method)->name, r.dice);
        gs_free(out);
    }
    gs_free(data);
}

/* Half of every training mask is missing. Told that it is missing, training finds whole targets;
 * told that nothing is there, it learns that. */
static void pixels_that_are_not_annotated_teach_nothing(void **state) {
    (void)state;
    double dice[2];
    for (int i = 0; i < 2; i++) {
        gs_error err;
        char *data = path("half"), *out = gs_format("%s/half-%d", folder, i);
        make_small_dataset_with(data, 24, 0, 1, i ? SMALL_MASKS_HALF_WRONG : SMALL_MASKS_HALF);
        gs_trainer_options o = options_for(data, out);
        o.objective.method = GS_TRAINING_SEGMENTATION_ONLY;
        o.max_steps = 300;
        o.validate_every = 50;
        record r = {0};
        assert_int_equal(train(&o, &r, &err), GS_OK);
        dice[i] = r.dice;
        gs_free(data), gs_free(out);
    }
    if (!(dice[0] > 0.8 && dice[1] < dice[0] - 0.1))
        fail_msg("Dice %.3f, and %.3f with wrong masks", dice[0], dice[1]);
}

static void data_that_cannot_train_is_refused_with_what_is_missing(void **state) {
    (void)state;
    const struct {
        int presence, absence, annotate;
        const char *missing;
    } cases[] = {{0, 6, 0, " presence slices"},
                 {6, 0, 1, " absence slices"},
                 {6, 6, 0, " annotated presence slices"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        gs_error err;
        char *data = path("lacking"), *out = path("nothing");
        make_small_dataset(data, cases[i].presence, cases[i].absence, cases[i].annotate);
        gs_trainer_options o = options_for(data, out);
        record r = {0};
        assert_int_equal(train(&o, &r, &err), GS_UNUSABLE);
        assert_non_null(strstr(err.text, cases[i].missing));
        gs_free(data), gs_free(out);
    }
}

static void loss_that_is_not_finite_ends_training(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *out = path("diverged");
    gs_trainer_options o = options_for(data, out);
    o.learning_rate = 1e30;
    o.max_steps = 50;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_NUMERIC);
    assert_non_null(strstr(err.text, "loss is not finite after step"));
    gs_free(data), gs_free(out);
}

static void options_out_of_range_are_refused(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *out = path("refused");
    record r = {0};
    gs_trainer_options o = options_for(data, out);
    o.batch_size = 257;
    assert_int_equal(train(&o, &r, &err), GS_INVALID_ARGUMENT);
    o = options_for(data, out);
    o.max_steps = 0;
    assert_int_equal(train(&o, &r, &err), GS_INVALID_ARGUMENT);
    o = options_for(data, out);
    o.preset = "lung";
    assert_int_equal(train(&o, &r, &err), GS_INVALID_ARGUMENT);
    gs_free(data), gs_free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_training_resumes_bit_exactly),
        cmocka_unit_test(stopped_training_leaves_a_checkpoint_and_goes_on),
        cmocka_unit_test(a_part_of_the_annotations_is_kept_over_a_resume),
        cmocka_unit_test(pretraining_uses_no_masks),
        cmocka_unit_test(training_from_a_model_starts_with_its_weights),
        cmocka_unit_test(every_method_goes_on_bit_exactly),
        cmocka_unit_test(the_model_is_the_best_or_the_last),
        cmocka_unit_test(the_teacher_is_the_moving_average_of_its_student),
        cmocka_unit_test(baselines_learn_from_masks),
        cmocka_unit_test(pixels_that_are_not_annotated_teach_nothing),
        cmocka_unit_test(data_that_cannot_train_is_refused_with_what_is_missing),
        cmocka_unit_test(loss_that_is_not_finite_ends_training),
        cmocka_unit_test(options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

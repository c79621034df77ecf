/* A killed training goes on from its checkpoint and ends with the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "engine/model/safetensors.h"
#include "engine/train/trainer.h"
#include "tests/train/small_dataset.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/genseg-train-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

typedef struct record {
    atomic_bool stop;
    uint64_t stop_at, kill_at, step; /* 0 = never */
    int progress, validations, checkpoints;
    double dice;
    int64_t resumed_from;
    bool is_done;
} record;

static void note(void *context, const gs_training_event *e) {
    record *r = context;
    r->step = e->step;
    if (e->kind == GS_EVENT_START) r->resumed_from = e->resumed_from;
    if (e->kind == GS_EVENT_PROGRESS) r->progress++;
    if (e->kind == GS_EVENT_VALIDATION) r->validations++;
    if (e->kind == GS_EVENT_CHECKPOINT) r->checkpoints++;
    if (e->kind == GS_EVENT_DONE) r->is_done = true, r->dice = e->dice;
    if (r->stop_at && e->step >= r->stop_at) atomic_store(&r->stop, true);
    if (r->kill_at && e->step >= r->kill_at) raise(SIGKILL);
}

static gs_trainer_options options_for(const char *dataset, const char *out) {
    return (gs_trainer_options){.dataset = dataset,
                                .out = out,
                                .preset = "tiny",
                                .width = 1,
                                .batch_size = 3,
                                .max_steps = 12,
                                .learning_rate = 1e-3,
                                .weights = gs_loss_weights_default(),
                                .seed = 7,
                                .threads = 2,
                                .validate_every = 5,
                                .checkpoint_every = 4};
}

static gs_status train(const gs_trainer_options *o, record *r, gs_error *err) {
    gs_training_observer observer = {note, r, &r->stop};
    return gs_trainer_run(o, &observer, err);
}

static char *path(const char *name) {
    char *text = gs_format("%s/%s", folder, name);
    assert_non_null(text);
    return text;
}

/* The tensors of a checkpoint (its metadata holds the seconds spent, which differ). */
static void assert_same_tensors(const char *a, const char *b) {
    char *bytes[2];
    size_t size[2];
    const char *out[] = {a, b};
    uint64_t header[2];
    for (int i = 0; i < 2; i++) {
        char *file = gs_format("%s/checkpoint.safetensors", out[i]);
        assert_int_equal(gs_file_read(file, 1 << 30, &bytes[i], &size[i], NULL), GS_OK);
        memcpy(&header[i], bytes[i], sizeof header[i]);
        gs_free(file);
    }
    size_t data[] = {size[0] - 8 - header[0], size[1] - 8 - header[1]};
    assert_int_equal(data[0], data[1]);
    assert_true(data[0] > 100000);
    assert_memory_equal(bytes[0] + 8 + header[0], bytes[1] + 8 + header[1], data[0]);
    gs_free(bytes[0]), gs_free(bytes[1]);
}

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
        a.method = b.method = (gs_training_method)m;
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

static gs_safetensors *open_weights(const char *out, const char *name) {
    gs_safetensors *file;
    gs_error err;
    char *file_path = gs_format("%s/%s.safetensors", out, name);
    assert_int_equal(gs_safetensors_open(file_path, 0, &file, &err), GS_OK);
    gs_free(file_path);
    return file;
}

/* Training that ruins the model (a huge learning rate after a good start) leaves the good one, or
 * with keep_last the last one; also when a finished training is resumed for just that. */
static void the_model_is_the_best_or_the_last(void **state) {
    (void)state;
    gs_error err;
    char *data = path("masks-of-all"), *out = path("kept");
    make_small_dataset(data, 24, 0, 1);
    gs_trainer_options o = options_for(data, out);
    o.method = GS_TRAINING_SEGMENTATION_ONLY;
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

static const gs_tensor_entry *tensor_of(const gs_safetensors *file, const char *name) {
    const gs_tensor_entry *entry = gs_safetensors_find(file, name);
    if (!entry) fail_msg("no tensor %s", name);
    return entry;
}

/* After one step, with w the common start: teacher = 0.99 w + 0.01 student. A run of no step at all
 * (max_seconds over at once) writes the start. */
static void the_teacher_is_the_moving_average_of_its_student(void **state) {
    (void)state;
    gs_error err;
    char *data = path("data"), *before = path("teacher-before"), *after = path("teacher-after");
    gs_trainer_options o = options_for(data, before);
    o.method = GS_TRAINING_MEAN_TEACHER;
    o.max_steps = 0;
    o.max_seconds = 1e-9;
    record r = {0};
    assert_int_equal(train(&o, &r, &err), GS_OK);
    o = options_for(data, after);
    o.method = GS_TRAINING_MEAN_TEACHER;
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
        o.method = (gs_training_method)m;
        o.weights.seg = 1;
        o.weights.rec = 1;
        o.max_steps = 400;
        o.validate_every = 50;
        record r = {0};
        assert_int_equal(train(&o, &r, &err), GS_OK);
        if (!(r.dice > 0.8)) fail_msg("%s: Dice %.3f", gs_method_get(o.method)->name, r.dice);
        gs_free(out);
    }
    gs_free(data);
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
        cmocka_unit_test(training_from_a_model_starts_with_its_weights),
        cmocka_unit_test(every_method_goes_on_bit_exactly),
        cmocka_unit_test(the_model_is_the_best_or_the_last),
        cmocka_unit_test(the_teacher_is_the_moving_average_of_its_student),
        cmocka_unit_test(baselines_learn_from_masks),
        cmocka_unit_test(data_that_cannot_train_is_refused_with_what_is_missing),
        cmocka_unit_test(loss_that_is_not_finite_ends_training),
        cmocka_unit_test(options_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

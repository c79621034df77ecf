/* `genseg train` and `genseg eval` as processes: exit statuses, messages, what is left behind. */
#include "tests/train/training.h"

#include <fcntl.h>
#include <sys/wait.h>

enum { MAX_ARGUMENTS = 24 };

/* Starts the program with these arguments, NULL at the end; its output goes to FOLDER/log. */
static pid_t start(const char *const *arguments) {
    char *log = path("log");
    pid_t child = fork();
    if (child == 0) {
        char *given[MAX_ARGUMENTS + 2] = {"genseg"};
        for (int i = 0; arguments[i]; i++) given[i + 1] = strdup(arguments[i]);
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execv(GENSEG_BINARY, given);
        _exit(127);
    }
    gs_free(log);
    return child;
}

static int finish(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A file below the folder, zero-terminated; caller frees. */
static char *text_of(const char *name) {
    char *file = path(name), *text = NULL;
    size_t size;
    if (gs_file_read(file, 1 << 28, &text, &size, NULL) != GS_OK) fail_msg("no file %s", file);
    gs_free(file);
    return text;
}

static int count_of(const char *name, const char *words) {
    char *text = text_of(name);
    int count = 0;
    for (const char *at = text; (at = strstr(at, words)) != NULL; at++) count++;
    gs_free(text);
    return count;
}

static void assert_says(const char *name, const char *words) {
    char *text = text_of(name);
    if (!strstr(text, words)) fail_msg("\"%s\" is not in: %s", words, text);
    gs_free(text);
}

/* Arguments of a short training of `method` on DATA into OUT, both below the folder, and more. */
static pid_t start_training(const char *method, const char *data, const char *out,
                            const char *const *more) {
    char *data_path = path(data), *out_path = path(out);
    const char *arguments[MAX_ARGUMENTS + 1] = {
        "train", "--dataset",    data_path, "--out",     out_path, "--preset", "tiny", "--width",
        "1",     "--batch-size", "2",       "--threads", "1",      "--method", method};
    int count = 15;
    for (int i = 0; more && more[i]; i++) arguments[count++] = more[i];
    pid_t child = start(arguments);
    gs_free(data_path), gs_free(out_path);
    return child;
}

static int run_training(const char *method, const char *data, const char *out,
                        const char *const *more) {
    return finish(start_training(method, data, out, more));
}

static const char *const two_steps[] = {"--max-steps", "2", NULL};

/* ---- Data that cannot be used -----------------------------------------------------------------
 */

static char *data_path(const char *name) {
    char *text = path(name);
    assert_int_equal(gs_folder_make(text, NULL), GS_OK);
    return text;
}

/* Slices of as many cases in the training split, and one for validation; `change` spoils slice i.
 */
static void make_data(const char *name, int presence, int absence,
                      void (*change)(int i, gs_dataset_slice *slice, float *image, uint8_t *mask)) {
    const gs_dataset_info info = {.name = "odd",
                                  .made_by = "a test",
                                  .channels = 1,
                                  .height = SMALL_HEIGHT,
                                  .width = SMALL_WIDTH};
    gs_dataset_writer *writer = NULL;
    char *where = data_path(name);
    assert_int_equal(gs_dataset_writer_open(where, &info, &writer, NULL), GS_OK);
    for (int i = 0; i < presence + absence; i++) {
        float image[SMALL_PIXELS];
        uint8_t mask[SMALL_PIXELS];
        char text[24];
        snprintf(text, sizeof text, "slice-%d", i);
        small_slice(i, i < presence, image, mask);
        gs_dataset_slice slice = {.case_name = text,
                                  .name = text,
                                  .label = i < presence ? GS_LABEL_PRESENCE : GS_LABEL_ABSENCE,
                                  .split = i % 4 == 3 ? GS_SPLIT_VALIDATION : GS_SPLIT_TRAIN};
        if (change) change(i, &slice, image, mask);
        assert_int_equal(
            gs_dataset_writer_add(writer, &slice, image, mask[0] == 1 ? NULL : mask, NULL), GS_OK);
    }
    assert_int_equal(gs_dataset_writer_finish(writer, NULL), GS_OK);
    gs_dataset_writer_close(writer);
    gs_free(where);
}

static void without_masks(int i, gs_dataset_slice *slice, float *image, uint8_t *mask) {
    (void)i, (void)slice, (void)image;
    mask[0] = 1; /* none is written */
}

static void without_validation_masks(int i, gs_dataset_slice *slice, float *image, uint8_t *mask) {
    (void)i, (void)image;
    if (slice->split == GS_SPLIT_VALIDATION) mask[0] = 1;
}

static void infinite(int i, gs_dataset_slice *slice, float *image, uint8_t *mask) {
    (void)slice, (void)mask;
    if (i == 1) image[5] = INFINITY;
}

/* Absence slices, all in validation, whose masks have targets. */
static void contradictory(int i, gs_dataset_slice *slice, float *image, uint8_t *mask) {
    (void)i, (void)image;
    if (slice->label != GS_LABEL_ABSENCE) return;
    slice->split = GS_SPLIT_VALIDATION;
    mask[7] = 255;
}

/* The same, but the masks are empty: that is what absence means. */
static void empty_on_absence(int i, gs_dataset_slice *slice, float *image, uint8_t *mask) {
    (void)i, (void)image, (void)mask;
    if (slice->label == GS_LABEL_ABSENCE) slice->split = GS_SPLIT_VALIDATION;
}

static int make_all(void **state) {
    if (make_folder(state) != 0) return -1;
    make_data("good", 8, 4, NULL);
    make_data("unannotated", 8, 4, without_masks);
    make_data("unvalidated", 8, 4, without_validation_masks);
    make_data("one-sided", 8, 0, NULL);
    make_data("infinite", 8, 4, infinite);
    make_data("contradictory", 8, 4, contradictory);
    make_data("empty-on-absence", 8, 4, empty_on_absence);
    make_data("cut", 8, 4, NULL);
    char *images = path("cut/images.npy"), *file = path("a-file");
    int cut = truncate(images, 2000), fd = open(file, O_WRONLY | O_CREAT, 0644);
    gs_free(images), gs_free(file);
    return cut == 0 && fd >= 0 && close(fd) == 0 ? 0 : -1;
}

static void data_that_cannot_train_are_status_2_by_name(void **state) {
    (void)state;
    static const struct {
        const char *data, *method, *says;
    } items[] = {
        {"nowhere", "genseg", "nowhere/dataset.json"},
        {"cut", "genseg", "/cut"},
        {"unannotated", "genseg",
         "/unannotated: genseg cannot train without annotated presence slices"},
        {"one-sided", "genseg", "/one-sided: genseg cannot train without absence slices"},
        {"infinite", "segmentation_only", "/infinite: slice 1 (slice-1): pixel 5"},
        {"contradictory", "segmentation_only", "/contradictory: slice 8 (slice-8) is labelled"},
    };
    char *out = path("refused");
    for (size_t i = 0; i < sizeof items / sizeof *items; i++) {
        int status = run_training(items[i].method, items[i].data, "refused", two_steps);
        if (status != 2) fail_msg("%s: status %d", items[i].data, status);
        assert_says("log", items[i].says);
        assert_int_equal(access(out, F_OK), -1);
    }
    gs_free(out);
}

static void what_else_cannot_be_used_is_status_2(void **state) {
    (void)state;
    char *good = path("good"), *missing = path("missing.safetensors");
    const char *const no_init[] = {"--max-steps", "2", "--init", missing, NULL};
    assert_int_equal(run_training("genseg", "good", "refused", no_init), 2);
    assert_says("log", "missing.safetensors");
    assert_int_equal(run_training("genseg", "good", "a-file", two_steps), 2);
    assert_says("log", "a-file");
    const char *const no_bound[] = {NULL};
    assert_int_equal(run_training("genseg", "good", "refused", no_bound), 2);
    const char *const wrong_split[] = {"eval", "--model", missing, "--dataset",
                                       good,   "--split", "all",   NULL};
    assert_int_equal(finish(start(wrong_split)), 2);
    const char *const no_model[] = {"eval", "--model", missing, "--dataset", good, NULL};
    assert_int_equal(finish(start(no_model)), 2);
    assert_says("log", "missing.safetensors");
    char *out = path("refused");
    assert_int_equal(access(out, F_OK), -1);
    gs_free(good), gs_free(missing), gs_free(out);
}

static void evaluation_names_the_data_that_lack_masks(void **state) {
    (void)state;
    assert_int_equal(run_training("segmentation_only", "good", "evaluated", two_steps), 0);
    char *model = path("evaluated/model.safetensors"), *good = path("good");
    char *contradictory_data = path("contradictory");
    const char *const untested[] = {"eval", "--model", model, "--dataset", good, NULL};
    assert_int_equal(finish(start(untested)), 2); /* there is no test split */
    assert_says("log", "/good: ");
    assert_says("log", "\"test\"");
    const char *const wrong[] = {"eval",    "--model",    model, "--dataset", contradictory_data,
                                 "--split", "validation", NULL};
    assert_int_equal(finish(start(wrong)), 2);
    assert_says("log", "/contradictory: slice 8");
    gs_free(model), gs_free(good), gs_free(contradictory_data);
}

/* They count where Dice is measured: what is found there is wrong. */
static void empty_masks_on_absence_slices_are_as_they_should_be(void **state) {
    (void)state;
    assert_int_equal(run_training("segmentation_only", "empty-on-absence", "absent", two_steps), 0);
    assert_says("absent/history.jsonl", "\"validation\":6"); /* 2 of presence, 4 of absence */
}

static void a_training_that_goes_wrong_is_status_1(void **state) {
    (void)state;
    const char *const wild[] = {"--max-steps", "50",          "--learning-rate",
                                "1e35",        "--unguarded", NULL};
    assert_int_equal(run_training("segmentation_only", "good", "wild", wild), 1);
    assert_says("log", "not finite");
}

/* ---- Folders ----------------------------------------------------------------------------------
 */

static void a_refused_training_leaves_what_was_there(void **state) {
    (void)state;
    assert_int_equal(run_training("segmentation_only", "good", "kept", two_steps), 0);
    char *history = text_of("kept/history.jsonl"), *model = path("kept/model.safetensors");
    char *good = path("kept/good.safetensors"), *link_to = path("kept/checkpoint.safetensors");
    assert_int_equal(link(link_to, good), 0); /* of a longer training */
    assert_int_equal(run_training("genseg", "unannotated", "kept", two_steps), 2);
    const char *const other[] = {"--max-steps", "2", "--init", "/nonexistent", NULL};
    assert_int_equal(run_training("genseg", "good", "kept", other), 2);
    char *after = text_of("kept/history.jsonl");
    assert_string_equal(history, after);
    assert_int_equal(access(model, R_OK), 0);
    assert_int_equal(access(good, R_OK), 0);
    gs_free(history), gs_free(after), gs_free(model), gs_free(good), gs_free(link_to);
}

static void two_trainings_in_one_folder_exclude_each_other(void **state) {
    (void)state;
    const char *const long_time[] = {"--max-seconds", "60", NULL};
    pid_t first = start_training("segmentation_only", "good", "shared", long_time);
    char *file = path("shared/history.jsonl");
    for (int wait = 0; access(file, R_OK) != 0; wait++) {
        if (wait == 6000) fail_msg("no training began");
        usleep(5000);
    }
    assert_int_equal(run_training("genseg", "good", "shared", two_steps), 2);
    assert_says("log", "/shared is being written by another run");
    const char *const resumed[] = {"--max-steps", "2", "--resume", NULL};
    assert_int_equal(run_training("segmentation_only", "good", "shared", resumed), 2);
    assert_int_equal(kill(first, SIGTERM), 0);
    assert_int_equal(finish(first), 75);
    assert_int_equal(count_of("shared/history.jsonl", "\"start\""), 1);
    gs_free(file);
}

/* ---- Warnings ---------------------------------------------------------------------------------
 */

static void a_validation_split_without_masks_is_warned_of(void **state) {
    (void)state;
    assert_int_equal(run_training("segmentation_only", "unvalidated", "unvalidated-out", two_steps),
                     0);
    assert_says("unvalidated-out/history.jsonl",
                "{\"event\":\"warning\",\"step\":0,\"detail\":\"no slice of the validation split");
    assert_int_equal(run_training("segmentation_only", "good", "unwarned", two_steps), 0);
    assert_int_equal(count_of("unwarned/history.jsonl", "no slice of the validation split"), 0);
}

/* Masks that teach it to find nothing. */
static void masks_that_stay_empty_are_warned_of(void **state) {
    (void)state;
    char *data = path("nothing");
    make_small_dataset_with(data, 12, 0, 1, SMALL_MASKS_EMPTY);
    const char *const some[] = {"--max-steps", "60", "--learning-rate", "0.01", NULL};
    assert_int_equal(run_training("segmentation_only", "nothing", "emptied", some), 0);
    assert_says("emptied/history.jsonl",
                "\"the masks of all validation images are empty at the end");
    gs_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_that_cannot_train_are_status_2_by_name),
        cmocka_unit_test(what_else_cannot_be_used_is_status_2),
        cmocka_unit_test(evaluation_names_the_data_that_lack_masks),
        cmocka_unit_test(empty_masks_on_absence_slices_are_as_they_should_be),
        cmocka_unit_test(a_training_that_goes_wrong_is_status_1),
        cmocka_unit_test(a_refused_training_leaves_what_was_there),
        cmocka_unit_test(two_trainings_in_one_folder_exclude_each_other),
        cmocka_unit_test(a_validation_split_without_masks_is_warned_of),
        cmocka_unit_test(masks_that_stay_empty_are_warned_of),
    };
    return cmocka_run_group_tests(tests, make_all, remove_folder);
}

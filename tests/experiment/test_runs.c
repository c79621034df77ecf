/* Experiments from beginning to end: what is written, and what goes on. */
#include "tests/experiment/fixture.h"

#include <fcntl.h>
#include <math.h>
#include <png.h>
#include <sys/file.h>

/* One seed, one fraction, two methods; or more of each. */
static void put_experiment(const char *name, const char *seeds, const char *fractions,
                           const char *third, int steps) {
    char *text = gs_format(
        "{\"name\": \"<b>small & quick\", \"dataset\": \"data\", \"preset\": \"tiny\", \"width\": "
        "1,\n \"budget\": {\"steps\": %d}, \"seeds\": %s, \"fractions\": %s,\n \"options\": "
        "{\"batch_size\": 3, \"validate_every\": 2, \"checkpoint_every\": 3},\n \"methods\": ["
        "{\"name\": \"genseg\", \"method\": \"genseg\"}, {\"name\": \"seg\", \"method\": "
        "\"segmentation_only\"}%s]}",
        steps, seeds, fractions, third);
    put_file(name, text);
    gs_free(text);
}

static int make_data(void **state) {
    if (make_folder(state) != 0) return -1;
    make_task("data");
    put_experiment("small.json", "[1, 2]", "[0.5]", "", 6);
    listener l = {0};
    gs_error err;
    if (run_file("small.json", "whole", &l, &err) == GS_OK && l.trainings == 4) return 0;
    print_error("%s\n", err.text);
    return -1;
}

static void assert_same_results(const char *out, const char *const *runs, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *a = result_of("whole", runs[i]), *b = result_of(out, runs[i]);
        char *cases[2];
        const char *folders[] = {"whole", out};
        for (int k = 0; k < 2; k++) {
            char *name = gs_format("%s/runs/%s/cases.csv", folders[k], runs[i]);
            cases[k] = get_file(name);
            gs_free(name);
        }
        assert_string_equal(a, b);
        assert_string_equal(cases[0], cases[1]);
        free(a), free(b);
        gs_free(cases[0]), gs_free(cases[1]);
    }
}

static const char *const all_runs[] = {"genseg-f0.5-s1", "seg-f0.5-s1", "genseg-f0.5-s2",
                                       "seg-f0.5-s2"};

/* ---- What is written --------------------------------------------------------------------------
 */

static void results_say_what_was_run(void **state) {
    (void)state;
    char *text = get_file("whole/runs/genseg-f0.5-s2/result.json");
    json_t *json = json_loads(text, 0, NULL);
    const char *method;
    double fraction, dice, validation, auc;
    json_int_t seed, annotated, steps, best, slices, cases;
    int early;
    assert_int_equal(
        json_unpack(json,
                    "{s:s, s:f, s:I, s:I, s:I, s:b, s:{s:f, s:I}, s:{s:I, s:I, s:f, s:{s:f}}}",
                    "method", &method, "fraction", &fraction, "seed", &seed, "annotated_slices",
                    &annotated, "steps", &steps, "stopped_early", &early, "validation", "dice",
                    &validation, "step", &best, "test", "slices", &slices, "cases", &cases, "dice",
                    &dice, "residual", "auc", &auc),
        0);
    assert_string_equal(method, "genseg");
    assert_true(fraction == 0.5 && seed == 2 && steps == 6 && !early);
    assert_int_equal(annotated, 4); /* of 8 cases */
    assert_true(slices == 4 && cases == 4);
    assert_true(best > 0 && best <= 6 && best % 2 == 0);
    assert_true(dice >= 0 && dice <= 1 && validation >= 0 && auc > 0 && auc < 1);
    json_decref(json);
    gs_free(text);
}

/* The mean of the table is that of the runs, and what each run says that of its cases. */
static void the_table_follows_from_the_cases(void **state) {
    (void)state;
    char *text = get_file("whole/results.json");
    json_t *json = json_loads(text, 0, NULL), *row, *run;
    size_t i;
    assert_int_equal(json_array_size(json_object_get(json, "runs")), 4);
    assert_int_equal(json_array_size(json_object_get(json, "table")), 2);
    json_array_foreach(json_object_get(json, "table"), i, row) {
        const char *method = json_string_value(json_object_get(row, "method"));
        double sum = 0;
        size_t k;
        json_array_foreach(json_object_get(json, "runs"), k, run) {
            if (strcmp(json_string_value(json_object_get(run, "method")), method) != 0) continue;
            sum += json_real_value(json_object_get(json_object_get(run, "test"), "dice"));
        }
        double mean = json_real_value(json_object_get(json_object_get(row, "dice"), "mean"));
        assert_true(fabs(mean - sum / 2) < 1e-12);
    }
    json_decref(json);
    gs_free(text);
    char *csv = get_file("whole/cases.csv");
    const char *first = "run,method,fraction,seed,case,slices,dice,predicted_pixels,target_pixels\n"
                        "genseg-f0.5-s1,genseg,0.5,1,\"case \"\"2\"\", test\",1,";
    assert_memory_equal(csv, first, strlen(first));
    int lines = 0;
    for (const char *at = csv; *at; at++) lines += *at == '\n';
    assert_int_equal(lines, 1 + 4 * 4);
    gs_free(csv);
    csv = get_file("whole/results.csv");
    assert_non_null(strstr(csv, "\ngenseg,0.5,4,2,0,0."));
    assert_non_null(strstr(csv, "\nseg,0.5,4,2,0,0."));
    gs_free(csv);
}

/* The share of the pixels that is not white. */
static double decode(const char *name) {
    char *file = path(name);
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_file(&image, file)) fail_msg("%s: %s", file, image.message);
    image.format = PNG_FORMAT_RGB;
    assert_true(image.width > 500 && image.height > 200);
    uint8_t *pixels = gs_alloc(PNG_IMAGE_SIZE(image), 1);
    if (!png_image_finish_read(&image, NULL, pixels, 0, NULL)) fail_msg("%s", image.message);
    size_t inked = 0, count = (size_t)image.width * image.height;
    for (size_t i = 0; i < count; i++)
        inked += pixels[3 * i] < 250 || pixels[3 * i + 1] < 250 || pixels[3 * i + 2] < 250;
    gs_free(pixels), gs_free(file);
    return (double)inked / (double)count;
}

static void pictures_decode_and_the_page_holds_them(void **state) {
    (void)state;
    double curves = decode("whole/curves.png"), panel = decode("whole/panel.png");
    assert_true(curves > 0.01 && curves < 0.5);
    assert_true(panel > 0.2 && panel < 0.95);
    char *page = get_file("whole/index.html");
    int images = 0;
    for (const char *at = page; (at = strstr(at, "src=\"")); at++) {
        assert_memory_equal(at, "src=\"data:image/png;base64,iVBORw0KGgo",
                            strlen("src=\"data:image/png;base64,iVBORw0KGgo"));
        images++;
    }
    assert_int_equal(images, 2);
    assert_null(strstr(page, "<b>"));
    assert_non_null(strstr(page, "<h1>&lt;b&gt;small &amp; quick</h1>"));
    assert_non_null(strstr(page, "4 of 4 runs are finished"));
    assert_non_null(strstr(page, "genseg experiment &lt;test&gt;"));
    assert_non_null(strstr(page, "&quot;validate_every&quot;: 2")); /* the file */
    assert_non_null(strstr(page, GENSEG_VERSION));
    assert_null(strstr(page, "http"));
    gs_free(page);
}

/* ---- What goes on -----------------------------------------------------------------------------
 */

static void a_stopped_experiment_goes_on_to_the_same_results(void **state) {
    (void)state;
    gs_error err;
    listener first = {.stop_at = "genseg-f0.5-s1: step 2"}, second = {.stop_at = "run 3 of 4"},
             third = {0};
    assert_int_equal(run_file("small.json", "stopped", &first, &err), GS_CANCELLED);
    assert_true(first.stopped && first.trainings == 1);
    char *nothing = path("stopped/results.csv");
    assert_int_not_equal(access(nothing, F_OK), 0); /* no run is finished yet */
    assert_int_equal(run_file("small.json", "stopped", &second, &err), GS_CANCELLED);
    assert_int_equal(second.trainings, 3);
    char *page = get_file("stopped/index.html");
    assert_non_null(strstr(page, "2 of 4 runs are finished"));
    assert_int_equal(run_file("small.json", "stopped", &third, &err), GS_OK);
    assert_int_equal(third.trainings, 2);
    assert_same_results("stopped", all_runs, 4);
    gs_free(page), gs_free(nothing);
}

static void what_is_finished_is_not_done_again(void **state) {
    (void)state;
    gs_error err;
    listener l = {0};
    char *before = get_file("whole/runs/seg-f0.5-s2/result.json");
    assert_int_equal(run_file("small.json", "whole", &l, &err), GS_OK);
    assert_int_equal(l.trainings, 0);
    char *after = get_file("whole/runs/seg-f0.5-s2/result.json");
    assert_string_equal(before, after);
    gs_free(before), gs_free(after);
}

static void only_methods_fractions_and_seeds_may_be_added(void **state) {
    (void)state;
    gs_error err;
    listener l = {0};
    put_experiment("base.json", "[1]", "[0.5]", "", 2);
    assert_int_equal(run_file("base.json", "grown", &l, &err), GS_OK);
    assert_int_equal(l.trainings, 2);
    put_experiment("more.json", "[2, 1]", "[1, 0.5]",
                   ", {\"name\": \"ae\", \"method\": \"autoencoder\"}", 2);
    l = (listener){0};
    assert_int_equal(run_file("more.json", "grown", &l, &err), GS_OK);
    assert_int_equal(l.trainings, 2 * 2 * 3 - 2);
    l = (listener){0};
    assert_int_equal(run_file("base.json", "grown", &l, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "ae was"));
    put_experiment("other.json", "[2, 1]", "[1, 0.5]",
                   ", {\"name\": \"ae\", \"method\": \"autoencoder\", \"batch_size\": 4}", 2);
    assert_int_equal(run_file("other.json", "grown", &l, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "\"batch_size\":4"));
    put_experiment("longer.json", "[1]", "[0.5]", "", 3);
    assert_int_equal(run_file("longer.json", "grown", &l, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "budget"));
    put_experiment("seeds.json", "[2]", "[1, 0.5]",
                   ", {\"name\": \"ae\", \"method\": \"autoencoder\"}", 2);
    assert_int_equal(run_file("seeds.json", "grown", &l, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "seeds was [2,1] and is [2]"));
    assert_int_equal(l.trainings, 0);
}

static void other_data_under_the_same_name_are_noticed(void **state) {
    (void)state;
    gs_error err;
    listener l = {0};
    make_task("moved");
    put_file("moved.json", "{\"name\": \"n\", \"dataset\": \"moved\", \"preset\": \"tiny\","
                           " \"budget\": {\"steps\": 1}, \"seeds\": [1], \"width\": 1, \"options\":"
                           " {\"batch_size\": 2}, \"methods\": [{\"name\": \"s\", \"method\":"
                           " \"segmentation_only\"}]}");
    assert_int_equal(run_file("moved.json", "data-changed", &l, &err), GS_OK);
    char *text = get_file("moved/dataset.json");
    json_t *json = json_loads(text, 0, NULL);
    json_object_set_new(json, "made_by", json_string("another test"));
    char *manifest = json_dumps(json, JSON_PRESERVE_ORDER); /* of a data set that is as whole */
    assert_non_null(manifest);
    put_file("moved/dataset.json", manifest);
    assert_int_equal(run_file("moved.json", "data-changed", &l, &err), GS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "dataset"));
    json_decref(json);
    free(manifest);
    gs_free(text);
}

static void two_experiments_in_one_folder_exclude_each_other(void **state) {
    (void)state;
    gs_error err;
    listener l = {0};
    char *lock = path("whole/lock");
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* nobody kept it */
    assert_int_equal(run_file("small.json", "whole", &l, &err), GS_CONFLICT);
    close(fd);
    assert_int_equal(run_file("small.json", "whole", &l, &err), GS_OK);
    gs_free(lock);
}

/* ---- What goes wrong --------------------------------------------------------------------------
 */

/* A rate that the file would not allow drives the weights out of all bounds. */
static void a_training_that_fails_is_told_and_the_others_go_on(void **state) {
    (void)state;
    gs_error err;
    gs_experiment e;
    size_t failed = 0;
    char *file = path("small.json"), *out = path("failing");
    listener l = {0};
    const gs_experiment_options options = {.out = out, .threads = 2};
    const gs_experiment_observer observer = {listen, &l, &l.stop};
    assert_int_equal(gs_experiment_load(file, &e, &err), GS_OK);
    e.methods[0].options.learning_rate = 1e30;
    e.methods[0].options.unguarded = true;
    e.seed_count = 1;
    for (int again = 0; again <= 1; again++) {
        assert_int_equal(gs_experiment_run(&e, &options, &observer, &failed, &err), GS_OK);
        assert_int_equal(failed, 1);
        assert_int_equal(l.trainings, 2); /* a failure is a result */
    }
    char *csv = get_file("failing/results.csv"), *page = get_file("failing/index.html");
    assert_non_null(strstr(csv, "\ngenseg,0.5,4,1,1,,,"));
    assert_non_null(strstr(csv, "\nseg,0.5,4,1,0,0."));
    assert_non_null(strstr(page, "1 failed"));
    assert_non_null(strstr(page, "not finite"));
    gs_free(csv), gs_free(page), gs_free(file), gs_free(out);
    gs_experiment_deinit(&e);
}

/* An experiment on a task that lacks something, as the second of its methods: the first can train.
 */
static void expect_refusal(const char *name, task_lack lack, const char *words) {
    gs_error err;
    listener l = {0};
    char *file = gs_format("%s.json", name);
    char *text = gs_format(
        "{\"name\": \"n\", \"dataset\": \"%s\", \"preset\": \"tiny\", \"width\": 1,"
        " \"budget\": {\"steps\": 1}, \"seeds\": [1], \"methods\": [{\"name\": \"s\","
        " \"method\": \"segmentation_only\"}, {\"name\": \"g\", \"method\": \"genseg\"}]}",
        name);
    make_task_without(name, lack);
    put_file(file, text);
    assert_int_equal(run_file(file, "refused", &l, &err), GS_UNUSABLE);
    if (!strstr(err.text, words)) fail_msg("%s", err.text);
    assert_int_equal(l.trainings, 0);
    gs_free(file), gs_free(text);
}

static void data_that_cannot_serve_are_refused_at_once(void **state) {
    (void)state;
    gs_error err;
    listener l = {0};
    char *data = path("untested");
    make_small_dataset(data, 8, 8, 1); /* has no test split */
    put_file("untested.json", "{\"name\": \"n\", \"dataset\": \"untested\", \"preset\": \"tiny\","
                              " \"budget\": {\"steps\": 1}, \"seeds\": [1], \"methods\":"
                              " [{\"name\": \"s\", \"method\": \"segmentation_only\"}]}");
    assert_int_equal(run_file("untested.json", "refused", &l, &err), GS_UNUSABLE);
    assert_non_null(strstr(err.text, "\"test\""));
    assert_non_null(strstr(err.text, "/untested: "));
    put_file("nowhere.json", "{\"name\": \"n\", \"dataset\": \"nowhere\", \"preset\": \"tiny\","
                             " \"budget\": {\"steps\": 1}, \"seeds\": [1], \"methods\":"
                             " [{\"name\": \"s\", \"method\": \"segmentation_only\"}]}");
    assert_int_equal(run_file("nowhere.json", "refused", &l, &err), GS_NOT_FOUND);
    expect_refusal("one-sided", LACKS_ABSENCE, "/one-sided: genseg cannot train without absence");
    expect_refusal("unvalidated", LACKS_VALIDATION_MASKS,
                   "/unvalidated: no slice of the validation");
    char *out = path("refused");
    assert_int_equal(access(out, F_OK), -1); /* nothing was left behind */
    gs_free(out);
    assert_int_equal(l.trainings, 0);
    gs_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_say_what_was_run),
        cmocka_unit_test(the_table_follows_from_the_cases),
        cmocka_unit_test(pictures_decode_and_the_page_holds_them),
        cmocka_unit_test(a_stopped_experiment_goes_on_to_the_same_results),
        cmocka_unit_test(what_is_finished_is_not_done_again),
        cmocka_unit_test(only_methods_fractions_and_seeds_may_be_added),
        cmocka_unit_test(other_data_under_the_same_name_are_noticed),
        cmocka_unit_test(two_experiments_in_one_folder_exclude_each_other),
        cmocka_unit_test(a_training_that_fails_is_told_and_the_others_go_on),
        cmocka_unit_test(data_that_cannot_serve_are_refused_at_once),
    };
    return cmocka_run_group_tests(tests, make_data, remove_folder);
}

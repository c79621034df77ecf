/* The experiment's file: what it says, and each way it can be wrong. */
#include "tests/experiment/fixture.h"

#include <glob.h>

static gs_status load(const char *text, gs_experiment *out, gs_error *err) {
    char *file = path("e.json");
    put_file("e.json", text);
    gs_status status = gs_experiment_load(file, out, err);
    gs_free(file);
    return status;
}

static void everything_is_read(void **state) {
    (void)state;
    gs_error err;
    gs_experiment e;
    gs_status status =
        load("{\"name\": \"all\", \"dataset\": \"data\", \"preset\": \"tiny\", \"width\": 0.5,"
             " \"budget\": {\"minutes\": 1.5}, \"seeds\": [3, 1], \"fractions\": [0.25, 1],"
             " \"options\": {\"batch_size\": 4, \"weights\": {\"seg\": 2}, \"augment\": true},"
             " \"methods\": [{\"name\": \"a\", \"method\": \"genseg\"},"
             " {\"name\": \"b.2\", \"method\": \"autoencoder\", \"batch_size\": 6,"
             " \"weights\": {\"rec\": 7}}]}",
             &e, &err);
    if (status != GS_OK) fail_msg("%s", err.text);
    char *data = path("data");
    assert_string_equal(e.name, "all");
    assert_string_equal(e.dataset, data); /* relative to the file */
    assert_string_equal(e.preset, "tiny");
    assert_true(e.width == 0.5 && e.max_steps == 0 && e.max_seconds == 90);
    assert_int_equal(e.seed_count, 2);
    assert_true(e.seeds[0] == 3 && e.seeds[1] == 1);
    assert_int_equal(e.fraction_count, 2);
    assert_true(e.fractions[0] == 0.25 && e.fractions[1] == 1);
    assert_int_equal(e.method_count, 2);
    const gs_trainer_options *a = &e.methods[0].options, *b = &e.methods[1].options;
    assert_string_equal(e.methods[1].name, "b.2");
    assert_int_equal(a->objective.method, GS_TRAINING_GENSEG);
    assert_int_equal(b->objective.method, GS_TRAINING_AUTOENCODER);
    assert_true(a->batch_size == 4 && b->batch_size == 6 && a->augment && b->augment);
    assert_true(a->objective.weights.seg == 2 && a->objective.weights.rec == 50);
    assert_true(b->objective.weights.seg == 2 && b->objective.weights.rec == 7);
    assert_true(a->max_seconds == 90 && b->max_seconds == 90 && a->width == 0.5);
    gs_experiment_deinit(&e);
    gs_free(data);
}

/* They run for hours: that they are experiments is seen at once. */
static void the_experiments_of_the_documentation_are_some(void **state) {
    (void)state;
    glob_t files;
    assert_int_equal(glob(RESULTS "/*.json", 0, NULL, &files), 0);
    assert_true(files.gl_pathc >= 6);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        gs_error err;
        gs_experiment e;
        if (gs_experiment_load(files.gl_pathv[i], &e, &err) != GS_OK) fail_msg("%s", err.text);
        assert_true(e.method_count >= 2);
        gs_experiment_deinit(&e);
    }
    globfree(&files);
}

static void what_is_left_out_has_a_default(void **state) {
    (void)state;
    gs_error err;
    gs_experiment e;
    assert_int_equal(load("{\"name\": \"few\", \"dataset\": \"/data\", \"preset\": \"tiny\","
                          " \"budget\": {\"steps\": 5}, \"seeds\": [1],"
                          " \"methods\": [{\"name\": \"a\", \"method\": \"genseg\"}]}",
                          &e, &err),
                     GS_OK);
    assert_string_equal(e.dataset, "/data");
    assert_true(e.width == 0.25 && e.max_steps == 5 && e.max_seconds == 0);
    assert_true(e.fraction_count == 1 && e.fractions[0] == 1);
    assert_true(e.methods[0].options.batch_size == 20);
    gs_experiment_deinit(&e);
}

/* A good file's members, of which one is replaced or added. */
static char *file_with(const char *member, const char *value) {
    json_t *json = json_loads("{\"name\": \"n\", \"dataset\": \"data\", \"preset\": \"tiny\","
                              " \"width\": 1, \"budget\": {\"steps\": 5}, \"seeds\": [1],"
                              " \"fractions\": [1], \"options\": {\"batch_size\": 4},"
                              " \"methods\": [{\"name\": \"a\", \"method\": \"genseg\"}]}",
                              0, NULL);
    if (value)
        json_object_set_new(json, member, json_loads(value, JSON_DECODE_ANY, NULL));
    else
        json_object_del(json, member);
    char *text = json_dumps(json, 0);
    json_decref(json);
    assert_non_null(text);
    return text;
}

static void what_is_wrong_is_named(void **state) {
    (void)state;
    static const struct {
        const char *member, *value; /* NULL = missing */
        const char *named;
    } wrong[] = {
        {"sead", "[1]", "\"sead\""},
        {"name", NULL, "name"},
        {"name", "\"\"", "name"},
        {"name", "3", "name"},
        {"dataset", NULL, "dataset"},
        {"dataset", "[]", "dataset"},
        {"preset", NULL, "preset"},
        {"preset", "\"lung\"", "lung"},
        {"width", "\"1\"", "width"},
        {"width", "0", "width"},
        {"width", "2", "width"},
        {"budget", NULL, "budget"},
        {"budget", "5", "budget"},
        {"budget", "{}", "one of steps and minutes"},
        {"budget", "{\"steps\": 5, \"minutes\": 5}", "one of steps and minutes"},
        {"budget", "{\"steps\": 0}", "budget.steps"},
        {"budget", "{\"steps\": 1.5}", "budget.steps"},
        {"budget", "{\"minutes\": 0}", "budget.minutes"},
        {"budget", "{\"hours\": 1}", "\"hours\""},
        {"seeds", NULL, "seeds"},
        {"seeds", "[]", "seeds"},
        {"seeds", "1", "seeds"},
        {"seeds", "[1, -1]", "seeds"},
        {"seeds", "[1.5]", "seeds"},
        {"seeds", "[2, 1, 2]", "seeds has 2 twice"},
        {"fractions", "[]", "fractions"},
        {"fractions", "[0]", "fractions"},
        {"fractions", "[1.01]", "fractions"},
        {"fractions", "[\"1\"]", "fractions"},
        {"fractions", "[0.5, 1, 0.5]", "fractions has 0.5 twice"},
        {"fractions", "[0.1, 0.10000001]", "fractions has 0.1 twice"}, /* would share a folder */
        {"options", "[]", "options"},
        {"options", "{\"batch_sise\": 4}", "options: there is no option \"batch_sise\""},
        {"options", "{\"batch_size\": \"4\"}", "options: batch_size"},
        {"options", "{\"max_steps\": 4}", "max_steps"},
        {"options", "{\"seed\": 4}", "seed"},
        {"options", "{\"annotated_fraction\": 0.5}", "annotated_fraction"},
        {"options", "{\"keep_last\": true}", "methods[0]: keep_last"},
        {"methods", NULL, "methods"},
        {"methods", "{}", "methods"},
        {"methods", "[]", "methods"},
        {"methods", "[3]", "methods[0]"},
        {"methods", "[{\"name\": \"a\"}]", "methods[0]: method"},
        {"methods", "[{\"method\": \"genseg\"}]", "methods[0]: name"},
        {"methods", "[{\"name\": \"a/b\", \"method\": \"genseg\"}]", "a/b"},
        {"methods", "[{\"name\": \"..\", \"method\": \"genseg\"}]", "name \"..\""},
        {"methods", "[{\"name\": \"a\", \"method\": \"unet\"}]", "methods[0]: no method \"unet\""},
        {"methods", "[{\"name\": \"a\", \"method\": \"genseg\", \"sag\": 1}]", "\"sag\""},
        {"methods", "[{\"name\": \"a\", \"method\": \"genseg\", \"dropout\": 0.5}]", "dropout"},
        {"methods",
         "[{\"name\": \"a\", \"method\": \"genseg\"}, {\"name\": \"a\", \"method\": "
         "\"mean_teacher\"}]",
         "methods[1]: name \"a\" is there twice"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gs_error err = {0};
        gs_experiment e;
        char *text = file_with(wrong[i].member, wrong[i].value);
        gs_status status = load(text, &e, &err);
        if (status != GS_INVALID_ARGUMENT || !strstr(err.text, wrong[i].named))
            fail_msg("%s: %s, \"%s\"", text, gs_status_name(status), err.text);
        free(text);
    }
}

static void what_is_no_json_is_refused_with_its_place(void **state) {
    (void)state;
    gs_error err;
    gs_experiment e;
    assert_int_equal(load("{\"name\": \"n\",\n \"seeds\": [1,}", &e, &err), GS_MALFORMED);
    assert_non_null(strstr(err.text, "line 2"));
    assert_int_equal(load("{\"name\": \"n\", \"name\": \"m\"}", &e, &err), GS_MALFORMED);
    assert_non_null(strstr(err.text, "name"));
    assert_int_equal(load("[]", &e, &err), GS_INVALID_ARGUMENT);
    assert_int_equal(load("", &e, &err), GS_MALFORMED);
    assert_int_equal(gs_experiment_load("/nonexistent.json", &e, &err), GS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(the_experiments_of_the_documentation_are_some),
        cmocka_unit_test(what_is_left_out_has_a_default),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_place),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

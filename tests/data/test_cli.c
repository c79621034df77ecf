#include "tests/data/fixture.h"

#include "cli/data.h"

#include <getopt.h>

enum { MAX_ARGUMENTS = 8 };

/* gs_cli_data may permute its arguments, so they are copied. */
static int run(const char *const *arguments) {
    char *copies[MAX_ARGUMENTS + 1] = {NULL};
    int count = 0;
    for (; arguments[count]; count++) copies[count] = strdup(arguments[count]);
    char *given[MAX_ARGUMENTS + 1];
    memcpy(given, copies, sizeof given);
    int status = gs_cli_data(count, given);
    for (int i = 0; i < count; i++) free(copies[i]);
    return status;
}

static void wrong_usage_is_status_2(void **state) {
    (void)state;
    static const char *const wrong[][MAX_ARGUMENTS] = {
        {"data"},
        {"data", "nothing"},
        {"data", "info"},
        {"data", "info", "a", "b"},
        {"data", "demo"},
        {"data", "demo", "--out"},
        {"data", "demo", "--out", "x", "--cases", "many"},
        {"data", "demo", "--out", "x", "--cases", "-3"},
        {"data", "demo", "--out", "x", "--annotated", "2"},
        {"data", "demo", "--out", "x", "--seed", "-1"},
        {"data", "demo", "--out", "x", "--normalization", "sharp"},
        {"data", "demo", "--out", "x", "--color", "red"},
        {"data", "demo", "--out", "x", "y"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_equal(run(wrong[i]), 2);
}

static void a_failure_is_status_1(void **state) {
    const char *const missing[] = {"data", "info", *state, NULL};
    assert_int_equal(run(missing), 1);
    const char *const no_source[] = {
        "data", "demo", "--out", *state, "--source", "/nonexistent.nii", NULL};
    assert_int_equal(run(no_source), 1);
}

static void a_whole_dataset_is_counted(void **state) {
    write_small(*state);
    const char *const info[] = {"data", "info", *state, NULL};
    assert_int_equal(run(info), 0);
    const char *const help[] = {"data", "--help", NULL};
    assert_int_equal(run(help), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test_setup_teardown(a_failure_is_status_1, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_whole_dataset_is_counted, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* `genseg experiment` as a process: exit statuses, SIGTERM, SIGKILL. */
#include "tests/experiment/fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* Starts `genseg experiment FILE --out OUT` with its output in the file `out.log`. */
static pid_t start(const char *file, const char *out) {
    char *file_path = path(file), *out_path = path(out), *log = gs_format("%s.log", out_path);
    pid_t child = fork();
    if (child == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execl(GENSEG_BINARY, "genseg", "experiment", file_path, "--out", out_path, "--threads", "2",
              (char *)NULL);
        _exit(127);
    }
    gs_free(file_path), gs_free(out_path), gs_free(log);
    return child;
}

/* The exit status, or 128 + the signal. */
static int finish(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(const char *file, const char *out) {
    return finish(start(file, out));
}

static bool log_has(const char *out, const char *text) {
    char *name = gs_format("%s.log", out), *log = get_file(name);
    bool has = strstr(log, text) != NULL;
    gs_free(name), gs_free(log);
    return has;
}

/* Sends the signal as soon as the log says `text`, while the command is still at it. */
static int signal_at(const char *file, const char *out, const char *text, int number) {
    pid_t child = start(file, out);
    char *log = gs_format("%s/%s.log", folder, out);
    for (int wait = 0; access(log, R_OK) != 0 || !log_has(out, text); wait++) {
        if (wait == 6000) fail_msg("%s never said %s", out, text);
        usleep(5000);
    }
    gs_free(log);
    assert_int_equal(kill(child, number), 0);
    return finish(child);
}

static int make_data(void **state) {
    if (make_folder(state) != 0) return -1;
    make_task("data");
    put_file("e.json",
             "{\"name\": \"killed\", \"dataset\": \"data\", \"preset\": \"tiny\", \"width\": 1,"
             " \"budget\": {\"steps\": 40}, \"seeds\": [4], \"options\": {\"batch_size\": 3,"
             " \"validate_every\": 5, \"checkpoint_every\": 3},"
             " \"methods\": [{\"name\": \"g\", \"method\": \"genseg\"}]}");
    return run("e.json", "whole");
}

static void assert_as_whole(const char *out) {
    char *a = result_of("whole", "g-f1-s4"), *b = result_of(out, "g-f1-s4");
    assert_string_equal(a, b);
    free(a), free(b);
}

static void killed_it_goes_on_from_the_last_checkpoint(void **state) {
    (void)state;
    assert_int_equal(signal_at("e.json", "killed", "step 10,", SIGKILL), 128 + SIGKILL);
    assert_int_equal(run("e.json", "killed"), 0);
    assert_true(log_has("killed", "goes on from step "));
    assert_as_whole("killed");
}

static void asked_to_stop_it_says_that_it_can_go_on(void **state) {
    (void)state;
    assert_int_equal(signal_at("e.json", "stopped", "step 5,", SIGTERM), 75);
    assert_true(log_has("stopped", "the same command goes on"));
    assert_int_equal(run("e.json", "stopped"), 0);
    assert_true(log_has("stopped", "goes on from step "));
    assert_as_whole("stopped");
}

static void what_the_caller_can_set_right_is_told_from_failure(void **state) {
    (void)state;
    put_file("typo.json", "{\"nane\": \"n\"}");
    assert_int_equal(run("typo.json", "typo"), 2);
    assert_true(log_has("typo", "\"nane\""));
    assert_int_equal(run("missing.json", "typo"), 2);
    put_file("other.json",
             "{\"name\": \"another\", \"dataset\": \"data\", \"preset\": \"tiny\", \"width\": 1,"
             " \"budget\": {\"steps\": 40}, \"seeds\": [4],"
             " \"methods\": [{\"name\": \"g\", \"method\": \"genseg\"}]}");
    assert_int_equal(run("other.json", "whole"), 2); /* the folder is of e.json */
    assert_true(log_has("whole", "name was \"killed\" and is \"another\""));
    put_file("nowhere.json",
             "{\"name\": \"n\", \"dataset\": \"nowhere\", \"preset\": \"tiny\", \"width\": 1,"
             " \"budget\": {\"steps\": 40}, \"seeds\": [4],"
             " \"methods\": [{\"name\": \"g\", \"method\": \"genseg\"}]}");
    assert_int_equal(run("nowhere.json", "nowhere"), 2);
    assert_true(log_has("nowhere", "nowhere/dataset.json"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_it_goes_on_from_the_last_checkpoint),
        cmocka_unit_test(asked_to_stop_it_says_that_it_can_go_on),
        cmocka_unit_test(what_the_caller_can_set_right_is_told_from_failure),
    };
    return cmocka_run_group_tests(tests, make_data, remove_folder);
}

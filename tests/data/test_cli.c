#include "tests/data/mnist_fixture.h"
#include "tests/data/nifti_fixture.h"

#include "cli/data.h"
#include "cli/progress.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MAX_ARGUMENTS = 24 };

static int run(const char *const *arguments) {
    char *copies[2 * MAX_ARGUMENTS + 1] = {NULL};
    int count = 0;
    for (; arguments[count]; count++) copies[count] = strdup(arguments[count]);
    char *given[2 * MAX_ARGUMENTS + 1];
    memcpy(given, copies, sizeof given);
    int status = gs_cli_data(count, given);
    for (int i = 0; i < count; i++) free(copies[i]);
    return status;
}

/* Runs with standard error on a descriptor, and gives the status. */
static int run_on(int fd, const char *const *arguments) {
    int kept = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fd, STDERR_FILENO);
    int status = run(arguments);
    dup2(kept, STDERR_FILENO);
    close(kept);
    return status;
}

static void wrong_usage_is_status_2(void **state) {
    (void)state;
    static const char *const wrong[][MAX_ARGUMENTS] = {
        {"data"},
        {"data", "nothing"},
        {"data", "info"},
        {"data", "info", "a", "b"},
        {"data", "brats"},
        {"data", "brats", "--out", "x"},
        {"data", "brats", "--in", "x", "--out"},
        {"data", "brats", "--in", "x", "--out", "x", "--annotated", "2"},
        {"data", "brats", "--in", "x", "--out", "x", "--normalization", "sharp"},
        {"data", "brats", "--in", "x", "--out", "x", "--color", "red"},
        {"data", "brats", "--in", "x", "--out", "x", "y"},
        {"data", "lits", "--in", "x"},
        {"data", "brats", "--in", "x", "--out", "x", "--normalization", "foreground"},
        {"data", "synthetic", "--out", "x"},
        {"data", "synthetic", "--mnist", "x", "--out", "x", "--annotate-digits", "4,"},
        {"data", "synthetic", "--mnist", "x", "--out", "x", "--annotate-digits", "12"},
        {"data", "synthetic", "--mnist", "x", "--out", "x", "--variant", "easy"},
        {"data", "phantom", "--out", "x"},
        {"data", "phantom", "--kind", "heart", "--out", "x"},
        {"data", "phantom", "--kind", "liver", "--out", "x", "--cases", "many"},
        {"data", "phantom", "--kind", "liver", "--out", "x", "--cases", "-3"},
        {"data", "phantom", "--kind", "liver", "--out", "x", "--seed", "-1"},
        {"data", "phantom", "--kind", "liver", "--out", "x", "--healthy", "y"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_int_equal(run(wrong[i]), 2);
}

static void every_help_is_on_standard_output(void **state) {
    static const char *const whats[] = {"brats", "lits", "synthetic", "phantom", "info"};
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        size_t size;
        const char *const help[] = {"data", whats[i], "--help", NULL};
        assert_non_null(freopen(path_in(*state, "help"), "w", stdout));
        int status = run(help);
        fflush(stdout);
        dup2(kept, STDOUT_FILENO);
        assert_int_equal(status, 0);
        char *text = get_file(*state, "help", &size);
        assert_memory_equal(text, "usage: genseg data ", 19);
        assert_non_null(strstr(text, whats[i]));
        gs_free(text);
    }
    close(kept);
}

static void what_the_caller_can_set_right_is_status_2(void **state) {
    const char *const missing[] = {"data", "info", *state, NULL};
    assert_int_equal(run(missing), 2);
    const char *const no_source[] = {"data", "phantom",  "--kind",           "brain", "--out",
                                     *state, "--source", "/nonexistent.nii", NULL};
    assert_int_equal(run(no_source), 2);
    const char *out = path_in(*state, "out");
    const char *const nothing[] = {"data", "brats", "--in", *state, "--out", out, NULL};
    assert_int_equal(run(nothing), 2);
    const char *const no_mnist[] = {"data", "synthetic", "--mnist", *state, "--out", out, NULL};
    assert_int_equal(run(no_mnist), 2);
    assert_int_equal(access(out, F_OK), -1);
}

static void a_folder_that_is_being_written_is_status_2(void **state) {
    const char *partial = path_in(*state, "out.partial");
    assert_int_equal(mkdir(partial, 0700), 0);
    int lock = open(partial, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    const char *const liver[] = {
        "data",    "phantom", "--kind",  "liver", "--out", path_in(*state, "out"),
        "--cases", "1",       "--scale", "4",     NULL};
    assert_int_equal(run(liver), 2);
    close(lock);
    assert_int_equal(rmdir(path_in(*state, "out.partial")), 0);
}

/* 0: T1 and the like, 1: a segmentation; 20 x 22 x 3 voxels of 8 mm. */
static double tiny_at(const void *context, int x, int y, int z) {
    bool is_seg = *(const bool *)context;
    if (x < 2 || x > 17 || y < 2 || y > 19) return 0;
    if (is_seg) return x > 9 && y > 11 && z == 1 ? 2 : 1;
    return 1 + (3 * x + 5 * y + 7 * z) % 40;
}

/* What is no lesion is no label either. */
static double tiny_tumour_at(const void *context, int x, int y, int z) {
    return tiny_at(context, x, y, z) == 2 ? 2 : 0;
}

static const nifti_form tiny_form = {
    .side = {20, 22, 3}, .spacing_mm = {8, 8, 8}, .datatype = DT_INT16};
static const bool is_image = false, is_seg = true;

/* Two cases in the layout of BraTS, two in that of LiTS, and MNIST, in one folder. */
static void put_sources(const char *folder) {
    static const char *const sequences[] = {"flair", "t1", "t1ce", "t2"};
    char name[64];
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "Case_%d", i);
        assert_ok(gs_folder_make(path_in(folder, name), &error));
        for (int k = 0; k < 4; k++) {
            snprintf(name, sizeof name, "Case_%d/x_%s.nii", i, sequences[k]);
            put_nifti(folder, name, &tiny_form, tiny_at, &is_image);
        }
        snprintf(name, sizeof name, "Case_%d/x_seg.nii", i);
        put_nifti(folder, name, &tiny_form, tiny_tumour_at, &is_seg);
        snprintf(name, sizeof name, "volume-%d.nii", i);
        put_nifti(folder, name, &tiny_form, tiny_at, &is_image);
        snprintf(name, sizeof name, "segmentation-%d.nii", i);
        put_nifti(folder, name, &tiny_form, tiny_at, &is_seg);
    }
    put_mnist(folder, "");
}

/* Runs with files of so many bytes at most; what is said goes to `said`. */
static int run_limited(const char *const *arguments, rlim_t bytes, const char *said) {
    struct rlimit before, small;
    int file = open(said, O_RDWR | O_CREAT | O_TRUNC, 0600);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &small);
    int status = run_on(file, arguments);
    setrlimit(RLIMIT_FSIZE, &before);
    close(file);
    return status;
}

/* As they would by default: an unwary writer ends by a signal. */
static void a_full_disk_leaves_no_dataset_and_spoils_none(void **state) {
    char in[64], out[64], said[64];
    put_path(in, sizeof in, *state, "in"), put_path(out, sizeof out, *state, "out");
    put_path(said, sizeof said, *state, "said");
    assert_ok(gs_folder_make(in, &error));
    put_sources(in);
    const char *const commands[][MAX_ARGUMENTS] = {
        {"data", "brats", "--in", in, "--out", out, "--scale", "4", "--validation", "0", "--test",
         "0"},
        {"data", "lits", "--in", in, "--out", out, "--scale", "2", "--validation", "0", "--test",
         "0"},
        {"data", "synthetic", "--mnist", in, "--out", out, "--validation", "5"}};
    for (int i = 0; i < 3; i++)
        for (int is_there = 0; is_there < 2; is_there++) {
            size_t before_size, after_size, size;
            char *before = NULL;
            if (is_there) {
                assert_int_equal(run(commands[i]), 0);
                before = get_file(out, "images.npy", &before_size);
            }
            signal(SIGXFSZ, SIG_DFL);
            assert_int_equal(run_limited(commands[i], 20000, said), 2);
            char *text = get_file(*state, "said", &size);
            assert_non_null(strstr(text, "disk full"));
            assert_non_null(strstr(text, "images.npy"));
            gs_free(text);
            assert_int_equal(access(path_in(out, "images.npy.partial"), F_OK), -1);
            if (!is_there) {
                assert_int_equal(access(out, F_OK), -1);
                continue;
            }
            char *after = get_file(out, "images.npy", &after_size);
            assert_int_equal(before_size, after_size);
            assert_memory_equal(before, after, after_size);
            gs_free(before), gs_free(after);
            gs_folder_remove(out);
        }
}

static void a_full_disk_is_status_2_and_leaves_nothing(void **state) {
    const char *out = path_in(*state, "out");
    const char *const liver[] = {"data",    "phantom", "--kind",  "liver", "--out", out,
                                 "--cases", "1",       "--scale", "4",     NULL};
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 50000;
    setrlimit(RLIMIT_FSIZE, &small);
    int status = run(liver);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, 2);
    assert_int_equal(rmdir(*state), 0); /* empty */
    assert_int_equal(mkdir(*state, 0700), 0);
    assert_int_equal(run(liver), 0);
    assert_int_equal(access(path_in(*state, "out/volume-0.nii.gz"), R_OK), 0);
}

static void an_interrupt_stops_in_good_order(void **state) {
    const char *out = path_in(*state, "out");
    const char *const liver[] = {"data",    "phantom", "--kind",  "liver", "--out", out,
                                 "--cases", "500",     "--scale", "4",     NULL};
    pid_t child = fork();
    if (child == 0) _exit(run(liver));
    assert_true(child > 0);
    const char *partial = path_in(*state, "out.partial/volume-0.nii.gz");
    for (int i = 0; i < 600 && access(partial, F_OK) != 0; i++) usleep(100000);
    assert_int_equal(kill(child, SIGTERM), 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_int_equal(rmdir(*state), 0); /* empty */
    assert_int_equal(mkdir(*state, 0700), 0);
}

static void a_bar_tells_rate_and_time_left(void **state) {
    (void)state;
    const gs_progress p = {.what = "cases"};
    static const struct {
        int columns, done, total;
        double seconds;
        const char *expected;
    } bars[] = {
        {48, 15, 60, 5, "[===>           ] 15/60 cases, 3.0/s, 0:15 left"},
        {48, 60, 60, 90, "[========] 60/60 cases, 1.5 s each, 1:30 in all"},
        {30, 1, 60, 100, "1/60 cases, 100.0 s each, 1:38:20 left"},
        {300, 500, 1000, 2,
         "[====================>                   ] 500/1000 cases, 250/s, 0:02 left"},
    };
    for (size_t i = 0; i < sizeof bars / sizeof *bars; i++) {
        char line[256];
        gs_progress_format(line, sizeof line, bars[i].columns, &p, bars[i].done, bars[i].total,
                           bars[i].seconds);
        assert_string_equal(line, bars[i].expected);
    }
}

static void a_terminal_shows_a_bar_and_a_file_lines(void **state) {
    const char *const liver[] = {
        "data",    "phantom", "--kind",  "liver", "--out", path_in(*state, "one"),
        "--cases", "3",       "--scale", "4",     NULL};
    const char *const again[] = {
        "data",    "phantom", "--kind",  "liver", "--out", path_in(*state, "two"),
        "--cases", "3",       "--scale", "4",     NULL};
    int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0 && grantpt(terminal) == 0 && unlockpt(terminal) == 0);
    int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    const struct winsize size = {.ws_row = 24, .ws_col = 60};
    assert_int_equal(ioctl(end, TIOCSWINSZ, &size), 0);
    assert_int_equal(run_on(end, liver), 0);
    assert_int_equal(run_on(end, liver), 2); /* it is there: said on an empty line */
    char shown[4096] = "";
    ssize_t got;
    close(end); /* what was written stays to be read, and then comes the end */
    for (size_t length = 0; (got = read(terminal, shown + length, 256)) > 0; length += (size_t)got)
        assert_true(length < sizeof shown - 2 * 256);
    assert_memory_equal(shown, "\r[", 2);
    assert_non_null(strstr(shown, "] 1/3 cases, "));
    assert_non_null(strstr(shown, " left\x1b[K\r["));
    assert_non_null(strstr(shown, "] 3/3 cases, "));
    assert_non_null(strstr(shown, " in all\x1b[K\r\n\r\x1b[Kgenseg data phantom: "));
    close(terminal);

    int file = open(path_in(*state, "lines"), O_RDWR | O_CREAT, 0600);
    assert_int_equal(run_on(file, again), 0);
    close(file);
    size_t length;
    char *lines = get_file(*state, "lines", &length);
    assert_string_equal(lines, "1 of 3 cases\n2 of 3 cases\n3 of 3 cases\n");
    gs_free(lines);
}

/* What a shell makes of a line, run with --out. */
static int run_line(const char *line, const char *out, const char *folder) {
    char words[64];
    put_path(words, sizeof words, folder, "words");
    char *command = gs_format("set -- %s; shift; printf '%%s\\0' \"$@\" > %s", line, words);
    assert_int_equal(system(command), 0);
    gs_free(command);
    size_t size;
    char *bytes = get_file(folder, "words", &size);
    const char *arguments[2 * MAX_ARGUMENTS + 1] = {NULL};
    int count = 0;
    for (char *at = bytes; at < bytes + size; at += strlen(at) + 1) arguments[count++] = at;
    arguments[count++] = "--out", arguments[count++] = out;
    assert_true(count <= 2 * MAX_ARGUMENTS);
    int status = run(arguments);
    gs_free(bytes);
    return status;
}

static void assert_same_bytes(const char *left, const char *right) {
    static const char *const files[] = {"images.npy", "masks.npy", "dataset.json"};
    for (int i = 0; i < 3; i++) {
        size_t sizes[2];
        char *bytes[2] = {get_file(left, files[i], &sizes[0]),
                          get_file(right, files[i], &sizes[1])};
        assert_int_equal(sizes[0], sizes[1]);
        assert_memory_equal(bytes[0], bytes[1], sizes[0]);
        gs_free(bytes[0]), gs_free(bytes[1]);
    }
}

static void what_made_a_dataset_makes_it_again(void **state) {
    char in[64], out[64], again[64];
    put_path(in, sizeof in, *state, "what's in $HOME; a\\b"),
        put_path(out, sizeof out, *state, "out");
    put_path(again, sizeof again, *state, "again");
    assert_ok(gs_folder_make(in, &error));
    put_sources(in);
    const char *const commands[][MAX_ARGUMENTS] = {
        {"data", "brats", "--in", in, "--out", out, "--scale", "4", "--validation", "0", "--test",
         "0", "--name", "two \"heads\"", "--annotated", "0.333333333333333315"},
        {"data",
         "lits",
         "--in",
         in,
         "--out",
         out,
         "--scale",
         "8",
         "--validation",
         "0",
         "--test",
         "0",
         "--annotated",
         "1e-17",
         "--normalization",
         "none",
         "--min-width",
         "2",
         "--threads",
         "2"},
        {"data", "synthetic", "--mnist", in, "--out", out, "--validation", "5", "--annotated",
         "0.123456789", "--annotate-digits", "4,9", "--seed", "18446744073709551615"}};
    static const char *const kept[] = {"--name 'two \"heads\"' ", "--min-width 2 ",
                                       "--annotated 0.123456789 "};
    for (int i = 0; i < 3; i++) {
        gs_dataset *dataset;
        assert_int_equal(run(commands[i]), 0);
        assert_ok(gs_dataset_open(out, &dataset, &error));
        const char *line = gs_dataset_get_info(dataset)->made_by;
        assert_memory_equal(line, "genseg data ", 12);
        assert_non_null(strstr(line, kept[i]));
        assert_null(strstr(line, "--out"));
        assert_int_equal(run_line(line, again, *state), 0);
        assert_same_bytes(out, again);
        gs_dataset_close(dataset);
        gs_folder_remove(out), gs_folder_remove(again);
    }
}

static void a_command_line_too_long_to_keep_is_no_failure(void **state) {
    char in[600], out[64];
    int length = snprintf(in, sizeof in, "%s", (char *)*state);
    while (length < 540) length += snprintf(in + length, sizeof in - (size_t)length, "/.");
    put_path(out, sizeof out, *state, "out");
    put_sources(*state);
    const char *const lits[] = {"data",         "lits", "--in",   in,  "--out", out,
                                "--validation", "0",    "--test", "0", NULL};
    assert_int_equal(run(lits), 0);
    size_t size;
    char *text = get_file(out, "dataset.json", &size);
    assert_non_null(strstr(text, "\"made_by\": \"genseg data lits with options of "));
    gs_free(text);
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
        /* First: OpenMP's threads would be missing in a child. */
        cmocka_unit_test_setup_teardown(an_interrupt_stops_in_good_order, make_folder,
                                        remove_folder),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(a_bar_tells_rate_and_time_left),
        cmocka_unit_test_setup_teardown(a_terminal_shows_a_bar_and_a_file_lines, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(every_help_is_on_standard_output, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_the_caller_can_set_right_is_status_2, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_that_is_being_written_is_status_2, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_full_disk_is_status_2_and_leaves_nothing, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_full_disk_leaves_no_dataset_and_spoils_none, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(what_made_a_dataset_makes_it_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_command_line_too_long_to_keep_is_no_failure, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_whole_dataset_is_counted, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Child processes: lines, standard error, ends. The children are /bin/sh scripts. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/child.h"

static gs_child *start(const char *script) {
    char shell[] = "/bin/sh", option[] = "-c", text[1024];
    strcpy(text, script);
    char *const arguments[] = {shell, option, text, NULL};
    gs_child *child;
    gs_error err;
    assert_int_equal(gs_child_start(arguments, &child, &err), GS_OK);
    return child;
}

static void lines_come_whole_and_in_order(void **state) {
    (void)state;
    gs_child *child =
        start("printf 'one\\ntw'; sleep 0.1; printf 'o\\n\\nfour\\nunfinished'; exit 7");
    static const char *const lines[] = {"one", "two", "", "four"};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_LINE);
        assert_string_equal(gs_child_line(child), lines[i]);
    }
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_ENDED);
    int signal = 0;
    assert_int_equal(gs_child_exit_status(child, &signal), 7);
    gs_child_close(child);
}

static void a_line_that_is_too_long_is_dropped(void **state) {
    (void)state;
    gs_child *child = start("head -c 300000 /dev/zero | tr '\\0' x; echo; echo short");
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_LINE);
    assert_string_equal(gs_child_line(child), "short");
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_ENDED);
    gs_child_close(child);
}

static void the_end_of_standard_error_is_kept(void **state) {
    (void)state;
    gs_child *child = start("i=0; while [ $i -lt 900 ]; do echo line $i >&2; i=$((i+1)); done");
    assert_int_equal(gs_child_wait(child, -1, 20000), GS_CHILD_ENDED);
    const char *text = gs_child_stderr(child);
    assert_true(strlen(text) <= GS_CHILD_STDERR_KEPT);
    assert_non_null(strstr(text, "line 898 line 899 "));
    assert_null(strstr(text, "line 100 "));
    gs_child_close(child);
}

/* The child is gone, with more in the pipe than is kept, before anything is read. */
static void the_end_of_standard_error_is_kept_when_read_late(void **state) {
    (void)state;
    gs_child *child =
        start("i=0; while [ $i -lt 900 ]; do echo line $i; i=$((i+1)); done >&2; exit 3");
    usleep(1500000);
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_ENDED);
    assert_non_null(strstr(gs_child_stderr(child), "line 898 line 899 "));
    gs_child_close(child);
}

static void a_wake_and_a_timeout_are_told(void **state) {
    (void)state;
    gs_child *child = start("sleep 30");
    int wake = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(gs_child_wait(child, wake, 5000), GS_CHILD_WOKEN);
    close(wake);
    assert_int_equal(gs_child_wait(child, -1, 20), GS_CHILD_TIMEOUT);
    gs_child_signal(child, SIGTERM);
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_ENDED);
    int signal = 0;
    assert_int_equal(gs_child_exit_status(child, &signal), -1);
    assert_int_equal(signal, SIGTERM);
    gs_child_close(child);
}

static void a_grandchild_that_holds_the_pipes_does_not_hold_us(void **state) {
    (void)state;
    gs_child *child = start("sleep 5 & echo mine; exit 3");
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_LINE);
    gs_child_news news;
    int waits = 0;
    do {
        news = gs_child_wait(child, -1, 100);
        assert_true(++waits < 30);
    } while (news == GS_CHILD_TIMEOUT);
    assert_int_equal(news, GS_CHILD_ENDED);
    gs_child_close(child);
}

static void a_program_that_is_not_there_ends_with_127(void **state) {
    (void)state;
    char path[] = "/nowhere/trainer";
    char *const arguments[] = {path, NULL};
    gs_child *child;
    gs_error err;
    assert_int_equal(gs_child_start(arguments, &child, &err), GS_OK);
    assert_int_equal(gs_child_wait(child, -1, 5000), GS_CHILD_ENDED);
    int signal = 0;
    assert_int_equal(gs_child_exit_status(child, &signal), 127);
    assert_string_equal(gs_child_stderr(child), "the trainer cannot be started");
    gs_child_close(child);
}

static void closing_kills(void **state) {
    (void)state;
    gs_child_close(start("trap '' TERM; sleep 30"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_whole_and_in_order),
        cmocka_unit_test(a_line_that_is_too_long_is_dropped),
        cmocka_unit_test(the_end_of_standard_error_is_kept),
        cmocka_unit_test(the_end_of_standard_error_is_kept_when_read_late),
        cmocka_unit_test(a_wake_and_a_timeout_are_told),
        cmocka_unit_test(a_grandchild_that_holds_the_pipes_does_not_hold_us),
        cmocka_unit_test(a_program_that_is_not_there_ends_with_127),
        cmocka_unit_test(closing_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

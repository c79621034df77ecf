/* Lines of the log: whatever a value holds, it begins no line and no field of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What one call of gs_log writes to standard error. */
static void logged(gs_log_format format, json_t *fields, char *out, size_t size) {
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    gs_log_set_format(format);
    gs_log(GS_LOG_WARNING, "event", fields);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    size_t got = fread(out, 1, size - 1, file);
    out[got] = '\0';
    fclose(file);
}

static void text_is_words_and_what_is_none_as_json(void **state) {
    (void)state;
    char line[512];
    logged(GS_LOG_TEXT,
           json_pack("{s:s, s:s, s:s, s:s, s:i, s:n, s:b, s:{s:s}}", "word", "/v1/slices/{id}",
                     "evil", "x\nerror event a=b", "quoted", "say \"no\"", "empty", "", "number", 7,
                     "nothing", "yes", 1, "more", "a", "b c"),
           line, sizeof line);
    /* After time and level. */
    assert_non_null(strstr(line, "Z warning event "));
    assert_string_equal(
        strstr(line, " event ") + 7,
        "word=/v1/slices/{id} evil=\"x\\nerror event a=b\" quoted=\"say \\\"no\\\"\" "
        "empty=\"\" number=7 nothing=null yes=true more={\"a\":\"b c\"}\n");
}

static void json_is_one_object_a_line(void **state) {
    (void)state;
    char line[512];
    logged(GS_LOG_JSON, json_pack("{s:s}", "evil", "x\ny\"z"), line, sizeof line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    json_t *object = json_loads(line, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "evil")), "x\ny\"z");
    assert_string_equal(json_string_value(json_object_get(object, "level")), "warning");
    json_decref(object);
}

static void formats_have_names(void **state) {
    (void)state;
    gs_log_format format = GS_LOG_JSON;
    assert_true(gs_log_format_find("text", &format));
    assert_int_equal(format, GS_LOG_TEXT);
    assert_true(gs_log_format_find("json", &format));
    assert_int_equal(format, GS_LOG_JSON);
    assert_false(gs_log_format_find("xml", &format));
    assert_false(gs_log_format_find("", &format));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_words_and_what_is_none_as_json),
        cmocka_unit_test(json_is_one_object_a_line),
        cmocka_unit_test(formats_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

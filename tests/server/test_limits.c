/* Token buckets, and origins of pages. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "server/cors.h"
#include "server/rate_limit.h"

static gs_rate_limit *make_limit(double per_second, double burst) {
    gs_rate_limit *limit = NULL;
    gs_error err;
    assert_int_equal(gs_rate_limit_new(per_second, burst, &limit, &err), GS_OK);
    return limit;
}

static void a_burst_and_then_so_many_per_second(void **state) {
    (void)state;
    gs_rate_limit *limit = make_limit(2, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(gs_rate_limit_take(limit, "a", 100), 0);
    assert_int_equal(gs_rate_limit_take(limit, "a", 100), 1);
    assert_int_equal(gs_rate_limit_take(limit, "b", 100), 0); /* another key */
    assert_int_equal(gs_rate_limit_take(limit, "a", 100.5), 0);
    assert_int_equal(gs_rate_limit_take(limit, "a", 100.5), 1);
    for (int i = 0; i < 4; i++) assert_int_equal(gs_rate_limit_take(limit, "a", 1000), 0);
    assert_int_equal(gs_rate_limit_take(limit, "a", 1000), 1); /* no more than the burst is saved */
    gs_rate_limit_free(limit);
}

static void the_wait_is_told_in_whole_seconds(void **state) {
    (void)state;
    gs_rate_limit *limit = make_limit(0.1, 1);
    assert_int_equal(gs_rate_limit_take(limit, "a", 0), 0);
    assert_int_equal(gs_rate_limit_take(limit, "a", 0), 10);
    assert_int_equal(gs_rate_limit_take(limit, "a", 9.5), 1);
    assert_int_equal(gs_rate_limit_take(limit, "a", 10.5), 0);
    gs_rate_limit_free(limit);
}

static void more_keys_than_there_is_room_for(void **state) {
    (void)state;
    char key[GS_RATE_KEY_SIZE];
    gs_rate_limit *limit = make_limit(1, 1);
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "address %d", i);
        assert_int_equal(gs_rate_limit_take(limit, key, i), 0);
        assert_int_equal(gs_rate_limit_take(limit, key, i), 1);
    }
    gs_rate_limit_free(limit);
}

static void no_limit_and_no_key_take_nothing(void **state) {
    (void)state;
    gs_rate_limit *limit = make_limit(1, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gs_rate_limit_take(NULL, "a", 0), 0);
        assert_int_equal(gs_rate_limit_take(limit, "", 0), 0);
    }
    gs_rate_limit_free(limit);
}

static void one_network_of_ipv6_is_one_client(void **state) {
    (void)state;
    char key[GS_RATE_KEY_SIZE], other[GS_RATE_KEY_SIZE];
    gs_rate_limit_key("2001:db8:1:2:3:4:5:6", key);
    gs_rate_limit_key("2001:db8:1:2::9", other);
    assert_string_equal(key, other);
    gs_rate_limit_key("2001:db8:1:3::9", other);
    assert_string_not_equal(key, other);
    gs_rate_limit_key("192.0.2.1", key);
    assert_string_equal(key, "192.0.2.1");
}

static void origins_are_those_that_browsers_send(void **state) {
    (void)state;
    static const char *const good[] = {"https://tool.example", "http://localhost:3000",
                                       "http://[::1]:80"};
    static const char *const bad[] = {
        "",           "*",         "null",     "tool.example", "ftp://a",     "https://",
        "https://a/", "https://A", "http://:", "https://a b",  "https://a@b", "https://*.example"};
    gs_error err;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(gs_cors_check(&(gs_cors){.origins = {good[i]}, .count = 1}, &err), GS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gs_cors_check(&(gs_cors){.origins = {bad[i]}, .count = 1}, &err),
                         GS_INVALID_ARGUMENT);
    gs_cors cors = {.origins = {"https://tool.example"}, .count = 1};
    assert_true(gs_cors_allows(&cors, "https://tool.example"));
    assert_false(gs_cors_allows(&cors, "https://tool.example.evil.example"));
    assert_false(gs_cors_allows(&cors, "http://tool.example"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_and_then_so_many_per_second),
        cmocka_unit_test(the_wait_is_told_in_whole_seconds),
        cmocka_unit_test(more_keys_than_there_is_room_for),
        cmocka_unit_test(no_limit_and_no_key_take_nothing),
        cmocka_unit_test(one_network_of_ipv6_is_one_client),
        cmocka_unit_test(origins_are_those_that_browsers_send),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

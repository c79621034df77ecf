/* Random fields and lesions by themselves, without an anatomy. */
#include "tests/data/fixture.h"

#include "engine/data/field.h"
#include "engine/data/lesion.h"

#include <math.h>

static const gs_field_options field_options = {.low_mm = {-50, -40, -30},
                                               .high_mm = {50, 40, 30},
                                               .spacing_mm = 5,
                                               .components = 2,
                                               .deviation = 3,
                                               .seed = 4,
                                               .stream = 9};

static void a_field_has_the_deviation_asked_for(void **state) {
    (void)state;
    gs_field *field = NULL;
    assert_ok(gs_field_new(&field_options, &field, &error));
    double squares = 0, sum = 0;
    int count = 0;
    for (double z = -30; z <= 30; z += 1.7)
        for (double y = -40; y <= 40; y += 1.7) {
            const double start[3] = {-50, y, z};
            float values[2 * 50];
            gs_field_row(field, start, 2, 50, values);
            for (int i = 0; i < 100; i++, count++) {
                sum += (double)values[i];
                squares += (double)values[i] * (double)values[i];
            }
        }
    assert_true(fabs(sum / count) < 0.3);
    assert_true(fabs(sqrt(squares / count) - 3) < 0.3);
    gs_field_free(field);
}

static void a_value_depends_on_its_place_alone(void **state) {
    (void)state;
    gs_field *field = NULL;
    assert_ok(gs_field_new(&field_options, &field, &error));
    float row[2 * 30], single[2];
    const double start[3] = {-44, 3.3, 7.1};
    gs_field_row(field, start, 3, 30, row);
    for (int i = 0; i < 30; i++) {
        const double at[3] = {-44 + 3 * i, 3.3, 7.1};
        gs_field_row(field, at, 1, 1, single);
        assert_true(single[0] == row[i] && single[1] == row[30 + i]);
    }
    gs_field_free(field);
}

static void a_field_is_smooth_and_constant_beyond_its_box(void **state) {
    (void)state;
    gs_field *field = NULL;
    assert_ok(gs_field_new(&field_options, &field, &error));
    enum { COUNT = 1400 };
    static float row[2 * COUNT];
    const double start[3] = {-70, 0.4, 0.6};
    gs_field_row(field, start, 0.1, COUNT, row);
    for (int i = 1; i < COUNT; i++) assert_true(fabsf(row[i] - row[i - 1]) < 0.5f);
    assert_true(row[0] == row[150]);
    assert_true(row[COUNT - 1] == row[COUNT - 150]);
    gs_field_free(field);
}

static void a_field_too_fine_is_refused(void **state) {
    (void)state;
    gs_field *field = NULL;
    gs_field_options options = field_options;
    options.spacing_mm = 0.01;
    assert_fails(gs_field_new(&options, &field, &error), GS_TOO_LARGE);
    for (uint64_t n = 1; n <= 3; n++) {
        gs_memory_fail_at(n, false);
        assert_fails(gs_field_new(&field_options, &field, &error), GS_OUT_OF_MEMORY);
        gs_memory_fail_at(0, false);
    }
}

static const gs_lesion ball = {.center_mm = {10, 20, 30},
                               .radius_mm = 8,
                               .to_ball = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
                               .softness_mm = 2,
                               .push = 0.4,
                               .reach_mm = 9};

static void the_edge_lies_at_depth_zero(void **state) {
    (void)state;
    const double edge[3] = {18, 20, 30};
    assert_true(fabs(gs_lesion_depth_mm(&ball, edge, 0)) < 1e-12);
    assert_true(fabs(gs_lesion_depth_mm(&ball, ball.center_mm, 0) - 8) < 1e-12);
    assert_true(gs_lesion_alpha(&ball, 0) == 0.5f);
    assert_true(gs_lesion_alpha(&ball, 1) == 1.0f && gs_lesion_alpha(&ball, -1) == 0.0f);
}

static void tissue_moves_outwards_and_keeps_its_order(void **state) {
    (void)state;
    double last = -1;
    for (double distance = 0.1; distance < 80; distance += 0.1) {
        double at[3] = {10 + distance, 20, 30};
        gs_lesion_unpush(&ball, 1, at);
        double before = at[0] - 10;
        assert_true(before > last && before <= distance + 1e-9);
        assert_true(distance < 8 || distance - before <= 0.4 * 8 + 1e-9);
        last = before;
    }
    assert_true(80 - last < 0.2); /* far away nothing moves */
    double at[3] = {19, 21, 29};
    gs_lesion_unpush(&ball, 0, at); /* what cannot yield stays */
    assert_true(at[0] == 19 && at[1] == 21 && at[2] == 29);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_has_the_deviation_asked_for),
        cmocka_unit_test(a_value_depends_on_its_place_alone),
        cmocka_unit_test(a_field_is_smooth_and_constant_beyond_its_box),
        cmocka_unit_test(a_field_too_fine_is_refused),
        cmocka_unit_test(the_edge_lies_at_depth_zero),
        cmocka_unit_test(tissue_moves_outwards_and_keeps_its_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

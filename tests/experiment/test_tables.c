/* The arithmetic over seeds, and histories with steps that were done twice. */
#include "tests/experiment/fixture.h"

#include "engine/experiment/curves.h"
#include "engine/experiment/report.h"

#include <math.h>

static void deviations_are_those_of_the_sample(void **state) {
    (void)state;
    const double values[] = {0.5, 0.75, (double)NAN, 0.25};
    gs_statistic s = gs_statistic_of(values, 4);
    assert_int_equal(s.count, 3);
    assert_true(fabs(s.mean - 0.5) < 1e-15);
    assert_true(fabs(s.deviation - 0.25) < 1e-15); /* sqrt((0 + 1/16 + 1/16) / 2) */
    s = gs_statistic_of(values, 1);
    assert_true(s.count == 1 && s.mean == 0.5 && isnan(s.deviation));
    s = gs_statistic_of(values + 2, 1);
    assert_true(s.count == 0 && isnan(s.mean) && isnan(s.deviation));
    assert_true(gs_statistic_of(values, 0).count == 0);
}

/* Two seeds at one fraction of method "a", one of which failed; one of "b". */
static void a_summary_is_of_what_is_finished(void **state) {
    (void)state;
    gs_experiment e = {.method_count = 2, .fraction_count = 2, .seed_count = 3};
    e.methods[0].name = "a", e.methods[1].name = "b";
    e.fractions[0] = 1, e.fractions[1] = 0.5;
    const char *results[] = {
        "{\"annotated_slices\": 4, \"test\": {\"dice\": 0.5, \"mean_case_dice\": 0.25,"
        " \"residual\": {\"auc\": 0.75}}, \"validation\": {\"dice\": 0.5, \"step\": 10},"
        " \"seconds\": {\"training\": 100, \"evaluation\": 10}}",
        "{\"annotated_slices\": 4, \"failure\": \"so\", \"seconds\": {\"training\": 50}}",
        "{\"annotated_slices\": 4, \"test\": {\"dice\": 0.75, \"mean_case_dice\": 0.5,"
        " \"residual\": null}, \"validation\": {\"dice\": 0.25, \"step\": 30},"
        " \"seconds\": {\"training\": 200, \"evaluation\": 0}}"};
    gs_trial runs[5] = {{.method = 0, .seed = 0},
                        {.method = 0, .seed = 1},
                        {.method = 0, .seed = 2},
                        {.method = 1, .fraction = 1},
                        {.method = 1, .fraction = 0}};
    for (int i = 0; i < 3; i++) runs[i].result = json_loads(results[i], 0, NULL);
    runs[3].result = json_loads(results[0], 0, NULL);
    const gs_experiment_state s = {.experiment = &e, .runs = runs, .run_count = 5};
    gs_summary rows[4];
    assert_int_equal(gs__summarize(&s, rows), 2);
    assert_string_equal(rows[0].method, "a");
    assert_true(rows[0].fraction == 1 && rows[0].finished == 3 && rows[0].failed == 1);
    assert_true(rows[0].annotated_slices == 4);
    assert_true(rows[0].dice.count == 2 && rows[0].dice.mean == 0.625);
    assert_true(fabs(rows[0].dice.deviation - 0.125 * sqrt(2)) < 1e-15);
    assert_true(rows[0].case_dice.mean == 0.375 && rows[0].validation_dice.mean == 0.375);
    assert_true(rows[0].best_step.mean == 20 && rows[0].seconds == 360);
    assert_true(rows[0].auc.count == 1 && rows[0].auc.mean == 0.75);
    assert_string_equal(rows[1].method, "b");
    assert_true(rows[1].fraction == 0.5 && rows[1].finished == 1 && isnan(rows[1].dice.deviation));
    assert_ptr_equal(gs__best_trial(&s, 0, 0), &runs[0]); /* by validation, not by test */
    assert_null(gs__best_trial(&s, 1, 0));
    assert_int_equal(gs__smallest_fraction(&e), 1);
    for (int i = 0; i < 4; i++) json_decref(runs[i].result);
}

/* Four runs, of which one was finished before; this process goes on with a half of the second. */
static void progress_is_that_of_all_runs(void **state) {
    (void)state;
    char text[GS_PROGRESS_TEXT];
    json_t *result = json_object();
    gs_trial runs[4] = {{.result = result}};
    gs_experiment_state s = {.runs = runs, .run_count = 4, .done_before = -1};
    gs__progress_text(&s, 0.5, 1000, text);
    assert_string_equal(text, "38 % of all");
    gs__progress_begin(&s, 0.5, 1000); /* that half was done before, too */
    gs__progress_text(&s, 0.5, 1000, text);
    assert_string_equal(text, "38 % of all"); /* how fast it goes is not known yet */
    gs__progress_text(&s, 0.75, 1000 + 1800, text);
    assert_string_equal(text, "44 % of all, about 4 h 30 min left"); /* a quarter in half an hour */
    runs[1].result = result;
    gs__progress_text(&s, 0, 1000 + 3600, text);
    assert_string_equal(text, "50 % of all, about 4 h 0 min left");
    json_decref(result);
}

static void what_was_done_twice_counts_once(void **state) {
    (void)state;
    gs_error err;
    gs_curves c;
    char *file = path("history.jsonl");
    put_file("history.jsonl",
             "{\"event\":\"start\",\"step\":0}\n"
             "{\"event\":\"progress\",\"step\":5,\"losses\":{\"seg\":-0.25,\"rec\":1}}\n"
             "{\"event\":\"validation\",\"step\":10,\"dice\":0.1}\n"
             "{\"event\":\"validation\",\"step\":20,\"dice\":0.2}\n"
             "{\"event\":\"validation\",\"step\":30,\"dice\":0.3}\n"
             "{\"event\":\"recovery\",\"step\":35,\"back_to\":20}\n"
             "{\"event\":\"validation\",\"step\":30,\"dice\":0.4}\n"
             "{\"event\":\"progress\",\"step\":32,\"losses\":{\"seg\":-0.5,\"rec\":null}}\n"
             "{\"event\":\"validati\n" /* killed here */
             "\n[]\n"
             "{\"event\":\"start\",\"step\":20,\"resumed_from\":20}\n"
             "{\"event\":\"progress\",\"step\":30,\"losses\":{\"seg\":-0.75}}\n"
             "{\"event\":\"validation\",\"step\":30,\"dice\":0.5}\n"
             "{\"event\":\"validation\",\"step\":40,\"dice\":null}\n"
             "{\"event\":\"validation\",\"step\":40,\"dice\":0.6}\n"
             "{\"event\":\"done\",\"step\":40}");
    assert_int_equal(gs_curves_read(file, &c, &err), GS_OK);
    const double dice[] = {0.1, 0.2, 0.5, 0.6};
    assert_int_equal(c.dice_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(c.dice[i].step == 10 * (i + 1) && c.dice[i].dice == dice[i]);
    assert_int_equal(c.loss_count, 2);
    assert_true(c.losses[0].step == 5 && c.losses[0].losses[GS_TERM_SEG] == -0.25);
    assert_true(c.losses[0].losses[GS_TERM_REC] == 1 && isnan(c.losses[0].losses[GS_TERM_ADV]));
    assert_true(c.losses[1].step == 30 && c.losses[1].losses[GS_TERM_SEG] == -0.75);
    gs_curves_deinit(&c);
    assert_int_equal(gs_curves_read("/nonexistent", &c, &err), GS_NOT_FOUND);
    gs_free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deviations_are_those_of_the_sample),
        cmocka_unit_test(a_summary_is_of_what_is_finished),
        cmocka_unit_test(progress_is_that_of_all_runs),
        cmocka_unit_test(what_was_done_twice_counts_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

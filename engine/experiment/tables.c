/* Owns the arithmetic over seeds and the tables. */
#include "engine/experiment/report.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Over the seeds ---------------------------------------------------------------------------
 */

gs_statistic gs_statistic_of(const double *values, size_t count) {
    gs_statistic s = {.mean = (double)NAN, .deviation = (double)NAN};
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) sum += values[i], s.count++;
    if (s.count == 0) return s;
    s.mean = sum / (double)s.count;
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) squares += (values[i] - s.mean) * (values[i] - s.mean);
    if (s.count > 1) s.deviation = sqrt(squares / (double)(s.count - 1));
    return s;
}

static gs_statistic statistic_over(const gs_experiment_state *s, size_t method, size_t fraction,
                                   const char *path) {
    double values[GS_EXPERIMENT_SEEDS];
    size_t count = 0;
    for (size_t i = 0; i < s->run_count; i++)
        if (s->runs[i].method == method && s->runs[i].fraction == fraction && s->runs[i].result)
            values[count++] = gs__trial_number(&s->runs[i], path);
    return gs_statistic_of(values, count);
}

static double seconds_of(const gs_trial *run) {
    double evaluation = gs__trial_number(run, "seconds.evaluation");
    return gs__trial_number(run, "seconds.training") + (isfinite(evaluation) ? evaluation : 0);
}

static gs_summary summarize(const gs_experiment_state *s, size_t method, size_t fraction) {
    gs_summary row = {.method = s->experiment->methods[method].name,
                      .fraction = s->experiment->fractions[fraction],
                      .annotated_slices =
                          statistic_over(s, method, fraction, "annotated_slices").mean,
                      .dice = statistic_over(s, method, fraction, "test.dice"),
                      .case_dice = statistic_over(s, method, fraction, "test.mean_case_dice"),
                      .validation_dice = statistic_over(s, method, fraction, "validation.dice"),
                      .best_step = statistic_over(s, method, fraction, "validation.step"),
                      .auc = statistic_over(s, method, fraction, "test.residual.auc")};
    for (size_t i = 0; i < s->run_count; i++) {
        const gs_trial *run = &s->runs[i];
        if (run->method != method || run->fraction != fraction || !run->result) continue;
        row.finished++;
        row.failed += gs__trial_has_failed(run);
        row.seconds += seconds_of(run);
    }
    return row;
}

size_t gs__summarize(const gs_experiment_state *s, gs_summary *out) {
    size_t count = 0;
    for (size_t method = 0; method < s->experiment->method_count; method++)
        for (size_t fraction = 0; fraction < s->experiment->fraction_count; fraction++) {
            out[count] = summarize(s, method, fraction);
            if (out[count].finished > 0) count++;
        }
    return count;
}

size_t gs__smallest_fraction(const gs_experiment *e) {
    size_t smallest = 0;
    for (size_t i = 1; i < e->fraction_count; i++)
        if (e->fractions[i] < e->fractions[smallest]) smallest = i;
    return smallest;
}

const gs_trial *gs__best_trial(const gs_experiment_state *s, size_t method, size_t fraction) {
    const gs_trial *best = NULL;
    for (size_t i = 0; i < s->run_count; i++) {
        const gs_trial *run = &s->runs[i];
        if (run->method != method || run->fraction != fraction || !run->result ||
            gs__trial_has_failed(run))
            continue;
        if (!best ||
            gs__trial_number(run, "validation.dice") > gs__trial_number(best, "validation.dice"))
            best = run;
    }
    return best;
}

/* ---- results.csv ------------------------------------------------------------------------------
 */

/* ",mean,deviation"; nothing between the commas where there is none. */
static void print_statistic(FILE *file, const gs_statistic *s, int decimals) {
    const double values[] = {s->mean, s->deviation};
    for (int i = 0; i < 2; i++) {
        fputc(',', file);
        if (isfinite(values[i])) fprintf(file, "%.*f", decimals, values[i]);
    }
}

static void print_rows(FILE *file, const gs_summary *rows, size_t count) {
    fputs("method,fraction,annotated_slices,runs,failed,dice_mean,dice_sd,case_dice_mean,"
          "case_dice_sd,validation_dice_mean,validation_dice_sd,best_step_mean,best_step_sd,"
          "residual_auc_mean,residual_auc_sd,hours\n",
          file);
    for (size_t i = 0; i < count; i++) {
        const gs_summary *r = &rows[i];
        char fraction[GS_EXPERIMENT_FRACTION_TEXT];
        gs__fraction_text(r->fraction, fraction);
        fprintf(file, "%s,%s,%g,%zu,%zu", r->method, fraction, r->annotated_slices, r->finished,
                r->failed);
        print_statistic(file, &r->dice, 6);
        print_statistic(file, &r->case_dice, 6);
        print_statistic(file, &r->validation_dice, 6);
        print_statistic(file, &r->best_step, 1);
        print_statistic(file, &r->auc, 6);
        fprintf(file, ",%.4f\n", r->seconds / 3600);
    }
}

/* ---- results.json -----------------------------------------------------------------------------
 */

static json_t *statistic_json(const gs_statistic *s) {
    return json_pack("{s:I, s:o, s:o}", "count", (json_int_t)s->count, "mean",
                     isfinite(s->mean) ? json_real(s->mean) : json_null(), "sd",
                     isfinite(s->deviation) ? json_real(s->deviation) : json_null());
}

static json_t *row_json(const gs_summary *r) {
    return json_pack("{s:s, s:f, s:f, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:f}", "method", r->method,
                     "fraction", r->fraction, "annotated_slices", r->annotated_slices, "runs",
                     (json_int_t)r->finished, "failed", (json_int_t)r->failed, "dice",
                     statistic_json(&r->dice), "case_dice", statistic_json(&r->case_dice),
                     "validation_dice", statistic_json(&r->validation_dice), "best_step",
                     statistic_json(&r->best_step), "residual_auc", statistic_json(&r->auc),
                     "hours", r->seconds / 3600);
}

static char *results_json(const gs_experiment_state *s, const gs_summary *rows, size_t count) {
    json_t *table = json_array(), *runs = json_array();
    for (size_t i = 0; i < count; i++) json_array_append_new(table, row_json(&rows[i]));
    for (size_t i = 0; i < s->run_count; i++)
        if (s->runs[i].result) json_array_append(runs, s->runs[i].result);
    json_t *json = json_pack("{s:s, s:I, s:o, s:o}", "name", s->experiment->name, "runs_planned",
                             (json_int_t)s->run_count, "table", table, "runs", runs);
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    return text;
}

/* ---- cases.csv --------------------------------------------------------------------------------
 */

/* Copies the lines after the first, each with the run's columns before it. */
static void copy_cases(FILE *to, const gs_experiment *e, const gs_trial *run, const char *text) {
    char fraction[GS_EXPERIMENT_FRACTION_TEXT];
    gs__fraction_text(e->fractions[run->fraction], fraction);
    const char *at = strchr(text, '\n');
    while (at && at[1]) {
        const char *end = strchr(at + 1, '\n');
        size_t length = end ? (size_t)(end - at) : strlen(at);
        fprintf(to, "%s,%s,%s,%llu,%.*s", run->name, e->methods[run->method].name, fraction,
                (unsigned long long)e->seeds[run->seed], (int)length, at + 1);
        at = end;
    }
}

static gs_status add_cases(FILE *to, const gs_experiment *e, const gs_trial *run, gs_error *err) {
    enum { CASES_MIB = 1024 };
    char *path = gs_format("%s/%s", run->folder, GS_CASES_FILE), *text;
    size_t size;
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the cases");
    gs_status status = gs_file_read(path, (size_t)CASES_MIB << 20, &text, &size, err);
    gs_free(path);
    if (status != GS_OK) return status;
    copy_cases(to, e, run, text);
    gs_free(text);
    return GS_OK;
}

static gs_status write_cases(const gs_experiment_state *s, gs_error *err) {
    char *text = NULL;
    size_t size;
    gs_status status = GS_OK;
    FILE *file = open_memstream(&text, &size);
    if (!file) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the cases");
    fprintf(file, "run,method,fraction,seed,%s\n", GS_CASES_COLUMNS);
    for (size_t i = 0; status == GS_OK && i < s->run_count; i++)
        if (s->runs[i].result && !gs__trial_has_failed(&s->runs[i]))
            status = add_cases(file, s->experiment, &s->runs[i], err);
    char *whole = gs_text_finish(file, &text);
    if (status == GS_OK) return gs__write_text(s, "cases.csv", whole, err);
    free(whole);
    return status;
}

gs_status gs__write_tables(const gs_experiment_state *s, gs_error *err) {
    gs_summary *rows = gs_alloc(GS_EXPERIMENT_METHODS * GS_EXPERIMENT_FRACTIONS, sizeof *rows);
    char *text = NULL;
    size_t size, count;
    FILE *file = rows ? open_memstream(&text, &size) : NULL;
    if (!file) {
        gs_free(rows);
        return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the tables");
    }
    count = gs__summarize(s, rows);
    print_rows(file, rows, count);
    gs_status status = gs__write_text(s, "results.csv", gs_text_finish(file, &text), err);
    if (status == GS_OK)
        status = gs__write_text(s, "results.json", results_json(s, rows, count), err);
    gs_free(rows);
    return status == GS_OK ? write_cases(s, err) : status;
}

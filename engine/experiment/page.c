/* Owns index.html: one page with everything in it, for a browser without a network. Text from
 * files is escaped. */
#include "engine/experiment/report.h"

#include "base/file.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\">\n";

static const char style[] =
    "<style>\n"
    ":root { --ink: #1f2328; --pale: #59616b; --paper: #ffffff; --line: #d4d8dd; --box: #f4f5f7 }\n"
    "@media (prefers-color-scheme: dark) {\n"
    "  :root { --ink: #e6e8eb; --pale: #a5adb7; --paper: #15181c; --line: #3a4048; --box: #1f242a "
    "}\n"
    "}\n"
    "body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);\n"
    "  max-width: 76rem; margin: 2rem auto; padding: 0 1rem }\n"
    "h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2.2rem }\n"
    ".pale { color: var(--pale) }\n"
    ".wide { overflow-x: auto }\n"
    "table { border-collapse: collapse; font-variant-numeric: tabular-nums }\n"
    "td { white-space: nowrap } td .pale { white-space: normal }\n"
    "th, td { padding: .35rem .8rem; border-bottom: 1px solid var(--line); text-align: right }\n"
    "th { font-weight: 600; color: var(--pale) }\n"
    "th:first-child, td:first-child { text-align: left; padding-left: 0 }\n"
    "tr.best td { font-weight: 600 }\n"
    "img { max-width: 100%; height: auto; background: #fff; border-radius: 6px;\n"
    "  border: 1px solid var(--line) }\n"
    "pre { background: var(--box); border-radius: 6px; padding: 1rem; overflow-x: auto;\n"
    "  font-size: .85rem }\n"
    "</style>\n";

/* ---- Text -------------------------------------------------------------------------------------
 */

static void print_escaped(FILE *file, const char *text) {
    for (const char *at = text; *at; at++) {
        if (*at == '&')
            fputs("&amp;", file);
        else if (*at == '<')
            fputs("&lt;", file);
        else if (*at == '>')
            fputs("&gt;", file);
        else if (*at == '"')
            fputs("&quot;", file);
        else
            fputc(*at, file);
    }
}

/* RFC 4648. */
static void print_base64(FILE *file, const unsigned char *bytes, size_t size) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned group = (unsigned)bytes[i] << 16;
        if (left > 1) group |= (unsigned)bytes[i + 1] << 8;
        if (left > 2) group |= bytes[i + 2];
        fputc(digits[group >> 18], file);
        fputc(digits[group >> 12 & 63], file);
        fputc(left > 1 ? digits[group >> 6 & 63] : '=', file);
        fputc(left > 2 ? digits[group & 63] : '=', file);
    }
}

/* Nothing where the file is not there. */
static gs_status print_image(const gs_experiment_state *s, FILE *file, const char *name,
                             const char *what, gs_error *err) {
    enum { IMAGE_MIB = 256 };
    char *path = gs__experiment_path(s, name), *bytes;
    size_t size;
    if (!path) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the page");
    gs_status status = gs_file_read(path, (size_t)IMAGE_MIB << 20, &bytes, &size, err);
    gs_free(path);
    if (status == GS_NOT_FOUND) return GS_OK;
    if (status != GS_OK) return status;
    fprintf(file, "<h2>%s</h2>\n<img alt=\"%s\" src=\"data:image/png;base64,", what, what);
    print_base64(file, (const unsigned char *)bytes, size);
    fputs("\">\n", file);
    gs_free(bytes);
    return GS_OK;
}

/* ---- Tables -----------------------------------------------------------------------------------
 */

static void print_statistic(FILE *file, const gs_statistic *s, int decimals) {
    fputs("<td>", file);
    if (!isfinite(s->mean))
        fputs("\xE2\x80\x93", file);
    else if (isfinite(s->deviation))
        fprintf(file, "%.*f \xC2\xB1 %.*f", decimals, s->mean, decimals, s->deviation);
    else
        fprintf(file, "%.*f", decimals, s->mean);
    fputs("</td>", file);
}

/* Whether no method has a higher mean at this fraction. */
static bool is_best(const gs_summary *rows, size_t count, const gs_summary *row) {
    if (!isfinite(row->dice.mean)) return false;
    for (size_t i = 0; i < count; i++)
        if (!(rows[i].fraction < row->fraction) && !(rows[i].fraction > row->fraction) &&
            rows[i].dice.mean > row->dice.mean)
            return false;
    return true;
}

static void print_summary(FILE *file, const gs_summary *rows, size_t count) {
    fputs("<h2>Test split</h2>\n<div class=\"wide\"><table>\n<tr><th>method<th>fraction of masks"
          "<th>annotated slices<th>runs<th>Dice, all pixels<th>Dice, mean of cases"
          "<th>validation Dice<th>its step<th>residual AUC<th>hours</tr>\n",
          file);
    for (size_t i = 0; i < count; i++) {
        const gs_summary *r = &rows[i];
        char fraction[GS_EXPERIMENT_FRACTION_TEXT];
        gs__fraction_text(r->fraction, fraction);
        fprintf(file, "<tr%s><td>", is_best(rows, count, r) ? " class=\"best\"" : "");
        print_escaped(file, r->method);
        fprintf(file, "</td><td>%s</td><td>%g</td><td>%zu", fraction, r->annotated_slices,
                r->finished);
        if (r->failed > 0) fprintf(file, ", %zu failed", r->failed);
        fputs("</td>", file);
        print_statistic(file, &r->dice, 3);
        print_statistic(file, &r->case_dice, 3);
        print_statistic(file, &r->validation_dice, 3);
        print_statistic(file, &r->best_step, 0);
        print_statistic(file, &r->auc, 3);
        fprintf(file, "<td>%.2f</td></tr>\n", r->seconds / 3600);
    }
    fputs("</table></div>\n<p class=\"pale\">Mean \xC2\xB1 standard deviation (of the sample) over "
          "seeds. Bold: the highest mean of its fraction. Each run is evaluated once, with the "
          "checkpoint of its best validation Dice. Residual AUC: the probability that a pixel "
          "inside a mask is changed more by making the image healthy than one outside.</p>\n",
          file);
}

static void print_number(FILE *file, double value, int decimals) {
    if (isfinite(value))
        fprintf(file, "<td>%.*f</td>", decimals, value);
    else
        fputs("<td>\xE2\x80\x93</td>", file);
}

static void print_runs(FILE *file, const gs_experiment_state *s) {
    fputs("<h2>Runs</h2>\n<div class=\"wide\"><table>\n<tr><th>run<th>steps<th>annotated slices"
          "<th>test Dice<th>mean of cases<th>validation Dice<th>its step<th>minutes</tr>\n",
          file);
    for (size_t i = 0; i < s->run_count; i++) {
        const gs_trial *run = &s->runs[i];
        fputs("<tr><td>", file);
        print_escaped(file, run->name);
        if (gs__trial_has_failed(run)) {
            fputs("<br><span class=\"pale\">", file);
            print_escaped(file, json_string_value(json_object_get(run->result, "failure")));
            fputs("</span>", file);
        }
        if (!run->result) fputs(" <span class=\"pale\">(not finished)</span>", file);
        fputs("</td>", file);
        print_number(file, gs__trial_number(run, "steps"), 0);
        print_number(file, gs__trial_number(run, "annotated_slices"), 0);
        print_number(file, gs__trial_number(run, "test.dice"), 3);
        print_number(file, gs__trial_number(run, "test.mean_case_dice"), 3);
        print_number(file, gs__trial_number(run, "validation.dice"), 3);
        print_number(file, gs__trial_number(run, "validation.step"), 0);
        print_number(file, gs__trial_number(run, "seconds.training") / 60, 1);
        fputs("</tr>\n", file);
    }
    fputs("</table></div>\n", file);
}

/* ---- What it was made with --------------------------------------------------------------------
 */

static void find_processor(char *name, size_t size) {
    char *line = NULL;
    size_t room = 0;
    snprintf(name, size, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "re");
    while (file && getline(&line, &room, file) > 0) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", strlen("model name")) != 0 || !colon) continue;
        snprintf(name, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    free(line);
    if (file) fclose(file);
}

static double hours_of(const gs_summary *rows, size_t count) {
    double seconds = 0;
    for (size_t i = 0; i < count; i++) seconds += rows[i].seconds;
    return seconds / 3600;
}

static void print_making(FILE *file, const gs_experiment_state *s, double hours) {
    char processor[160];
    struct utsname system = {0};
    const gs_experiment_options *o = s->options;
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    (void)!uname(&system);
    find_processor(processor, sizeof processor);
    fputs("<h2>Made with</h2>\n<pre>", file);
    print_escaped(file, o->command ? o->command : "");
    gs_engine_choice choice = {.backend = "cpu"};
    (void)!gs_engine_choose(&o->engine, &choice, NULL); /* it was chosen before, for the runs */
    fprintf(file, "\ngenseg %s, %s, %s\n", GENSEG_VERSION, choice.backend,
            gs_precision_name(choice.precision));
    if (strcmp(choice.backend, "cuda") == 0) {
        print_escaped(file, choice.device_name);
        fputs(", ", file);
    }
    print_escaped(file, processor);
    if (o->threads > 0) fprintf(file, ", %d threads of", o->threads);
    fprintf(file, ", %ld processors, %.0f GB, ", sysconf(_SC_NPROCESSORS_ONLN), bytes / 1e9);
    print_escaped(file, system.sysname);
    fputc(' ', file);
    print_escaped(file, system.release);
    fprintf(file, "\n%.2f hours of training and evaluation</pre>\n", hours);
    fputs("<h2>The file</h2>\n<pre>", file);
    print_escaped(file, s->experiment->text);
    fputs("</pre>\n", file);
}

/* ---- The page ---------------------------------------------------------------------------------
 */

static void print_top(FILE *file, const gs_experiment_state *s, size_t finished) {
    const gs_dataset_info *info = gs_dataset_get_info(s->dataset);
    fputs(head, file);
    fputs("<title>", file);
    print_escaped(file, s->experiment->name);
    fprintf(file, "</title>\n%s<h1>", style);
    print_escaped(file, s->experiment->name);
    fprintf(file, "</h1>\n<p>%zu of %zu runs are finished. Data set ", finished, s->run_count);
    print_escaped(file, info->name);
    fprintf(file, ", slices of %d \xC3\x97 %d \xC3\x97 %d. Each run had ", info->channels,
            info->height, info->width);
    if (s->experiment->max_steps > 0)
        fprintf(file, "%llu steps.", (unsigned long long)s->experiment->max_steps);
    else
        fprintf(file, "%g minutes of training.", s->experiment->max_seconds / 60);
    fputs(" Not for clinical use.</p>\n", file);
}

static gs_status print_page(FILE *file, const gs_experiment_state *s, gs_error *err) {
    size_t finished = 0;
    gs_summary *rows = gs_alloc(GS_EXPERIMENT_METHODS * GS_EXPERIMENT_FRACTIONS, sizeof *rows);
    if (!rows) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the page");
    for (size_t i = 0; i < s->run_count; i++) finished += s->runs[i].result != NULL;
    size_t count = gs__summarize(s, rows);
    print_top(file, s, finished);
    print_summary(file, rows, count);
    gs_status status = print_image(s, file, "curves.png", "Training curves", err);
    if (status == GS_OK) status = print_image(s, file, "panel.png", "Test slices", err);
    print_runs(file, s);
    print_making(file, s, hours_of(rows, count));
    fputs("</html>\n", file);
    gs_free(rows);
    return status;
}

gs_status gs__write_page(const gs_experiment_state *s, gs_error *err) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    if (!file) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the page");
    gs_status status = print_page(file, s, err);
    char *whole = gs_text_finish(file, &text);
    if (status == GS_OK) return gs__write_text(s, "index.html", whole, err);
    free(whole);
    return status;
}

gs_status gs__write_report(const gs_experiment_state *s, gs_error *err) {
    size_t finished = 0;
    for (size_t i = 0; i < s->run_count; i++) finished += s->runs[i].result != NULL;
    if (finished == 0) return GS_OK;
    GS_TRY(gs__write_tables(s, err));
    GS_TRY(gs__write_curves(s, err));
    GS_TRY(gs__write_panel(s, err));
    return gs__write_page(s, err);
}

/* What an experiment writes of its finished runs: tables, curves, pictures, a page. */
#ifndef GS_ENGINE_EXPERIMENT_REPORT_H
#define GS_ENGINE_EXPERIMENT_REPORT_H

#include "engine/experiment/experiment_internal.h"

/* Over the seeds of one method at one fraction. */
typedef struct gs_statistic {
    size_t count;
    double mean;      /* NaN of nothing */
    double deviation; /* of the sample, divided by count - 1; NaN of fewer than two */
} gs_statistic;

/* Of those values that are numbers. */
gs_statistic gs_statistic_of(const double *values, size_t count);

typedef struct gs_summary {
    const char *method;
    double fraction;
    size_t finished, failed; /* runs; failed ones count as finished and have no numbers */
    double annotated_slices; /* mean */
    gs_statistic dice, case_dice, validation_dice, best_step, auc;
    double seconds; /* of training and evaluation, all runs together */
} gs_summary;

/* By method, then fraction; those without finished runs are left out. Returns how many; at most
 * GS_EXPERIMENT_METHODS * GS_EXPERIMENT_FRACTIONS. */
size_t gs__summarize(const gs_experiment_state *state, gs_summary *out);

/* results.csv, results.json and cases.csv. */
GS_MUST_CHECK gs_status gs__write_tables(const gs_experiment_state *state, gs_error *err);

/* Of the finished runs of a method at a fraction, the one of the best validation Dice; NULL without
 * any. */
const gs_trial *gs__best_trial(const gs_experiment_state *state, size_t method, size_t fraction);

/* The smallest fraction's place in the list. */
size_t gs__smallest_fraction(const gs_experiment *experiment);

/* curves.png: validation Dice over steps, a panel per fraction, and the losses of the first method.
 */
GS_MUST_CHECK gs_status gs__write_curves(const gs_experiment_state *state, gs_error *err);

/* panel.png: what the best seed of each method makes of some test slices. */
GS_MUST_CHECK gs_status gs__write_panel(const gs_experiment_state *state, gs_error *err);

/* index.html, from the files above. */
GS_MUST_CHECK gs_status gs__write_page(const gs_experiment_state *state, gs_error *err);

/* All of them. Nothing when no run is finished. */
GS_MUST_CHECK gs_status gs__write_report(const gs_experiment_state *state, gs_error *err);

#endif

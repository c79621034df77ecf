/* One run of one job of the kind "predict": the slices of a data set that a model has not been run
 * on, in batches through the executor, in the background. What is stored stays, so a run after an
 * interruption goes on where the last one was. Called by a supervisor's thread. */
#ifndef GS_SERVER_PREDICT_RUN_H
#define GS_SERVER_PREDICT_RUN_H

struct gs_job_run;
struct gs_run_end;

/* The supervisor's `runner` is a gs_volume_runner. Memory: a batch of slices. */
void gs_predict_run_execute(const struct gs_job_run *run, struct gs_run_end *end_out);

#endif

/* Whether the model that a training made becomes the active one. */
#ifndef GS_SERVER_ACTIVATION_H
#define GS_SERVER_ACTIVATION_H

#include "store/job.h"

struct gs_server;

/* As the job's request says (`activate`: if_better, always or never); if_better compares it with
 * the active model on the annotated validation slices of the training, both run here and now. What
 * was decided, and why, is kept in the job and in the model. Called while the job's folder is
 * there; blocks until both models have been run, in the background. What goes wrong leaves the
 * active model as it is, and is told in what is kept. */
void gs__activation_decide(struct gs_server *server, const gs_job_record *job,
                           const char *model_id);

#endif

/* The training options of a job beyond data, size and duration: method, objective, architecture. */
#ifndef GS_API_JOB_OPTIONS_H
#define GS_API_JOB_OPTIONS_H

#include "api/handler.h"
#include "engine/model/method.h"

typedef struct gs_job_options {
    gs_objective objective;
    gs_architecture_wish architecture; /* text borrowed from the body, or static */
} gs_job_options;

/* Reads the fields into *out and, those that were given or have a default that a stored request
 * names, into `stored`. Errors are noted in the fields. */
void gs_job_options_read(gs_fields *fields, int batch_size, gs_job_options *out, json_t *stored);

/* INVALID_ARGUMENT with the fields that differ from the architecture of the model `init`. */
GS_MUST_CHECK gs_status gs_job_options_check_init(const gs_job_options *options, const char *init,
                                                  const gs_architecture *architecture,
                                                  gs_response *response, gs_error *err);

#endif

/* What a job asks for, and how a training's request becomes the trainer's command line. */
#ifndef GS_API_JOB_REQUEST_H
#define GS_API_JOB_REQUEST_H

#include "api/handler.h"

/* Reads and checks every field of POST /v1/jobs (of the kind "predict": predict_request.h) against
 * the data set and, when training goes on
 * from a model, against that. *json_out is the request with defaults filled in, as it is stored:
 * the caller json_decrefs. dataset_out gets the data set's name. */
GS_MUST_CHECK gs_status gs_job_request_read(const gs_api_context *context,
                                            const gs_request *request, gs_response *response,
                                            json_t **json_out,
                                            char dataset_out[GS_DATASET_NAME_SIZE], gs_error *err);

/* The arguments of `genseg train` for a stored request, without --dataset, --out, --resume and
 * --init; NULL-terminated. Each string and the array are gs_freed by gs_arguments_free. UNUSABLE
 * for JSON that gs_job_request_read did not write. */
GS_MUST_CHECK gs_status gs_job_request_arguments(const char *request_json, char ***arguments_out,
                                                 gs_error *err);
void gs_arguments_free(char **arguments); /* NULL is allowed */

#endif

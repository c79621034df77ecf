/* What a job of the kind "predict" asks for. */
#ifndef GS_API_PREDICT_REQUEST_H
#define GS_API_PREDICT_REQUEST_H

#include "api/handler.h"

/* Reads the fields and checks that the model takes the data set's slices. The active model is named
 * in what is stored, so that what runs does not change. Does not free the fields. CONFLICT: no
 * model is named and none active. *json_out: the caller json_decrefs. */
GS_MUST_CHECK gs_status gs_predict_request_read(const gs_api_context *context, gs_fields *fields,
                                                json_t **json_out,
                                                char dataset_out[GS_DATASET_NAME_SIZE],
                                                gs_error *err);

#endif

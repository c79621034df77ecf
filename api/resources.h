/* Every handler, by resource. The table in router.c says which call each one answers. */
#ifndef GS_API_RESOURCES_H
#define GS_API_RESOURCES_H

#include "api/handler.h"

#define GS_HANDLER(name)                                                                           \
    GS_MUST_CHECK gs_status name(const gs_api_context *context, const gs_request *request,         \
                                 gs_response *response, gs_error *err)

/* health.c, metrics.c */
GS_HANDLER(gs_api_healthz);
GS_HANDLER(gs_api_readyz);
GS_HANDLER(gs_api_openapi_yaml);
GS_HANDLER(gs_api_openapi_json);
GS_HANDLER(gs_api_metrics);

/* audit.c */
GS_HANDLER(gs_api_audit_list);

/* session.c */
GS_HANDLER(gs_api_session_get);
GS_HANDLER(gs_api_session_create);
GS_HANDLER(gs_api_session_delete);

/* datasets.c */
GS_HANDLER(gs_api_dataset_list);
GS_HANDLER(gs_api_dataset_put);
GS_HANDLER(gs_api_dataset_get);

/* slices.c */
GS_HANDLER(gs_api_slice_create);
GS_HANDLER(gs_api_slice_list);
GS_HANDLER(gs_api_slice_get);
GS_HANDLER(gs_api_slice_delete);
GS_HANDLER(gs_api_slice_image);
GS_HANDLER(gs_api_slice_content);

/* suggestions.c */
GS_HANDLER(gs_api_suggestion_list);

/* thumbnail.c */
GS_HANDLER(gs_api_slice_thumbnail);

/* volume_upload.c, volumes.c, volume_annotations.c */
GS_HANDLER(gs_api_volume_create);
GS_HANDLER(gs_api_volume_list);
GS_HANDLER(gs_api_volume_get);
GS_HANDLER(gs_api_volume_delete);
GS_HANDLER(gs_api_volume_segment);
GS_HANDLER(gs_api_volume_translate);
GS_HANDLER(gs_api_volume_annotations);

/* labels.c */
GS_HANDLER(gs_api_label_put);

/* annotations.c */
GS_HANDLER(gs_api_annotation_put);
GS_HANDLER(gs_api_annotation_get);
GS_HANDLER(gs_api_annotation_delete);

/* annotation_history.c */
GS_HANDLER(gs_api_annotation_history);
GS_HANDLER(gs_api_annotation_version);
GS_HANDLER(gs_api_annotation_restore);

/* segment.c, translate.c, sample.c */
GS_HANDLER(gs_api_segment);
GS_HANDLER(gs_api_translate);
GS_HANDLER(gs_api_sample);

/* jobs.c, job_events.c */
GS_HANDLER(gs_api_job_create);
GS_HANDLER(gs_api_job_list);
GS_HANDLER(gs_api_job_get);
GS_HANDLER(gs_api_job_events);
GS_HANDLER(gs_api_job_output);
GS_HANDLER(gs_api_job_cancel);
GS_HANDLER(gs_api_job_panel);
GS_HANDLER(gs_api_job_panel_sheet);
GS_HANDLER(gs_api_job_resume);

/* models.c */
GS_HANDLER(gs_api_model_list);
GS_HANDLER(gs_api_model_get);
GS_HANDLER(gs_api_model_weights);
GS_HANDLER(gs_api_model_create);
GS_HANDLER(gs_api_model_delete);
GS_HANDLER(gs_api_model_active_get);
GS_HANDLER(gs_api_model_active_put);

#endif

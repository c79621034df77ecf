/* What segment, translate and sample share: reading the subject of a request and rendering maps. */
#ifndef GS_API_INFERENCE_H
#define GS_API_INFERENCE_H

#include "api/handler.h"
#include "engine/image/mask.h"

#define GS_SEED_MAX (((int64_t)1 << 53) - 1) /* what every JSON reader holds exactly */

/* The image a request is about, and its parameters: fields of a JSON body that names a slice, or
 * query parameters beside a body that is the image. How the answer looks (`output`, `channel`) is
 * always in the query. */
typedef struct gs_subject {
    gs_fields body, query;
    gs_fields *params;    /* one of the two */
    const char *slice_id; /* NULL: the body is the image */
    const char *model_id; /* NULL: the active model */
    gs_image image;       /* after gs_subject_load */
    gs_pixels pixels;     /* what the image's are */
} gs_subject;

/* Prepares the fields and reads `slice_id` and `model`; the caller then reads its own parameters.
 * Deinit only after GS_OK. */
GS_MUST_CHECK gs_status gs_subject_init(const gs_request *request, gs_response *response,
                                        gs_subject *out, gs_error *err);
void gs_subject_deinit(gs_subject *subject);

/* Checks that all parameters were fine and known, then decodes the image. */
GS_MUST_CHECK gs_status gs_subject_load(const gs_api_context *context, const gs_request *request,
                                        gs_subject *subject, gs_error *err);

/* A plane [height,width] as 8-bit PNG between its smallest and largest value, marked as generated.
 * `what` goes into the mark: "translated". Caller frees *bytes_out. */
typedef struct gs_rendering {
    const float *plane;
    int height, width;
    const char *what, *model_id;
} gs_rendering;
GS_MUST_CHECK gs_status gs_render_png(const gs_rendering *rendering, char **bytes_out,
                                      size_t *size_out, gs_error *err);
/* A mask that the model made as PNG, marked likewise. Caller frees *bytes_out. */
GS_MUST_CHECK gs_status gs_render_mask(const gs_mask *mask, const char *model_id, char **bytes_out,
                                       size_t *size_out, gs_error *err);
/* {"png": base64, "min", "max"}. */
GS_MUST_CHECK gs_status gs_render_json(const gs_rendering *rendering, json_t **out, gs_error *err);

/* Header X-Generated: formats without metadata, as .npy, cannot say it themselves. */
GS_MUST_CHECK gs_status gs_respond_generated(gs_response *response, const char *operation,
                                             const char *model_id, gs_error *err);

/* Body: values as .npy, [H,W] for one channel, else [C,H,W]. */
GS_MUST_CHECK gs_status gs_respond_npy(gs_response *response, const float *values, int channels,
                                       int height, int width, gs_error *err);

/* Dice of the prediction against the annotation, pixels that are not annotated left out; 1 when
 * both are empty. Same sizes. */
double gs_mask_dice(const gs_mask *prediction, const gs_mask *annotation);

#endif

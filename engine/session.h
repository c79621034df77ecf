/* Inference: a model's weights, and sessions that run them.
 *
 * Shapes: N images, C channels, H height, W width as the model's configuration says; float32, rows
 * contiguous, in the model's input range (already normalised, see engine/image/normalize.h).
 * Threads: a gs_model is immutable and may be shared; a gs_session belongs to one thread at a time.
 */
#ifndef GS_ENGINE_SESSION_H
#define GS_ENGINE_SESSION_H

#include "base/status.h"
#include "engine/backend/choice.h"
#include "engine/model/config.h"
#include "engine/model/unique_code.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gs_model gs_model;
typedef struct gs_session gs_session;

/* Reads a safetensors file made by `genseg train` (or by PyTorch with the same names and our
 * `__metadata__`). MALFORMED for lying offsets, UNUSABLE for another architecture: a missing,
 * superfluous or wrongly shaped tensor is named. The reference count is 1. */
GS_MUST_CHECK gs_status gs_model_load(const char *path, gs_model **out, gs_error *err);
gs_model *gs_model_retain(gs_model *model);
void gs_model_release(gs_model *model); /* NULL is allowed */
/* Borrowed from the model. */
const gs_model_config *gs_model_get_config(const gs_model *model);
/* Whether the method that trained the model learns to translate, not only to segment. */
bool gs_model_translates(const gs_model *model);

/* Whether it can also turn absence into presence (and sample): gs_session_insert is UNUSABLE
 * without.
 */
bool gs_model_inserts(const gs_model *model);

typedef struct gs_session_options {
    gs_engine_wish engine;
    int threads;   /* 0 = all processors */
    int max_batch; /* images per plan; larger calls are cut into pieces; 0 = 8 */
} gs_session_options;

/* Retains the model. Plans are compiled at the first call of each operation and batch size and
 * kept. */
GS_MUST_CHECK gs_status gs_session_open(gs_model *model, const gs_session_options *options,
                                        gs_session **out, gs_error *err);
void gs_session_close(gs_session *session); /* NULL is allowed */

/* probabilities: [count,H,W], each in [0,1]. images: [count,C,H,W]. */
GS_MUST_CHECK gs_status gs_session_segment(gs_session *session, size_t count, const float *images,
                                           float *probabilities, gs_error *err);

/* Presence to absence; UNUSABLE, as gs_session_insert, for a model that does not translate.
 * healthy, residual, reconstruction: [count,C,H,W] each; reconstruction = healthy + residual,
 * rounded once. */
GS_MUST_CHECK gs_status gs_session_remove(gs_session *session, size_t count, const float *images,
                                          float *healthy, float *residual, float *reconstruction,
                                          gs_error *err);

/* Absence to presence with the unique code drawn from N(0, I) by seeds[i]. autoencoded, residual,
 * translated: [count,C,H,W] each; translated = autoencoded + residual. The same model, image and
 * seed give the same bytes whatever else is in the batch. */
GS_MUST_CHECK gs_status gs_session_insert(gs_session *session, size_t count, const float *images,
                                          const uint64_t *seeds, float *autoencoded,
                                          float *residual, float *translated, gs_error *err);
/* The same with codes[i], which may lie between those of two seeds. */
GS_MUST_CHECK gs_status gs_session_insert_codes(gs_session *session, size_t count,
                                                const float *images, const gs_unique_code *codes,
                                                float *autoencoded, float *residual,
                                                float *translated, gs_error *err);

#endif

/* Models in memory, ready to compute: loaded and warmed by a thread of their own, so that neither
 * HTTP threads nor the executor wait for a file.
 *
 *            acquire                 loader
 *   (none) ──────────▶ loading ──▶ ready ──▶ evicted or forgotten
 *                         └──────▶ failed ──▶ forgotten by the next acquire
 *
 * A slot is reference-counted: one that left the cache lives until the last request is done with
 * it. Threads: any may acquire and release; the session of a slot is used by the loader until the
 * slot is ready, then by the executor alone. */
#ifndef GS_SERVER_MODEL_CACHE_H
#define GS_SERVER_MODEL_CACHE_H

#include "engine/session.h"
#include "store/store.h"

#include <stdbool.h>

enum { GS_CACHE_MODELS = 4 /* in memory at once, the active one among them */ };

typedef struct gs_model_cache gs_model_cache;
typedef struct gs_model_slot gs_model_slot;

/* Starts the loader thread. Caller closes. */
GS_MUST_CHECK gs_status gs_model_cache_open(const gs_session_options *options, gs_model_cache **out,
                                            gs_error *err);
/* Whoever waits for a model gets CANCELLED. */
void gs_model_cache_stop(gs_model_cache *cache);
/* No acquire may be in progress. NULL is allowed. */
void gs_model_cache_close(gs_model_cache *cache);

/* The model `id`, loading it from `path` when it is not in memory, waiting at most timeout_ms.
 * BUSY: still loading, or no room. Otherwise as gs_model_load. Caller releases. */
GS_MUST_CHECK gs_status gs_model_cache_acquire(gs_model_cache *cache, const char *id,
                                               const char *path, int timeout_ms,
                                               gs_model_slot **out, gs_error *err);
/* The active model, or CONFLICT when none was set. A set one is always ready. Caller releases. */
GS_MUST_CHECK gs_status gs_model_cache_acquire_active(gs_model_cache *cache, gs_model_slot **out,
                                                      gs_error *err);
/* Swaps: requests that name no model use this one from now on. Retains the slot. */
void gs_model_cache_set_active(gs_model_cache *cache, gs_model_slot *slot);
/* The model was deleted. */
void gs_model_cache_forget(gs_model_cache *cache, const char *id);

gs_model_slot *gs_model_slot_retain(gs_model_slot *slot);
void gs_model_slot_release(gs_model_slot *slot); /* NULL is allowed */
/* Borrowed from the slot. */
const char *gs_model_slot_id(const gs_model_slot *slot);
const gs_model_config *gs_model_slot_config(const gs_model_slot *slot);
gs_session *gs_model_slot_session(const gs_model_slot *slot);

#endif

/* Invariants: 1. cache->slots holds one reference to each of its slots, cache->active another.
 * 2. A slot's model and session are written by the loader before it becomes ready, under the mutex,
 *    and never change afterwards. 3. Only the last release closes a session: nobody runs it then.
 */
#include "server/model_cache.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "server/clock.h"

typedef enum slot_state { SLOT_LOADING, SLOT_READY, SLOT_FAILED } slot_state;

struct gs_model_slot {
    atomic_int references;
    char id[GS_ID_SIZE];
    char *path;
    slot_state state; /* guarded by cache->mutex, as the next three */
    bool is_taken;    /* the loader works on it */
    uint64_t last_use;
    gs_error error; /* why it failed */
    gs_model *model;
    gs_session *session;
};

struct gs_model_cache {
    gs_session_options options;
    pthread_t loader;
    pthread_mutex_t mutex;
    pthread_cond_t changed; /* a slot was added, became ready or failed; or stopping */
    /* guarded by mutex: */
    gs_model_slot *slots[GS_CACHE_MODELS];
    gs_model_slot *active;
    uint64_t uses;
    bool stopping;
};

/* ==== Slots ==== */

gs_model_slot *gs_model_slot_retain(gs_model_slot *slot) {
    atomic_fetch_add(&slot->references, 1);
    return slot;
}

/* A model's memory lies between what others allocated, where only this gives it back. */
static void give_back_freed_memory(void) {
    malloc_trim(0);
}

void gs_model_slot_release(gs_model_slot *slot) {
    if (!slot || atomic_fetch_sub(&slot->references, 1) > 1) return;
    gs_session_close(slot->session);
    gs_model_release(slot->model);
    gs_free(slot->path);
    gs_free(slot);
    give_back_freed_memory();
}

const char *gs_model_slot_id(const gs_model_slot *slot) {
    return slot->id;
}

const gs_model_config *gs_model_slot_config(const gs_model_slot *slot) {
    return gs_model_get_config(slot->model);
}

gs_session *gs_model_slot_session(const gs_model_slot *slot) {
    return slot->session;
}

static gs_model_slot *new_slot(const char *id, const char *path) {
    gs_model_slot *slot = gs_alloc(1, sizeof *slot);
    if (!slot) return NULL;
    atomic_init(&slot->references, 1);
    snprintf(slot->id, sizeof slot->id, "%s", id);
    slot->path = gs_copy_string(path);
    if (slot->path) return slot;
    gs_free(slot);
    return NULL;
}

/* ==== Loading ==== */

/* Runs every operation that the model has once, so that the first request finds its plans compiled.
 */
static gs_status warm(gs_session *session, const gs_model *model, gs_error *err) {
    const gs_model_config *config = gs_model_get_config(model);
    size_t plane = (size_t)config->height * (size_t)config->columns;
    size_t values = plane * (size_t)config->channels;
    float *buffer = gs_alloc(4 * values + plane, sizeof *buffer);
    if (!buffer) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory to warm the model");
    float *image = buffer, *a = image + values, *b = a + values, *c = b + values;
    const gs_unique_code code = {0};
    gs_status status = gs_session_segment(session, 1, image, buffer + 4 * values, err);
    bool translates = gs_model_translates(model);
    if (status == GS_OK && translates) status = gs_session_remove(session, 1, image, a, b, c, err);
    if (status == GS_OK && gs_model_inserts(model))
        status = gs_session_insert_codes(session, 1, image, &code, a, b, c, err);
    gs_free(buffer);
    return status;
}

/* Fills the slot's model and session; only the loader touches them while it is loading. */
static gs_status load(const gs_model_cache *cache, gs_model_slot *slot, gs_error *err) {
    GS_TRY(gs_model_load(slot->path, &slot->model, err));
    GS_TRY(gs_session_open(slot->model, &cache->options, &slot->session, err));
    GS_TRY(warm(slot->session, slot->model, err));
    give_back_freed_memory();
    return GS_OK;
}

static gs_model_slot *next_to_load_locked(gs_model_cache *cache) {
    for (int i = 0; i < GS_CACHE_MODELS; i++) {
        gs_model_slot *slot = cache->slots[i];
        if (slot && slot->state == SLOT_LOADING && !slot->is_taken) return slot;
    }
    return NULL;
}

static void *run_loader(void *argument) {
    gs_model_cache *cache = argument;
    pthread_mutex_lock(&cache->mutex);
    while (!cache->stopping) {
        gs_model_slot *slot = next_to_load_locked(cache);
        if (!slot) {
            pthread_cond_wait(&cache->changed, &cache->mutex);
            continue;
        }
        slot->is_taken = true;
        gs_model_slot_retain(slot);
        pthread_mutex_unlock(&cache->mutex);
        gs_error err;
        gs_status status = load(cache, slot, &err);
        pthread_mutex_lock(&cache->mutex);
        if (status != GS_OK) slot->error = err;
        slot->state = status == GS_OK ? SLOT_READY : SLOT_FAILED;
        pthread_cond_broadcast(&cache->changed);
        pthread_mutex_unlock(&cache->mutex);
        gs_model_slot_release(slot);
        pthread_mutex_lock(&cache->mutex);
    }
    pthread_mutex_unlock(&cache->mutex);
    return NULL;
}

/* ==== Life ==== */

gs_status gs_model_cache_open(const gs_session_options *options, gs_model_cache **out,
                              gs_error *err) {
    gs_model_cache *cache = gs_alloc(1, sizeof *cache);
    if (!cache) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the model cache");
    cache->options = *options;
    pthread_mutex_init(&cache->mutex, NULL);
    gs_cond_init(&cache->changed);
    errno = pthread_create(&cache->loader, NULL, run_loader, cache);
    if (errno != 0) {
        gs_status status = gs_fail_errno(err, "cannot start the model loader");
        pthread_cond_destroy(&cache->changed);
        pthread_mutex_destroy(&cache->mutex);
        gs_free(cache);
        return status;
    }
    *out = cache;
    return GS_OK;
}

void gs_model_cache_stop(gs_model_cache *cache) {
    pthread_mutex_lock(&cache->mutex);
    cache->stopping = true;
    pthread_cond_broadcast(&cache->changed);
    pthread_mutex_unlock(&cache->mutex);
}

void gs_model_cache_close(gs_model_cache *cache) {
    if (!cache) return;
    gs_model_cache_stop(cache);
    pthread_join(cache->loader, NULL);
    for (int i = 0; i < GS_CACHE_MODELS; i++) gs_model_slot_release(cache->slots[i]);
    gs_model_slot_release(cache->active);
    pthread_cond_destroy(&cache->changed);
    pthread_mutex_destroy(&cache->mutex);
    gs_free(cache);
}

/* ==== Looking up ==== */

static int find_locked(const gs_model_cache *cache, const char *id) {
    for (int i = 0; i < GS_CACHE_MODELS; i++) {
        if (cache->slots[i] && strcmp(cache->slots[i]->id, id) == 0) return i;
    }
    return -1;
}

/* A free place, or that of the ready model that was not used for longest; -1 when all are loading
 * or active. The old slot, if any, is for the caller to release outside the lock. */
static int make_room_locked(gs_model_cache *cache, gs_model_slot **evicted) {
    int best = -1;
    for (int i = 0; i < GS_CACHE_MODELS; i++) {
        gs_model_slot *slot = cache->slots[i];
        if (!slot) return i;
        if (slot->state == SLOT_LOADING || slot == cache->active) continue;
        if (best < 0 || slot->last_use < cache->slots[best]->last_use) best = i;
    }
    if (best >= 0) {
        *evicted = cache->slots[best];
        cache->slots[best] = NULL;
    }
    return best;
}

/* The slot of the model, added as loading when there is none; retained for the caller. */
static gs_status find_or_add_locked(gs_model_cache *cache, const char *id, const char *path,
                                    gs_model_slot **evicted, gs_model_slot **out, gs_error *err) {
    int at = find_locked(cache, id);
    bool has_failed = at >= 0 && cache->slots[at]->state == SLOT_FAILED;
    /* Try again: the file may be readable now. A lost device stays lost in this process. */
    if (has_failed && cache->slots[at]->error.status != GS_DEVICE_LOST) {
        *evicted = cache->slots[at];
        cache->slots[at] = NULL;
    }
    if (at < 0) at = make_room_locked(cache, evicted);
    if (at < 0) return gs_fail(err, GS_BUSY, "%d models are being loaded already", GS_CACHE_MODELS);
    if (!cache->slots[at]) {
        cache->slots[at] = new_slot(id, path);
        if (!cache->slots[at]) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for model %s", id);
        pthread_cond_broadcast(&cache->changed);
    }
    cache->slots[at]->last_use = ++cache->uses;
    *out = gs_model_slot_retain(cache->slots[at]);
    return GS_OK;
}

gs_status gs_model_cache_acquire(gs_model_cache *cache, const char *id, const char *path,
                                 int timeout_ms, gs_model_slot **out, gs_error *err) {
    struct timespec deadline = gs_clock_after_ms(timeout_ms);
    gs_model_slot *slot = NULL, *evicted = NULL;
    pthread_mutex_lock(&cache->mutex);
    gs_status status = find_or_add_locked(cache, id, path, &evicted, &slot, err);
    int waited = 0;
    while (status == GS_OK && slot->state == SLOT_LOADING && waited != ETIMEDOUT &&
           !cache->stopping)
        waited = pthread_cond_timedwait(&cache->changed, &cache->mutex, &deadline);
    if (status == GS_OK && slot->state == SLOT_LOADING)
        status = cache->stopping ? gs_fail(err, GS_CANCELLED, "the server is stopping")
                                 : gs_fail(err, GS_BUSY, "model %s is still loading", id);
    if (status == GS_OK && slot->state == SLOT_FAILED)
        status = gs_fail(err, slot->error.status, "%s", slot->error.text);
    pthread_mutex_unlock(&cache->mutex);
    gs_model_slot_release(evicted);
    if (status != GS_OK) {
        gs_model_slot_release(slot);
        return status;
    }
    *out = slot;
    return GS_OK;
}

gs_status gs_model_cache_acquire_active(gs_model_cache *cache, gs_model_slot **out, gs_error *err) {
    pthread_mutex_lock(&cache->mutex);
    gs_model_slot *slot = cache->active;
    if (slot) gs_model_slot_retain(slot)->last_use = ++cache->uses;
    pthread_mutex_unlock(&cache->mutex);
    if (!slot)
        return gs_fail(err, GS_CONFLICT, "no model is active: train one, or PUT /v1/models/active");
    *out = slot;
    return GS_OK;
}

void gs_model_cache_set_active(gs_model_cache *cache, gs_model_slot *slot) {
    gs_model_slot_retain(slot);
    pthread_mutex_lock(&cache->mutex);
    gs_model_slot *old = cache->active;
    cache->active = slot;
    pthread_mutex_unlock(&cache->mutex);
    gs_model_slot_release(old);
}

void gs_model_cache_forget(gs_model_cache *cache, const char *id) {
    gs_model_slot *slot = NULL;
    pthread_mutex_lock(&cache->mutex);
    int at = find_locked(cache, id);
    if (at >= 0) {
        slot = cache->slots[at];
        cache->slots[at] = NULL;
    }
    pthread_mutex_unlock(&cache->mutex);
    gs_model_slot_release(slot);
}

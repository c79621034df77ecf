/* A ring of batches. The batch of step s lies in slot s % depth:
 *
 *   FREE -> FILLING (a worker has claimed the step) -> READY -> taken -> FREE
 *
 * Steps are claimed in order. Lock: `mutex` guards all of the loader and each slot's state; what a
 * slot holds belongs to the worker that fills it, then to whoever took it. */
#include "engine/train/loader.h"

#include "base/memory.h"
#include "base/random.h"
#include "engine/image/mask.h"
#include "engine/train/augment.h"
#include "engine/train/evaluate.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define CODE_STREAM ((uint64_t)0x7531 << 32)
#define AUGMENTATION_STREAM ((uint64_t)0x6175 << 48)

typedef enum slot_state { FREE, FILLING, READY } slot_state;

typedef struct slot {
    slot_state state;
    uint64_t step;
    gs_batch batch;
    uint32_t presence[GS_MAX_BATCH_SIZE], absence[GS_MAX_BATCH_SIZE];
    uint8_t *mask;   /* one, being varied */
    float *room;     /* one image, and … */
    double *sources; /* … where its pixels come from, for augmentation */
    gs_status status;
    gs_error error;
} slot;

struct gs_loader {
    gs_loader_options options;
    size_t image, pixels; /* floats of an image, of one channel */
    slot *slots;          /* [depth] */
    int depth;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t workers[GS_MAX_LOADER_THREADS];
    int running;
    uint64_t next;     /* step to be claimed */
    uint64_t expected; /* step that is taken next if all goes in order */
    slot *taken;       /* NULL = none */
    double waited;     /* seconds */
    bool paused, stopping;
};

/* ---- Making a batch ---------------------------------------------------------------------------
 */

static void write_mask(const gs_loader *l, slot *s, int index) {
    float *target = s->batch.target + (size_t)index * l->pixels;
    float *annotated = s->batch.annotated_pixels + (size_t)index * l->pixels;
    for (size_t p = 0; p < l->pixels; p++) {
        target[p] = s->mask[p] == GS_MASK_TARGET ? 1.0f : 0.0f;
        annotated[p] = s->mask[p] == GS_MASK_UNKNOWN ? 0.0f : 1.0f;
    }
}

/* Image `index` of the batch, and its mask if it is one of the annotated. */
static gs_status make_image(const gs_loader *l, slot *s, int index, gs_error *err) {
    const gs_loader_options *o = &l->options;
    bool is_annotated = index < s->batch.annotated;
    uint32_t row = index < o->pairs ? s->presence[index] : s->absence[index - o->pairs];
    float *image = s->batch.images + (size_t)index * l->image;
    GS_TRY(gs_dataset_read_normalized(o->dataset, row, image, err));
    if (is_annotated) memcpy(s->mask, gs_dataset_mask(o->dataset, row), l->pixels);
    if (o->augment) {
        const gs_dataset_info *info = gs_dataset_get_info(o->dataset);
        gs_augment_target target = {
            info->channels, info->height, info->width, image, is_annotated ? s->mask : NULL,
            s->room,        s->sources};
        gs_augment(&target, o->seed,
                   AUGMENTATION_STREAM + s->step * 2 * GS_MAX_BATCH_SIZE + (uint64_t)index);
    }
    if (is_annotated) write_mask(l, s, index);
    return GS_OK;
}

static gs_status fill(const gs_loader *l, slot *s, gs_error *err) {
    const gs_loader_options *o = &l->options;
    size_t masks = (size_t)o->pairs * l->pixels;
    memset(s->batch.target, 0, masks * sizeof(float));
    memset(s->batch.annotated_pixels, 0, masks * sizeof(float));
    for (int i = 0; i < (o->uses_absence ? 2 : 1) * o->pairs; i++) GS_TRY(make_image(l, s, i, err));
    if (s->batch.codes) gs_random_normal(o->seed, CODE_STREAM + s->step, s->batch.codes, o->codes);
    return GS_OK;
}

/* ---- Workers ----------------------------------------------------------------------------------
 */

static slot *slot_of(const gs_loader *l, uint64_t step) {
    return &l->slots[step % (uint64_t)l->depth];
}

/* The next step, claimed; NULL when the loader stops. */
static slot *claim_locked(gs_loader *l) {
    while (!l->stopping && (l->paused || slot_of(l, l->next)->state != FREE))
        pthread_cond_wait(&l->changed, &l->mutex);
    if (l->stopping) return NULL;
    slot *s = slot_of(l, l->next);
    s->state = FILLING;
    s->step = l->next++;
    s->batch.annotated =
        gs_sampler_batch(l->options.sampler, l->options.dataset, s->step, s->presence, s->absence);
    return s;
}

static void *work(void *argument) {
    gs_loader *l = argument;
    pthread_mutex_lock(&l->mutex);
    for (slot *s; (s = claim_locked(l)) != NULL;) {
        pthread_mutex_unlock(&l->mutex);
        s->status = fill(l, s, &s->error);
        pthread_mutex_lock(&l->mutex);
        s->state = READY;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

/* ---- Taking -----------------------------------------------------------------------------------
 */

static bool is_filling_locked(const gs_loader *l) {
    for (int i = 0; i < l->depth; i++)
        if (l->slots[i].state == FILLING) return true;
    return false;
}

/* Forgets what is there and goes on from another step. */
static void restart_locked(gs_loader *l, uint64_t step) {
    l->paused = true;
    while (is_filling_locked(l)) pthread_cond_wait(&l->changed, &l->mutex);
    for (int i = 0; i < l->depth; i++) l->slots[i].state = FREE;
    l->next = step;
    l->paused = false;
}

static double now_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double gs_loader_waited(const gs_loader *l) {
    return l->waited;
}

gs_status gs_loader_take(gs_loader *l, uint64_t step, const gs_batch **out, gs_error *err) {
    pthread_mutex_lock(&l->mutex);
    if (l->taken) l->taken->state = FREE;
    if (step != l->expected) restart_locked(l, step);
    pthread_cond_broadcast(&l->changed);
    slot *s = slot_of(l, step);
    double began = now_seconds();
    while (s->state != READY || s->step != step) pthread_cond_wait(&l->changed, &l->mutex);
    l->waited += now_seconds() - began;
    l->taken = s;
    l->expected = step + 1;
    pthread_mutex_unlock(&l->mutex);
    if (s->status != GS_OK) {
        if (err) *err = s->error;
        return s->status;
    }
    *out = &s->batch;
    return GS_OK;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

static bool slot_init(const gs_loader *l, slot *s) {
    const gs_loader_options *o = &l->options;
    size_t n = (size_t)o->pairs, images = o->uses_absence ? 2 * n : n;
    s->batch.images = gs_alloc(images * l->image, sizeof(float));
    s->batch.target = gs_alloc(n * l->pixels, sizeof(float));
    s->batch.annotated_pixels = gs_alloc(n * l->pixels, sizeof(float));
    s->batch.codes = o->codes ? gs_alloc(o->codes, sizeof(float)) : NULL;
    s->mask = gs_alloc(l->pixels, 1);
    s->room = o->augment ? gs_alloc(l->image, sizeof(float)) : NULL;
    const gs_dataset_info *info = gs_dataset_get_info(o->dataset);
    size_t sources = gs_augment_sources(info->height, info->width);
    s->sources = o->augment ? gs_alloc(sources, sizeof(double)) : NULL;
    return s->batch.images && s->batch.target && s->batch.annotated_pixels && s->mask &&
           (!o->augment || (s->room && s->sources)) && (!o->codes || s->batch.codes);
}

static void slot_deinit(slot *s) {
    gs_free(s->batch.images), gs_free(s->batch.target), gs_free(s->batch.annotated_pixels);
    gs_free(s->batch.codes), gs_free(s->mask), gs_free(s->room), gs_free(s->sources);
}

/* One thread is enough; fewer than asked for are no error. */
static gs_status start_workers(gs_loader *l, gs_error *err) {
    while (l->running < l->options.threads &&
           pthread_create(&l->workers[l->running], NULL, work, l) == 0)
        l->running++;
    return l->running > 0 ? GS_OK : gs_fail(err, GS_OUT_OF_MEMORY, "no thread to load batches");
}

gs_status gs_loader_new(const gs_loader_options *options, gs_loader **out, gs_error *err) {
    gs_assert(options->pairs <= GS_MAX_BATCH_SIZE && options->threads <= GS_MAX_LOADER_THREADS);
    const gs_dataset_info *info = gs_dataset_get_info(options->dataset);
    gs_loader *l = gs_alloc(1, sizeof *l);
    if (!l) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for a loader");
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->options = *options;
    l->pixels = (size_t)info->height * (size_t)info->width;
    l->image = l->pixels * (size_t)info->channels;
    l->depth = options->threads + 1;
    l->slots = gs_alloc((size_t)l->depth, sizeof *l->slots);
    bool ok = l->slots != NULL;
    for (int i = 0; ok && i < l->depth; i++) ok = slot_init(l, &l->slots[i]);
    gs_status status =
        ok ? start_workers(l, err)
           : gs_fail(err, GS_OUT_OF_MEMORY, "no memory for batches of %d images", options->pairs);
    if (status != GS_OK) {
        gs_loader_free(l);
        return status;
    }
    *out = l;
    return GS_OK;
}

void gs_loader_free(gs_loader *l) {
    if (!l) return;
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    for (int i = 0; i < l->running; i++) pthread_join(l->workers[i], NULL);
    for (int i = 0; l->slots && i < l->depth; i++) slot_deinit(&l->slots[i]);
    gs_free(l->slots);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
    gs_free(l);
}

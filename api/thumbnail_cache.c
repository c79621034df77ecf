/* A table of fixed size: a tag has one place, and whoever comes later has it. */
#include "api/thumbnail_cache.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>

#include "base/memory.h"

typedef struct entry {
    char tag[GS_THUMBNAIL_TAG_SIZE]; /* "" = free */
    char *bytes;                     /* owned */
    size_t size;
} entry;

struct gs_thumbnail_cache {
    pthread_mutex_t mutex;
    entry entries[GS_THUMBNAILS_MAX]; /* guarded by mutex */
};

gs_thumbnail_cache *gs_thumbnail_cache_new(void) {
    gs_thumbnail_cache *cache = gs_alloc(1, sizeof *cache);
    if (cache) pthread_mutex_init(&cache->mutex, NULL);
    return cache;
}

void gs_thumbnail_cache_free(gs_thumbnail_cache *cache) {
    if (!cache) return;
    for (size_t i = 0; i < GS_THUMBNAILS_MAX; i++) gs_free(cache->entries[i].bytes);
    pthread_mutex_destroy(&cache->mutex);
    gs_free(cache);
}

/* FNV-1a. */
static entry *place_of(gs_thumbnail_cache *cache, const char *tag) {
    uint32_t hash = 2166136261u;
    for (const char *at = tag; *at; at++) hash = (hash ^ (unsigned char)*at) * 16777619u;
    return &cache->entries[hash % GS_THUMBNAILS_MAX];
}

static char *copy_of(const char *bytes, size_t size) {
    char *copy = gs_alloc(size, 1);
    if (copy) memcpy(copy, bytes, size);
    return copy;
}

bool gs_thumbnail_cache_find(gs_thumbnail_cache *cache, const char *tag, char **bytes_out,
                             size_t *size_out) {
    char *copy = NULL;
    pthread_mutex_lock(&cache->mutex);
    const entry *found = place_of(cache, tag);
    if (found->bytes && strcmp(found->tag, tag) == 0) {
        copy = copy_of(found->bytes, found->size);
        *size_out = found->size;
    }
    pthread_mutex_unlock(&cache->mutex);
    if (copy) *bytes_out = copy;
    return copy != NULL;
}

void gs_thumbnail_cache_keep(gs_thumbnail_cache *cache, const char *tag, const char *bytes,
                             size_t size) {
    if (size > GS_THUMBNAIL_BYTES_MAX || strlen(tag) >= GS_THUMBNAIL_TAG_SIZE) return;
    char *copy = copy_of(bytes, size);
    if (!copy) return;
    pthread_mutex_lock(&cache->mutex);
    entry *place = place_of(cache, tag);
    gs_free(place->bytes);
    strcpy(place->tag, tag);
    place->bytes = copy;
    place->size = size;
    pthread_mutex_unlock(&cache->mutex);
}

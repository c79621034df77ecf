/* Thumbnails that were made, in bounded memory. Thread-safe. */
#ifndef GS_API_THUMBNAIL_CACHE_H
#define GS_API_THUMBNAIL_CACHE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    GS_THUMBNAIL_TAG_SIZE = 96,
    GS_THUMBNAILS_MAX = 2048,
    GS_THUMBNAIL_BYTES_MAX = 32 * 1024, /* larger ones are made anew each time */
};

typedef struct gs_thumbnail_cache gs_thumbnail_cache;

/* NULL when out of memory. Caller frees. */
gs_thumbnail_cache *gs_thumbnail_cache_new(void);
void gs_thumbnail_cache_free(gs_thumbnail_cache *cache); /* NULL is allowed */

/* A copy of what was kept under the tag (caller gs_frees); false when there is none, or no memory
 * for the copy. */
bool gs_thumbnail_cache_find(gs_thumbnail_cache *cache, const char *tag, char **bytes_out,
                             size_t *size_out);
/* Keeps a copy, in place of another one; or does not, when it is too large or memory is short. */
void gs_thumbnail_cache_keep(gs_thumbnail_cache *cache, const char *tag, const char *bytes,
                             size_t size);

#endif

#include "server/rate_limit.h"

#include <arpa/inet.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

enum { SETS = 256, WAYS = 8 };

typedef struct bucket {
    char key[GS_RATE_KEY_SIZE]; /* "" = free */
    double left, at;            /* how many there were at which time */
} bucket;

struct gs_rate_limit {
    double per_second, burst;
    pthread_mutex_t mutex;
    bucket sets[SETS][WAYS]; /* guarded by mutex */
};

gs_status gs_rate_limit_new(double per_second, double burst, gs_rate_limit **out, gs_error *err) {
    gs_rate_limit *limit = gs_alloc(1, sizeof *limit);
    if (!limit) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for rate limits");
    limit->per_second = per_second;
    limit->burst = burst;
    pthread_mutex_init(&limit->mutex, NULL);
    *out = limit;
    return GS_OK;
}

void gs_rate_limit_free(gs_rate_limit *limit) {
    if (!limit) return;
    pthread_mutex_destroy(&limit->mutex);
    gs_free(limit);
}

/* FNV-1a. */
static size_t set_of(const char *key) {
    uint32_t hash = 2166136261u;
    for (; *key; key++) hash = (hash ^ (unsigned char)*key) * 16777619u;
    return (hash ^ hash >> 16) % SETS;
}

/* The key's bucket, or that of its set which was used longest ago, filled anew. */
static bucket *find_locked(gs_rate_limit *limit, const char *key, double now) {
    bucket *set = limit->sets[set_of(key)], *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (strcmp(set[i].key, key) == 0) return &set[i];
        if (set[i].key[0] == '\0' || set[i].at < oldest->at) oldest = &set[i];
        if (oldest->key[0] == '\0') break;
    }
    snprintf(oldest->key, sizeof oldest->key, "%s", key);
    oldest->left = limit->burst;
    oldest->at = now;
    return oldest;
}

unsigned gs_rate_limit_take(gs_rate_limit *limit, const char *key, double now) {
    if (!limit || key[0] == '\0') return 0;
    unsigned wait = 0;
    pthread_mutex_lock(&limit->mutex);
    bucket *own = find_locked(limit, key, now);
    own->left = fmin(limit->burst, own->left + (now - own->at) * limit->per_second);
    own->at = now;
    if (own->left >= 1)
        own->left -= 1;
    else
        wait = (unsigned)ceil((1 - own->left) / limit->per_second);
    pthread_mutex_unlock(&limit->mutex);
    return wait;
}

void gs_rate_limit_key(const char *address, char out[GS_RATE_KEY_SIZE]) {
    struct in6_addr v6;
    if (inet_pton(AF_INET6, address, &v6) == 1) {
        memset(v6.s6_addr + 8, 0, 8);
        inet_ntop(AF_INET6, &v6, out, GS_RATE_KEY_SIZE);
    } else {
        snprintf(out, GS_RATE_KEY_SIZE, "%s", address);
    }
}

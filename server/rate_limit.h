/* Token buckets by key: so many at once, so many per second after that. Thread-safe; a table of
 * fixed size, in which a key that was not seen for long gives way to a new one. */
#ifndef GS_SERVER_RATE_LIMIT_H
#define GS_SERVER_RATE_LIMIT_H

#include "base/status.h"

enum { GS_RATE_KEY_SIZE = 64 };

typedef struct gs_rate_limit gs_rate_limit;

/* Caller frees. */
GS_MUST_CHECK gs_status gs_rate_limit_new(double per_second, double burst, gs_rate_limit **out,
                                          gs_error *err);
void gs_rate_limit_free(gs_rate_limit *limit); /* NULL is allowed */

/* Takes one for the key, at a time in seconds (of any clock that only goes on): 0, or after how
 * many whole seconds there will be one. NULL for a limit is none. */
unsigned gs_rate_limit_take(gs_rate_limit *limit, const char *key, double now);

/* Whom an address stands for: itself, or of IPv6 the network of 64 bits, in which one client has
 * all addresses it wants. */
void gs_rate_limit_key(const char *address, char out[GS_RATE_KEY_SIZE]);

#endif

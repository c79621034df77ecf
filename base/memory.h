/* Allocation with checked sizes, and a hook that makes the n-th allocation fail in tests.
 * Thread-safe. Everything obtained here is released with gs_free. */
#ifndef GS_BASE_MEMORY_H
#define GS_BASE_MEMORY_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Zeroed memory for `count` elements of `size` bytes; NULL when out of memory or on overflow.
 * count == 0 gives a valid pointer. Caller frees. */
void *gs_alloc(size_t count, size_t size);

/* As realloc for `count` elements of `size` bytes; on failure NULL, and `pointer` stays valid.
 * New bytes are not zeroed. */
void *gs_resize(void *pointer, size_t count, size_t size);

/* Zeroed memory aligned to `alignment` (a power of two, at least 16), in huge pages where it fills
 * some and the system has them. Caller frees. */
void *gs_alloc_aligned(size_t size_bytes, size_t alignment);

/* A copy of a string or of `size` bytes (plus a terminating zero). NULL when out of memory. */
char *gs_copy_string(const char *text);
char *gs_copy_bytes(const void *bytes, size_t size);

/* printf into a new string. NULL when out of memory. Caller frees. */
char *gs_format(const char *format, ...) GS_PRINTF(1, 2);

/* Closes a stream of open_memstream(&*text, …) and returns its text, which the caller frees with
 * free; NULL when some of what was printed found no memory, also if later prints did. */
char *gs_text_finish(FILE *stream, char **text);

/* NULL is allowed. */
void gs_free(void *pointer);

/* product = a * b (sum = a + b); false on overflow. */
bool gs_mul_size(size_t a, size_t b, size_t *product);
bool gs_add_size(size_t a, size_t b, size_t *sum);

/* Test hook: the n-th allocation from now (1 = the next) and, if `persistent`, all after it return
 * NULL. n = 0 turns it off. */
void gs_memory_fail_at(uint64_t n, bool persistent);

/* Allocations made by this process so far, for allocation budgets in tests. */
uint64_t gs_memory_count(void);

#endif

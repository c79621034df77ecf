#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_uint_fast64_t allocation_count;
static atomic_uint_fast64_t fail_at; /* value of allocation_count that fails; 0 = never */
static atomic_bool fail_persistently;

static bool allocation_must_fail(void) {
    uint64_t now = atomic_fetch_add(&allocation_count, 1) + 1;
    uint64_t at = atomic_load(&fail_at);
    return at != 0 && (now == at || (now > at && atomic_load(&fail_persistently)));
}

void gs_memory_fail_at(uint64_t n, bool persistent) {
    atomic_store(&fail_persistently, persistent);
    atomic_store(&fail_at, n ? atomic_load(&allocation_count) + n : 0);
}

uint64_t gs_memory_count(void) {
    return atomic_load(&allocation_count);
}

bool gs_mul_size(size_t a, size_t b, size_t *product) {
    return !__builtin_mul_overflow(a, b, product);
}

bool gs_add_size(size_t a, size_t b, size_t *sum) {
    return !__builtin_add_overflow(a, b, sum);
}

void *gs_alloc(size_t count, size_t size) {
    size_t total;
    if (allocation_must_fail() || !gs_mul_size(count, size, &total)) return NULL;
    return calloc(total ? total : 1, 1);
}

void *gs_resize(void *pointer, size_t count, size_t size) {
    size_t total;
    if (allocation_must_fail() || !gs_mul_size(count, size, &total)) return NULL;
    return realloc(pointer, total ? total : 1);
}

void *gs_alloc_aligned(size_t size_bytes, size_t alignment) {
    size_t padded;
    if (allocation_must_fail() || !gs_add_size(size_bytes, alignment, &padded)) return NULL;
    padded -= padded % alignment;
    void *memory = aligned_alloc(alignment, padded);
    if (memory) memset(memory, 0, padded);
    return memory;
}

char *gs_copy_bytes(const void *bytes, size_t size) {
    size_t total;
    if (!gs_add_size(size, 1, &total)) return NULL;
    char *copy = gs_alloc(total, 1);
    if (copy && size) memcpy(copy, bytes, size);
    return copy;
}

char *gs_copy_string(const char *text) {
    return gs_copy_bytes(text, strlen(text));
}

char *gs_format(const char *format, ...) {
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) return NULL;
    char *text = gs_alloc((size_t)length + 1, 1);
    if (!text) return NULL;
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

char *gs_text_finish(FILE *stream, char **text) {
    bool is_whole = !ferror(stream);
    if (fclose(stream) == 0 && is_whole) return *text;
    free(*text);
    *text = NULL;
    return NULL;
}

void gs_free(void *pointer) {
    free(pointer);
}

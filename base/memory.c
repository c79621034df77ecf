#include "base/memory.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Of x86-64, and of AArch64 with pages of 4 KiB. */
#define HUGE_PAGE_BYTES ((size_t)2 << 20)

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

/* The whole huge pages in the memory are asked for as such, which is a wish: walking through many
 * maps and weights at once otherwise misses in the address translation's cache. The rest stays in
 * small pages, so nothing is resident that was not asked for. */
static void prefer_huge_pages(void *memory, size_t size_bytes) {
#ifdef MADV_HUGEPAGE
    madvise(memory, size_bytes - size_bytes % HUGE_PAGE_BYTES, MADV_HUGEPAGE);
#else
    (void)memory, (void)size_bytes;
#endif
}

void *gs_alloc_aligned(size_t size_bytes, size_t alignment) {
    if (allocation_must_fail()) return NULL;
    bool is_large = size_bytes >= HUGE_PAGE_BYTES && alignment <= HUGE_PAGE_BYTES;
    void *memory = NULL;
    if (posix_memalign(&memory, is_large ? HUGE_PAGE_BYTES : alignment, size_bytes)) return NULL;
    if (is_large) prefer_huge_pages(memory, size_bytes);
    if (memory) memset(memory, 0, size_bytes);
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

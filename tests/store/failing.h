/* Operations whose every allocation fails, those of SQLite too. */
#ifndef TESTS_STORE_FAILING_H
#define TESTS_STORE_FAILING_H

#include "fixture.h"

#include <sqlite3.h>

enum { BLOCK_HEAD = 16 /* before what SQLite gets: its size */, FAILURES_MAX = 5000 };

static inline void *sqlite_alloc(int size) {
    char *block = gs_alloc(1, (size_t)size + BLOCK_HEAD);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEAD;
}

static inline void sqlite_free(void *memory) {
    gs_free(memory ? (char *)memory - BLOCK_HEAD : NULL);
}

static inline void *sqlite_resize(void *memory, int size) {
    char *block = gs_resize((char *)memory - BLOCK_HEAD, 1, (size_t)size + BLOCK_HEAD);
    if (!block) return NULL;
    memcpy(block, &size, sizeof size);
    return block + BLOCK_HEAD;
}

static inline int sqlite_size(void *memory) {
    int size;
    memcpy(&size, (char *)memory - BLOCK_HEAD, sizeof size);
    return size;
}

static inline int sqlite_round(int size) {
    return (size + 7) / 8 * 8;
}

static inline int sqlite_begin(void *context) {
    (void)context;
    return SQLITE_OK;
}

static inline void sqlite_end(void *context) {
    (void)context;
}

/* From now on SQLite allocates as we do. Before anything uses it. */
static inline void share_memory_with_sqlite(void) {
    static const sqlite3_mem_methods methods = {.xMalloc = sqlite_alloc,
                                                .xFree = sqlite_free,
                                                .xRealloc = sqlite_resize,
                                                .xSize = sqlite_size,
                                                .xRoundup = sqlite_round,
                                                .xInit = sqlite_begin,
                                                .xShutdown = sqlite_end};
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0) != SQLITE_OK) {
        fprintf(stderr, "SQLite does not take our memory\n");
        exit(1);
    }
}

/* One operation, many times: `prepare` (or NULL) before each, without failures; `run` with one;
 * `check` after it, without failures again, with what it gave. */
typedef struct operation {
    void (*prepare)(void *context);
    gs_status (*run)(void *context);
    void (*check)(void *context, gs_status status);
} operation;

/* The n-th allocation fails, alone or with all after it; false when there was none. */
static inline bool run_failing(const operation *o, void *context, uint64_t n, bool persistent) {
    if (o->prepare) o->prepare(context);
    uint64_t before = gs_memory_count();
    gs_memory_fail_at(n, persistent);
    gs_status status = o->run(context);
    bool failed = gs_memory_count() - before >= n;
    gs_memory_fail_at(0, false);
    if (status != GS_OK && status != GS_OUT_OF_MEMORY)
        fail_msg("allocation %d: status %d, %s", (int)n, (int)status, error.text);
    if (!failed) assert_int_equal(status, GS_OK);
    o->check(context, status);
    return failed;
}

static inline void run_with_every_failure(const operation *o, void *context) {
    for (int persistent = 0; persistent < 2; persistent++) {
        uint64_t n = 1;
        while (run_failing(o, context, n, persistent)) assert_true(++n < FAILURES_MAX);
        assert_true(n > 2); /* some did */
    }
}

#endif

/* Status codes, error texts and the assertion for our own bugs. Knows nothing else.
 *
 * A fallible function returns gs_status, is GS_MUST_CHECK, and takes `gs_error *err` last. On
 * failure it fills *err (err may be NULL) and leaves its `*_out` parameters untouched. */
#ifndef GS_BASE_STATUS_H
#define GS_BASE_STATUS_H

/* The one list of outcomes. server/ maps it to HTTP in one switch without default. */
#define GS_STATUS_MAP(X)                                                                           \
    X(OK, "ok")                                                                                    \
    X(OUT_OF_MEMORY, "out of memory")                                                              \
    X(INVALID_ARGUMENT, "invalid argument") /* a value outside its documented range */             \
    X(MALFORMED, "malformed data")          /* bytes that do not parse */                          \
    X(UNSUPPORTED, "unsupported")           /* parses, but is a kind we do not handle */           \
    X(SHAPE_MISMATCH, "shape mismatch")     /* sizes that do not fit together */                   \
    X(UNUSABLE, "unusable")                 /* well formed, yet cannot be acted upon */            \
    X(TOO_LARGE, "too large")               /* beyond a named limit */                             \
    X(NOT_FOUND, "not found")                                                                      \
    X(CONFLICT, "conflict") /* the state does not permit the request */                            \
    X(BUSY, "busy")         /* a queue is full or a resource is loading; retry */                  \
    X(CANCELLED, "cancelled")                                                                      \
    X(NUMERIC, "not a finite number") /* NaN or infinity where none may be */                      \
    X(IO, "input/output error")                                                                    \
    X(DISK_FULL, "disk full")                                                                      \
    X(BACKEND, "backend failure") /* oneDNN or CUDA reported an error */                           \
    X(DEVICE_LOST, "device lost") /* a failure after which this process cannot use the device */   \
    X(INTERNAL, "internal error")

typedef enum gs_status {
#define X(name, text) GS_##name,
    GS_STATUS_MAP(X)
#undef X
} gs_status;

/* Where a failure is explained. Plain value; zero-initialise or leave uninitialised before a call.
 */
typedef struct gs_error {
    gs_status status;
    char text[480]; /* one sentence with names and numbers, no trailing newline */
} gs_error;

#define GS_MUST_CHECK __attribute__((warn_unused_result))
#define GS_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Fills *err (if not NULL) with `status` and the formatted sentence, and returns `status`. */
gs_status gs_fail(gs_error *err, gs_status status, const char *format, ...) GS_PRINTF(3, 4);

/* As gs_fail for a failed system call: appends strerror(errno) and turns ENOSPC, EDQUOT and EFBIG
 * into DISK_FULL, ENOENT into NOT_FOUND, ENOMEM into OUT_OF_MEMORY, everything else into IO. */
gs_status gs_fail_errno(gs_error *err, const char *format, ...) GS_PRINTF(2, 3);

/* The enumerator's name without GS_ ("SHAPE_MISMATCH") and its text. Static storage. */
const char *gs_status_name(gs_status status);
const char *gs_status_text(gs_status status);

/* Returns from the caller when `call` fails and there is nothing to free. */
#define GS_TRY(call)                                                                               \
    do {                                                                                           \
        gs_status gs_try_status_ = (call);                                                         \
        if (gs_try_status_ != GS_OK) return gs_try_status_;                                        \
    } while (0)

/* For our own bugs only: never for a request, a file or a library's failure. */
#define gs_assert(condition)                                                                       \
    ((condition) ? (void)0 : gs_assert_failed(#condition, __FILE__, __LINE__))
void gs_assert_failed(const char *condition, const char *file, int line) __attribute__((noreturn));

#endif

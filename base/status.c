#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gs_status gs_fail(gs_error *err, gs_status status, const char *format, ...) {
    if (!err) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return status;
}

static gs_status status_of_errno(int code) {
    switch (code) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return GS_DISK_FULL; /* a limit set by `ulimit -f` */
    case ENOENT:
        return GS_NOT_FOUND;
    case ENOMEM:
        return GS_OUT_OF_MEMORY;
    default:
        return GS_IO;
    }
}

gs_status gs_fail_errno(gs_error *err, const char *format, ...) {
    int code = errno;
    char sentence[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    char reason[96];
    /* The GNU strerror_r may return a static string instead of filling the buffer. */
    const char *text = strerror_r(code, reason, sizeof reason);
    return gs_fail(err, status_of_errno(code), "%.360s: %.96s", sentence, text);
}

const char *gs_status_name(gs_status status) {
    static const char *const names[] = {
#define X(name, text) #name,
        GS_STATUS_MAP(X)
#undef X
    };
    return names[status];
}

const char *gs_status_text(gs_status status) {
    static const char *const texts[] = {
#define X(name, text) text,
        GS_STATUS_MAP(X)
#undef X
    };
    return texts[status];
}

_Noreturn void gs_assert_failed(const char *condition, const char *file, int line) {
    fprintf(stderr, "%s:%d: a bug in genseg: !(%s)\n", file, line, condition);
    abort();
}

/* Ids, times, digests, cursors, and what a text may hold. Knows no SQL. */
#include "store/store_internal.h"

#include <nettle/sha2.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static void write_hex(const uint8_t *bytes, size_t count, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < count; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * count] = 0;
}

void gs_sha256_hex(const void *bytes, size_t size, char out[GS_SHA256_SIZE]) {
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, size, bytes);
    sha256_digest(&context, sizeof digest, digest);
    write_hex(digest, sizeof digest, out);
}

static void format_time(struct timespec time, char out[GS_TIME_SIZE]) {
    struct tm parts;
    gmtime_r(&time.tv_sec, &parts);
    char milliseconds[8], format[] = "%Y-%m-%dT%H:%M:%S.___Z";
    snprintf(milliseconds, sizeof milliseconds, "%03u", (unsigned)(time.tv_nsec / 1000000) % 1000u);
    memcpy(strchr(format, '_'), milliseconds, 3);
    strftime(out, GS_TIME_SIZE, format, &parts);
}

void gs_time_now(char out[GS_TIME_SIZE]) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    format_time(now, out);
}

void gs_time_before(int hours, char out[GS_TIME_SIZE]) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    time.tv_sec -= (time_t)hours * 3600;
    format_time(time, out);
}

/* `text` at `from`, as "2026-01-31T23:59:59.123Z" has it there. */
static void complete_time(const char *text, size_t from, char out[GS_TIME_SIZE]) {
    snprintf(out, GS_TIME_SIZE, "%.*s%s", (int)from, text, &"....-..-..T00:00:00.000Z"[from]);
}

static bool is_time(const char *text) {
    static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    for (size_t i = 0; i < sizeof form; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == 'd' ? !is_digit : text[i] != form[i]) return false;
    }
    int year = atoi(text), month = atoi(text + 5), day = atoi(text + 8);
    bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month < 1 || month > 12) return false;
    return day >= 1 && day <= days[month - 1] + (month == 2 && is_leap) && atoi(text + 11) < 24 &&
           atoi(text + 14) < 60 && atoi(text + 17) < 60;
}

gs_status gs_time_parse(const char *field, const char *text, char out[GS_TIME_SIZE],
                        gs_error *err) {
    enum { DAY = 10, SECONDS = 19 };
    char time[GS_TIME_SIZE] = "";
    size_t length = strnlen(text, GS_TIME_SIZE);
    if (length == DAY) complete_time(text, DAY, time);
    if (length == SECONDS + 1 && text[SECONDS] == 'Z') complete_time(text, SECONDS, time);
    if (length == GS_TIME_SIZE - 1) complete_time(text, GS_TIME_SIZE - 1, time);
    if (!is_time(time))
        return gs_fail(err, GS_INVALID_ARGUMENT,
                       "%s is '%.40s', expected a day (2026-01-31) or a time in UTC "
                       "(2026-01-31T23:59:59Z)",
                       field, text);
    memcpy(out, time, GS_TIME_SIZE);
    return GS_OK;
}

gs_status gs__id_make(const char *prefix, char out[GS_ID_SIZE], gs_error *err) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567"; /* 5 bits each */
    uint8_t random[16];
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return gs_fail_errno(err, "cannot get random bytes");
    char text[sizeof random + 1] = {0};
    for (size_t i = 0; i < sizeof random; i++) text[i] = letters[random[i] & 31];
    snprintf(out, GS_ID_SIZE, "%s_%s", prefix, text);
    return GS_OK;
}

void gs__text_copy(char *out, const char *text, size_t size) {
    size_t length = text ? strnlen(text, size - 1) : 0;
    if (length) memcpy(out, text, length);
    out[length] = 0;
}

/* The length in bytes of the well-formed UTF-8 character at `text` (RFC 3629: no surrogates,
 * nothing overlong, nothing beyond U+10FFFF); 0 when there is none. */
static size_t utf8_length(const unsigned char *text) {
    unsigned char lead = text[0];
    if (lead < 0x80) return 1;
    size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80) return 0;
    if (lead == 0xe0 && text[1] < 0xa0) return 0;
    if (lead == 0xed && text[1] > 0x9f) return 0;
    if (lead == 0xf0 && text[1] < 0x90) return 0;
    if (lead == 0xf4 && text[1] > 0x8f) return 0;
    return length;
}

gs_status gs__text_check(const char *field, const char *text, size_t size, gs_error *err) {
    if (!text) return GS_OK;
    size_t length = strnlen(text, size);
    if (length >= size)
        return gs_fail(err, GS_INVALID_ARGUMENT, "%s is longer than %zu bytes", field, size - 1);
    for (size_t i = 0; i < length;) {
        const unsigned char *at = (const unsigned char *)text + i;
        size_t step = utf8_length(at);
        if (step == 0)
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s is not UTF-8 at byte %zu", field, i);
        if (*at < 0x20 || *at == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0))
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s has a control character at byte %zu",
                           field, i);
        i += step;
    }
    return GS_OK;
}

gs_status gs__word_check(const char *field, const char *text, const char *const *words,
                         gs_error *err) {
    char list[128] = "";
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) return GS_OK;
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", words[i]);
    }
    return gs_fail(err, GS_INVALID_ARGUMENT, "%s is '%.40s', expected one of: %s", field, text,
                   list);
}

/* A cursor is the list's kind and a position in hexadecimal, scrambled just enough that nobody is
 * tempted to compute one. */
static const uint64_t cursor_mask = 0x9e3779b97f4a7c15u;

void gs__cursor_make(char kind, int64_t seq, char out[GS_CURSOR_SIZE]) {
    snprintf(out, GS_CURSOR_SIZE, "%c%016" PRIx64, kind, (uint64_t)seq ^ cursor_mask);
}

static gs_status parse_cursor(const char *cursor, char kind, int64_t *seq_out, gs_error *err) {
    char again[GS_CURSOR_SIZE] = "";
    if (cursor[0] == kind && strlen(cursor) == 17) {
        int64_t seq = (int64_t)(strtoull(cursor + 1, NULL, 16) ^ cursor_mask);
        gs__cursor_make(kind, seq, again);
        if (seq > 0 && strcmp(cursor, again) == 0) {
            *seq_out = seq;
            return GS_OK;
        }
    }
    return gs_fail(err, GS_INVALID_ARGUMENT, "cursor is not the next_cursor of such a list");
}

gs_status gs__page_parse(const gs_page *page, char kind, int64_t start, size_t *limit_out,
                         int64_t *after_out, gs_error *err) {
    size_t limit = page->limit ? page->limit : GS_PAGE_DEFAULT;
    if (limit > GS_PAGE_MAX)
        return gs_fail(err, GS_INVALID_ARGUMENT, "limit is %zu, expected 1 to %d", limit,
                       GS_PAGE_MAX);
    int64_t after = start;
    if (page->cursor && page->cursor[0]) GS_TRY(parse_cursor(page->cursor, kind, &after, err));
    *limit_out = limit;
    *after_out = after;
    return GS_OK;
}

/* Owns the command line that dataset.json remembers. Must not know what the options mean. */
#include "base/memory.h"
#include "cli/data_internal.h"
#include "engine/data/dataset.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* They say where bytes go and how fast, not what they are. */
static const char *const left_out[] = {"--out", "--preview", "--threads"};

static bool is_left_out(const char *name) {
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strcmp(name, left_out[i]) == 0) return true;
    return false;
}

static bool is_plain(const char *text) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_./:=@%+,-";
    return text[0] && strspn(text, plain) == strlen(text);
}

/* One word for a shell: 'as it is', where a quote is '\''. NULL: out of memory. */
static char *quote(const char *text) {
    if (is_plain(text)) return gs_copy_string(text);
    char *quoted = gs_alloc(4 * strlen(text) + 3, 1), *to = quoted;
    if (!quoted) return NULL;
    *to++ = '\'';
    for (; *text; text++) to = *text == '\'' ? stpcpy(to, "'\\''") : (*to = *text, to + 1);
    strcpy(to, "'");
    return quoted;
}

/* The shortest number that is read as the same. */
static char *format_number(double value) {
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    return gs_copy_string(text);
}

static char *format_value(const gs_option *option) {
    switch (option->kind) {
    case GS_OPTION_TEXT:
        return quote(*(const char **)option->value);
    case GS_OPTION_INT:
        return gs_format("%d", *(int *)option->value);
    case GS_OPTION_UINT64:
        return gs_format("%llu", (unsigned long long)*(uint64_t *)option->value);
    case GS_OPTION_NUMBER:
        return format_number(*(double *)option->value);
    case GS_OPTION_FLAG:
    case GS_OPTION_PRECISION:
        break;
    }
    gs_assert(!"a maker of data has no such option");
    return NULL;
}

static bool is_given(const gs_option *option) {
    return option->kind != GS_OPTION_TEXT || *(const char **)option->value;
}

gs_status gs_cli_data_origin(const char *what, const gs_option *options, size_t count,
                             char **origin_out, gs_error *err) {
    char *line = gs_format("genseg data %s", what);
    for (size_t i = 0; i < count && line; i++) {
        if (is_left_out(options[i].name) || !is_given(&options[i])) continue;
        char *value = format_value(&options[i]);
        char *longer = value ? gs_format("%s %s %s", line, options[i].name, value) : NULL;
        gs_free(value);
        gs_free(line);
        line = longer;
    }
    if (line && strlen(line) >= GS_DATASET_MAX_TEXT) { /* paths may be as long */
        char *sentence =
            gs_format("genseg data %s with options of %zu bytes, which are too many to keep", what,
                      strlen(line));
        gs_free(line);
        line = sentence;
    }
    if (!line) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for the command line");
    *origin_out = line;
    return GS_OK;
}

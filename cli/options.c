#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const char *usage, const gs_option *options, int count) {
    printf("usage: genseg %s\n\n", usage);
    for (int i = 0; i < count; i++) printf("  %-20s %s\n", options[i].name, options[i].help);
}

static bool read_integer(const char *text, long long low, long long high, long long *out) {
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return *text && !*end && errno == 0 && *out >= low && *out <= high;
}

static bool read_value(const gs_option *option, const char *text) {
    long long integer;
    char *end;
    gs_error ignored;
    switch (option->kind) {
    case GS_OPTION_TEXT:
        *(const char **)option->value = text;
        return true;
    case GS_OPTION_INT:
        if (!read_integer(text, INT32_MIN, INT32_MAX, &integer)) return false;
        *(int *)option->value = (int)integer;
        return true;
    case GS_OPTION_UINT64:
        errno = 0;
        *(uint64_t *)option->value = strtoull(text, &end, 10);
        return *text >= '0' && *text <= '9' && !*end && errno == 0;
    case GS_OPTION_NUMBER:
        *(double *)option->value = strtod(text, &end);
        return *text && !*end && isfinite(*(double *)option->value);
    case GS_OPTION_PRECISION:
        return gs_precision_parse(text, option->value, &ignored) == GS_OK;
    case GS_OPTION_FLAG:
        *(bool *)option->value = true;
        return true;
    }
    return false;
}

gs_status gs_options_parse(int argc, char **argv, const char *usage, const gs_option *options,
                           int count, gs_error *err) {
    for (int at = 1; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0) {
            print_help(usage, options, count);
            return gs_fail(err, GS_CANCELLED, "help was asked for");
        }
        const gs_option *option = NULL;
        for (int i = 0; i < count; i++)
            if (strcmp(argv[at], options[i].name) == 0) option = &options[i];
        if (!option)
            return gs_fail(err, GS_INVALID_ARGUMENT, "no option %.60s (see --help)", argv[at]);
        if (option->kind != GS_OPTION_FLAG && ++at == argc)
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s needs a value", option->name);
        if (!read_value(option, argv[at]))
            return gs_fail(err, GS_INVALID_ARGUMENT, "%s: \"%.60s\" is not a valid value",
                           option->name, argv[at]);
    }
    return GS_OK;
}

int gs_cli_exit_status(gs_status status) {
    enum { EXIT_BAD_INPUT = 2 };
    switch (status) {
    case GS_OK:
        return EXIT_SUCCESS;
    case GS_OUT_OF_MEMORY:
    case GS_CANCELLED:
    case GS_BACKEND:
    case GS_DEVICE_LOST:
    case GS_INTERNAL:
        return EXIT_FAILURE;
    case GS_INVALID_ARGUMENT:
    case GS_MALFORMED:
    case GS_UNSUPPORTED:
    case GS_SHAPE_MISMATCH:
    case GS_UNUSABLE:
    case GS_TOO_LARGE:
    case GS_NOT_FOUND:
    case GS_CONFLICT:
    case GS_BUSY:
    case GS_NUMERIC: /* of files: a training that ends so answers for itself */
    case GS_IO:
    case GS_DISK_FULL:
        return EXIT_BAD_INPUT;
    }
    return EXIT_FAILURE;
}

int gs_cli_refuse(const char *command, const gs_error *err) {
    if (err->status == GS_CANCELLED) return 0;
    fprintf(stderr, "genseg %s: %s\n", command, err->text);
    return gs_cli_exit_status(err->status);
}

int gs_cli_fail(const char *command, const gs_error *err) {
    if (err->status == GS_CANCELLED) return 0;
    fprintf(stderr, "genseg %s: %s\n", command, err->text);
    return err->status == GS_INVALID_ARGUMENT ? 2 : 1;
}

void gs_cli_tell_engine(const gs_engine_wish *wish) {
    gs_engine_choice choice;
    if (gs_engine_choose(wish, &choice, NULL) != GS_OK) return; /* opening it says why */
    if (strcmp(choice.backend, "cuda") == 0)
        fprintf(stderr, "genseg: computing in %s on device %d, %s\n",
                gs_precision_name(choice.precision), choice.device, choice.device_name);
    if (wish->precision != GS_PRECISION_AUTO && choice.precision != wish->precision)
        fprintf(stderr, "genseg: computing in %s: %s\n", gs_precision_name(choice.precision),
                choice.remark);
}

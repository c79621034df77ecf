/* `genseg audit`: who wrote what on a server with --auth. Works on the data folder, also while a
 * server runs on it. */
#include "cli/commands.h"

#include "api/audit.h"
#include "base/memory.h"
#include "cli/options.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] = "audit --data DIR [--since TIME] [--name NAME] [--json]\n"
                            "   or: genseg audit --data DIR --prune-before TIME";

typedef struct audit_options {
    const char *folder, *since, *name, *before;
    bool json;
} audit_options;

/* ==== Listing ==== */

static gs_status print_json(const gs_audit_record *entry, gs_error *err) {
    json_t *json = gs_audit_to_json(entry);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!text) return gs_fail(err, GS_OUT_OF_MEMORY, "no memory for an entry");
    puts(text);
    free(text);
    return GS_OK;
}

static void print_line(const gs_audit_record *entry) {
    char status[16] = "-"; /* it is not known */
    if (entry->status) snprintf(status, sizeof status, "%d", entry->status);
    printf("%-24s  %-6s  %-6s  %-15s  %-20s  %-16s  %s  %s\n", entry->at, status, entry->method,
           entry->address, entry->token, entry->request, entry->name, entry->path);
}

static gs_status print_entries(const audit_options *options, const gs_audit_list *list,
                               gs_error *err) {
    for (size_t i = 0; i < list->count; i++) {
        if (options->json)
            GS_TRY(print_json(&list->items[i], err));
        else
            print_line(&list->items[i]);
    }
    return GS_OK;
}

static gs_status list_entries(gs_store *store, const audit_options *options, gs_error *err) {
    char since[GS_TIME_SIZE], cursor[GS_CURSOR_SIZE] = "";
    gs_status status = GS_OK;
    if (options->since) GS_TRY(gs_time_parse("--since", options->since, since, err));
    const gs_audit_filter filter = {.name = options->name, .since = options->since ? since : NULL};
    if (!options->json)
        printf("%-24s  %-6s  %-6s  %-15s  %-20s  %-16s  %s\n", "at", "status", "method", "address",
               "token", "request", "name and path");
    do {
        const gs_page page = {.limit = GS_PAGE_MAX, .cursor = cursor};
        gs_audit_list list;
        GS_TRY(gs_store_audit_list(store, &filter, &page, &list, err));
        status = print_entries(options, &list, err);
        memcpy(cursor, list.next_cursor, sizeof cursor);
        gs_free(list.items);
    } while (!status && cursor[0]);
    if (!status && fflush(stdout) != 0) status = gs_fail_errno(err, "cannot write the list");
    return status;
}

/* ==== Pruning ==== */

static gs_status prune_entries(gs_store *store, const char *before, gs_error *err) {
    const struct timespec pause = {.tv_nsec = GS_AUDIT_PRUNE_PAUSE_MS * 1000000};
    size_t count = GS_AUDIT_PRUNE_MAX, total = 0;
    while (count == GS_AUDIT_PRUNE_MAX) {
        GS_TRY(gs_store_audit_prune(store, before, &count, err));
        total += count;
        nanosleep(&pause, NULL);
    }
    printf("forgot %zu entries from before %s\n", total, before);
    return GS_OK;
}

/* A folder that has no database is nothing to prune, and must not become one. */
static gs_status prune(const audit_options *options, gs_error *err) {
    gs_store *store;
    char before[GS_TIME_SIZE];
    GS_TRY(gs_time_parse("--prune-before", options->before, before, err));
    GS_TRY(gs_store_open_to_read(options->folder, &store, err));
    gs_store_close(store);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, as a full disk is */
    GS_TRY(gs_store_open_beside(options->folder, &store, err));
    gs_status status = prune_entries(store, before, err);
    gs_store_close(store);
    return status;
}

static gs_status run(const audit_options *options, gs_error *err) {
    gs_store *store;
    if (!options->folder)
        return gs_fail(err, GS_INVALID_ARGUMENT, "--data is required (see --help)");
    if (options->before && (options->since || options->name || options->json))
        return gs_fail(err, GS_INVALID_ARGUMENT, "--prune-before lists nothing: it stands alone");
    if (options->before) return prune(options, err);
    GS_TRY(gs_store_open_to_read(options->folder, &store, err));
    gs_status status = list_entries(store, options, err);
    gs_store_close(store);
    return status;
}

int gs_cli_audit(int argc, char **argv) {
    audit_options given = {0};
    const gs_option options[] = {
        {"--data", GS_OPTION_TEXT, &given.folder, "the folder of `genseg serve`; required"},
        {"--since", GS_OPTION_TEXT, &given.since, "a day (2026-01-31) or a time in UTC"},
        {"--name", GS_OPTION_TEXT, &given.name, "of one token's holder only"},
        {"--json", GS_OPTION_FLAG, &given.json, "an object a line, as GET /v1/audit has them"},
        {"--prune-before", GS_OPTION_TEXT, &given.before,
         "forget what is older than this day or time"},
    };
    gs_error err;
    gs_status status =
        gs_options_parse(argc, argv, usage, options, sizeof options / sizeof *options, &err);
    if (!status) status = run(&given, &err);
    return status ? gs_cli_fail("audit", &err) : 0;
}

/* `genseg token`: who may use a server with --auth. Works on the data folder, also while a server
 * runs on it: what is revoked is refused from the next request on. */
#include "cli/commands.h"

#include "base/memory.h"
#include "cli/options.h"
#include "store/token.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char data_help[] = "the folder of `genseg serve`; required";

static gs_status open_store(const char *folder, gs_store **out, gs_error *err) {
    if (!folder) return gs_fail(err, GS_INVALID_ARGUMENT, "--data is required (see --help)");
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of the write, as a full disk is */
    return gs_store_open_beside(folder, out, err);
}

static gs_status create_token(int argc, char **argv, gs_error *err) {
    const char *folder = NULL, *name = NULL, *scopes = "read";
    int days = 0;
    const gs_option options[] = {
        {"--data", GS_OPTION_TEXT, &folder, data_help},
        {"--name", GS_OPTION_TEXT, &name, "of the person or program; the author of what they make"},
        {"--scopes", GS_OPTION_TEXT, &scopes, "some of read,annotate,train,admin (default read)"},
        {"--days", GS_OPTION_INT, &days, "how long it is valid (default 0: until it is revoked)"},
    };
    GS_TRY(gs_options_parse(argc, argv, "token create --data DIR --name NAME [options]", options,
                            sizeof options / sizeof *options, err));
    if (!name) return gs_fail(err, GS_INVALID_ARGUMENT, "--name is required (see --help)");
    unsigned bits = 0;
    gs_store *store;
    gs_token_record record;
    char token[GS_TOKEN_SIZE];
    GS_TRY(gs_scopes_parse(scopes, &bits, err));
    GS_TRY(open_store(folder, &store, err));
    gs_status status = gs_store_token_create(store, name, bits, days, &record, token, err);
    gs_store_close(store);
    if (status) return status;
    fprintf(stderr, "%s for '%s' (%s), %s%s. It is shown this once:\n", record.id, record.name,
            scopes, record.expires_at[0] ? "until " : "without an end", record.expires_at);
    printf("%s\n", token);
    return GS_OK;
}

static const char *state_text(const gs_token_record *token) {
    switch (gs_token_get_state(token)) {
    case GS_TOKEN_EXPIRED:
        return "expired";
    case GS_TOKEN_REVOKED:
        return "revoked";
    case GS_TOKEN_VALID:
    case GS_TOKEN_UNKNOWN:
        break;
    }
    return "valid";
}

static gs_status list_tokens(int argc, char **argv, gs_error *err) {
    const char *folder = NULL;
    const gs_option options[] = {{"--data", GS_OPTION_TEXT, &folder, data_help}};
    GS_TRY(gs_options_parse(argc, argv, "token list --data DIR", options, 1, err));
    gs_store *store;
    gs_token_list tokens;
    GS_TRY(open_store(folder, &store, err));
    gs_status status = gs_store_token_list(store, &tokens, err);
    gs_store_close(store);
    if (status) return status;
    printf("%-20s  %-8s  %-25s  %-24s  %-24s  %s\n", "id", "state", "scopes", "created", "expires",
           "name");
    for (size_t i = 0; i < tokens.count; i++) {
        const gs_token_record *token = &tokens.items[i];
        char scopes[GS_SCOPES_SIZE];
        gs_scopes_format(token->scopes, scopes);
        printf("%-20s  %-8s  %-25s  %-24s  %-24s  %s\n", token->id, state_text(token), scopes,
               token->created_at, token->expires_at[0] ? token->expires_at : "never", token->name);
    }
    gs_free(tokens.items);
    return GS_OK;
}

static gs_status revoke_token(int argc, char **argv, gs_error *err) {
    const char *folder = NULL;
    const gs_option options[] = {{"--data", GS_OPTION_TEXT, &folder, data_help}};
    bool has_token = argc > 1 && argv[1][0] != '-';
    const char *token = has_token ? argv[1] : NULL;
    GS_TRY(gs_options_parse(argc - has_token, argv + has_token,
                            "token revoke ID-OR-NAME --data DIR", options, 1, err));
    if (!token)
        return gs_fail(err, GS_INVALID_ARGUMENT, "it takes a token's id or name (see --help)");
    gs_store *store;
    gs_token_record record;
    GS_TRY(open_store(folder, &store, err));
    gs_status status = gs_store_token_revoke(store, token, &record, err);
    gs_store_close(store);
    if (status) return status;
    printf("%s of '%s' is revoked\n", record.id, record.name);
    return GS_OK;
}

int gs_cli_token(int argc, char **argv) {
    static const struct {
        const char *name;
        gs_status (*run)(int argc, char **argv, gs_error *err);
    } actions[] = {{"create", create_token}, {"list", list_tokens}, {"revoke", revoke_token}};
    for (size_t i = 0; argc > 1 && i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(argv[1], actions[i].name) != 0) continue;
        gs_error err;
        gs_status status = actions[i].run(argc - 1, argv + 1, &err);
        return status == GS_OK ? EXIT_SUCCESS : gs_cli_fail("token", &err);
    }
    bool asked = argc > 1 && strcmp(argv[1], "--help") == 0;
    fputs("usage: genseg token create|list|revoke [options]   (create --help lists them)\n",
          asked ? stdout : stderr);
    return asked ? EXIT_SUCCESS : 2;
}

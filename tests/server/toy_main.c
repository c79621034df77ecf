/* `genseg serve` with the toy engine instead of the real one; what the HTTP tests run against when
 * they are about HTTP and not about models. */
#include <stdio.h>
#include <string.h>

#include "cli/serve.h"

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "serve") == 0) return gs_cli_serve(argc - 1, argv + 1);
    fprintf(stderr, "usage: genseg_toy serve --data DIR --trainer PROGRAM [options]\n");
    return 2;
}

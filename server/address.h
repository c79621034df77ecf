/* Where the server listens, and who may talk to it. */
#ifndef GS_SERVER_ADDRESS_H
#define GS_SERVER_ADDRESS_H

#include "base/status.h"

#include <stdbool.h>

/* Who may reach the address: only this machine, or anybody. */
typedef enum gs_reach { GS_REACH_LOOPBACK, GS_REACH_ANY } gs_reach;

typedef struct gs_address_wish {
    const char *text; /* "127.0.0.1:8080", "[::1]:8080", "localhost:8080" or ":8080" */
    gs_reach reach;
    const char *scheme; /* of the URL: "http" */
} gs_address_wish;

/* Opens a listening socket; port 0 lets the system choose. For GS_REACH_LOOPBACK every address the
 * host resolves to must be loopback, else UNUSABLE. *url_out gets "http://127.0.0.1:8080". Caller
 * closes *socket_out. */
enum { GS_URL_SIZE = 96 };
GS_MUST_CHECK gs_status gs_address_listen(const gs_address_wish *wish, int *socket_out,
                                          char url_out[GS_URL_SIZE], gs_error *err);

/* Whether a Host header ("localhost:8080", "127.0.0.1", "[::1]:80") names this machine's loopback.
 * A page that rebinds its own name to 127.0.0.1 sends another one. */
bool gs_host_is_loopback(const char *host);

/* Whether an Origin header ("http://localhost:8080") is the same place as the Host header. `scheme`
 * is "http://" or "https://". */
bool gs_origin_is_host(const char *origin, const char *scheme, const char *host);

#endif

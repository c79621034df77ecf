/* The certificate and key of --tls-cert and --tls-key: read and looked at before anything starts.
 */
#ifndef GS_SERVER_TLS_H
#define GS_SERVER_TLS_H

#include "base/status.h"

typedef struct gs_tls {
    char *
        certificate; /* PEM: the server's, then those between it and a root; owned; NULL = no TLS */
    char *key;       /* PEM; owned */
} gs_tls;

/* Reads both files. Neither path: no TLS. INVALID_ARGUMENT when one is missing, is not PEM, has
 * expired, or the key is another certificate's; NOT_FOUND and IO from reading. Caller deinits. */
GS_MUST_CHECK gs_status gs_tls_read(const char *certificate_path, const char *key_path, gs_tls *out,
                                    gs_error *err);
/* Overwrites the key. */
void gs_tls_deinit(gs_tls *tls);

#endif
